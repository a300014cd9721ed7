# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Static int8 quantisation: uint8 activations, int8 weights a channel, as QDQ pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.quantise.agreement import Reference
from rs_onboard.zoo.quantise.canonical import canonical
from rs_onboard.zoo.quantise.choice import (
    Choice,
    leave_hurtful_in_float,
    leave_slow_in_float,
    times,
)
from rs_onboard.zoo.quantise.kinds import HEAVY, candidates, without_islands
from rs_onboard.zoo.quantise.ranges import METHODS, Method, Span, histograms, spans
from rs_onboard.zoo.stored_half import widen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.zoo.quantise.agreement import Feed

# Feeds that decide in the search; all measure the result.
SEARCH_FEEDS = 8
# Feeds that set the ranges.
RANGE_FEEDS = 32
QUANTISED = frozenset({'QuantizeLinear', 'DequantizeLinear', 'QLinearConv', 'QLinearMatMul'})


@dataclass(frozen=True)
class Quantised:
    """An int8 graph.

    Attributes:
        model: The graph.
        agreement: Share of the final outputs, 0 to 1, in which it agrees with the float graph;
            see `Reference.agreement`.
        float_nodes: Convolutions and products left in float because they cost quality.
        method: How the ranges were chosen.
        speedup: Time of the float graph over that of this one, one thread on this machine.
        slower: What was left in float because it is faster so.
        note: All that in words, for the card.
    """

    model: onnx.ModelProto
    agreement: float
    float_nodes: tuple[str, ...]
    method: Method
    speedup: float
    slower: tuple[str, ...]
    note: str


def quantise(model: onnx.ModelProto, feeds: Sequence[Feed], *, target: float) -> Quantised:
    """Quantise a float graph.

    Everything that has an int8 form is quantised, then what is faster in float here returns to
    float, then what costs quality, until the target is reached.

    Args:
        model: Exported float graph; weights that are stored in half precision are widened first.
        feeds: (1, H, W, bands) uint8 real tiles by input name: they set the ranges, measure the
            agreement, and the first of them the time.
        target: Agreement at which nothing more is left in float.

    Raises:
        ExportError: The graph is quantised already, has no part to quantise, or the feeds are not
            those of its inputs.
    """
    model = widen(model)
    check(model, feeds)
    prepared = canonical(model)
    found = candidates(prepared)
    if not any(item.kind in HEAVY for item in found.values()):
        raise ExportError(
            'the graph holds no convolution or product with constant weights; expected at least '
            'one to quantise. Leave it in float.'
        )
    tensors = {
        name for item in found.values() for name in (*item.inputs, item.end, *item.node.output)
    }
    histogram = histograms(prepared, sorted(tensors), spread(feeds, RANGE_FEEDS))
    everything = without_islands(found, found)
    choice = Choice(prepared, found, spans(histogram, 'minmax'), everything)
    leave_slow_in_float(choice, feeds[0])
    reference = Reference(model, spread(feeds, SEARCH_FEEDS))
    method = best_method(choice, reference, {m: spans(histogram, m) for m in METHODS})
    leave_hurtful_in_float(choice, reference, target)
    result = finish(choice.build(), model)
    share = Reference(model, feeds).agreement(result)
    before, after = times([model, result], feeds[0])
    speedup = float(before / after)
    return Quantised(
        model=result,
        agreement=share,
        float_nodes=tuple(choice.hurt),
        method=method,
        speedup=speedup,
        slower=tuple(choice.slower),
        note=note(choice, method, share, speedup),
    )


def check(model: onnx.ModelProto, feeds: Sequence[Feed]) -> None:
    """Refuse what cannot be quantised.

    Raises:
        ExportError: The graph is not float, or the feeds are not those of its inputs.
    """
    done = sorted({node.op_type for node in model.graph.node} & QUANTISED)
    if done:
        raise ExportError(
            f'the graph is quantised already (it holds {", ".join(done)}); expected a float graph. '
            'Give the fp32 variant.'
        )
    if any(item.data_type == onnx.TensorProto.FLOAT16 for item in model.graph.initializer):
        raise ExportError('the graph is in half precision; expected float32. Give fp32.')
    if not feeds:
        raise ExportError(
            'calibration has no tiles; expected at least one, better 32 or more. Give a folder of '
            'images of the kind the model will see.'
        )
    names = sorted(value.name for value in model.graph.input)
    for index, feed in enumerate(feeds):
        if sorted(feed) != names:
            raise ExportError(
                f'calibration feed {index} has the inputs {", ".join(sorted(feed)) or "none"}; the '
                f'graph takes {", ".join(names)}. Give every feed all inputs of the graph.'
            )
        for name, value in feed.items():
            if value.dtype != np.uint8 or value.ndim != 4:
                raise ExportError(
                    f'calibration feed {index}: {name} is {value.dtype} of shape {value.shape}; '
                    'expected uint8 of shape (1, height, width, bands). Cut tiles like those of '
                    'flight.'
                )


def best_method(
    choice: Choice, reference: Reference, ranges: dict[Method, dict[str, Span]]
) -> Method:
    """Take the ranges with which the graph agrees best; the first on a tie."""
    shares: dict[Method, float] = {}
    for method, spans_ in ranges.items():
        choice.ranges = spans_
        shares[method] = reference.agreement(choice.build())
    best = max(shares, key=lambda method: shares[method])
    choice.ranges = ranges[best]
    return best


def finish(model: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """Give a graph the header of the one it was made of, and check it."""
    model.ir_version = source.ir_version
    model.producer_name = source.producer_name
    model.producer_version = source.producer_version
    onnx.checker.check_model(model, full_check=True)
    return model


def note(choice: Choice, method: Method, share: float, speedup: float) -> str:
    """Say in words what was done and measured."""
    words = [f'agrees with fp32 in {share:.2%} on calibration tiles ({method} ranges)']
    if speedup < 1.0:
        words.append(f'not faster than fp32 here: {1 / speedup:.2f} times its time')
    else:
        words.append(f'{speedup:.2f} times as fast as fp32 with one thread here')
    if choice.slower:
        words.append(f'in float because that is faster: {", ".join(choice.slower)}')
    if choice.hurt:
        words.append(f'{len(choice.hurt)} nodes stay in float for quality')
    return '; '.join(words)


def spread(feeds: Sequence[Feed], count: int) -> list[Feed]:
    """Choose some feeds, evenly."""
    return [feeds[i] for i in range(0, len(feeds), -(-len(feeds) // count))]
