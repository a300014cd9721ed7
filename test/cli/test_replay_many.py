# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Many flights: the results of single runs, kept once made, and one table that says it all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from pages import Page

from flights import COLOURS, flight
from rs_onboard.cli.main import main
from rs_onboard.cli.replay import engines
from rs_onboard.cli.replay.job import FlightJob, FlightOutcome, run_job
from rs_onboard.cli.replay.table import table_text, write_tables

SAME = ('results.jsonl', 'results.geojson', 'run.json', 'results/results.mcap')


@pytest.fixture
def season(tmp_path):
    folder = tmp_path / 'season'
    folder.mkdir()
    for number in range(2):
        flight(folder / f'day{number}', 2 + number)
    (folder / 'broken.mcap').write_bytes(b'no bag')
    return folder


def replay(*arguments):
    return main(['replay', *map(str, arguments), *COLOURS])


def summary(out):
    return {x['name']: x for x in json.loads((out / 'summary.json').read_text(encoding='utf-8'))}


def same(one, two):
    return all((one / name).read_bytes() == (two / name).read_bytes() for name in SAME)


def test_many_flights_give_the_bytes_of_single_runs_and_one_table(tmp_path, season, capsys):
    many, single = tmp_path / 'many', tmp_path / 'single'
    assert replay(season, f'--out={many}', '--jobs=2') == 2
    printed = capsys.readouterr()
    assert '3 flights: 1 failed, 2 ok; 5 images, 5 results' in printed.out
    assert 'broken: failed:' in printed.out
    assert '[3/3]' in printed.err
    for number in range(2):
        assert replay(season / f'day{number}', f'--out={single}') == 0
        assert same(many / f'day{number}', single / f'day{number}')
    rows = summary(many)
    assert [(x, rows[x]['state'], rows[x]['results']) for x in rows] == [
        ('broken', 'failed', 0),
        ('day0', 'ok', 2),
        ('day1', 'ok', 3),
    ]
    page = (many / 'index.html').read_text(encoding='utf-8')
    assert Page(page).root is not None
    assert 'href="day0/index.html"' in page
    assert (many / 'summary.txt').read_text(encoding='utf-8').strip() in printed.out


def test_what_is_done_is_kept_until_its_inputs_change(tmp_path, season, capsys):
    out = tmp_path / 'out'
    bags = [season / 'day0', season / 'day1']
    assert replay(*bags, f'--out={out}') == 0
    assert not any(x['kept'] for x in summary(out).values())
    # As if the second run had been interrupted.
    (out / 'day1' / 'run.json').unlink()
    before = (out / 'day0' / 'timings.jsonl').read_bytes()
    assert replay(*bags, f'--out={out}', '--set=threads=1') == 0
    assert {x: y['kept'] for x, y in summary(out).items()} == {'day0': True, 'day1': False}
    assert (out / 'day0' / 'timings.jsonl').read_bytes() == before
    assert '(1 of an earlier run)' in capsys.readouterr().out
    assert replay(*bags, f'--out={out}', '--set=detection.score=0.9') == 0
    assert not any(x['kept'] for x in summary(out).values())


def test_each_flight_has_expectations_of_its_own(tmp_path, season, capsys):
    out, expected = tmp_path / 'out', tmp_path / 'expected'
    expected.mkdir()
    bags = [season / 'day0', season / 'day1']
    assert replay(*bags, f'--out={out}', f'--expect={expected}', '--update') == 0
    assert replay(*bags, f'--out={out}', f'--expect={expected}') == 0
    assert {x['differences'] for x in summary(out).values()} == {0}
    text = (expected / 'day1.expect.yaml').read_text(encoding='utf-8')
    stricter = text.replace('required: []', 'required: [{text: on fire}]')
    (expected / 'day1.expect.yaml').write_text(stricter, encoding='utf-8')
    # Results that are kept are compared all the same.
    assert replay(*bags, f'--out={out}', f'--expect={expected}') == 1
    assert summary(out)['day1']['state'] == 'differs'
    assert 'missed: any source: on fire' in capsys.readouterr().out
    assert replay(bags[0], f'--out={out}', f'--expect={expected}') == 0


def test_a_file_of_expectations_for_many_flights_is_refused(tmp_path, season, capsys):
    file = tmp_path / 'x.expect.yaml'
    file.write_text('', encoding='utf-8')
    assert replay(season, f'--out={tmp_path / "out"}', f'--expect={file}') == 2
    assert 'expected a folder with a NAME.expect.yaml for each' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--jobs=0'], '--jobs: found 0; expected a whole number from 1'),
        (['--retries=-1'], '--retries: found -1'),
        (['--ros'], '--ros: found with 3 flights'),
    ],
)
def test_options_that_make_no_sense_are_refused(season, options, message, capsys):
    assert replay(season, *options) == 2
    assert message in capsys.readouterr().err


class Process:
    """Answers as a job's process would, one answer a call."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, command, **arguments):
        assert command[1:] == ['-m', 'rs_onboard.cli.replay.job']
        self.job = FlightJob(**json.loads(arguments['input']))
        code, out, error = self.answers.pop(0)
        return engines.subprocess.CompletedProcess(command, code, out, error)


def test_a_process_that_dies_is_tried_again(tmp_path, monkeypatch):
    fine = json.dumps({'name': 'a', 'bag': 'b', 'page': 'p', 'state': 'ok'})
    process = Process((-9, '', ''), (0, f'some words\n{fine}\n', 'a warning'))
    monkeypatch.setattr(engines.subprocess, 'run', process)
    job = FlightJob('a', 'b', str(tmp_path / 'a'), {'threads': 1})
    (outcome,) = engines.run_here([job], 1, 1)
    assert process.job == job
    assert (outcome.state, outcome.attempts) == ('ok', 2)
    assert (tmp_path / 'a' / 'replay.log').read_text(encoding='utf-8') == 'a warning'


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        ((-9, '', ''), 'its process was ended by SIGKILL; out of memory, perhaps: try fewer'),
        ((-11, '', ''), 'its process was ended by SIGSEGV'),
        ((1, '', 'Traceback\nOSError: No space left\n'), 'OSError: No space left'),
    ],
)
def test_one_that_dies_again_and_again_fails_and_takes_nothing_along(
    tmp_path, monkeypatch, answer, reason
):
    fine = json.dumps({'name': 'b', 'bag': 'b', 'page': 'p', 'state': 'ok'})
    monkeypatch.setattr(engines.subprocess, 'run', Process(answer, answer, (0, fine, '')))
    jobs = [FlightJob(name, name, str(tmp_path / name)) for name in 'ab']
    first, second = engines.run_here(jobs, 1, 1)
    assert (first.state, first.attempts) == ('failed', 2)
    assert reason in first.reason
    assert second.state == 'ok'


def test_one_that_is_interrupted_is_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(engines.subprocess, 'run', Process((-2, '', '')))
    (outcome,) = engines.run_here([FlightJob('a', 'a', str(tmp_path / 'a'))], 1, 5)
    assert (outcome.state, outcome.attempts) == ('failed', 1)
    assert 'SIGINT' in outcome.reason


def test_what_a_user_can_mend_is_an_outcome_and_a_failing_disk_is_raised(tmp_path, monkeypatch):
    job = FlightJob('a', str(tmp_path / 'none.mcap'), str(tmp_path / 'out'))
    assert run_job(job).state == 'failed'
    assert 'does not exist' in run_job(job).reason
    from rs_onboard.cli.replay import flight_run

    def full(options):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(flight_run, 'replay_flight', full)
    with pytest.raises(OSError, match='No space left'):
        run_job(FlightJob('a', str(flight(tmp_path / 'bag', 1)), str(tmp_path / 'out')))


def test_the_table_escapes_names_and_lines_up(tmp_path):
    outcomes = [
        FlightOutcome('<b>', 'x', str(tmp_path / 'a' / 'index.html'), 'ok', images=3, results=3),
        FlightOutcome('a long name', 'y', '', 'failed', 'no & reason'),
    ]
    write_tables(tmp_path, outcomes)
    page = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert '&lt;b&gt;' in page
    assert '<b>&lt;' not in page.replace('<b>a long', '')
    lines = table_text(outcomes).splitlines()
    assert lines[0].index('images') + len('images') == lines[1].index('3') + 1


def test_without_dask_the_message_says_what_to_install(season, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    assert replay(season, '--cluster=local') == 2
    assert 'Install rs_onboard[cluster]' in capsys.readouterr().err


def test_a_cluster_gives_the_bytes_of_single_runs(tmp_path, season):
    pytest.importorskip('distributed', reason="needs Dask: pip install 'rs_onboard[cluster]'")
    many, single = tmp_path / 'many', tmp_path / 'single'
    assert replay(season, f'--out={many}', '--cluster=local', '--jobs=2') == 2
    assert {x: y['state'] for x, y in summary(many).items()} == {
        'broken': 'failed',
        'day0': 'ok',
        'day1': 'ok',
    }
    replay(season / 'day1', f'--out={single}')
    assert same(many / 'day1', single / 'day1')
