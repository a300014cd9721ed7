# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented object detection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.perception.boxes import valid_boxes
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.results import DetectionResult, palette
from rs_onboard.perception.seams import join_tiles
from rs_onboard.perception.task import StageClock, Task
from rs_onboard.perception.tracking import UNTRACKED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard
    from rs_onboard.inference.model import Model
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport
    from rs_onboard.perception.seams import TileBoxes
    from rs_onboard.perception.task import ModelTask
    from rs_onboard.perception.tiler import TileSet
    from rs_onboard.perception.tracking import Tracker

# Candidates of a frame that go into suppression, the best ones: 100 000 boxes of a model gone wrong
# must cost milliseconds, and no real frame has this many.
MAX_CANDIDATES = 4000


@dataclass(frozen=True)
class DetectionLimits:
    """What is worth reporting.

    Attributes:
        score: Least score of a detection.
        class_scores: Least score by class name, where it differs.
        class_lengths_m: Least and greatest length of the longer side [m] by class name; applied
            while the ground sample distance of the tiles is known.
        iou: Overlap (IoU) above which the lesser of two boxes of a class is dropped.
        count: Most detections of a frame, the best ones.
    """

    score: float = 0.3
    class_scores: Mapping[str, float] = field(default_factory=dict)
    class_lengths_m: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    iou: float = 0.1
    count: int = 1000

    def check(self, card: ModelCard) -> None:
        """Refuse limits for classes that the model does not have.

        Raises:
            TaskError: Names the class and those of the card.
        """
        for name in (*self.class_scores, *self.class_lengths_m):
            if name not in card.class_names:
                raise TaskError(
                    f'detection limits: found class {name!r}; {card.name} has '
                    f'{", ".join(card.class_names)}. Mend the limit or choose another model.'
                )


@dataclass(frozen=True)
class Candidates:
    """Boxes of all tiles of a frame before suppression.

    Attributes:
        boxes: (N, 5) float32 [px of their tile, rad].
        scores: (N,) float32.
        classes: (N,) int64.
        tile: (N,) int64, number of the tile of each.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    tile: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of boxes."""
        return len(self.scores)

    def take(self, rows: NDArray[np.generic]) -> Candidates:
        """Return some of them, by mask (N,) or by number."""
        return Candidates(*(a[rows] for a in (self.boxes, self.scores, self.classes, self.tile)))


class DetectionTask(Task[DetectionResult]):
    """Finds objects as oriented boxes, each once, whatever tiles it lies in.

    Args:
        model: The verified model.
        batch: Tiles per inference.
        overlap: Least overlap of neighbouring tiles [px]; objects up to this size are seen whole.
        limits: What is worth reporting.
        tracker: Numbers the objects; None numbers none.

    Raises:
        TaskError: A limit is for a class that the model does not have.
    """

    def __init__(
        self,
        model: Model,
        *,
        batch: int = 1,
        overlap: int = 64,
        limits: DetectionLimits | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        super().__init__(model, batch=batch, overlap=overlap)
        self.palette = palette(model.card)
        self.limits = limits or DetectionLimits()
        self.limits.check(model.card)
        self.tracker = tracker
        names = model.card.class_names
        scores = [self.limits.class_scores.get(name, self.limits.score) for name in names]
        self._least = np.array(scores, np.float32)

    def take_over(self, other: ModelTask[Any]) -> None:
        """See `ModelTask.take_over`: objects keep their numbers."""
        if isinstance(other, DetectionTask):
            self.tracker = other.tracker

    def _infer(self, tiles: TileSet, clock: StageClock) -> DetectionResult:
        parts = []
        for places, outputs in self._outputs(tiles, clock):
            parts.append(self._candidates(outputs, places))
        found = Candidates(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.tile for part in parts]),
        )
        left_out: dict[str, int] = {}
        found = self._worth_joining(found, left_out)
        grid = tiles.grid
        joined = join_tiles(
            found.boxes, found.scores, found.classes, found.tile, grid, threshold=self.limits.iou
        )
        left_out['suppressed'] = len(found) - len(joined.scores)
        boxes = self._in_frame(joined, tiles)
        rows = self._worth_reporting(joined, boxes, tiles, left_out)
        clock.lap('join')
        found_boxes, labels = boxes[rows], joined.classes[rows]
        numbers: NDArray[np.int64] = np.full(len(rows), UNTRACKED, np.int64)
        if self.tracker is not None:
            stamp_ns = tiles.header.stamp_ns
            numbers = self.tracker.update(found_boxes, labels, stamp_ns, tiles.camera, tiles.pose)
            clock.lap('track')
        unlimited = bool(self.limits.class_lengths_m) and tiles.scale.gsd_m is None
        reason = 'lengths are not limited' if unlimited else ''
        report = self._report(tiles, clock, reason=reason)
        counted = {name: count for name, count in left_out.items() if count}
        return DetectionResult(
            header=tiles.header,
            report=replace(report, left_out=counted),
            classes=self.model.card.class_names,
            palette=self.palette,
            boxes=found_boxes.astype(np.float32),
            scores=joined.scores[rows].astype(np.float32),
            class_ids=labels.astype(np.uint8),
            numbers=numbers,
        )

    def _empty(self, header: FrameHeader, report: TaskReport) -> DetectionResult:
        return DetectionResult.empty(header, report, self.model.card)

    def _candidates(
        self, outputs: Mapping[str, NDArray[np.generic]], numbers: Sequence[int]
    ) -> Candidates:
        """Read the outputs for tiles of a frame.

        Raises:
            TaskError: Lengths differ, or a class or tile is none that there is.
        """
        boxes, scores = outputs['boxes'], outputs['scores']
        classes, tile = outputs['classes'], outputs['tile']
        number = len(boxes)
        if boxes.shape != (number, 5) or not (
            scores.shape == classes.shape == tile.shape == (number,)
        ):
            shapes = {name: array.shape for name, array in outputs.items()}
            raise TaskError(
                f'{self.identity.name}: outputs have shapes {shapes}; expected boxes (M, 5) and '
                'one score, class and tile a box. Export the model again.'
            )
        for name, values, end in (
            ('class', classes, len(self.palette)),
            ('tile', tile, len(numbers)),
        ):
            if number and not 0 <= int(values.min()) <= int(values.max()) < end:
                raise TaskError(
                    f'{self.identity.name}: found {name} numbers from {values.min()} to '
                    f'{values.max()}; expected 0 to {end - 1}. The card is not of this model.'
                )
        return Candidates(
            boxes.astype(np.float32, copy=False),
            scores.astype(np.float32, copy=False),
            classes.astype(np.int64, copy=False),
            np.asarray(numbers, np.int64)[tile.astype(np.int64, copy=False)],
        )

    def _worth_joining(self, found: Candidates, left_out: dict[str, int]) -> Candidates:
        """Leave out, and count, what is no box or no score, what scores low, and too many."""
        sound = valid_boxes(found.boxes)
        left_out['not a box'] = len(found) - int(sound.sum())
        # The comparison is false for NaN too.
        scored = (found.scores >= 0.0) & (found.scores <= 1.0)
        left_out['score outside 0 to 1'] = int((sound & ~scored).sum())
        high = sound & scored & (found.scores >= self._least[found.classes])
        left_out['below the score'] = int((sound & scored & ~high).sum())
        kept = found.take(high)
        if len(kept) > MAX_CANDIDATES:
            left_out['too many candidates'] = len(kept) - MAX_CANDIDATES
            best = np.argsort(-kept.scores, kind='stable')[:MAX_CANDIDATES]
            kept = kept.take(np.sort(best))
        return kept

    def _in_frame(self, joined: TileBoxes, tiles: TileSet) -> NDArray[np.float64]:
        """Bring boxes (M, 5) from the resampled frame to the frame."""
        grid, boxes = tiles.grid, joined.boxes.copy()
        x, y = grid.frame_width / grid.width, grid.frame_height / grid.height
        # Pixel centres are at whole numbers on both sides.
        boxes[:, :2] = (boxes[:, :2] + 0.5) * (x, y) - 0.5
        # Both factors differ by the rounding of one pixel only.
        boxes[:, 2:4] *= np.sqrt(x * y)
        return boxes

    def _worth_reporting(
        self,
        joined: TileBoxes,
        boxes: NDArray[np.float64],
        tiles: TileSet,
        left_out: dict[str, int],
    ) -> NDArray[np.intp]:
        """Return the rows to report; leave out what no pixel shows, wrong lengths, and too many."""
        # Tiles larger than the frame show it mirrored beyond its border.
        header = tiles.header
        inside = (boxes[:, 0] >= 0) & (boxes[:, 0] < header.width)
        inside &= (boxes[:, 1] >= 0) & (boxes[:, 1] < header.height)
        left_out['outside the frame'] = int((~inside).sum())
        fits = np.ones(len(boxes), np.bool_)
        if (gsd := tiles.scale.gsd_m) is not None:
            for name, (low, high) in self.limits.class_lengths_m.items():
                length = joined.boxes[:, 2] * gsd
                its = joined.classes == self.model.card.class_names.index(name)
                fits &= ~its | ((length >= low) & (length <= high))
        left_out['of another length'] = int((inside & ~fits).sum())
        rows = np.flatnonzero(inside & fits)
        left_out['over the limit'] = max(0, len(rows) - self.limits.count)
        return rows[: self.limits.count]
