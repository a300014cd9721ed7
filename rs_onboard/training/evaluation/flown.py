# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Measure change detection in flight: labelled pairs become ground that a camera flies over.

The pairs of a set are laid side by side, their borders faded into one another so that no seam helps
to register. Date A is the reference map, date B the ground. Frames go through the flight code as in
the graph: registered from the pose the vehicle believes, in its light and motion, confirmed by
several looks. The same pictures without any of that, laid upon one another by the true pose, say
what flying costs.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rs_onboard.geo.correlation import edges
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.geo.homography import inverse, project
from rs_onboard.geo.reference.picture import PictureMap
from rs_onboard.geo.reference.view import ReferenceMap
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset
from rs_onboard.perception.change import AlignedPair, ChangeTask
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.map_change import MapChangeTask
from rs_onboard.training.data.sample import IGNORE
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.scores import CHANGED
from rs_onboard.training.evaluation.simulated_flight import (
    Disturbance,
    fly,
    lawnmower,
    photograph,
    survey_camera,
)
from rs_onboard.training.metrics import Confusion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.results import ChangeResult
    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.evaluation.simulated_flight import FlownFrame

    Image = NDArray[np.uint8]

MIDDLE = (30.3, -97.7)
# Pictures fade into their neighbours over so many pixels, which have no label.
FADE = 24
LEAST_SIDE = 4 * FADE
FRAME = (1280, 720)
# Pixels of the frame for one of the pictures: what flies low is finer than its map.
FINER = 2.5
# The dates of a pair are shifted onto one another where the place stands out by so many deviations.
CLEAR_PEAK = 8.0
MOST_OFF_PX = 8
AHEAD, BESIDE = 0.6, 0.25
# A region this close to a labelled change [m] is no false one.
NEAR_M = 3.0


@dataclass(frozen=True)
class Sheet:
    """Labelled pairs side by side.

    Attributes:
        before: The earlier date, as a map.
        after: The later date.
        labels: (H, W) uint8, 1 changed, 0 unchanged, 255 without a say.
        gsd_m: Ground sample distance [m/px].
    """

    before: PictureMap
    after: PictureMap
    labels: Image
    gsd_m: float


@dataclass
class FlownScore:
    """What was counted on a simulated flight.

    Attributes:
        frames: Frames flown.
        states: How frames lie on the map, counted by name.
        flown: Pixels by truth and answer through the whole pipeline, of frames in register.
        aligned: The same frames laid upon the map by the true pose, in clear light.
        regions: Reported regions.
        false_regions: Those of them with no labelled change nearby.
        false_places: How many different places these are.
        error_px: Distance of pixels from where registration puts them, the median of each frame in
            register [px of the frame].
        believed_px: The same by the believed pose, of all frames.
    """

    frames: int = 0
    states: Counter[str] = field(default_factory=Counter)
    flown: Confusion = field(default_factory=lambda: Confusion.empty(2))
    aligned: Confusion = field(default_factory=lambda: Confusion.empty(2))
    regions: int = 0
    false_regions: int = 0
    false_places: int = 0
    error_px: list[float] = field(default_factory=list)
    believed_px: list[float] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the figures, for JSON."""
        registered = self.states['registered']
        flown, aligned = (
            {'f1': _percent(c.f1[1]), 'precision': _percent(c.precision[1])}
            | {'recall': _percent(c.recall[1])}
            for c in (self.flown, self.aligned)
        )
        return {
            'frames': self.frames,
            'registered': registered,
            'states': dict(self.states),
            'flown': flown,
            'aligned': aligned,
            'f1_lost': _less(aligned['f1'], flown['f1']),
            'regions': self.regions,
            'false_regions': self.false_regions,
            'false_places': self.false_places,
            'false_regions_per_100_frames': round(100 * self.false_regions / max(1, registered), 2),
            'false_places_per_100_frames': round(100 * self.false_places / max(1, registered), 2),
            'error_px': _quantiles(self.error_px),
            'error_px_by_pose': _quantiles(self.believed_px),
        }


def lay_out(samples: Iterable[Sample], gsd_m: float, *, most: int = 0) -> Sheet:
    """Lay labelled pairs of one size side by side, as square as may be.

    Args:
        samples: Pairs with masks.
        gsd_m: Their ground sample distance [m/px].
        most: Pairs to take; 0 for all.

    Raises:
        DataError: There is none, or they are no squares of one size.
    """
    chosen: list[Sample] = []
    for sample in samples:
        if most and len(chosen) >= most:
            break
        chosen.append(sample)
    side = chosen[0].image.shape[0] if chosen else 0
    problems = [
        f'{sample.name}: {sample.image.shape[1]}x{sample.image.shape[0]} px; expected squares of '
        f'{max(side, LEAST_SIDE)} px, to lay them side by side'
        for sample in chosen
        if sample.image.shape[:2] != (side, side) or side < LEAST_SIDE
    ]
    if problems or not chosen:
        raise DataError('simulated flight', problems or ['no pair to fly over'])
    columns = math.ceil(math.sqrt(len(chosen)))
    rows = math.ceil(len(chosen) / columns)
    pitch = side - FADE
    size = (rows * pitch + FADE, columns * pitch + FADE)
    sums = np.zeros((2, *size, 3), np.float32)
    total = np.zeros((*size, 1), np.float32)
    labels = np.full(size, IGNORE, np.uint8)
    ramp = np.minimum(1.0, (np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5) / FADE)
    weight = (ramp[:, np.newaxis] * ramp)[:, :, np.newaxis].astype(np.float32)
    inner = slice(FADE, side - FADE)
    for number in range(rows * columns):
        # The last row goes on with the first pictures, so that there is ground everywhere.
        sample = chosen[number % len(chosen)]
        assert sample.mask is not None
        row, column = divmod(number, columns)
        place = np.s_[row * pitch : row * pitch + side, column * pitch : column * pitch + side]
        for sheet, image in zip(sums, (settled(sample), sample.image), strict=True):
            sheet[place] += image * weight
        total[place] += weight
        if number < len(chosen):
            labels[place][inner, inner] = sample.mask[inner, inner]
    before, after = np.clip(np.rint(sums / np.maximum(total, 1e-6)), 0, 255).astype(np.uint8)
    corners = _corners(size, gsd_m)
    return Sheet(
        PictureMap(before, corners, name='date A', date='2010'),
        PictureMap(after, corners, name='date B', date='2018'),
        labels,
        gsd_m,
    )


def settled(sample: Sample) -> Image:
    """Return the earlier picture of a pair, shifted onto the later one where it clearly is off.

    Pairs of satellite pictures lie a pixel or two, some four, beside one another, each its own way.
    No single motion of a frame that shows several of them could mend that.
    """
    assert sample.before is not None
    fields = [
        cv2.dft(edges(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)))
        for image in (sample.image, sample.before)
    ]
    product = cv2.mulSpectrums(fields[0], fields[1], 0, conjB=True)
    found = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[:, :, 0]
    smooth = cv2.GaussianBlur(found, (0, 0), 1.0)
    peak = float(smooth.max() - smooth.mean()) / (float(smooth.std()) + 1e-12)
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    height, width = smooth.shape
    y = int(row) - height * (int(row) > height // 2)
    x = int(column) - width * (int(column) > width // 2)
    if peak < CLEAR_PEAK or max(abs(x), abs(y)) > MOST_OFF_PX:
        return sample.before
    moved = cv2.warpAffine(
        sample.before,
        np.array([[1.0, 0, x], [0, 1.0, y]]),
        (width, height),
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(moved, np.uint8)


def fly_over(
    sheet: Sheet,
    model: Model,
    disturbance: Disturbance | None = None,
    *,
    frames: int = 0,
    seed: int = 0,
    size: tuple[int, int] = FRAME,
    progress: Callable[[int, int], None] | None = None,
) -> FlownScore:
    """Fly over labelled ground and count what the pipeline makes of it.

    Args:
        sheet: The ground.
        model: The change model.
        disturbance: What the flight adds; None for the usual.
        frames: Frames to fly, 0 for all.
        seed: Seed of the disturbance.
        size: Width and height of a frame [px].
        progress: Takes frames done and frames in all.
    """
    camera = survey_camera(*size)
    height = camera.fx * sheet.gsd_m / FINER
    footprint = tuple(side * sheet.gsd_m / FINER for side in size)
    extent = tuple(side * sheet.gsd_m for side in sheet.labels.shape[::-1])
    plan = lawnmower(
        (extent[0], extent[1]), (footprint[0], footprint[1]), ahead=AHEAD, beside=BESIDE
    )[: frames or None]
    task = MapChangeTask(model, ReferenceMap(sheet.before))
    clear = ChangeTask(model)
    score = FlownScore()
    false_numbers: set[int] = set()
    flight = fly(sheet.after, camera, height, plan, MIDDLE, disturbance or Disturbance(), seed=seed)
    for flown in flight:
        score.frames += 1
        header = FrameHeader(flown.truth.stamp_ns, '', flown.number, camera.height, camera.width)
        result = task.run(Frame(header, flown.image, camera, flown.believed, ''))
        assert result.match is not None
        score.states[result.match.state] += 1
        score.believed_px.append(_miss(flown, None))
        if result.match.state == 'registered' and result.probability.size:
            assert result.match.fit is not None
            score.error_px.append(_miss(flown, result.match.fit.homography))
            truth = photograph(sheet.labels, sheet.after, camera, flown.truth, nearest=True)
            truth[_beyond(sheet, flown)] = IGNORE
            _count(score, result, truth)
            _count_false(score, result, truth, false_numbers, height / camera.fx)
            score.aligned += _aligned(clear, sheet, flown, header, truth)
        if progress is not None:
            progress(score.frames, len(plan))
    return score


def summary_lines(score: FlownScore) -> list[str]:
    """Write the figures for people."""
    figures = score.record()
    states = ', '.join(f'{count} {name}' for name, count in score.states.most_common())
    lines = [f'{score.frames} frames: {states}']
    for name, text in (('aligned', 'laid upon one another'), ('flown', 'flown')):
        found = figures[name]
        values = '  '.join(f'{key} {_shown(found[key])} %' for key in ('f1', 'precision', 'recall'))
        lines.append(f'{text:22} {values}')
    lines.append(f'f1 lost to flying {_shown(figures["f1_lost"])} points')
    lines.append(
        f'{score.regions} regions reported, {score.false_regions} of them far from any change at '
        f'{score.false_places} places: {figures["false_regions_per_100_frames"]:.2f} per 100 frames'
    )
    for key, text in (('error_px', 'in register'), ('error_px_by_pose', 'by the pose alone')):
        if figures[key]:
            lines.append(
                f'pixels off {text}: {figures[key]["p50"]:.2f} px (p50), '
                f'{figures[key]["p95"]:.2f} px (p95)'
            )
    return lines


def _shown(value: float | None) -> str:
    return 'unknown' if value is None else f'{value:.2f}'


def _count(score: FlownScore, result: ChangeResult, truth: Image) -> None:
    known = truth.copy()
    if result.seen is not None:
        known[~result.seen] = IGNORE
    found = (result.probability >= CHANGED).view(np.uint8)
    score.flown += Confusion.count(known, found, 2)


def _count_false(
    score: FlownScore, result: ChangeResult, truth: Image, numbers: set[int], gsd_m: float
) -> None:
    """Count regions that lie on unchanged ground alone."""
    reach = 2 * math.ceil(NEAR_M / gsd_m) + 1
    near = cv2.dilate((truth == 1).astype(np.uint8), np.ones((reach, reach), np.uint8))
    for region in result.regions:
        score.regions += 1
        inside = np.zeros(truth.shape, np.uint8)
        cv2.fillPoly(inside, [np.rint(region.outline - 0.5).astype(np.int32)], (1,))
        mask = inside > 0
        # One that lies on ground without a label for the most part says nothing.
        if not mask.any() or float((truth[mask] == IGNORE).mean()) > 0.5:
            continue
        if not np.asarray(near)[mask].any():
            score.false_regions += 1
            if region.place is not None and region.place.number not in numbers:
                numbers.add(region.place.number)
                score.false_places += 1


def _aligned(
    task: ChangeTask, sheet: Sheet, flown: FlownFrame, header: FrameHeader, truth: Image
) -> Confusion:
    """Compare the same ground with nothing in between: true pose, clear light."""
    before, after = (
        photograph(picture.image, picture, flown.camera, flown.truth)
        for picture in (sheet.before, sheet.after)
    )
    ground = ground_scale(flown.camera, flown.truth)
    result = task.run(AlignedPair(header, before, after, ground=ground))
    return Confusion.count(truth, (result.probability >= CHANGED).view(np.uint8), 2)


def _beyond(sheet: Sheet, flown: FlownFrame) -> NDArray[np.bool_]:
    """Return the pixels of a frame that see no ground of the sheet."""
    whole = np.full(sheet.labels.shape, 255, np.uint8)
    seen = photograph(whole, sheet.after, flown.camera, flown.truth, nearest=True)
    return np.asarray(seen == 0, np.bool_)


def _miss(flown: FlownFrame, homography: NDArray[np.float64] | None) -> float:
    """Return the median distance of ground from where it is put in the frame [px]."""
    x, y = np.meshgrid(
        np.linspace(0, flown.camera.width - 1, 9), np.linspace(0, flown.camera.height - 1, 7)
    )
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2)
    truth = locate(pixels, flown.camera, flown.truth).wgs84
    before = pixels if homography is None else project(inverse(homography), pixels)
    found = locate(before, flown.camera, flown.believed).wgs84
    assert truth is not None
    assert found is not None
    gap = wgs84_to_offset(truth, *MIDDLE) - wgs84_to_offset(found, *MIDDLE)
    assert flown.truth.height_m is not None
    gsd = flown.truth.height_m / flown.camera.fx
    return float(np.median(np.linalg.norm(gap, axis=1))) / gsd


def _corners(size: tuple[int, int], gsd_m: float) -> NDArray[np.float64]:
    height, width = (side * gsd_m / 2 for side in size)
    ends = np.array([(-width, height), (width, height), (width, -height), (-width, -height)])
    return offset_to_wgs84(ends, *MIDDLE)


def _percent(value: float) -> float | None:
    """Return a share in percent, None where nothing was there to be measured."""
    return round(100 * float(value), 2) if math.isfinite(value) else None


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else round(whole - part, 2)


def _quantiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    median, high = np.quantile(values, (0.5, 0.95))
    return {'p50': round(float(median), 2), 'p95': round(float(high), 2)}
