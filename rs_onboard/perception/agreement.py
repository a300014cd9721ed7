# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What several frames say about one place: looks and finds, remembered on the ground.

The ground is divided into cells of Web Mercator, which lie where they lie whatever camera looks.
Each cell remembers its last few looks as bits, one for each frame that saw it: whether it had
changed there. Regions that share cells with an earlier one have its number.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.mercator import resolution_m, to_pixels
from rs_onboard.geo.reference.view import STEP
from rs_onboard.perception.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rs_onboard.geo.reference.view import GroundGrid

# A stamp this far before the last one begins another round of a recording.
TIME_JUMP_NS = 1_000_000_000
# A cell must be hit by several pixels, or the next frame hits its neighbour.
PIXELS_A_CELL = 2.0
MAX_ZOOM = 28
# Zooms that the size of cells may sway beyond its bounds: a third in height.
SWAY = 0.4
# Larger frames are looked at in steps; the work and the memory of it stay bounded.
MOST_PIXELS = 1_500_000
BLOCK = 256
# Blocks of cells kept in memory, 0.4 MB each; the one not seen for longest goes first.
MAX_BLOCKS = 64
# The bits of a byte.
MAX_LOOKS = 8
# A cell has changed where this share of its pixels has.
CELL_SHARE = 0.5
POPCOUNT = np.array([value.bit_count() for value in range(256)], np.uint8)


class Agreement(NamedTuple):
    """What the frames so far say of a region.

    Attributes:
        number: The same for a place in all frames, from 1.
        looks: Frames that saw it, of the last `looks` of the memory; the median over its cells.
        finds: How many of them found it changed, likewise.
        confirmed: Whether that is enough over most of it.
    """

    number: int
    looks: int
    finds: int
    confirmed: bool


@dataclass
class _Block:
    """Cells (256, 256): bits of the last looks, number of looks, number of the region."""

    bits: NDArray[np.uint8]
    looks: NDArray[np.uint8]
    numbers: NDArray[np.int32]

    @classmethod
    def empty(cls) -> _Block:
        shape = (BLOCK, BLOCK)
        return cls(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.int32))


class GroundMemory:
    """Remembers which ground was seen, and found changed, in the last frames.

    Args:
        finds: Frames that must have found a change before it is confirmed.
        looks: Frames remembered of each place.

    Raises:
        TaskError: The numbers make no sense together.
    """

    def __init__(self, *, finds: int = 2, looks: int = 3) -> None:
        if not 1 <= finds <= looks <= MAX_LOOKS:
            raise TaskError(
                f'agreement: found {finds} finds of {looks} looks; expected 1 <= finds <= looks <= '
                f'{MAX_LOOKS}.'
            )
        self._finds = finds
        self._mask = np.uint8(2**looks - 1)
        self._limit = looks
        self._blocks: OrderedDict[tuple[int, int, int], _Block] = OrderedDict()
        self._next = 1
        self._last_ns = 0
        self._zoom: int | None = None

    def look(
        self,
        stamp_ns: int,
        ground: GroundGrid,
        seen: NDArray[np.bool_] | None,
        labels: NDArray[np.int32],
    ) -> list[Agreement]:
        """Remember a frame; say what is known of each of its regions.

        Args:
            stamp_ns: Its stamp [ns]; one more than a second before the last clears the memory.
            ground: Where on the ground its pixels lie.
            seen: (H, W) bool, the pixels that were compared; None for all.
            labels: (H, W) int32, 0 where nothing changed, else 1 and up, the regions.
        """
        if stamp_ns < self._last_ns - TIME_JUMP_NS:
            self._blocks.clear()
        self._last_ns = stamp_ns
        step = _step(ground)
        count = int(labels.max(initial=0))
        cells = _Cells.of(ground, None if seen is None else seen[::step, ::step], step, self._zoom)
        if cells is None:
            return [Agreement(self._new_number(), 0, 0, confirmed=False) for _ in range(count)]
        self._zoom = cells.zoom
        of_pixel = labels[::step, ::step].reshape(-1)[cells.pixels]
        changed = np.bincount(cells.index, of_pixel > 0, cells.size)
        total = np.bincount(cells.index, minlength=cells.size)
        bits, looks, numbers = self._read(cells)
        visited = total > 0
        hit = changed >= CELL_SHARE * np.maximum(total, 1)
        bits[visited] = ((bits[visited] << 1) | hit[visited]) & self._mask
        looks[visited] = np.minimum(looks[visited] + 1, self._limit)
        found = self._judge(cells, of_pixel, count, (bits, looks, numbers))
        self._write(cells, (bits, looks, numbers))
        return found

    def clear(self) -> None:
        """Forget all ground."""
        self._blocks.clear()

    def _judge(
        self,
        cells: _Cells,
        of_pixel: NDArray[np.int32],
        count: int,
        memory: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]],
    ) -> list[Agreement]:
        """Say what is known of each region; its cells get its number."""
        bits, looks, numbers = memory
        order = np.flatnonzero(of_pixel)
        order = order[np.argsort(of_pixel[order], kind='stable')]
        ends = np.searchsorted(of_pixel[order], np.arange(1, count + 2))
        found = []
        # A place that falls apart: the first, largest part keeps the number, the others get theirs.
        taken: set[int] = set()
        chosen = numbers.copy()
        for start, end in pairwise(ends):
            # Every pixel votes, so that cells count by how much of the region lies in them.
            mine = cells.index[order[start:end]]
            if not len(mine):
                found.append(Agreement(self._new_number(), 0, 0, confirmed=False))
                continue
            finds = POPCOUNT[bits[mine]]
            number = _most_frequent(numbers[mine], taken) or self._new_number()
            taken.add(number)
            chosen[mine] = number
            found.append(
                Agreement(
                    number=number,
                    looks=int(np.median(looks[mine])),
                    finds=int(np.median(finds)),
                    confirmed=bool((finds >= self._finds).mean() >= 0.5),
                )
            )
        numbers[:] = chosen
        return found

    def _new_number(self) -> int:
        self._next += 1
        return self._next - 1

    def _read(
        self, cells: _Cells
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]]:
        """Put the memory of the cells together, (rows * columns,) each."""
        shape = (cells.rows, cells.columns)
        whole = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.int32)
        for key, there, here in cells.blocks():
            if (block := self._blocks.get(key)) is not None:
                whole[0][here] = block.bits[there]
                whole[1][here] = block.looks[there]
                whole[2][here] = block.numbers[there]
        return whole[0].reshape(-1), whole[1].reshape(-1), whole[2].reshape(-1)

    def _write(
        self,
        cells: _Cells,
        memory: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]],
    ) -> None:
        shape = (cells.rows, cells.columns)
        bits, looks, numbers = memory
        for key, there, here in cells.blocks():
            block = self._blocks.setdefault(key, _Block.empty())
            self._blocks.move_to_end(key)
            block.bits[there] = bits.reshape(shape)[here]
            block.looks[there] = looks.reshape(shape)[here]
            block.numbers[there] = numbers.reshape(shape)[here]
        while len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)


@dataclass(frozen=True)
class _Cells:
    """The cells that a frame sees.

    Attributes:
        zoom: Their zoom: a cell is a pixel of Web Mercator there.
        left: Column of the first [cells of the world].
        top: Row of the first.
        rows: Rows of the rectangle that holds all.
        columns: Its columns.
        pixels: (N,) flat indices of the pixels of the frame that lie on known ground.
        index: (N,) the cell of each in the rectangle, flat.
    """

    zoom: int
    left: int
    top: int
    rows: int
    columns: int
    pixels: NDArray[np.intp]
    index: NDArray[np.intp]

    @property
    def size(self) -> int:
        return self.rows * self.columns

    @classmethod
    def of(
        cls, ground: GroundGrid, seen: NDArray[np.bool_] | None, step: int, last_zoom: int | None
    ) -> _Cells | None:
        """Find the cells of every `step`-th pixel that was seen; None where there are none."""
        known = np.isfinite(ground.points).all(axis=2)
        if not known.any():
            return None
        latitude = float(ground.points[known][:, 1].mean())
        coarse = to_pixels(ground.points, 0)
        apart = np.abs(np.diff(coarse, axis=1)).max(axis=2)
        pixel = float(np.nanmedian(apart)) / STEP * resolution_m(latitude, 0)
        zoom = _zoom(pixel * step * PIXELS_A_CELL, latitude, last_zoom)
        world = to_pixels(ground.points, zoom)
        origin = np.floor(np.nanmin(world.reshape(-1, 2), axis=0))
        x, y = np.meshgrid(
            np.arange(0, ground.width, step, dtype=np.float32) / STEP,
            np.arange(0, ground.height, step, dtype=np.float32) / STEP,
        )
        local = (world - origin).astype(np.float32)
        dense = np.asarray(cv2.remap(local, x, y, cv2.INTER_LINEAR)).reshape(-1, 2)
        usable = np.isfinite(dense).all(axis=1)
        if seen is not None:
            usable &= seen.reshape(-1)
        pixels = np.flatnonzero(usable)
        if not len(pixels):
            return None
        columns, rows = np.floor(dense[pixels]).astype(np.intp).T
        width = int(columns.max()) + 1
        left, top = (int(value) for value in origin)
        return cls(zoom, left, top, int(rows.max()) + 1, width, pixels, rows * width + columns)

    def blocks(
        self,
    ) -> Iterator[tuple[tuple[int, int, int], tuple[slice, slice], tuple[slice, slice]]]:
        """Yield the key of every block touched, the part of it, and the part of the rectangle."""
        for row in range(self.top // BLOCK, (self.top + self.rows - 1) // BLOCK + 1):
            for column in range(self.left // BLOCK, (self.left + self.columns - 1) // BLOCK + 1):
                there_y, here_y = _shared(row, self.top, self.rows)
                there_x, here_x = _shared(column, self.left, self.columns)
                yield (self.zoom, column, row), (there_y, there_x), (here_y, here_x)


def _shared(block: int, first: int, count: int) -> tuple[slice, slice]:
    """Return what a block and a run of cells share: as a part of the block, and of the run."""
    start = max(block * BLOCK, first)
    end = min((block + 1) * BLOCK, first + count)
    return slice(start - block * BLOCK, end - block * BLOCK), slice(start - first, end - first)


def _step(ground: GroundGrid) -> int:
    """Return which pixels are looked at: every one, or fewer of a large frame."""
    return max(1, math.ceil(math.sqrt(ground.height * ground.width / MOST_PIXELS)))


def _zoom(cell_m: float, latitude_deg: float, last: int | None) -> int:
    """Return the finest zoom whose pixels are at least so large [m], or the last if it is near.

    A height that sways must not divide what is remembered between two zooms.
    """
    exact = math.log2(resolution_m(latitude_deg, 0) / cell_m)
    if last is not None and last - SWAY <= exact < last + 1 + SWAY:
        return last
    return min(max(math.floor(exact), 0), MAX_ZOOM)


def _most_frequent(numbers: NDArray[np.int32], taken: set[int]) -> int:
    """Return the number above 0 that occurs most and is not taken, 0 where there is none."""
    values, counts = np.unique(numbers, return_counts=True)
    free = [index for index, value in enumerate(values) if value > 0 and int(value) not in taken]
    return int(values[max(free, key=lambda index: counts[index])]) if free else 0
