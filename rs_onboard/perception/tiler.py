# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Cut frames into tiles at the scale each model was trained at."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from rs_onboard.geo.gsd import GroundScale, ground_scale
from rs_onboard.perception.selection import Selection
from rs_onboard.perception.tile_filter import TileFilter
from rs_onboard.perception.tiles import TileGrid, TilePlan, make_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.inference.card import TaskName
    from rs_onboard.perception.frame import Frame, FrameHeader

# Enlarging further invents detail the sensor never saw.
MAX_UPSCALE = 2.0

# Within this the resampling costs more than the scale error: augmentation covers far more.
SCALE_TOLERANCE = 0.1


@dataclass(frozen=True)
class TileScale:
    """How the scale of a tile set was chosen.

    Attributes:
        scale: Pixels of the resampled frame per pixel of the frame.
        gsd_m: Ground sample distance of the tiles [m/px], None where unknown.
        reason: Why the tiles do not have the plan's GSD; empty where they do.
    """

    scale: float
    gsd_m: float | None
    reason: str


class TileSet(Protocol):
    """The tiles of one frame for one plan.

    Attributes:
        header: Header of the frame.
        grid: Where the tiles lie.
        scale: How their scale was chosen.
        camera: Intrinsics of the frame, None where none are known.
        pose: Pose of the camera, None where none is known.
        selection: Which of the tiles are to be inferred, and how.
        cut_ms: What cutting has cost so far [ms].
    """

    header: FrameHeader
    grid: TileGrid
    scale: TileScale
    selection: Selection
    camera: CameraModel | None
    pose: Pose | None
    cut_ms: float

    def batches(
        self, buffer: NDArray[np.uint8]
    ) -> Iterator[tuple[tuple[int, ...], NDArray[np.uint8]]]:
        """Yield (numbers, tiles (n, h, w, 3) uint8) of the selected tiles, n <= len(buffer).

        Args:
            buffer: (N, h, w, 3) uint8, overwritten by every step; the yielded array is valid
                until the next one.
        """


class CutTiles:
    """Tiles cut from a frame when asked for, without a stack of all of them in memory."""

    def __init__(
        self,
        frame: Frame,
        grid: TileGrid,
        scale: TileScale,
        cache: _ScaledFrames,
        selection: Selection | None = None,
    ) -> None:
        self.header = frame.header
        self.grid = grid
        self.scale = scale
        self.selection = selection or Selection.whole(len(grid))
        self.camera = frame.camera
        self.pose = frame.pose
        self.cut_ms = 0.0
        self._frame = frame
        self._cache = cache

    def selecting(self, selection: Selection) -> CutTiles:
        """Return the same tiles with another selection; pixels are shared."""
        return CutTiles(self._frame, self.grid, self.scale, self._cache, selection)

    def batches(
        self, buffer: NDArray[np.uint8]
    ) -> Iterator[tuple[tuple[int, ...], NDArray[np.uint8]]]:
        """See `TileSet.batches`; one tile as large as the frame is handed over uncopied."""
        if not (chosen := self.selection.tiles):
            return
        start = time.perf_counter_ns()
        image = self._padded()
        if len(self.grid) == 1 and image.flags.c_contiguous:
            self.cut_ms += (time.perf_counter_ns() - start) / 1e6
            yield chosen, image[np.newaxis]
            return
        for first in range(0, len(chosen), len(buffer)):
            numbers = chosen[first : first + len(buffer)]
            self._copy(image, numbers, buffer)
            self.cut_ms += (time.perf_counter_ns() - start) / 1e6
            yield numbers, buffer[: len(numbers)]
            start = time.perf_counter_ns()

    def copy(self, indices: Sequence[int], buffer: NDArray[np.uint8]) -> None:
        """Copy some tiles into the first slots of a buffer (N, h, w, 3) uint8."""
        self._copy(self._padded(), indices, buffer)

    def stack(self) -> NDArray[np.uint8]:
        """Return the selected tiles as one (N, h, w, 3) uint8 array, for a topic."""
        count = len(self.selection.tiles)
        buffer = np.empty((count, self.grid.tile_height, self.grid.tile_width, 3), np.uint8)
        # All of them are one batch.
        return next((tiles for _, tiles in self.batches(buffer)), buffer)

    def _copy(
        self, image: NDArray[np.uint8], indices: Sequence[int], buffer: NDArray[np.uint8]
    ) -> None:
        h, w = self.grid.tile_height, self.grid.tile_width
        for slot, index in enumerate(indices):
            y, x = self.grid.origin(index)
            # Takes two thirds of the time of a numpy assignment.
            cv2.copyTo(image[y : y + h, x : x + w], None, buffer[slot])  # type: ignore[call-overload]

    def _padded(self) -> NDArray[np.uint8]:
        image = self._cache.get(self._frame, self.grid.height, self.grid.width)
        below = max(0, self.grid.tile_height - self.grid.height)
        right = max(0, self.grid.tile_width - self.grid.width)
        if below or right:
            # Mirrored ground looks like ground; black borders look like nothing a network has seen.
            padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
            return np.asarray(padded, np.uint8)
        return image


class StackedTiles:
    """Tiles that arrived as one stack over a topic, the selected ones only."""

    def __init__(
        self,
        header: FrameHeader,
        grid: TileGrid,
        scale: TileScale,
        stack: NDArray[np.uint8],
        *,
        camera: CameraModel | None = None,
        pose: Pose | None = None,
        selection: Selection | None = None,
    ) -> None:
        self.header = header
        self.grid = grid
        self.scale = scale
        self.selection = selection or Selection.whole(len(grid))
        self.camera = camera
        self.pose = pose
        self.cut_ms = 0.0
        self._stack = stack

    def batches(
        self, buffer: NDArray[np.uint8]
    ) -> Iterator[tuple[tuple[int, ...], NDArray[np.uint8]]]:
        """See `TileSet.batches`; views of the stack, never copies."""
        chosen = self.selection.tiles
        for first in range(0, len(chosen), len(buffer)):
            last = first + len(buffer)
            yield chosen[first:last], self._stack[first:last]


class _ScaledFrames:
    """The resampled versions of one frame, each made once."""

    def __init__(self) -> None:
        self._images: dict[tuple[int, int], NDArray[np.uint8]] = {}
        # Tasks in threads of their own ask at the same time.
        self._lock = threading.Lock()

    def get(self, frame: Frame, height: int, width: int) -> NDArray[np.uint8]:
        if (height, width) == frame.image.shape[:2]:
            return frame.image
        with self._lock:
            image = self._images.get((height, width))
            if image is None:
                shrinks = height * width < frame.image.shape[0] * frame.image.shape[1]
                method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
                image = np.asarray(cv2.resize(frame.image, (width, height), interpolation=method))
                self._images[height, width] = image
            return image


class Tiler:
    """Gives each task the tiles its plan asks for.

    Args:
        plans: A plan for each task name.
        tile_filter: Leaves out tiles by what they show.
    """

    def __init__(
        self, plans: Mapping[TaskName, TilePlan], tile_filter: TileFilter | None = None
    ) -> None:
        self.plans = dict(plans)
        self.filter = tile_filter or TileFilter()

    def cut(self, frame: Frame) -> dict[TaskName, CutTiles]:
        """Lay out the tiles of a frame for every task; pixels are copied when a task asks."""
        cache, header = _ScaledFrames(), frame.header
        scales = {task: tile_scale(plan, frame) for task, plan in self.plans.items()}
        grids = {
            task: make_grid(plan, header.height, header.width, scale=scales[task].scale)
            for task, plan in self.plans.items()
        }
        chosen = self.filter.select(list(grids.values()), frame)
        return {
            task: CutTiles(frame, grid, scales[task], cache, selection)
            for (task, grid), selection in zip(grids.items(), chosen, strict=True)
        }


def cut_pair(
    frames: tuple[Frame, Frame], plan: TilePlan, ground: GroundScale
) -> tuple[CutTiles, CutTiles]:
    """Lay out the same tiles on two frames of one size that show the same ground."""
    scale = scale_to(plan, ground)
    header = frames[0].header
    grid = make_grid(plan, header.height, header.width, scale=scale.scale)
    first, second = (CutTiles(frame, grid, scale, _ScaledFrames()) for frame in frames)
    return first, second


def tile_scale(plan: TilePlan, frame: Frame) -> TileScale:
    """Choose the scale at which a frame is cut for a plan."""
    ground = ground_scale(frame.camera, frame.pose)
    if ground.gsd_m is None and frame.pose is None and frame.pose_reason:
        ground = GroundScale(None, f'{ground.reason} ({frame.pose_reason})')
    return scale_to(plan, ground)


def scale_to(plan: TilePlan, ground: GroundScale) -> TileScale:
    """Choose the scale at which an image of known or unknown scale is cut for a plan."""
    if plan.gsd_m is None:
        return TileScale(1.0, ground.gsd_m, '')
    if ground.gsd_m is None:
        return TileScale(1.0, None, f'image scale used, {ground.reason}')
    wanted = ground.gsd_m / plan.gsd_m
    if abs(wanted - 1.0) <= SCALE_TOLERANCE:
        return TileScale(1.0, ground.gsd_m, ground.reason)
    if wanted > MAX_UPSCALE:
        gsd = ground.gsd_m / MAX_UPSCALE
        coarse = (
            f'tiles of {gsd:.3g} m/px, the image is too coarse for the {plan.gsd_m:.3g} m/px '
            'the model was trained at'
        )
        doubts = '; '.join(filter(None, (coarse, ground.reason)))
        return TileScale(MAX_UPSCALE, gsd, doubts)
    return TileScale(wanted, plan.gsd_m, ground.reason)
