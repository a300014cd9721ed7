# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Flights are found in folders and lists, each once, and get names of their own."""

from __future__ import annotations

import pytest
from recordings import points

from rs_onboard.replay.errors import BagError
from rs_onboard.replay.flights import find_flights, flight_name, is_bag, names_of
from rs_onboard.replay.run_facts import RUN_FILE


@pytest.fixture
def season(tmp_path):
    """Make two bag folders, a lone file, a cut recording, and what is no flight."""
    folder = tmp_path / 'season'
    folder.mkdir()
    points(folder / 'monday', [1])
    (folder / 'week').mkdir()
    points(folder / 'week' / 'tuesday', [1])
    whole = points(tmp_path / 'whole', [1])
    (folder / 'friday.mcap').write_bytes((whole / 'whole.mcap').read_bytes())
    cut = folder / 'sunday'
    cut.mkdir()
    (cut / 'sunday_0.mcap').write_bytes((whole / 'whole.mcap').read_bytes())
    (folder / 'notes.md').write_text('rain')
    (folder / 'monday-results-of').mkdir()
    points(folder / 'monday-results-of' / 'results', [1])
    (folder / 'monday-results-of' / RUN_FILE).write_text('{}')
    return folder


def test_a_folder_is_searched_and_results_of_runs_are_no_flights(season):
    found = [x.relative_to(season).as_posix() for x in find_flights([season])]
    assert found == ['friday.mcap', 'monday', 'sunday', 'week/tuesday']


def test_a_list_names_flights_as_seen_from_it(season):
    text = '# the good ones\nmonday\n\nweek/tuesday  # windy\nmonday\nweek\n'
    (season / 'good.txt').write_text(text, encoding='utf-8')
    found = find_flights([season / 'good.txt', season / 'friday.mcap'])
    assert [flight_name(x) for x in found] == ['monday', 'tuesday', 'friday']


def test_what_names_no_flight_is_refused(season):
    for path in (season / 'nothing', season / 'notes.md', season / 'week' / 'tuesday' / 'x'):
        with pytest.raises(BagError, match='holds no flight; expected a bag'):
            find_flights([path])


def test_what_is_one_recording(season):
    assert is_bag(season / 'monday')
    assert is_bag(season / 'sunday')
    assert is_bag(season / 'friday.mcap')
    assert not is_bag(season)
    assert not is_bag(season / 'notes.md')


def test_names_are_different_for_all(tmp_path):
    paths = [tmp_path / x / 'flight' for x in ('a', 'b')] + [tmp_path / 'other']
    for path in paths:
        path.mkdir(parents=True)
    assert names_of(paths) == ['a-flight', 'b-flight', 'other']
    assert names_of([paths[0], paths[0]]) == ['a-flight', 'a-flight-2']
