# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes between frames and a reference map, from the frame as it comes to regions on the ground.

A frame that cannot be laid on the map gives a result that says why, and no changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.registration import Registrar
from rs_onboard.geo.wgs84 import wgs84_to_offset
from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.agreement import GroundMemory
from rs_onboard.perception.alignment import Aligner, AlignmentLimits, MatchError
from rs_onboard.perception.change import ChangeTask
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.regions import RegionPlace
from rs_onboard.perception.results import ChangeResult
from rs_onboard.perception.task import ModelTask, StageClock
from rs_onboard.perception.tiles import PixelBox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap
    from rs_onboard.geo.registration import MatcherName, RegistrationLimits
    from rs_onboard.inference.model import Model
    from rs_onboard.perception.agreement import Agreement
    from rs_onboard.perception.alignment import Alignment
    from rs_onboard.perception.frame import Frame, FrameHeader
    from rs_onboard.perception.regions import ChangeRegion
    from rs_onboard.perception.results import TaskReport

# Smaller than this [px of the compared images] is noise whatever its area.
MIN_AREA_PX = 4
# 255 in a mask says that nobody knows.
MOST = 254


@dataclass(frozen=True)
class ChangeLimits:
    """How changes are looked for.

    Attributes:
        matcher: What registration goes by.
        registration: Its gate; None for the usual one.
        alignment: What is compared.
        batch: Tiles per inference.
        overlap: Least overlap of neighbouring tiles [px].
        threshold: Least probability of a changed pixel in a region.
        min_area_m2: Smaller regions are left out [m^2].
        finds: Frames that must have found a region before it is confirmed.
        looks: Frames remembered of each place.
        candidates: Whether regions that are not confirmed are in the results, too.
    """

    matcher: MatcherName = 'gradient'
    registration: RegistrationLimits | None = None
    alignment: AlignmentLimits = field(default_factory=AlignmentLimits)
    batch: int = 1
    overlap: int = 64
    threshold: float = 0.5
    min_area_m2: float = 20.0
    finds: int = 2
    looks: int = 3
    candidates: bool = False


class MapChangeTask(ModelTask[ChangeResult]):
    """Finds what changed between frames and a reference map.

    Args:
        model: The verified change model.
        reference: The map.
        settings: How changes are looked for.

    Raises:
        RegistrationError: There is no such matcher.
        TaskError: A setting makes no sense.
    """

    inputs = ChangeTask.inputs

    def __init__(
        self, model: Model, reference: ReferenceMap, settings: ChangeLimits | None = None
    ) -> None:
        settings = settings or ChangeLimits()
        super().__init__(model, batch=settings.batch, overlap=settings.overlap)
        self.settings = settings
        self.reference = reference
        self._pairs = ChangeTask(
            model,
            batch=settings.batch,
            overlap=settings.overlap,
            threshold=settings.threshold,
            min_area_px=MIN_AREA_PX,
        )
        # One watch: who asks this task about its calls must see those that the pairs make.
        self._pairs.calls = self.calls
        self._aligner = Aligner(
            reference,
            Registrar(settings.matcher, settings.registration),
            settings.alignment,
            self.plan.gsd_m,
        )
        self._memory = GroundMemory(finds=settings.finds, looks=settings.looks)
        self.before: NDArray[np.uint8] | None = None

    def run(self, frame: Frame) -> ChangeResult:
        """Compare a frame with the map; what prevents it becomes a result that says so.

        Afterwards `before` is the map as the frame would show it, (H, W, 3) uint8 RGB, often
        smaller than the frame; None where the frame was not laid on the map.
        """
        clock = StageClock()
        self.before = None
        try:
            alignment = self._aligner.align(frame)
        except MatchError as exc:
            match = self._aligner.match_of(frame, exc)
            clock.lap('register')
            nothing = self.without_result(frame.header, 'skipped', str(exc))
            report = replace(nothing.report, latency_ms=dict(clock.spent_ms))
            return replace(nothing, report=report, match=match)
        clock.lap('register')
        self.before = alignment.pair.before
        try:
            found = self._pairs.run(alignment.pair)
        except (ModelError, TaskError) as exc:
            found = self._pairs.without_result(frame.header, 'failed', str(exc))
        if not found.probability.size:
            return replace(found, header=frame.header, match=alignment.match)
        spent = {**clock.spent_ms, **(found.report.latency_ms or {})}
        clock = StageClock()
        result = self._on_ground(frame, found, alignment)
        clock.lap('agree')
        report = replace(result.report, latency_ms={**spent, **clock.spent_ms})
        return replace(result, report=report)

    def failed(self, frame: Frame, reason: str) -> ChangeResult:
        """Build the result of a frame on which something went wrong that should not."""
        fault = MatchError('failed', reason)
        nothing = self.without_result(frame.header, 'failed', reason)
        return replace(nothing, match=self._aligner.match_of(frame, fault))

    def _empty(self, header: FrameHeader, report: TaskReport) -> ChangeResult:
        return ChangeResult.empty(header, report)

    def _on_ground(self, frame: Frame, found: ChangeResult, alignment: Alignment) -> ChangeResult:
        """Give regions their place, area and history; bring all to the size of the frame."""
        places = [place_of(region, alignment.ground) for region in found.regions]
        sized = [
            (region, place)
            for region, place in zip(found.regions, places, strict=True)
            if place is not None and place.area_m2 >= self.settings.min_area_m2
        ]
        labels = label_image([region for region, _ in sized], found.probability.shape)
        history = self._memory.look(
            frame.header.stamp_ns, alignment.ground, alignment.pair.seen, labels
        )
        height, width = frame.image.shape[:2]
        scale = (width / found.header.width, height / found.header.height)
        regions = [
            enlarged(region, scale, placed(place, item))
            for (region, place), item in zip(sized, history, strict=True)
        ]
        kept = [r for r in regions if self.settings.candidates or _is_confirmed(r)]
        left_out = {
            'smaller_than_min_area': len(found.regions) - len(sized),
            'not_confirmed': len(regions) - len(kept),
        }
        report = replace(
            found.report, left_out={name: n for name, n in left_out.items() if n} or None
        )
        probability = np.minimum(found.probability, MOST)
        seen = found.seen
        if (height, width) != probability.shape:
            probability = cv2.resize(probability, (width, height))
            if seen is not None:
                seen = cv2.resize(seen.view(np.uint8) * np.uint8(255), (width, height)) == 255
                probability = probability * seen
        return ChangeResult(
            header=frame.header,
            report=report,
            probability=np.asarray(probability, np.uint8),
            seen=seen,
            regions=tuple(kept),
            match=alignment.match,
        )


def place_of(region: ChangeRegion, ground: GroundGrid) -> RegionPlace | None:
    """Find the outline of a region on the ground and its area; None where a corner has no place."""
    corners = region.outline.astype(np.float64)
    # Outlines count from the edge of the first pixel, places from its centre.
    limits = (ground.width - 1.0, ground.height - 1.0)
    wgs84 = ground.at(np.clip(corners - 0.5, 0.0, limits))
    if not bool(np.isfinite(wgs84).all()):
        return None
    longitude, latitude = (float(value) for value in wgs84.mean(axis=0))
    offsets = wgs84_to_offset(wgs84.copy(), latitude, longitude)
    # Holes are no part of the region, and are in its outline: its pixels say how much.
    whole_px = polygon_area(corners)
    area = polygon_area(offsets) * region.area_px / whole_px if whole_px else 0.0
    return RegionPlace(outline=wgs84, area_m2=area, number=0, looks=0, finds=0, confirmed=False)


def placed(place: RegionPlace, history: Agreement) -> RegionPlace:
    """Add what the frames so far say of a place."""
    return replace(
        place,
        number=history.number,
        looks=history.looks,
        finds=history.finds,
        confirmed=history.confirmed,
    )


def polygon_area(points: NDArray[np.float64]) -> float:
    """Return the area of a polygon (K, 2), in the square of its unit (the shoelace formula)."""
    x, y = points.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def label_image(regions: list[ChangeRegion], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return (H, W) int32, the place of every region in the list, from 1; 0 elsewhere."""
    labels = np.zeros(shape, np.int32)
    for label, region in enumerate(regions, 1):
        # Corners are edges of pixels; what is filled are pixels, whose centres lie inside.
        fixed = np.rint((region.outline.astype(np.float64) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(labels, [fixed], (label,), shift=4)
    return labels


def enlarged(region: ChangeRegion, scale: tuple[float, float], place: RegionPlace) -> ChangeRegion:
    """Bring a region of the compared images to the pixels of the frame."""
    x, y = scale
    left, top, width, height = region.box
    return replace(
        region,
        area_px=max(1, round(region.area_px * x * y)),
        box=PixelBox(left * x, top * y, width * x, height * y),
        outline=region.outline * np.array((x, y), np.float32),
        place=place,
    )


def _is_confirmed(region: ChangeRegion) -> bool:
    return region.place is not None and region.place.confirmed
