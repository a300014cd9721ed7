# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures inside the page: small enough together, spread over the flight."""

from __future__ import annotations

import base64

import numpy as np
from known_runs import picture

from rs_onboard.replay.report.pictures import embed_pictures


def test_pictures_that_fit_keep_their_bytes():
    small = picture()
    assert base64.b64decode(embed_pictures({7: small}, [7])[7].uri.partition(',')[2]) == small


def test_pictures_get_smaller_so_that_all_of_them_fit():
    pictures = {n: picture(1280, 720, n) for n in range(8)}
    generous = embed_pictures(pictures, range(8))
    assert {shown.width for shown in generous.values()} == {1280}
    limit = sum(len(shown.uri) * 3 // 4 for shown in generous.values()) // 3
    tight = embed_pictures(pictures, range(8), limit=limit)
    assert len(tight) == 8
    (width,) = {shown.width for shown in tight.values()}
    assert width < 1280
    assert {shown.height for shown in tight.values()} == {round(720 * width / 1280)}
    assert sum(len(shown.uri) * 3 // 4 for shown in tight.values()) <= limit


def test_pictures_that_do_not_fit_at_any_size_are_left_out_evenly():
    pictures = {n: picture(640, 400, n) for n in range(20)}
    assert embed_pictures(pictures, range(20), limit=1) == {}
    kept = embed_pictures(pictures, range(20), limit=150_000)
    assert {shown.width for shown in kept.values()} == {400}
    assert 2 < len(kept) < 20
    assert sum(len(shown.uri) * 3 // 4 for shown in kept.values()) <= 150_000
    gaps = np.diff(sorted(kept))
    assert gaps.max() - gaps.min() <= 1
