# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load a model folder: hash first, then the graph, then the contract of its task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.inference.card import ModelCard, TaskName, Variant, VariantName, load_card
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.external_data import refuse_external_data
from rs_onboard.inference.runtime import OnnxRuntime, Runtime, RuntimeSettings, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# No onboard network of ours is near this; a larger file is the wrong one.
MAX_MODEL_BYTES = 512 * 1024 * 1024

# (name, element type, rank) of the inputs and outputs of each task.
CONTRACTS: Mapping[TaskName, tuple[tuple[tuple[str, str, int], ...], ...]] = {
    'scene': ((('tiles', 'uint8', 4),), (('probabilities', 'float', 2),)),
    'segmentation': (
        (('tiles', 'uint8', 4),),
        (('labels', 'uint8', 3), ('confidence', 'uint8', 3)),
    ),
    'change': (
        (('before', 'uint8', 4), ('after', 'uint8', 4)),
        (('probability', 'uint8', 3),),
    ),
    'detection': (
        (('tiles', 'uint8', 4),),
        (
            ('boxes', 'float', 2),
            ('scores', 'float', 1),
            ('classes', 'int64', 1),
            ('tile', 'int64', 1),
        ),
    ),
}


@dataclass(frozen=True)
class Model:
    """A verified model, ready to run.

    Attributes:
        card: Its card.
        variant: The variant that was loaded.
        runtime: Runs it.
    """

    card: ModelCard
    variant: Variant
    runtime: Runtime


def load_model(
    folder: Path,
    *,
    task: TaskName,
    variant: VariantName = 'fp32',
    settings: RuntimeSettings | None = None,
) -> Model:
    """Load and verify one variant of a model folder.

    Args:
        folder: The model folder.
        task: The task the model must be for.
        variant: The variant wanted.
        settings: How to run it.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: The model is for another task, lacks the variant, or its file is not the one
            on the card or not of its task.
        ProviderError: The provider cannot be had under the policy.
    """
    card = load_card(folder)
    if card.task != task:
        raise ModelError(
            f'{folder}: found a model for {card.task}; expected one for {task}. '
            'Check which task the model is given to.'
        )
    if variant not in card.variants:
        raise ModelError(
            f'{folder}: no variant {variant!r}; the card has {", ".join(card.variants)}. '
            'Choose one of these.'
        )
    chosen = card.variants[variant]
    graph = read_verified(folder / chosen.file, chosen)
    refuse_external_data(graph, what=str(folder / chosen.file))
    runtime = OnnxRuntime(graph, settings or RuntimeSettings(), what=str(folder / chosen.file))
    check_contract(card, chosen, runtime)
    return Model(card, chosen, runtime)


def read_verified(path: Path, variant: Variant) -> bytes:
    """Read a model file once and check it against the card.

    Raises:
        ModelError: The file is missing, of another size or of another hash.
    """
    if not path.is_file():
        raise ModelError(
            f'{path}: no such file, but the card names it. Copy the whole model folder.'
        )
    size = path.stat().st_size
    if size != variant.size or size > MAX_MODEL_BYTES:
        raise ModelError(
            f'{path}: found {size} bytes; the card says {variant.size}, and at most '
            f'{MAX_MODEL_BYTES} are read. The copy is incomplete or another file: '
            'copy the model folder again.'
        )
    graph = path.read_bytes()
    digest = hashlib.sha256(graph).hexdigest()
    if digest != variant.sha256:
        raise ModelError(
            f'{path}: found sha256 {digest}; the card says {variant.sha256}. The file was changed '
            'after it was measured: copy the model folder again, or make a new card for it.'
        )
    return graph


def check_contract(card: ModelCard, variant: Variant, runtime: Runtime) -> None:
    """Refuse a graph whose inputs and outputs are not those of its task.

    Raises:
        ModelError: Names the tensor, what was found and what was expected.
    """
    where = f'{card.folder / variant.file}'
    for kind, wanted, found in zip(
        ('input', 'output'), CONTRACTS[card.task], (runtime.inputs, runtime.outputs), strict=True
    ):
        have = {info.name: info for info in found}
        if set(have) != {name for name, _, _ in wanted}:
            raise ModelError(
                f'{where}: found {kind}s {sorted(have)}; a {card.task} model has '
                f'{sorted(name for name, _, _ in wanted)}. Export it with rs_onboard.'
            )
        for name, dtype, rank in wanted:
            info = have[name]
            if info.dtype != dtype or len(info.shape) != rank:
                raise ModelError(
                    f'{where}: {kind} {name!r} is {info.dtype} of shape {list(info.shape)}; '
                    f'expected {dtype} of rank {rank}. Export it with rs_onboard.'
                )
    for info in runtime.inputs:
        _check_input(card, info, where)
    if card.task == 'scene' and runtime.outputs[0].shape[-1] != len(card.classes):
        raise ModelError(
            f'{where}: output has {runtime.outputs[0].shape[-1]} classes; the card names '
            f'{len(card.classes)}. Mend the card or export again.'
        )


def _check_input(card: ModelCard, info: TensorInfo, where: str) -> None:
    """Refuse a graph that cannot take the tiles its card asks for."""
    batch, height, width, bands = info.shape
    if bands != len(card.input.bands):
        raise ModelError(
            f'{where}: input {info.name!r} has shape {list(info.shape)}; the card names '
            f'{len(card.input.bands)} bands, which come last. Mend the card or export again.'
        )
    if isinstance(batch, int):
        raise ModelError(
            f'{where}: input {info.name!r} has shape {list(info.shape)}; expected any number of '
            'tiles as its first dimension. Export it with rs_onboard.'
        )
    for found, wanted in ((height, card.input.height), (width, card.input.width)):
        if isinstance(found, int) and (card.input.dynamic or found != wanted):
            size = 'any size' if card.input.dynamic else f'{card.input.height}x{card.input.width}'
            raise ModelError(
                f'{where}: input {info.name!r} has shape {list(info.shape)}; the card says '
                f'{size} px. Mend the card or export again.'
            )
