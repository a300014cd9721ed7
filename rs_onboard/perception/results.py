# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the tasks, with what they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.map_match import MapMatch
    from rs_onboard.perception.regions import ChangeRegion

Status = Literal['ok', 'degraded', 'skipped', 'failed']


@dataclass(frozen=True)
class ModelIdentity:
    """The model behind a result.

    Attributes:
        name: Name on the card.
        sha256: Hash of the ONNX file that ran.
        variant: `fp32`, `fp16` or `int8`.
        provider: Execution provider that ran it.
        trained: False for random weights.
    """

    name: str
    sha256: str
    variant: str
    provider: str
    trained: bool


@dataclass(frozen=True)
class TileUse:
    """The tiles behind a result.

    Attributes:
        count: Tiles inferred.
        height: Tile height [px].
        width: Tile width [px].
        scale: Tile pixels per frame pixel.
        gsd_m: Ground sample distance of the tiles [m/px], None where unknown.
        left_out: Tiles of the frame that were not inferred, counted by reason.
    """

    count: int
    height: int
    width: int
    scale: float
    gsd_m: float | None
    left_out: Mapping[str, int] | None = None


@dataclass(frozen=True)
class TaskReport:
    """What every result says about itself.

    Attributes:
        task: Name of the task.
        status: `ok`; `degraded` (usable, with a reason to doubt); `skipped` (not run); `failed`.
        reason: Why the status is not `ok`.
        model: The model, None where none ran.
        tiles: The tiles, None where none were inferred.
        latency_ms: Milliseconds by stage (`wait`, `cut`, `infer`, `stitch`).
        left_out: What the model gave and the result does not have, counted by reason.
    """

    task: TaskName
    status: Status
    reason: str = ''
    model: ModelIdentity | None = None
    tiles: TileUse | None = None
    latency_ms: Mapping[str, float] | None = None
    left_out: Mapping[str, int] | None = None


@dataclass(frozen=True)
class SceneResult:
    """Scene class of a frame.

    Attributes:
        header: Header of the image.
        report: Status and origin.
        classes: Class names in id order.
        probabilities: (C,) float32, mean over the tiles by visible area; empty without a result.
        tile_classes: (N,) uint8, most probable class of each tile.
        tile_scores: (N,) float32, its probability.
        boxes: (N, 4) float32, left, top, width, height of each tile [px of the frame].
    """

    header: FrameHeader
    report: TaskReport
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    tile_classes: NDArray[np.uint8]
    tile_scores: NDArray[np.float32]
    boxes: NDArray[np.float32]

    @classmethod
    def empty(cls, header: FrameHeader, report: TaskReport, card: ModelCard) -> SceneResult:
        """Build a result that says only why there is none."""
        return cls(
            header=header,
            report=report,
            classes=card.class_names,
            probabilities=np.empty(0, np.float32),
            tile_classes=np.empty(0, np.uint8),
            tile_scores=np.empty(0, np.float32),
            boxes=np.empty((0, 4), np.float32),
        )


@dataclass(frozen=True)
class SegmentationResult:
    """Class of every pixel of a frame.

    Attributes:
        header: Header of the image.
        report: Status and origin.
        classes: Class names in id order.
        palette: (C, 3) uint8, RGB for drawing.
        labels: (H, W) uint8 class ids, 255 where unknown; empty (0, 0) without a result.
        confidence: (H, W) uint8, 255 times the probability of the label.
    """

    header: FrameHeader
    report: TaskReport
    classes: tuple[str, ...]
    palette: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]

    @classmethod
    def empty(cls, header: FrameHeader, report: TaskReport, card: ModelCard) -> SegmentationResult:
        """Build a result that says only why there is none."""
        return cls(
            header=header,
            report=report,
            classes=card.class_names,
            palette=palette(card),
            labels=np.empty((0, 0), np.uint8),
            confidence=np.empty((0, 0), np.uint8),
        )

    def label_shares(self) -> NDArray[np.float64]:
        """Return the share of the frame that each label covers, (256,) float64; 0 without one."""
        # Not numpy's bincount, which copies the mask as eight bytes a pixel.
        counts = cv2.calcHist([self.labels], [0], None, [256], [0, 256]) if self.labels.size else 0
        return np.zeros(256) + np.ravel(counts) / max(1, self.labels.size)


@dataclass(frozen=True)
class DetectionResult:
    """Objects of a frame, best score first.

    Attributes:
        header: Header of the image.
        report: Status and origin.
        classes: Class names in id order.
        palette: (C, 3) uint8, RGB for drawing.
        boxes: (M, 5) float32, cx, cy, w, h, theta [px of the frame, rad], le90.
        scores: (M,) float32, 0 to 1.
        class_ids: (M,) uint8.
        numbers: (M,) int64, the same for one object in all frames; -1 where nobody counts.
    """

    header: FrameHeader
    report: TaskReport
    classes: tuple[str, ...]
    palette: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.uint8]
    numbers: NDArray[np.int64]

    @classmethod
    def empty(cls, header: FrameHeader, report: TaskReport, card: ModelCard) -> DetectionResult:
        """Build a result that says only why there is none."""
        return cls(
            header=header,
            report=report,
            classes=card.class_names,
            palette=palette(card),
            boxes=np.empty((0, 5), np.float32),
            scores=np.empty(0, np.float32),
            class_ids=np.empty(0, np.uint8),
            numbers=np.empty(0, np.int64),
        )


@dataclass(frozen=True)
class ChangeResult:
    """What changed between a frame and an earlier image of its ground.

    Attributes:
        header: Header of the frame.
        report: Status and origin.
        probability: (H, W) uint8, 255 times the probability of change, 0 where not both are seen;
            empty (0, 0) without a result.
        seen: (H, W) bool, where both are seen; None where they are everywhere, and without a
            result.
        regions: Connected changes, larger ones first.
        match: How the frame lies on the reference map; None where both images were given.
    """

    header: FrameHeader
    report: TaskReport
    probability: NDArray[np.uint8]
    seen: NDArray[np.bool_] | None
    regions: tuple[ChangeRegion, ...]
    match: MapMatch | None = None

    @classmethod
    def empty(cls, header: FrameHeader, report: TaskReport) -> ChangeResult:
        """Build a result that says only why there is none."""
        return cls(header, report, np.empty((0, 0), np.uint8), None, ())


TaskResult = SceneResult | DetectionResult | SegmentationResult | ChangeResult
TileResult = SceneResult | DetectionResult | SegmentationResult

# The results of tasks on tiles.
RESULT_TYPES: Mapping[TaskName, type[TileResult]] = {
    'scene': SceneResult,
    'detection': DetectionResult,
    'segmentation': SegmentationResult,
}


def palette(card: ModelCard) -> NDArray[np.uint8]:
    """Return the colours of a model's classes, (C, 3) uint8 RGB."""
    return np.array([info.color for info in card.classes], np.uint8)
