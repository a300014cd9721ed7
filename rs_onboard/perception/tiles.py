# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tile plans and grids: where the tiles of a frame lie.

A grid spreads tiles evenly, so that neighbours overlap by at least the overlap asked for and the
last tile ends at the frame's edge. Every pixel belongs to the tile whose centre is nearest to it;
these centre crops, `TileGrid.core`, cover the frame exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.perception.errors import TileError

if TYPE_CHECKING:
    from collections.abc import Iterator

# A frame of 100 megapixels cut in 256 px tiles gives about 2000; more means a wrong plan.
MAX_TILES = 10_000


@dataclass(frozen=True)
class TilePlan:
    """What a model wants of the tiler.

    Attributes:
        height: Tile height [px].
        width: Tile width [px].
        overlap: Least overlap of neighbouring tiles [px].
        gsd_m: Ground sample distance the tiles should have [m/px]; None keeps the image scale.
        dynamic: Whether smaller tiles may be cut from frames smaller than a tile.
        multiple: Tile sizes are multiples of this [px] when `dynamic`.
        minimum: Smallest tile side [px] when `dynamic`.
    """

    height: int
    width: int
    overlap: int = 0
    gsd_m: float | None = None
    dynamic: bool = False
    multiple: int = 1
    minimum: int = 1

    def __post_init__(self) -> None:
        """Refuse plans that cover nothing.

        Raises:
            TileError: A size is not positive, or the overlap is not smaller than the tile.
        """
        side = min(self.height, self.width)
        if side < 1:
            raise TileError(
                f'tile plan: found tiles of {self.height}x{self.width} px; expected at least 1x1.'
            )
        if not 0 <= self.overlap < side:
            raise TileError(
                f'tile plan: found an overlap of {self.overlap} px with tiles of '
                f'{self.height}x{self.width} px; expected 0 to {side - 1}. Lower the overlap.'
            )


class Core(NamedTuple):
    """The part of a tile that is its own: slices into the tile and into the scaled frame."""

    tile: tuple[slice, slice]
    frame: tuple[slice, slice]


class PixelBox(NamedTuple):
    """An upright rectangle: left, top, width, height [px of the original frame]."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class TileGrid:
    """Tiles over a frame, rows first.

    The frame is resampled from `frame_height` x `frame_width` to `height` x `width`; tiles lie in
    the resampled frame and may stick out of it at the right and bottom only where it is smaller
    than a tile.

    Attributes:
        frame_height: Height of the original frame [px].
        frame_width: Width of the original frame [px].
        height: Height of the resampled frame [px].
        width: Width of the resampled frame [px].
        tile_height: Tile height [px].
        tile_width: Tile width [px].
        ys: Top of each tile row [px of the resampled frame], ascending.
        xs: Left of each tile column [px of the resampled frame], ascending.
    """

    frame_height: int
    frame_width: int
    height: int
    width: int
    tile_height: int
    tile_width: int
    ys: tuple[int, ...]
    xs: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.ys) * len(self.xs)

    @property
    def resampled(self) -> bool:
        """Whether tiles have another scale than the frame."""
        return (self.height, self.width) != (self.frame_height, self.frame_width)

    def origin(self, index: int) -> tuple[int, int]:
        """Return (y, x) of a tile [px of the resampled frame]."""
        row, column = divmod(index, len(self.xs))
        return self.ys[row], self.xs[column]

    def box(self, index: int) -> PixelBox:
        """Return the full extent of a tile in the original frame, padding included."""
        y, x = self.origin(index)
        sy, sx = self.frame_height / self.height, self.frame_width / self.width
        return PixelBox(x * sx, y * sy, self.tile_width * sx, self.tile_height * sy)

    def core(self, index: int) -> Core:
        """Return the centre crop of a tile; all of them cover the frame exactly once."""
        row, column = divmod(index, len(self.xs))
        top, bottom = _core(self.ys, row, self.tile_height, self.height)
        left, right = _core(self.xs, column, self.tile_width, self.width)
        y, x = self.ys[row], self.xs[column]
        return Core(
            tile=(slice(top - y, bottom - y), slice(left - x, right - x)),
            frame=(slice(top, bottom), slice(left, right)),
        )

    def cores(self) -> Iterator[Core]:
        """Yield the centre crop of every tile in order."""
        return (self.core(index) for index in range(len(self)))


def _core(starts: tuple[int, ...], index: int, tile: int, length: int) -> tuple[int, int]:
    """First and last-plus-one pixel along an axis that lie nearest to the centre of a tile.

    The seam of two tiles is midway between their centres; a pixel centred on it stays with the
    earlier tile.
    """
    first = 0 if index == 0 else (starts[index - 1] + starts[index] + tile + 1) // 2
    last = length
    if index + 1 < len(starts):
        last = (starts[index] + starts[index + 1] + tile + 1) // 2
    return first, last


def make_grid(plan: TilePlan, height: int, width: int, *, scale: float = 1.0) -> TileGrid:
    """Lay tiles over a frame.

    Args:
        plan: Tile size and overlap.
        height: Frame height [px].
        width: Frame width [px].
        scale: Pixels of the resampled frame per pixel of the frame.

    Raises:
        TileError: The frame is empty or the grid would exceed `MAX_TILES`.
    """
    if height < 1 or width < 1:
        raise TileError(f'tile grid: found a frame of {height}x{width} px; expected at least 1x1.')
    scaled_h, scaled_w = max(1, round(height * scale)), max(1, round(width * scale))
    tile_h = _tile_side(plan, plan.height, scaled_h)
    tile_w = _tile_side(plan, plan.width, scaled_w)
    ys = _starts(scaled_h, tile_h, plan.overlap)
    xs = _starts(scaled_w, tile_w, plan.overlap)
    if len(ys) * len(xs) > MAX_TILES:
        raise TileError(
            f'tile grid: a frame of {scaled_h}x{scaled_w} px at tile scale gives '
            f'{len(ys) * len(xs)} tiles of {tile_h}x{tile_w} px; at most {MAX_TILES} are cut. '
            'Use larger tiles or a coarser ground sample distance.'
        )
    return TileGrid(height, width, scaled_h, scaled_w, tile_h, tile_w, ys, xs)


def _tile_side(plan: TilePlan, side: int, length: int) -> int:
    if not plan.dynamic or length >= side:
        return side
    fitting = -(-max(length, plan.minimum) // plan.multiple) * plan.multiple
    return min(side, fitting)


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    if length <= tile:
        return (0,)
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(index * (length - tile) // (count - 1) for index in range(count))
