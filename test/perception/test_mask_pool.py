# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays of the pool are used again only when nobody can notice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.inference.array_pool import MAX_KEPT
from rs_onboard.perception.mask_pool import MaskPool


def address(array):
    return array.__array_interface__['data'][0]


def test_an_array_nobody_holds_is_taken_again():
    pool = MaskPool()
    first = address(pool.take(100, 200))
    assert address(pool.take(100, 200)) == first


def test_an_array_or_a_view_that_is_held_is_never_taken_again():
    pool = MaskPool()
    held = pool.take(50, 60)
    view = pool.take(50, 60)[3:9, ::2]
    memory = memoryview(pool.take(50, 60))
    others = [pool.take(50, 60) for _ in range(3)]
    addresses = {address(held), address(view.base), address(memory.obj), *map(address, others)}
    assert len(addresses) == 6


def test_more_arrays_than_are_kept_are_still_separate():
    pool = MaskPool()
    held = [pool.take(4, 5) for _ in range(3 * MAX_KEPT)]
    assert len({address(array) for array in held}) == len(held)


def test_frames_may_change_their_size():
    pool = MaskPool()
    for height, width in [(10, 20), (30, 5), (10, 20)]:
        assert pool.take(height, width).shape == (height, width)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_what_is_held_keeps_its_content(steps):
    pool = MaskPool()
    held = {}
    for number, (drop, key) in enumerate(steps):
        if drop:
            held.pop(key, None)
            continue
        array = pool.take(7, 11)
        array.fill(number % 251)
        held[key] = (array, number % 251)
        del array
        for content, value in held.values():
            assert np.all(content == value)
