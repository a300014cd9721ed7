# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load a model folder: signature and hash first, then the graph, then the contract of its task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.inference.card import (
    ModelCard,
    TaskName,
    Variant,
    VariantName,
    parse_card,
    read_card,
)
from rs_onboard.inference.contract import CONTRACTS, check_class_count, check_contract
from rs_onboard.inference.engines import Purpose
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.graph_check import check_graph
from rs_onboard.inference.graph_file import read_graph
from rs_onboard.inference.runtime import OnnxRuntime, Runtime, runtime_version
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.inference.signature import check_signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rs_onboard.inference.engines import Progress
    from rs_onboard.inference.signature import TrustedKeys

# No onboard network of ours is near this; a larger file is the wrong one.
MAX_MODEL_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class VerifiedGraph:
    """A graph of which everything was checked that can be checked without running it.

    Attributes:
        card: Its card.
        variant: The variant.
        data: The bytes that were checked, to be given to the runtime.
        signed_by: Fingerprint of the trusted key that signed the card; empty where none was asked.
    """

    card: ModelCard
    variant: Variant
    data: bytes
    signed_by: str

    @property
    def file(self) -> str:
        """Path of the file, for messages."""
        return str(self.card.folder / self.variant.file)


@dataclass(frozen=True)
class Model:
    """A verified model, ready to run.

    Attributes:
        card: Its card.
        variant: The variant that was loaded.
        runtime: Runs it.
        signed_by: Fingerprint of the trusted key that signed the card; empty where none was asked.
    """

    card: ModelCard
    variant: Variant
    runtime: Runtime
    signed_by: str = ''


def load_model(
    folder: Path,
    *,
    task: TaskName,
    variant: VariantName = 'fp32',
    settings: RuntimeSettings | None = None,
    batch: int = 1,
    trusted: TrustedKeys | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load and verify one variant of a model folder.

    Args:
        folder: The model folder.
        task: The task the model must be for.
        variant: The variant wanted.
        settings: How to run it.
        batch: Tiles of one call, for providers that build for a shape.
        trusted: Keys one of which must have signed the folder; None asks for no signature.
        progress: Told what takes long.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: The model is for another task, lacks the variant, or its file is not the one
            on the card or not of its task; `SignatureError` where the signature is at fault.
        ProviderError: The provider cannot be had under the policy.
    """
    graph = load_graph(folder, task=task, variant=variant, trusted=trusted)
    runtime = OnnxRuntime(
        graph.data,
        settings or RuntimeSettings(),
        what=graph.file,
        purpose=purpose(graph, batch),
        progress=progress,
    )
    check_contract(graph.card, graph.file, runtime.inputs, runtime.outputs)
    return Model(graph.card, graph.variant, runtime, graph.signed_by)


def load_graph(
    folder: Path,
    *,
    task: TaskName | None = None,
    variant: VariantName = 'fp32',
    trusted: TrustedKeys | None = None,
) -> VerifiedGraph:
    """Read one variant of a model folder and check all that needs no runtime.

    Args:
        folder: The model folder.
        task: The task the model must be for; None takes that of the card.
        variant: The variant wanted.
        trusted: Keys one of which must have signed the folder; None asks for no signature.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: As in `load_model`.
    """
    content = read_card(folder)
    signed_by = '' if trusted is None else check_signature(folder, content, trusted)
    card = parse_card(folder, content)
    if task is not None and card.task != task:
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
    what = str(folder / chosen.file)
    data = read_verified(folder / chosen.file, chosen)
    graph = read_graph(data, what=what)
    check_graph(graph, what=what, runtime_version=runtime_version())
    check_contract(card, what, graph.inputs, graph.outputs)
    check_class_count(card, what, graph)
    return VerifiedGraph(card, chosen, data, signed_by)


def purpose(graph: VerifiedGraph, batch: int) -> Purpose:
    """Describe what a graph will be run on, for providers that build for a shape.

    Args:
        graph: The graph.
        batch: Tiles of one call.
    """
    spec = graph.card.input
    shape = (batch, spec.height, spec.width, len(spec.bands))
    names = [name for name, _, _ in CONTRACTS[graph.card.task][0]]
    shapes: Mapping[str, tuple[int, ...]] = dict.fromkeys(names, shape)
    return Purpose(graph.variant.sha256, graph.variant.name, shapes)


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
