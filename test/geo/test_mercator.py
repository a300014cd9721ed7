# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Web Mercator there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.geo.mercator import (
    MAX_LATITUDE_DEG,
    MAX_ZOOM,
    from_pixels,
    resolution_m,
    to_pixels,
    zoom_for,
)

longitudes = st.floats(-180, 180)
latitudes = st.floats(-85, 85)


@given(longitudes, latitudes, st.integers(0, 22))
def test_places_survive_the_way_to_pixels_and_back(longitude, latitude, zoom):
    point = np.array([[longitude, latitude]])
    pixels = to_pixels(point, zoom)
    assert from_pixels(pixels, zoom) == pytest.approx(point, abs=1e-9)
    assert to_pixels(from_pixels(pixels, zoom), zoom) == pytest.approx(pixels, abs=1e-3)


def test_known_places_lie_where_all_maps_have_them():
    # The slippy-map formulas of OpenStreetMap, zoom 18.
    berlin = to_pixels(np.array([[13.3777, 52.5163]]), 18)[0] / 256
    assert berlin.astype(int).tolist() == [140813, 85975]
    assert to_pixels(np.array([0.0, 0.0]), 0).tolist() == [128.0, 128.0]
    assert to_pixels(np.array([-180.0, MAX_LATITUDE_DEG]), 3) == pytest.approx([0, 0], abs=1e-6)
    assert to_pixels(np.array([-180.0, 90.0]), 3) == pytest.approx([0, 0], abs=1e-6)


@given(st.floats(0.01, 1000), st.floats(-80, 80))
def test_the_zoom_for_a_scale_is_fine_enough_and_no_finer(gsd, latitude):
    zoom = zoom_for(gsd, latitude)
    if 0 < zoom < MAX_ZOOM:
        assert resolution_m(latitude, zoom) <= gsd * 1.04
        assert resolution_m(latitude, zoom - 1) > gsd * 1.03
