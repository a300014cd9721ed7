# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses what is quantised: first by measured time, then by measured agreement."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export import session
from rs_onboard.zoo.quantise.insert import insert
from rs_onboard.zoo.quantise.kinds import HEAVY, KINDS, Candidate, without_islands

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from rs_onboard.zoo.quantise.agreement import Feed, Reference
    from rs_onboard.zoo.quantise.ranges import Span

# A trial replaces what it is compared with if it takes at most this share of its time, twice: above
# lies what two timings of one graph differ by on a busy machine.
FASTER = 0.97
# Calls of each graph in one comparison: at least, at most, and the time after which it ends [s].
CALLS = (5, 25)
SECONDS = 1.0
REGIONS = 6
# Parts, nodes of the worst parts, and steps of the search for what costs quality.
PARTS = 8
WORST_PARTS = 2
NODES = 16
STEPS = (1, 2, 4, 8, 16)


@dataclass
class Choice:
    """Nodes to quantise within a canonical graph, and what was found out on the way.

    Attributes:
        model: Canonical float graph.
        found: Its candidates.
        ranges: Range of every tensor around them.
        chosen: Names of the nodes to quantise.
        slower: Kinds and regions left in float because that is faster.
        hurt: Heavy nodes left in float because they cost quality.
    """

    model: onnx.ModelProto
    found: Mapping[str, Candidate]
    ranges: Mapping[str, Span]
    chosen: frozenset[str]
    slower: list[str] = field(default_factory=list)
    hurt: list[str] = field(default_factory=list)

    def build(self, chosen: frozenset[str] | None = None) -> onnx.ModelProto:
        """Write the graph with the chosen nodes, or with others, in int8."""
        return insert(self.model, self.found, chosen or self.chosen, self.ranges)

    def without(self, names: Iterable[str]) -> frozenset[str]:
        """Leave out some nodes and what would only convert to int8 and back then."""
        return without_islands(self.found, self.chosen.difference(names))

    def heavy(self) -> list[str]:
        """Name the chosen convolutions and products in the order of the graph."""
        return [n for n, item in self.found.items() if n in self.chosen and item.kind in HEAVY]


def leave_slow_in_float(choice: Choice, feed: Feed) -> None:
    """Leave in float, one after the other, the kinds and then the regions that are faster so.

    At most one trial a kind and one a region.
    """
    trials = [
        (f'all of kind {kind}', [n for n, item in choice.found.items() if item.kind == kind])
        for kind in KINDS
    ]
    for name, nodes in trials:
        keep_if_faster(choice, name, nodes, feed)
    heavy = choice.heavy()
    for index, part in enumerate(split(heavy, REGIONS)):
        keep_if_faster(choice, f'region {index + 1} of {REGIONS}', part, feed)


def keep_if_faster(choice: Choice, name: str, nodes: Sequence[str], feed: Feed) -> None:
    """Leave nodes in float if the graph is faster so."""
    trial = choice.without(nodes)
    if trial == choice.chosen or not trial:
        return
    graphs = [choice.build(), choice.build(trial)]
    for _ in range(2):
        now, then = times(graphs, feed)
        if then > FASTER * now:
            return
    choice.chosen = trial
    choice.slower.append(name)


def leave_hurtful_in_float(choice: Choice, reference: Reference, target: float) -> float:
    """Leave in float the nodes that cost most agreement, as few as reach the target.

    The effect of each of 8 parts of the graph is measured on the final outputs with that part alone
    in float; then that of each node of the two worst parts, at most 16; the worst are left in float
    together, as many as it takes. About 30 graphs at most are run.

    Returns:
        The agreement reached.
    """
    best = reference.agreement(choice.build())
    if best >= target:
        return best

    def gain(names: Sequence[str]) -> float:
        trial = choice.without(names)
        return reference.agreement(choice.build(trial)) - best if trial else 0.0

    parts = split(choice.heavy(), PARTS)
    gains = {index: gain(part) for index, part in enumerate(parts)}
    worst = sorted(gains, key=lambda index: -gains[index])[:WORST_PARTS]
    nodes = [name for index in worst for name in parts[index]][:NODES]
    effect = {name: gain([name]) for name in nodes}
    ranked = sorted(nodes, key=lambda name: -effect[name])
    tried = [ranked[:count] for count in STEPS if count <= len(ranked)]
    tried += [
        [name for index in worst[: count + 1] for name in parts[index]]
        for count in range(len(worst))
    ]
    chosen = choice.chosen
    for left in tried:
        trial = choice.without(left)
        share = reference.agreement(choice.build(trial)) if trial else 0.0
        if share > best:
            best, chosen, choice.hurt = share, trial, list(left)
        if best >= target:
            break
    choice.chosen = chosen
    return best


def times(models: Sequence[onnx.ModelProto], feed: Feed) -> NDArray[np.float64]:
    """Time graphs in turn, one thread each.

    Returns:
        The shortest call of each [s], in time of the processor: other programs on this machine
        lengthen that much less than the time of the clock.
    """
    runners = [session(model) for model in models]
    for runner in runners:
        runner.run(None, dict(feed))
    spent: list[list[float]] = [[] for _ in runners]
    begin = time.thread_time()
    for count in range(CALLS[1]):
        if count >= CALLS[0] and time.thread_time() - begin > SECONDS:
            break
        for row, runner in zip(spent, runners, strict=True):
            start = time.thread_time()
            runner.run(None, dict(feed))
            row.append(time.thread_time() - start)
    return np.array([min(row) for row in spent])


def split(names: Sequence[str], count: int) -> list[Sequence[str]]:
    """Cut a list into at most `count` runs of nearly equal length."""
    ends = np.linspace(0, len(names), min(count, len(names)) + 1).round().astype(int)
    return [names[start:end] for start, end in pairwise(ends)]
