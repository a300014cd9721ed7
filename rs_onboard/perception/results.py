# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the tasks, with what they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.inference.card import TaskName
    from rs_onboard.perception.frame import Frame, FrameHeader

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
    """

    count: int
    height: int
    width: int
    scale: float
    gsd_m: float | None


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
    """

    task: TaskName
    status: Status
    reason: str = ''
    model: ModelIdentity | None = None
    tiles: TileUse | None = None
    latency_ms: Mapping[str, float] | None = None


@dataclass(frozen=True)
class SceneResult:
    """Scene class of a frame.

    Attributes:
        header: Header of the image.
        report: Status and origin.
        classes: Class names in id order.
        probabilities: (C,) float32, mean over the tiles by visible area; empty without a result.
        tile_probabilities: (N, C) float32.
        boxes: (N, 4) float32, left, top, width, height of each tile [px of the frame].
    """

    header: FrameHeader
    report: TaskReport
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    tile_probabilities: NDArray[np.float32]
    boxes: NDArray[np.float32]


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


TaskResult = SceneResult | SegmentationResult


@dataclass(frozen=True)
class FrameResults:
    """All results of one frame.

    Attributes:
        header: Header of the image.
        frame: The frame itself where it is at hand, for drawing and coordinates.
        results: Results by task.
    """

    header: FrameHeader
    frame: Frame | None
    results: Mapping[TaskName, TaskResult]
