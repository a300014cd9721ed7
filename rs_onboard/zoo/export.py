# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Export of a trained network to the ONNX graph of a model folder, compared with torch."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.zoo.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.zoo.network import NetworkEntry

OPSET = 17
# ONNX Runtime 1.16, the oldest supported, reads IR versions up to 9.
IR_VERSION = 8
INPUT = 'tiles'
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


@dataclass(frozen=True)
class Normalisation:
    """(value / 255 - mean) / std per band, done inside the graph."""

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


class DeployedGraph(nn.Module):
    """A network between uint8 images and final results.

    Input (N, H, W, bands) uint8. Subclasses say what comes out.
    """

    scale: Tensor
    shift: Tensor
    output_names: tuple[str, ...]
    # Names of the dynamic axes of every output.
    output_axes: Mapping[int, str]

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network = network
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        self.register_buffer('scale', (1 / (255 * std)).float()[:, None, None], persistent=False)
        self.register_buffer('shift', (-mean / std).float()[:, None, None], persistent=False)

    def images(self, tiles: Tensor) -> Tensor:
        """Normalise tiles to (N, bands, H, W) float32."""
        return tiles.permute(0, 3, 1, 2).float() * self.scale + self.shift

    def logits(self, tiles: Tensor) -> Tensor:
        """Normalise and run the network."""
        out: Tensor = self.network(self.images(tiles))
        return out

    def differences(
        self, found: Sequence[NDArray[np.generic]], expected: Sequence[NDArray[np.generic]]
    ) -> dict[str, str]:
        """Say which outputs of the exported graph differ from torch beyond tolerance, and how."""
        pairs = zip(self.output_names, found, expected, strict=True)
        texts = {name: difference(name, ours, theirs) for name, ours, theirs in pairs}
        return {name: text for name, text in texts.items() if text}


class SceneGraph(DeployedGraph):
    """Output `probabilities` (N, C) float32."""

    output_names = ('probabilities',)
    output_axes: Mapping[int, str] = {0: 'N'}

    def forward(self, tiles: Tensor) -> Tensor:
        """Classify tiles."""
        return self.logits(tiles).softmax(dim=1)


class SegmentationGraph(DeployedGraph):
    """Outputs `labels` and `confidence` (highest probability * 255), both (N, H, W) uint8."""

    output_names = ('labels', 'confidence')
    output_axes: Mapping[int, str] = {0: 'N', 1: 'H', 2: 'W'}

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Label pixels. The highest probability is 1 / sum(exp(logit - highest logit))."""
        logits = self.logits(tiles)
        highest = logits.amax(dim=1, keepdim=True)
        total = (logits - highest).exp().sum(dim=1)
        labels = logits.argmax(dim=1).to(torch.uint8)
        return labels, (255 / total).round().to(torch.uint8)


class DetectionGraph(DeployedGraph):
    """Boxes before suppression, which stays with the flight code: custom operators do not travel.

    Outputs `boxes` (M, 5) float32 in pixels of the tile, `scores` (M,) float32, `classes` (M,)
    int64 and `tile` (M,) int64. The network has a method `candidates` that takes images (N, bands,
    H, W) and returns these four.
    """

    output_names = ('boxes', 'scores', 'classes', 'tile')
    output_axes: Mapping[int, str] = {0: 'M'}

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Detect objects."""
        boxes, scores, classes, tile = self.network.candidates(self.images(tiles))
        return boxes, scores, classes, tile

    def differences(
        self, found: Sequence[NDArray[np.generic]], expected: Sequence[NDArray[np.generic]]
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
        lonely += int((~partner.any(axis=1)).sum())
    return lonely


GRAPHS: Mapping[str, type[DeployedGraph]] = {
    'detection': DetectionGraph,
    'scene': SceneGraph,
    'segmentation': SegmentationGraph,
}


def deploy(
    entry: NetworkEntry, network: nn.Module, normalisation: Normalisation | None = None
) -> DeployedGraph:
    """Wrap a network for flight.

    Raises:
        ExportError: There is no deployed form for its task.
    """
    if (graph := GRAPHS.get(entry.task)) is None:
        raise ExportError(
            f'{entry.name}: no deployed form for task {entry.task!r}; expected one of '
            f'{sorted(GRAPHS)}'
        )
    deployed = graph(network, normalisation or Normalisation())
    deployed.eval()
    return deployed


def to_onnx(graph: DeployedGraph, *, bands: int, size: tuple[int, int]) -> onnx.ModelProto:
    """Trace the graph at (height, width) with dynamic batch, height and width."""
    example = torch.zeros((1, *size, bands), dtype=torch.uint8)
    names = graph.output_names
    axes: dict[str, dict[int, str]] = {INPUT: {0: 'N', 1: 'H', 2: 'W'}}
    for name in names:
        axes[name] = dict(graph.output_axes)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer warns of its own future and of every shape it turns into a graph node.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            graph,
            (example,),
            buffer,
            input_names=[INPUT],
            output_names=list(names),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    domains = {entry.domain for entry in model.opset_import} - {'', 'ai.onnx'}
    if domains:
        raise ExportError(f'exported graph uses domains {sorted(domains)}; only ai.onnx may fly')
    model.ir_version = IR_VERSION
    model.producer_name = 'rs_onboard'
    model.producer_version = ''
    model.doc_string = ''
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model: onnx.ModelProto | Path, threads: int = 1) -> ort.InferenceSession:
    """Open a graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return ort.InferenceSession(source, options, providers=['CPUExecutionProvider'])


def difference(name: str, ours: NDArray[np.generic], torch_: NDArray[np.generic]) -> str:
    """Say how an output differs from torch beyond its tolerance; empty where it does not."""
    if ours.shape != torch_.shape or ours.dtype != torch_.dtype:
        return f'{ours.dtype}{ours.shape}, torch gives {torch_.dtype}{torch_.shape}'
    if name == 'labels':
        share = float(np.mean(ours != torch_))
        return f'{share:.2e} of the labels differ' if share > LABEL_TOLERANCE else ''
    worst = float(np.abs(ours.astype(np.float64) - torch_.astype(np.float64)).max())
    limit = CONFIDENCE_TOLERANCE if name == 'confidence' else PROBABILITY_TOLERANCE
    return f'differs by {worst:.2e}, allowed {limit:g}' if worst > limit else ''


def compare_with_torch(
    graph: DeployedGraph,
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.uint8]],
) -> None:
    """Run both on the same tiles.

    Args:
        graph: The torch side.
        model: The exported side.
        batches: (N, H, W, bands) arrays of the sizes and batches to compare.

    Raises:
        ExportError: Lists every size at which they differ.
    """
    runner = session(model)
    problems = []
    for batch in batches:
        with torch.no_grad():
            expected = graph(torch.from_numpy(batch))
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = runner.run(None, {INPUT: batch})
        texts = graph.differences(found, [array.numpy() for array in expected])
        problems += [f'{name} at {batch.shape}: {text}' for name, text in texts.items()]
    if problems:
        raise ExportError('exported graph differs from torch: ' + '; '.join(problems))


def comparison_batches(
    entry: NetworkEntry, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]
) -> Iterable[NDArray[np.uint8]]:
    """Make batches of 1 and 5 from images: trained size, smaller, larger, both rectangles.

    Args:
        entry: The network; its input rule decides the sizes.
        images: (H, W, bands) uint8 real images, repeated where they are small.
        size: (height, width) trained at.
    """
    rule = entry.input_rule
    step = max(rule.multiple, 1)
    odd = 13 if step == 1 else step
    smaller = max(rule.minimum, (min(size) // 2) // step * step)
    shapes = [size, (smaller, smaller)]
    if not rule.square:
        shapes += [(smaller, size[1] + odd), (size[0] + odd, smaller + odd)]
    for height, width in shapes:
        for count in (1, 5):
            chosen = [images[i % len(images)] for i in range(count)]
            yield np.stack([tile_of(image, height, width) for image in chosen])


def tile_of(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Cut the upper left (height, width) of an image, mirrored on where it is too small."""
    pads = ((0, max(0, height - image.shape[0])), (0, max(0, width - image.shape[1])), (0, 0))
    return np.ascontiguousarray(np.pad(image, pads, mode='symmetric')[:height, :width])
