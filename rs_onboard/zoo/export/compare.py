# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of an exported graph with torch on real images: a difference is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import torch

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export.graphs import input_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.zoo.export.graphs import DeployedGraph
    from rs_onboard.zoo.network import NetworkEntry

# Rounding in another order of operations: measured at most 2e-6 in the probabilities of trained
# networks; a wrong resize or a frozen shape moves them by more than 1e-2.
PROBABILITY_TOLERANCE = 1e-4
CONFIDENCE_TOLERANCE = 1
# Share of pixels where two classes are so close that rounding decides.
LABEL_TOLERANCE = 1e-4
# Share of detections that rounding may add or take: scores at the limit, proposals at the border of
# suppression. Others lie within this overlap and score of one of the other side.
DETECTION_TOLERANCE = 0.01
DETECTION_IOU = 0.99
DETECTION_SCORE = 1e-3
# Rounding of a score: it decides which of those at the limit is still among the best.
DETECTION_LIMIT = 1e-6


def session(model: onnx.ModelProto | Path, threads: int = 1) -> ort.InferenceSession:
    """Open a graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return ort.InferenceSession(source, options, providers=['CPUExecutionProvider'])


def compare_with_torch(
    graph: DeployedGraph,
    model: onnx.ModelProto,
    batches: Iterable[Mapping[str, NDArray[np.uint8]]],
) -> None:
    """Run both on the same images.

    Args:
        graph: The torch side.
        model: The exported side.
        batches: For each size and batch to compare, (N, H, W, bands) arrays by input name.

    Raises:
        ExportError: Lists every size at which they differ.
    """
    runner = session(model)
    problems = []
    for batch in batches:
        with torch.no_grad():
            expected = graph(*(torch.from_numpy(batch[name]) for name in graph.input_names))
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = runner.run(None, dict(batch))
        texts = differences(graph.output_names, found, [array.numpy() for array in expected])
        shape = batch[graph.input_names[0]].shape
        problems += [f'{name} at {shape}: {text}' for name, text in texts.items()]
    if problems:
        raise ExportError('exported graph differs from torch: ' + '; '.join(problems))


def differences(
    names: Sequence[str],
    found: Sequence[NDArray[np.generic]],
    expected: Sequence[NDArray[np.generic]],
) -> dict[str, str]:
    """Say which outputs of the exported graph differ from torch beyond tolerance, and how."""
    if 'boxes' in names:
        return detection_differences(found, expected)
    pairs = zip(names, found, expected, strict=True)
    texts = {name: difference(name, ours, theirs) for name, ours, theirs in pairs}
    return {name: text for name, text in texts.items() if text}


def difference(name: str, ours: NDArray[np.generic], torch_: NDArray[np.generic]) -> str:
    """Say how an output differs from torch beyond its tolerance; empty where it does not."""
    if ours.shape != torch_.shape or ours.dtype != torch_.dtype:
        return f'{ours.dtype}{ours.shape}, torch gives {torch_.dtype}{torch_.shape}'
    if name == 'labels':
        share = float(np.mean(ours != torch_))
        return f'{share:.2e} of the labels differ' if share > LABEL_TOLERANCE else ''
    worst = float(np.abs(ours.astype(np.float64) - torch_.astype(np.float64)).max())
    limit = PROBABILITY_TOLERANCE if name == 'probabilities' else CONFIDENCE_TOLERANCE
    return f'differs by {worst:.2e}, allowed {limit:g}' if worst > limit else ''


def detection_differences(
    found: Sequence[NDArray[np.generic]], expected: Sequence[NDArray[np.generic]]
) -> dict[str, str]:
    """Look for every detection of one side among those of the other, in any order."""
    texts = {}
    for name, one, two in (('ONNX', found, expected), ('torch', expected, found)):
        share = unmatched(one, two) / max(1, len(one[0]))
        if share > DETECTION_TOLERANCE:
            texts[f'detections of {name}'] = f'{share:.1%} are not in the other'
    return texts


def unmatched(one: Sequence[NDArray[np.generic]], two: Sequence[NDArray[np.generic]]) -> int:
    """Count the detections of `one` without a partner of the same tile, class and score in `two`.

    Those that the lowest score of `two` would leave out but for rounding do not count.

    Args:
        one: Arrays in the order of `DetectionGraph.output_names`.
        two: The same.
    """
    lonely = 0
    for tile, label in {(int(t), int(c)) for c, t in zip(one[2], one[3], strict=True)}:
        ours, theirs = ((side[2] == label) & (side[3] == tile) for side in (one, two))
        overlap = iou_matrix(one[0][ours], two[0][theirs])
        apart = np.abs(np.subtract.outer(one[1][ours], two[1][theirs]))
        partner = (overlap >= DETECTION_IOU) & (apart <= DETECTION_SCORE)
        known = two[1][two[3] == tile].astype(np.float64)
        beyond = one[1][ours] > known.min(initial=np.inf) + DETECTION_LIMIT
        lonely += int((~partner.any(axis=1) & (beyond | (known.size == 0))).sum())
    return lonely


def comparison_shapes(entry: NetworkEntry, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Choose the (height, width) to compare at: trained size, smaller, wide and high ones."""
    rule = entry.input_rule
    step = max(rule.multiple, 1)
    odd = 13 if step == 1 else step
    smaller = max(-(-rule.minimum // step) * step, (min(size) // 2) // step * step)
    shapes = [size, (smaller, smaller)]
    if not rule.square:
        shapes += [(smaller, size[1] + odd), (size[0] + 2 * odd, smaller + odd)]
    return shapes


def comparison_batches(
    entry: NetworkEntry, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]
) -> Iterator[dict[str, NDArray[np.uint8]]]:
    """Make feeds of 1 and 5 images: trained size, smaller, larger, both rectangles.

    Args:
        entry: The network; its input rule decides the sizes, its task the inputs. The two dates of
            change detection are two images of different places.
        images: (H, W, bands) uint8 real images, repeated where they are small.
        size: (height, width) trained at.

    Yields:
        (N, H, W, bands) arrays by input name.
    """
    names = input_names(entry.task)
    for height, width in comparison_shapes(entry, size):
        tiles = [tile_of(image, height, width) for image in images]
        for count in (1, 5):
            yield {
                name: np.stack([tiles[(i + date) % len(tiles)] for i in range(count)])
                for date, name in enumerate(names)
            }


def tile_of(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Cut the upper left (height, width) of an image, mirrored on where it is too small."""
    pads = ((0, max(0, height - image.shape[0])), (0, max(0, width - image.shape[1])), (0, 0))
    return np.ascontiguousarray(np.pad(image, pads, mode='symmetric')[:height, :width])
