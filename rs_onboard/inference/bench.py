# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Time graphs against one another: interleaved, so that noise of the machine meets all of them."""

from __future__ import annotations

import gc
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.inference.card import load_card
from rs_onboard.inference.macs import count_macs
from rs_onboard.inference.model import load_graph, load_model
from rs_onboard.inference.runtime import OnnxRuntime
from rs_onboard.inference.sample import sample_feeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.inference.card import VariantName
    from rs_onboard.inference.runtime import Runtime
    from rs_onboard.inference.runtime_settings import RuntimeSettings

# The variant that the others of its group are compared with.
PLAIN = 'plain'
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Candidate:
    """A loaded graph that is ready to be timed.

    Attributes:
        name: Model or network it belongs to.
        variant: `fp32`, `int8`, `fp16`, or `plain` for what the others are compared with.
        threads: Threads it runs on.
        sha256: Hash of its file.
        macs: Multiply-accumulates of one call; None where they are not known.
        runtime: Runs it.
        feeds: Inputs of one call, (N, H, W, bands) uint8 by name.
    """

    name: str
    variant: str
    threads: int
    sha256: str
    macs: int | None
    runtime: Runtime
    feeds: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Timing:
    """What was measured of a candidate.

    Attributes:
        name: Model or network.
        variant: Its variant.
        provider: Provider that ran it.
        threads: Threads.
        batch: Tiles a call.
        height: Height of a tile [px].
        width: Width of a tile [px].
        runs: Timed calls.
        p50_ms: Median of a call [ms].
        p95_ms: 95 of 100 calls took no longer [ms].
        p99_ms: 99 of 100 calls took no longer [ms].
        cpu_ms: Median of the processor time of a call, all threads together [ms]: on a busy
            machine nearer to the truth than the clock.
        macs: Multiply-accumulates of a call, None where not known.
        of_plain: Median over the rounds of its time by that of the plain export in the same round,
            same provider, threads and tiles; None where there was none.
        sha256: Hash of the graph.
    """

    name: str
    variant: str
    provider: str
    threads: int
    batch: int
    height: int
    width: int
    runs: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    macs: int | None
    of_plain: float | None
    sha256: str

    @property
    def gmac_per_s(self) -> float | None:
        """Multiply-accumulates a second at the median, in 1e9; None where not known."""
        return self.macs / self.p50_ms / 1e6 if self.macs is not None else None


@dataclass(frozen=True)
class Graph:
    """A file that can be opened under any settings.

    Attributes:
        data: Its bytes.
        open: Loads it, for calls of at most so many tiles.
    """

    data: bytes
    open: Callable[[RuntimeSettings, int], Runtime]


@dataclass(frozen=True)
class Subject:
    """Graphs of one network, to be timed together.

    Attributes:
        name: Model or network.
        size: (height, width) of a tile [px].
        graphs: By variant.
    """

    name: str
    size: tuple[int, int]
    graphs: Mapping[str, Graph]

    def candidates(
        self, settings: Iterable[RuntimeSettings], batches: Sequence[int]
    ) -> list[Candidate]:
        """Load every graph under every setting, for every number of tiles.

        Raises:
            ModelError: A graph cannot be loaded or run.
            ProviderError: A provider cannot be had.
        """
        found = []
        macs: dict[tuple[str, int], int | None] = {}
        for setting in settings:
            for variant, graph in self.graphs.items():
                runtime = graph.open(setting, max(batches))
                for batch in batches:
                    feeds = sample_feeds(runtime.inputs, batch, *self.size)
                    if (variant, batch) not in macs:
                        macs[variant, batch] = count_macs(graph.data, feeds)
                    digest = hashlib.sha256(graph.data).hexdigest()
                    found.append(
                        Candidate(
                            name=self.name,
                            variant=variant,
                            threads=setting.threads,
                            sha256=digest,
                            macs=macs[variant, batch],
                            runtime=runtime,
                            feeds=feeds,
                        )
                    )
        return found


def folder_subject(folder: Path) -> Subject:
    """Take the variants of a model folder, verified as in flight.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: A file is not that of the card.
    """
    card = load_card(folder)
    graphs = {}
    for name in card.variants:

        def opened(settings: RuntimeSettings, batch: int, name: VariantName = name) -> Runtime:
            model = load_model(folder, task=card.task, variant=name, settings=settings, batch=batch)
            return model.runtime

        graphs[str(name)] = Graph(load_graph(folder, variant=name).data, opened)
    return Subject(card.name, (card.input.height, card.input.width), graphs)


def loose_graph(data: bytes, *, what: str) -> Graph:
    """Take a graph that is in no folder.

    Args:
        data: ONNX file.
        what: What it is, for messages.
    """
    return Graph(data, lambda settings, _: OnnxRuntime(data, settings, what=what))


def time_together(candidates: Sequence[Candidate], *, runs: int, warm_up: int) -> list[Timing]:
    """Call the candidates in turn, round after round; each round begins with another one.

    Args:
        candidates: What to time; the plain one serves all of equal provider, threads and tiles.
        runs: Rounds that count.
        warm_up: Rounds before them that do not.
    """
    spent = np.empty((runs, len(candidates)))
    worked = np.empty_like(spent)
    collected = gc.isenabled()
    gc.disable()
    try:
        for turn in range(-warm_up, runs):
            for step in range(len(candidates)):
                index = (turn + step) % len(candidates)
                runtime, feeds = candidates[index].runtime, candidates[index].feeds
                start, busy = time.perf_counter_ns(), time.process_time_ns()
                runtime.run(feeds)
                # Warm-up rounds land in rows that the later ones overwrite.
                spent[turn % runs, index] = (time.perf_counter_ns() - start) / 1e6
                worked[turn % runs, index] = (time.process_time_ns() - busy) / 1e6
    finally:
        if collected:
            gc.enable()
    plain = {_setting(c): spent[:, i] for i, c in enumerate(candidates) if c.variant == PLAIN}
    return [
        _timing(candidate, spent[:, index], worked[:, index], plain.get(_setting(candidate)))
        for index, candidate in enumerate(candidates)
    ]


def _setting(candidate: Candidate) -> tuple[Any, ...]:
    """What two candidates must have in common to be compared."""
    tiles = next(iter(candidate.feeds.values()))
    return candidate.name, candidate.runtime.provider, candidate.threads, tiles.shape


def _timing(
    candidate: Candidate,
    spent: NDArray[np.float64],
    worked: NDArray[np.float64],
    plain: NDArray[np.float64] | None,
) -> Timing:
    batch, height, width, _ = next(iter(candidate.feeds.values())).shape
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(spent, PERCENTILES))
    of_plain = None
    if plain is not None and candidate.variant != PLAIN:
        of_plain = round(float(np.median(spent / plain)), 3)
    return Timing(
        name=candidate.name,
        variant=candidate.variant,
        provider=candidate.runtime.provider,
        threads=candidate.threads,
        batch=batch,
        height=height,
        width=width,
        runs=len(spent),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu_ms=round(float(np.median(worked)), 3),
        macs=candidate.macs,
        of_plain=of_plain,
        sha256=candidate.sha256,
    )
