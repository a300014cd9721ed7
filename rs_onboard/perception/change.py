# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change detection on two images of one place that lie pixel upon pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.gsd import GroundScale
from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.errors import FrameError, TaskError
from rs_onboard.perception.frame import Frame
from rs_onboard.perception.mask_pool import MaskPool
from rs_onboard.perception.regions import MAX_REGIONS, find_regions
from rs_onboard.perception.results import ChangeResult
from rs_onboard.perception.stitch import MaskStitcher
from rs_onboard.perception.task import ModelTask, StageClock
from rs_onboard.perception.tiler import cut_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport
    from rs_onboard.perception.tiler import CutTiles
    from rs_onboard.perception.tiles import TileGrid


UNKNOWN_SCALE = GroundScale(None, 'ground sample distance unknown')


@dataclass(frozen=True)
class AlignedPair:
    """Two images of one place that lie pixel upon pixel.

    Attributes:
        header: Header of the later image.
        before: (H, W, 3) uint8 RGB, the earlier image, warped onto the later one.
        after: (H, W, 3) uint8 RGB, the later image.
        seen: (H, W) bool, True where both show the ground; None where they do everywhere.
        ground: Ground sample distance of both.
    """

    header: FrameHeader
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    seen: NDArray[np.bool_] | None = None
    ground: GroundScale = UNKNOWN_SCALE

    def __post_init__(self) -> None:
        """Check that everything has the size the header says.

        Raises:
            FrameError: An image is not (H, W, 3) uint8, or the mask not (H, W) bool, of that size.
        """
        size = (self.header.height, self.header.width)
        expected = {'before': (*size, 3), 'after': (*size, 3), 'seen': size}
        for name, shape in expected.items():
            array = getattr(self, name)
            dtype = np.dtype(np.bool_ if name == 'seen' else np.uint8)
            if array is not None and (array.shape != shape or array.dtype != dtype):
                raise FrameError(
                    f'pair {self.header.sequence}: `{name}` is {array.shape} {array.dtype}; '
                    f'expected {shape} {dtype}. Warp the earlier image onto the later one.'
                )


class ChangeTask(ModelTask[ChangeResult]):
    """Finds what changed between two aligned images.

    Args:
        model: The verified model.
        batch: Tiles per inference.
        overlap: Least overlap of neighbouring tiles [px].
        threshold: Least probability of a changed pixel in a region.
        min_area_px: Regions smaller than this are left out [px of the frame].
    """

    inputs = ('before', 'after')

    def __init__(
        self,
        model: Model,
        *,
        batch: int = 1,
        overlap: int = 64,
        threshold: float = 0.5,
        min_area_px: int = 16,
    ) -> None:
        super().__init__(model, batch=batch, overlap=overlap)
        if not 0 < threshold <= 1:
            raise TaskError(f'change threshold: found {threshold}; expected above 0 and up to 1.')
        self.threshold = threshold
        self.min_area_px = min_area_px
        self._buffers = np.empty((2, batch, 0, 0, 3), np.uint8)
        self._pool = MaskPool()

    def run(self, pair: AlignedPair) -> ChangeResult:
        """Infer a pair; a failure becomes a result with status `failed`."""
        if pair.seen is not None and not pair.seen.any():
            return self.without_result(pair.header, 'skipped', 'no ground is seen in both images')
        clock = StageClock()
        try:
            return self._infer(pair, clock)
        except (ModelError, TaskError) as exc:
            return self.without_result(pair.header, 'failed', str(exc))

    def _infer(self, pair: AlignedPair, clock: StageClock) -> ChangeResult:
        header, seen = pair.header, pair.seen
        before = pair.before if seen is None else same_where_unseen(pair.before, pair.after, seen)
        frames = (Frame(header, before), Frame(header, pair.after))
        tiles = cut_pair(frames, self.plan, pair.ground)
        probability, count = self._mosaic(tiles, seen, clock)
        if seen is not None:
            probability *= seen
        clock.lap('stitch')
        regions = find_regions(probability, threshold=self.threshold, min_area_px=self.min_area_px)
        clock.lap('regions')
        reason = f'{regions.beyond} regions beyond the {MAX_REGIONS} largest are left out'
        return ChangeResult(
            header=header,
            report=self._report(
                tiles[0], clock, count=count, reason=reason if regions.beyond else ''
            ),
            probability=probability,
            seen=seen,
            regions=regions.found,
        )

    def _mosaic(
        self, tiles: tuple[CutTiles, CutTiles], seen: NDArray[np.bool_] | None, clock: StageClock
    ) -> tuple[NDArray[np.uint8], int]:
        """Infer the tiles that show something; return (H, W) uint8 and their number."""
        grid = tiles[0].grid
        wanted = seen_tiles(grid, seen)
        shape = (2, self._batch, grid.tile_height, grid.tile_width, 3)
        if self._buffers.shape != shape:
            self._buffers = np.empty(shape, np.uint8)
        stitcher = MaskStitcher(grid, fill=0, pool=self._pool)
        for first in range(0, len(wanted), self._batch):
            batch = wanted[first : first + self._batch]
            feeds = {}
            for name, cut, buffer in zip(self.inputs, tiles, self._buffers, strict=True):
                cut.copy(batch, buffer)
                feeds[name] = buffer[: len(batch)]
            clock.lap('cut')
            outputs = self.calls.run(self.model.runtime, feeds)
            clock.lap('infer')
            found = self._checked(outputs, 'probability', (len(batch), *shape[2:4]))
            masks = found.astype(np.uint8, copy=False)
            for slot, index in enumerate(batch):
                stitcher.paste((index,), masks[slot : slot + 1])
            clock.lap('stitch')
        return stitcher.mask(), len(wanted)

    def _empty(self, header: FrameHeader, report: TaskReport) -> ChangeResult:
        return ChangeResult.empty(header, report)


def same_where_unseen(
    before: NDArray[np.uint8], after: NDArray[np.uint8], seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Give the earlier image the later one's pixels where not both are seen.

    The black border of a warped image would be a change to a network, and tell on pixels around.
    """
    filled = after.copy()
    cv2.copyTo(before, seen.view(np.uint8), filled)
    return filled


def seen_tiles(grid: TileGrid, seen: NDArray[np.bool_] | None) -> list[int]:
    """List the tiles whose own part of the frame shows something."""
    if seen is None:
        return list(range(len(grid)))
    wanted = []
    for index, core in enumerate(grid.cores()):
        rows = _in_frame(core.frame[0], grid.frame_height, grid.height)
        columns = _in_frame(core.frame[1], grid.frame_width, grid.width)
        if seen[rows, columns].any():
            wanted.append(index)
    return wanted


def _in_frame(part: slice, length: int, scaled: int) -> slice:
    """Return the pixels of the frame that a part of the scaled frame touches."""
    return slice(part.start * length // scaled, -(-part.stop * length // scaled))
