# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges of the tensors of a float graph on calibration tiles, by three methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx

from rs_onboard.zoo.export import session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Method = Literal['minmax', 'percentile', 'entropy']
METHODS: tuple[Method, ...] = ('minmax', 'percentile', 'entropy')
BINS = 2048
STEPS = 256
# Share of the values kept by `percentile`; half of the rest is cut at either end.
KEPT = 0.9999
# Ends of the range that `entropy` tries, as shares of the full one.
SHARES = np.geomspace(0.05, 1.0, 40)
# Tensors watched in one session: all at once would hold every activation of the network.
WATCHED = 160
# Values of each tensor that one feed adds to the counts, at most.
SAMPLED = 4096


@dataclass(frozen=True)
class Span:
    """Lowest and highest value that int8 must represent; zero lies in between."""

    low: float
    high: float


@dataclass(frozen=True)
class Histogram:
    """Counts of the values of a tensor in even steps from its lowest to its highest one."""

    low: float
    high: float
    counts: NDArray[np.int64]


def histograms(
    model: onnx.ModelProto,
    names: Sequence[str],
    feeds: Sequence[Mapping[str, NDArray[np.uint8]]],
) -> dict[str, Histogram]:
    """Run the float graph over the feeds.

    The ends are those of all values; the counts are of an even sample of them.

    Args:
        model: Float graph.
        names: Its float tensors to watch.
        feeds: Named inputs.
    """
    found: dict[str, Histogram] = {}
    given = {value.name for value in model.graph.output}
    for start in range(0, len(names), WATCHED):
        chosen = list(names[start : start + WATCHED])
        watched = onnx.ModelProto()
        watched.CopyFrom(model)
        watched.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in chosen
            if name not in given
        )
        runner = session(watched)
        ends = dict.fromkeys(chosen, (0.0, 0.0))
        samples: dict[str, list[NDArray[np.float32]]] = {name: [] for name in chosen}
        for feed in feeds:
            for name, value in zip(chosen, runner.run(chosen, dict(feed)), strict=True):
                low, high = ends[name]
                ends[name] = (
                    min(low, float(value.min(initial=0))),
                    max(high, float(value.max(initial=0))),
                )
                flat = value.reshape(-1)
                samples[name].append(flat[:: len(flat) // SAMPLED + 1].copy())
        for name, (low, high) in ends.items():
            values = np.concatenate(samples[name])
            counts = np.histogram(values, BINS, (low, max(high, low + 1e-12)))[0]
            found[name] = Histogram(low, high, counts)
    return found


def spans(found: Mapping[str, Histogram], method: Method) -> dict[str, Span]:
    """Choose the range of every tensor."""
    choose = {'minmax': minmax, 'percentile': percentile, 'entropy': entropy}[method]
    return {name: choose(histogram) for name, histogram in found.items()}


def minmax(histogram: Histogram) -> Span:
    """Keep all values."""
    return Span(histogram.low, histogram.high)


def percentile(histogram: Histogram) -> Span:
    """Keep all but the rarest values at either end; zero stays inside."""
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    share = np.cumsum(histogram.counts) / max(1.0, histogram.counts.sum())
    low = edges[int(np.searchsorted(share, (1 - KEPT) / 2))]
    high = edges[min(BINS, int(np.searchsorted(share, (1 + KEPT) / 2)) + 1)]
    return Span(min(0.0, float(low)), max(0.0, float(high)))


def entropy(histogram: Histogram) -> Span:
    """Keep the range after which the distribution has lost least (Kullback-Leibler).

    Both ends shrink together, in 40 steps.
    """
    centres = np.linspace(histogram.low, histogram.high, 2 * BINS + 1, dtype=np.float64)[1::2]
    best, chosen = np.inf, Span(histogram.low, histogram.high)
    for share in SHARES:
        span = Span(histogram.low * share, histogram.high * share)
        loss = divergence(histogram.counts, centres, span)
        if loss < best:
            best, chosen = loss, span
    return chosen


def divergence(counts: NDArray[np.int64], centres: NDArray[np.float64], span: Span) -> float:
    """Measure what rounding to 256 steps and clipping do to a distribution.

    Values cut off count as lying at the end of the range; within a step all bins that had values
    share them evenly.
    """
    step = max(span.high - span.low, 1e-12) / (STEPS - 1)
    level = np.clip(np.rint((centres - span.low) / step), 0, STEPS - 1).astype(np.int64)
    inside = (centres >= span.low - step / 2) & (centres <= span.high + step / 2)
    reference = np.where(inside, counts, 0).astype(np.float64)
    occupied = np.flatnonzero(inside)
    if not len(occupied):
        return np.inf
    reference[occupied[0]] += counts[: occupied[0]].sum()
    reference[occupied[-1]] += counts[occupied[-1] + 1 :].sum()
    used = inside & (counts > 0)
    sums = np.bincount(level[inside], counts[inside], STEPS)
    bins = np.bincount(level[used], minlength=STEPS)
    smooth = np.where(used, sums[level] / np.maximum(1, bins[level]), 0.0)
    p, q = reference / reference.sum(), smooth / max(smooth.sum(), 1e-12)
    both = p > 0
    return float(np.sum(p[both] * np.log(p[both] / np.maximum(q[both], 1e-9))))


def unite(parts: Iterable[Span]) -> Span:
    """Give the smallest range that holds all."""
    known = list(parts)
    return Span(min(span.low for span in known), max(span.high for span in known))
