# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Several maps as one: the first shows what it has, the next what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, Origin, TileKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.geo.reference.source import MapSource


class Layers:
    """Maps on top of one another.

    Args:
        sources: Best first.

    Raises:
        MapError: There is none, or their tiles differ in size.
    """

    info: MapInfo

    def __init__(self, sources: Sequence[MapSource]) -> None:
        if not sources or any(source.info.tile_side != TILE for source in sources):
            sides = ', '.join(f'{s.info.name}: {s.info.tile_side} px' for s in sources)
            raise MapError(f'found tiles of {sides or "no map"}; expected maps with {TILE} px.')
        self._sources = tuple(sources)
        infos = [source.info for source in sources]
        boxes = np.array([info.bounds for info in infos])
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        dates = [info.date for info in infos]
        self.info = MapInfo(
            path=infos[0].path,
            name=infos[0].name,
            # The oldest is what the age of the whole is judged by; unknown if one of them is.
            date=min(dates) if all(dates) else '',
            gsd_m=max(info.gsd_m for info in infos),
            bounds=Bounds(float(low[0]), float(low[1]), float(high[2]), float(high[3])),
            min_zoom=min(info.min_zoom for info in infos),
            max_zoom=max(info.max_zoom for info in infos),
            tile_side=TILE,
            attribution='; '.join(
                dict.fromkeys(info.attribution for info in infos if info.attribution)
            ),
            origins=tuple(
                origin
                for info in infos
                for origin in (
                    info.origins or (Origin(info.name, info.date, info.gsd_m, info.attribution),)
                )
            ),
        )

    def read(self, key: TileKey) -> MapTile | None:
        """See `MapSource.read`."""
        found: MapTile | None = None
        for source in self._sources:
            below = _enlarged(source, key)
            found = below if found is None else _upon(found, below)
            if found is not None and found.seen is None:
                break
        return found

    def close(self) -> None:
        """See `MapSource.close`."""
        for source in self._sources:
            source.close()


def _enlarged(source: MapSource, key: TileKey) -> MapTile | None:
    """Read a tile, from a coarser one where the map is not as fine."""
    if key.zoom <= source.info.max_zoom:
        return source.read(key)
    step = 2 ** (key.zoom - source.info.max_zoom)
    above = source.read(TileKey(source.info.max_zoom, key.column // step, key.row // step))
    if above is None or step > TILE:
        return None
    side = TILE // step
    y, x = key.row % step * side, key.column % step * side
    part = np.s_[y : y + side, x : x + side]
    image = cv2.resize(above.image[part], (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    seen = None
    if above.seen is not None:
        shown = above.seen[part].repeat(step, axis=0).repeat(step, axis=1)
        if not shown.any():
            return None
        seen = None if bool(shown.all()) else shown
    return MapTile(np.asarray(image, np.uint8), seen)


def _upon(first: MapTile, below: MapTile | None) -> MapTile:
    """Fill what a tile does not show."""
    if below is None or first.seen is None:
        return first
    image = np.where(first.seen[:, :, np.newaxis], first.image, below.image)
    seen = None if below.seen is None else first.seen | below.seen
    return MapTile(image, None if seen is None or bool(seen.all()) else seen)
