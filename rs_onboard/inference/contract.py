# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The contract of every task: its inputs, its outputs, the number of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.inference.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.inference.graph_file import GraphFile, Node
    from rs_onboard.inference.runtime_settings import TensorInfo

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

# Numbers in a row of an output, where the task fixes them.
WIDTHS = {'boxes': 5}

# Operators that leave the number of channels as it is, on the way from a mask back to the
# convolution that made it.
PASSES_CHANNELS = frozenset(
    {'ArgMax', 'Cast', 'Clip', 'Identity', 'Relu', 'Resize', 'Softmax'}
    | {'DequantizeLinear', 'QuantizeLinear'}
)
# Operators behind weights that are stored in less room than float32.
WIDENS = frozenset({'Cast', 'DequantizeLinear'})


def check_contract(
    card: ModelCard, where: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Refuse a graph whose inputs and outputs are not those of its task and card.

    Args:
        card: The card.
        where: The file, for messages.
        inputs: Inputs of the graph.
        outputs: Outputs of the graph.

    Raises:
        ModelError: Names the tensor, what was found and what was expected.
    """
    for kind, wanted, found in zip(
        ('input', 'output'), CONTRACTS[card.task], (inputs, outputs), strict=True
    ):
        have = {info.name: info for info in found}
        if len(have) != len(found) or set(have) != {name for name, _, _ in wanted}:
            raise ModelError(
                f'{where}: found {kind}s {sorted(info.name for info in found)}; a {card.task} '
                f'model has {sorted(name for name, _, _ in wanted)}. Export it with rs_onboard.'
            )
        for name, dtype, rank in wanted:
            info = have[name]
            width = WIDTHS.get(name)
            if (
                info.dtype != dtype
                or len(info.shape) != rank
                or (width is not None and info.shape[-1] != width)
            ):
                tail = f' with {width} numbers in a row' if width is not None else ''
                raise ModelError(
                    f'{where}: {kind} {name!r} is {info.dtype} of shape {list(info.shape)}; '
                    f'expected {dtype} of rank {rank}{tail}. Export it with rs_onboard.'
                )
    for info in inputs:
        _check_input(card, info, where)
    if card.task == 'scene' and outputs[0].shape[-1] != len(card.classes):
        raise _other_classes(card, where, outputs[0].shape[-1])


def check_class_count(card: ModelCard, where: str, graph: GraphFile) -> None:
    """Refuse a mask graph whose last convolution makes another number of classes.

    Where the way from `labels` back to a convolution holds anything unusual, nothing is said here:
    the segmentation task checks the ids it gets.

    Raises:
        ModelError: The number is seen and is not that of the card.
    """
    if card.task != 'segmentation':
        return
    makers = {name: node for node in graph.nodes for name in node.outputs}
    node = makers.get('labels')
    while node is not None and node.operator in PASSES_CHANNELS and node.inputs:
        # A taken maker is removed, so that a ring of nodes ends the walk.
        node = makers.pop(node.inputs[0], None)
    if node is None or node.operator != 'Conv':
        return
    channels = _kernels(graph, makers, node)
    if channels is not None and channels != len(card.classes):
        raise _other_classes(card, where, channels)


def _kernels(graph: GraphFile, makers: Mapping[str, Node], node: Node) -> int | None:
    name = node.inputs[1] if len(node.inputs) > 1 else ''
    maker = makers.get(name)
    if maker is not None and maker.operator in WIDENS and maker.inputs:
        name = maker.inputs[0]
    weight = graph.constants.get(name)
    return weight.shape[0] if weight is not None and weight.shape else None


def _other_classes(card: ModelCard, where: str, found: object) -> ModelError:
    return ModelError(
        f'{where}: output has {found} classes; the card names {len(card.classes)}. '
        'Mend the card or export again.'
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
