# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Shots that share places are brought together, and outliers do not pull them apart."""

from __future__ import annotations

import numpy as np
import pytest

from rs_onboard.geo.reference.adjust import Link, Looseness, Stand, adjust, moved, solve


def strip(count=5, *, seed=0, outliers=0.0):
    """Make shots 20 m apart that are shifted and turned, and the places neighbours share."""
    rng = np.random.default_rng(seed)
    stands = [Stand(np.array((20.0 * n, 0.0)), 60.0) for n in range(count)]
    scales = (3.0, 3.0, 0.02, 0.03, 0.01, 0.01)
    errors = rng.normal(0, 1, (count, 6)) * scales
    errors[:, 4:] *= 0.5
    links = []
    for first in range(count):
        for second in range(first):
            if first - second > 2:
                continue
            middle = (stands[first].centre + stands[second].centre) / 2
            truth = middle + rng.uniform(-18, 18, (40, 2))
            sights = [moved(truth, stands[n], -errors[n]) for n in (first, second)]
            wrong = rng.random(40) < outliers
            sights[0][wrong] += rng.uniform(-15, 15, (int(wrong.sum()), 2))
            links.append(Link(first, second, *sights))
    return stands, links, errors


def spread(stands, links, numbers):
    """Return how far apart the sights of one place are, the median over all [m]."""
    gaps = [
        moved(link.here, stands[link.first], numbers[link.first])
        - moved(link.there, stands[link.second], numbers[link.second])
        for link in links
    ]
    return float(np.median(np.linalg.norm(np.concatenate(gaps), axis=1)))


def test_shared_places_come_together():
    stands, links, _ = strip()
    found = adjust(stands, links, Looseness())
    assert found.before_m > 2.0
    assert spread(stands, links, found.numbers) < 0.05
    assert found.after_m < 0.2


def test_wrong_matches_do_not_pull_shots_apart():
    stands, links, _ = strip(outliers=0.15)
    found = adjust(stands, links, Looseness())
    assert spread(stands, links, found.numbers) < 0.25


def test_what_nothing_links_stays_where_its_pose_says():
    stands, links, _ = strip(3)
    alone = [*stands, Stand(np.array((500.0, 0.0)), 60.0)]
    found = adjust(alone, links, Looseness())
    np.testing.assert_allclose(found.numbers[3], 0.0, atol=1e-9)
    nothing = adjust(stands, [], Looseness())
    assert not nothing.numbers.any()
    assert (nothing.before_m, nothing.after_m) == (0.0, 0.0)


def test_the_whole_does_not_drift_from_its_poses():
    stands, links, errors = strip(8, seed=3)
    found = adjust(stands, links, Looseness())
    # The mean of the shifts is what the poses say of the whole.
    assert np.abs(found.numbers[:, :2].mean(axis=0)).max() < 1.0
    assert np.abs(found.numbers[:, :2] - errors[:, :2]).max() < 6.0


@pytest.mark.parametrize('seed', range(3))
def test_conjugate_gradients_solve_as_a_dense_solver_does(seed):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(60, 12)) * (rng.random((60, 12)) < 0.3)
    rows, columns = np.nonzero(dense)
    wanted, weight, prior = rng.normal(size=60), rng.uniform(0.5, 2, 60), rng.uniform(0.1, 1, 12)
    normal = dense.T @ (weight[:, None] * dense) + np.diag(prior)
    expected = np.linalg.solve(normal, dense.T @ (weight * wanted))
    found = solve((rows, columns, dense[rows, columns]), wanted, weight, prior, np.zeros(12))
    np.testing.assert_allclose(found, expected, atol=1e-6)
