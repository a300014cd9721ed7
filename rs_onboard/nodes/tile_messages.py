# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles as messages: one stacked image and the rectangles the tiles come from.

Layout, as a BoundingBox2DArray with the stamp of the image, in pixels of the original frame: first
the frame itself, then the full extent of every tile in order (a tile of a frame smaller than it
sticks out at the right and bottom). Sizes relative to the tile image give the scale.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from vision_msgs.msg import BoundingBox2D, BoundingBox2DArray

from rs_onboard.nodes.image_messages import header_message, image_from_message, rgb8_message
from rs_onboard.perception.errors import TileError
from rs_onboard.perception.tiler import StackedTiles, TileScale
from rs_onboard.perception.tiles import MAX_TILES, PixelBox, TileGrid

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.nodes.selection_values import SelectedTiles
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.tiler import CutTiles


def tiles_message(tiles: CutTiles) -> Image:
    """Stack the selected tiles of a frame under one another; empty where none are."""
    stack = tiles.stack()
    count, height, width, bands = stack.shape
    return rgb8_message(tiles.header, stack.reshape(count * height, width, bands))


def layout_message(tiles: CutTiles) -> BoundingBox2DArray:
    """Write where the tiles lie."""
    grid = tiles.grid
    frame = PixelBox(0.0, 0.0, grid.frame_width, grid.frame_height)
    boxes = [box_message(frame), *(box_message(grid.box(index)) for index in range(len(grid)))]
    return BoundingBox2DArray(header=header_message(tiles.header), boxes=boxes)


def tiles_from_messages(
    stack: Image,
    layout: BoundingBox2DArray,
    *,
    scale: TileScale,
    header: FrameHeader,
    view: tuple[CameraModel | None, Pose | None] = (None, None),
    selected: SelectedTiles | None = None,
) -> StackedTiles:
    """Rebuild the tiles of a frame.

    Args:
        stack: The stacked tiles.
        layout: Their layout, of the same stamp.
        scale: What the tiler said about the scale.
        header: Header of the frame; its size is taken from the layout.
        view: Camera and pose of the frame, where the tiler had them.
        selected: What the stack holds, None where it holds all tiles.

    Raises:
        EncodingError: The stack is not what its fields say.
        TileError: The layout is not a grid, or does not fit the stack.
    """
    boxes = [pixel_box(box) for box in layout.boxes]
    whole = len(boxes) - 1
    numbers = range(whole) if selected is None else selected.selection.tiles
    if not 1 <= whole <= MAX_TILES or (numbers and numbers[-1] >= whole):
        raise TileError(
            f'tiles: found a layout of {len(boxes)} boxes; expected the frame and 1 to '
            f'{MAX_TILES} tiles, the selected ones among them. Use the tiler of the same release.'
        )
    image = image_from_message(stack) if numbers else np.empty((0, 0, 3), np.uint8)
    height, width = image.shape[0] // max(1, len(numbers)), image.shape[1]
    if selected is not None and not numbers:
        height, width = selected.height, selected.width
    if height * len(numbers) != image.shape[0]:
        raise TileError(
            f'tiles: found a stack {image.shape[0]} px high for {len(numbers)} tiles; expected '
            'tiles of equal height. Use the tiler of the same release.'
        )
    grid = _grid(boxes[0], boxes[1:], height, width)
    header = replace(header, height=grid.frame_height, width=grid.frame_width)
    return StackedTiles(
        header,
        grid,
        scale,
        image.reshape(len(numbers), grid.tile_height, grid.tile_width, 3),
        camera=view[0],
        pose=view[1],
        selection=None if selected is None else selected.selection,
    )


def _grid(frame: PixelBox, tiles: list[PixelBox], height: int, width: int) -> TileGrid:
    """Recover the grid; all numbers were integers at tile scale, so rounding restores them."""
    first = tiles[0]
    finite = all(math.isfinite(value) for box in (frame, *tiles) for value in box)
    ok = finite and min(*frame[2:], *first[2:]) >= 1e-3 and max(frame[2:]) < 2**24
    if not ok:
        raise TileError(f'tiles: found a frame {frame} and a tile {first}; expected sizes in px.')
    sy, sx = height / first.height, width / first.width
    # Both axes were scaled by one factor and rounded to whole pixels.
    slack = 0.5 / frame.height + 0.5 / frame.width + 1e-6
    if abs(sy - sx) > slack and min(frame.height * sy, frame.width * sx) > 1.5:
        raise TileError(
            f'tiles: found tiles of {width}x{height} px for boxes of {first.width:g}x'
            f'{first.height:g} px; expected one scale. Use the tiler of the same release.'
        )
    ys = tuple(sorted({round(box.top * sy) for box in tiles}))
    xs = tuple(sorted({round(box.left * sx) for box in tiles}))
    if len(ys) * len(xs) != len(tiles):
        raise TileError(
            f'tiles: found {len(tiles)} boxes in {len(ys)} rows and {len(xs)} columns; expected a '
            'full grid. Use the tiler of the same release.'
        )
    return TileGrid(
        frame_height=round(frame.height),
        frame_width=round(frame.width),
        height=max(1, round(frame.height * sy)),
        width=max(1, round(frame.width * sx)),
        tile_height=height,
        tile_width=width,
        ys=ys,
        xs=xs,
    )


def box_message(pixels: PixelBox) -> BoundingBox2D:
    """Write an upright rectangle by its centre."""
    box = BoundingBox2D(size_x=float(pixels.width), size_y=float(pixels.height))
    box.center.position.x = pixels.left + pixels.width / 2.0
    box.center.position.y = pixels.top + pixels.height / 2.0
    return box


def pixel_box(box: BoundingBox2D) -> PixelBox:
    """Read an upright rectangle."""
    centre = box.center.position
    return PixelBox(
        centre.x - box.size_x / 2.0, centre.y - box.size_y / 2.0, box.size_x, box.size_y
    )
