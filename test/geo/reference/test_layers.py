# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Several maps are one: the first on top, the others where it shows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE
from rs_onboard.geo.reference.layers import Layers
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, TileKey

KEY = TileKey(18, 1000, 2000)


class FlatMap:
    """A map of one colour, whose left part may be unseen."""

    def __init__(
        self, name, colour, *, zoom=18, unseen=0, date='', west=8.0, side=TILE, gone=False
    ):
        self.colour, self.unseen, self.gone, self.closed = colour, unseen, gone, False
        self.info = MapInfo(
            Path(f'{name}.tif'),
            name,
            date,
            0.5,
            Bounds(west, 47.0, west + 1, 48.0),
            zoom - 4,
            zoom,
            side,
            f'terms of {name}',
        )

    def read(self, key):
        if self.gone:
            return None
        seen = None
        image = np.full((TILE, TILE, 3), self.colour, np.uint8)
        if self.unseen:
            seen = np.ones((TILE, TILE), np.bool_)
            seen[:, : self.unseen] = False
            image[~seen] = 0
        return MapTile(image, seen)

    def close(self):
        self.closed = True


def test_the_first_map_shows_what_it_has_and_the_next_what_is_missing():
    top, bottom = FlatMap('top', 50, unseen=100), FlatMap('bottom', 90, unseen=40)
    tile = Layers([top, bottom]).read(KEY)
    assert (tile.image[:, 100:] == 50).all()
    assert (tile.image[:, 40:100] == 90).all()
    assert not tile.seen[:, :40].any()
    assert tile.seen[:, 40:].all()
    whole = Layers([top, FlatMap('whole', 10)]).read(KEY)
    assert whole.seen is None
    assert (whole.image[:, :100] == 10).all()
    assert Layers([FlatMap('gone', 1, gone=True), bottom]).read(KEY).image.max() == 90
    assert Layers([FlatMap('gone', 1, gone=True)]).read(KEY) is None


def test_a_coarser_map_is_enlarged_to_the_tiles_of_the_finest():
    fine, coarse = FlatMap('fine', 50, gone=True), FlatMap('coarse', 90, zoom=16, unseen=64)
    layers = Layers([fine, coarse])
    assert layers.info.max_zoom == 18
    # Four tiles a row lie on one of the coarser: of the first nothing is seen, of the next all.
    assert layers.read(TileKey(18, 1000, 2000)) is None
    assert layers.read(TileKey(18, 1001, 2000)).seen is None
    assert (layers.read(TileKey(18, 1003, 2003)).image == 90).all()


def test_the_whole_is_as_old_as_its_oldest_part_and_names_all():
    parts = [FlatMap('a', 1, date='2021-07'), FlatMap('b', 2, date='2019-05-01', west=7.5)]
    info = Layers(parts).info
    assert info.date == '2019-05-01'
    assert info.bounds == Bounds(7.5, 47.0, 9.0, 48.0)
    assert [(origin.name, origin.date) for origin in info.origins] == [
        ('a', '2021-07'),
        ('b', '2019-05-01'),
    ]
    assert info.attribution == 'terms of a; terms of b'
    assert Layers([*parts, FlatMap('c', 3)]).info.date == ''


def test_closing_closes_all():
    parts = [FlatMap('a', 1), FlatMap('b', 2)]
    Layers(parts).close()
    assert all(part.closed for part in parts)


def test_no_map_and_tiles_of_several_sizes_are_refused():
    with pytest.raises(MapError, match='no map'):
        Layers([])
    with pytest.raises(MapError, match='b: 512 px'):
        Layers([FlatMap('a', 1), FlatMap('b', 2, side=512)])
