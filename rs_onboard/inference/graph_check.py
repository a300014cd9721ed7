# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Refuse graphs that this machine cannot run, that may never end, or that ask for endless memory.

What is caught: operators outside ONNX, versions the runtime does not know, loops, random numbers,
and operators that blow up their input by a constant (`Expand` to 10**6 x 10**6). What is not:
sizes that the graph computes from its input while it runs. Flight code runs models under a memory
limit of the service for that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.inference.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.graph_file import GraphFile, Node

# From 13 on, quantisation has an axis and reductions take theirs as input.
MIN_OPSET = 13
# The format of opset 13; in older ones every initialiser may be an input too.
MIN_IR_VERSION = 7


class Support(NamedTuple):
    """What ONNX Runtime from a version on runs: seen with wheels, 1.17 from its release notes."""

    runtime: tuple[int, int]
    opset: int
    ir_version: int


SUPPORT = (
    Support((1, 16), 19, 9),
    Support((1, 17), 20, 9),
    Support((1, 18), 21, 10),
    Support((1, 21), 22, 10),
    Support((1, 23), 23, 11),
)

# Repetition may never end; random numbers make a replay differ from the flight.
REFUSED = {
    'Loop': 'repeats for as long as the graph likes',
    'Scan': 'repeats for as long as the graph likes',
    'SequenceMap': 'repeats for as long as the graph likes',
    'RandomNormal': 'gives another result each time',
    'RandomNormalLike': 'gives another result each time',
    'RandomUniform': 'gives another result each time',
    'RandomUniformLike': 'gives another result each time',
    'Multinomial': 'gives another result each time',
    'Bernoulli': 'gives another result each time',
}

# Operators whose result is as large as a constant says: the position of that input. The product of
# its numbers is the number of elements, or the factor by which the input grows.
SIZED_BY = {'ConstantOfShape': 0, 'Expand': 1, 'Tile': 1, 'Resize': 3}
SCALED_BY = {'Resize': 2, 'Upsample': 1}
# Operators that add as many rows as the largest number of that input.
COUNTED_BY = {'Pad': 1, 'OneHot': 1}

# 1 GiB of float; the largest layer of our networks at 4K has a tenth of it.
MAX_ELEMENTS = 2**28
MAX_SCALE = 4096
MAX_COUNT = 65_536


def check_graph(graph: GraphFile, *, what: str, runtime_version: str) -> None:
    """Refuse a graph that should not be given to the runtime.

    Args:
        graph: What the file holds.
        what: The file, for messages.
        runtime_version: Version of ONNX Runtime, as it gives it.

    Raises:
        ModelError: Says what was found, what is allowed and what to do.
    """
    _check_domains(graph, what)
    _check_versions(graph, what, runtime_version)
    constants = _constants(graph)
    for node in graph.nodes:
        if node.operator in REFUSED:
            raise ModelError(
                f'{what}: found operator {node.operator}, which {REFUSED[node.operator]}; expected '
                'a graph that ends and repeats its result. Export it with rs_onboard.'
            )
        if (grown := _growth(node, constants)) is not None:
            raise ModelError(
                f'{what}: found {node.operator} {(node.outputs or ("",))[0]!r} {grown}. '
                'The file is made to exhaust memory, or of another purpose: export it again.'
            )


def _check_domains(graph: GraphFile, what: str) -> None:
    foreign = {domain for domain in graph.opsets if domain} | set(graph.domains)
    if foreign:
        used = ', '.join(
            f'{domain!r} (operator {graph.domains[domain]})' if domain in graph.domains
            else f'{domain!r} (imported)'
            for domain in sorted(foreign)
        )  # fmt: skip
        raise ModelError(
            f'{what}: found operator sets {used}; expected ONNX operators alone, which run on '
            'every target. Export it with rs_onboard, which writes no others.'
        )


def _check_versions(graph: GraphFile, what: str, runtime_version: str) -> None:
    known = support(runtime_version)
    for kind, found, low, high in (
        ('opset', graph.opsets.get('', 0), MIN_OPSET, known.opset),
        ('IR version', graph.ir_version, MIN_IR_VERSION, known.ir_version),
    ):
        if found < low or found > high:
            raise ModelError(
                f'{what}: found {kind} {found}; ONNX Runtime {runtime_version} takes {low} to '
                f'{high} here. Export it again with rs_onboard, or install another ONNX Runtime.'
            )


def support(runtime_version: str) -> Support:
    """Return what a version of ONNX Runtime runs.

    For one newer than any known, a release brings one version more at most; within that it judges
    for itself.
    """
    digits = [*runtime_version.split('.'), '0'][:2]
    version = (int(digits[0]), int(digits[1]))
    known = next((row for row in reversed(SUPPORT) if row.runtime <= version), SUPPORT[0])
    later = max(0, version[1] - SUPPORT[-1].runtime[1])
    return Support(version, known.opset + later, known.ir_version + later)


def _constants(graph: GraphFile) -> dict[str, tuple[float, ...]]:
    """List the small constants of a graph by name, wherever they are written."""
    found = {name: tensor.values or () for name, tensor in graph.constants.items()}
    for node in graph.nodes:
        if node.operator == 'Constant' and node.outputs:
            values = [tensor.values or () for tensor in node.constants.values()]
            found[node.outputs[0]] = next(iter([*values, *node.numbers.values()]), ())
    return found


def _growth(node: Node, constants: Mapping[str, tuple[float, ...]]) -> str | None:
    """Say how a node exceeds the limits by its constants, None where it does not."""

    def numbers(position: int) -> tuple[float, ...]:
        name = node.inputs[position] if position < len(node.inputs) else ''
        return constants.get(name, ())

    if node.operator in SIZED_BY:
        elements = math.prod(numbers(SIZED_BY[node.operator]))
        if not elements <= MAX_ELEMENTS:
            return f'of {elements:.3g} elements; expected at most {MAX_ELEMENTS}'
    if node.operator in SCALED_BY:
        scale = math.prod(numbers(SCALED_BY[node.operator]))
        if not scale <= MAX_SCALE:
            return f'that scales by {scale:.3g}; expected at most {MAX_SCALE}'
    if node.operator in COUNTED_BY:
        most = max(numbers(COUNTED_BY[node.operator]), default=0)
        if not most <= MAX_COUNT:
            return f'that adds {most:.0f} rows; expected at most {MAX_COUNT}'
    if node.operator == 'Range':
        bounds = [number for position in range(3) for number in numbers(position)]
        if len(bounds) == 3 and not abs(bounds[1] - bounds[0]) <= MAX_ELEMENTS * abs(bounds[2]):
            start, stop, step = bounds
            return f'from {start:g} to {stop:g} by {step:g}; expected at most {MAX_ELEMENTS} steps'
    return None
