# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The bundled flight over a map four years older, from the bag to the features, in lock-step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rs_onboard.cli.main import main
from rs_onboard.nodes.locations import map_file
from rs_onboard.nodes.parameter_file import check_parameter_file, lookup

ROOT = Path(__file__).resolve().parents[2]
FLIGHT = ROOT / 'flights' / 'prairie_ponds'
# A point in the field whose crop is another one, looked up in the pictures of 2010 and 2014.
FIELD = (-99.1700, 47.0212)
# A point in the pond in the north, which is the same at both dates.
POND = (-99.1711, 47.0291)


@pytest.fixture(scope='module')
def flown(tmp_path_factory):
    out = tmp_path_factory.mktemp('change')
    arguments = ['replay', str(FLIGHT), f'--params={FLIGHT / "params.yaml"}', f'--out={out}']
    assert main([*arguments, '--set=threads=1']) == 0
    return out / FLIGHT.name


def changes_of(flown):
    lines = (flown / 'results.jsonl').read_text(encoding='utf-8').splitlines()
    return [record['change'] for record in map(json.loads, lines) if 'change' in record]


def holds(ring, point):
    """Whether a point lies in a polygon: crossings of a ray to the east."""
    (x0, y0), (x1, y1) = np.array(ring[:-1]).T, np.array(ring[1:]).T
    x, y = point
    rows = (y0 > y) != (y1 > y)
    cross = x0[rows] + (y - y0[rows]) / (y1 - y0)[rows] * (x1 - x0)[rows]
    return bool((cross > x).sum() % 2)


def test_its_parameters_and_its_map_are_there():
    sections = check_parameter_file(FLIGHT / 'params.yaml')
    assert map_file(str(lookup(sections, 'change', 'change.reference'))).is_file()


def test_nearly_all_frames_lie_on_the_map(flown):
    found = changes_of(flown)
    registered = [one for one in found if one['registration']['state'] == 'registered']
    assert len(found) == 27
    assert len(registered) >= 25
    assert np.median([one['registration']['residual_px'] for one in registered]) < 3
    for one in found:
        if one['registration']['state'] != 'registered':
            assert (one['status'], one['regions']) == ('skipped', [])
            assert one['registration']['reason']


def test_a_field_with_another_crop_is_a_change_and_the_pond_is_none(flown):
    collection = json.loads((flown / 'results.geojson').read_text(encoding='utf-8'))
    regions = [f for f in collection['features'] if f['properties']['kind'] == 'change']
    rings = [feature['geometry']['coordinates'][0] for feature in regions]
    at_field = [f for f, ring in zip(regions, rings, strict=True) if holds(ring, FIELD)]
    assert len(at_field) >= 3
    assert max(feature['properties']['area_m2'] for feature in at_field) > 150_000
    assert {feature['properties']['map_date'] for feature in at_field} == {'2010-06-29'}
    # One place has one number, whichever frame tells of it.
    numbers = [feature['properties']['number'] for feature in at_field]
    assert len(set(numbers)) == 1
    assert not any(holds(ring, POND) for ring in rings)
