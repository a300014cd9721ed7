# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Points follow their picture when it is rescaled, and come back."""

from __future__ import annotations

import numpy as np
import pytest

from rs_onboard.geo.homography import inverse, project, rescaling

CORNERS = np.array([(-0.5, -0.5), (639.5, 479.5)])


@pytest.mark.parametrize(('across', 'down'), [(0.25, 0.25), (2.0, 2.0), (0.3, 0.7)])
def test_the_outer_edges_of_a_picture_stay_its_edges_when_it_is_rescaled(across, down):
    (left, top), (right, bottom) = project(rescaling(across, down), CORNERS)
    assert (left, top) == pytest.approx((-0.5, -0.5))
    assert (right, bottom) == pytest.approx((640 * across - 0.5, 480 * down - 0.5))
    back = project(inverse(rescaling(across, down)), np.array([(left, top), (right, bottom)]))
    np.testing.assert_allclose(back, CORNERS)


def test_both_sides_are_rescaled_alike_unless_said_otherwise():
    np.testing.assert_array_equal(rescaling(0.3), rescaling(0.3, 0.3))
