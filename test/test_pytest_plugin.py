# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded flights as tests of pytest: by option, by file, by fixture."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / 'replay'))

from flights import flight, values
from rs_onboard.cli.main import main

pytest_plugins = ['pytester']

ROOT = Path(__file__).resolve().parents[1]
# Where the package is installed, pytest knows the plugin by itself.
KNOWN = any(x.name == 'rs_onboard' for x in entry_points(group='pytest11'))
PLUGIN = () if KNOWN else ('-p', 'rs_onboard.pytest_plugin')


@pytest.fixture(scope='module')
def flown(tmp_path_factory):
    """Return a bag and expectations that it meets."""
    folder = tmp_path_factory.mktemp('flown')
    bag, expected = flight(folder / 'flight', 2), folder / 'flight.expect.yaml'
    options = [f'--set={name}={value}' for name, value in values().items() if name != 'tasks']
    tasks = '--tasks=scene,detection,segmentation'
    arguments = ['replay', str(bag), f'--out={folder}/out', f'--expect={expected}', '--update']
    status = main([*arguments, tasks, *options])
    assert status == 0
    return bag, expected


@pytest.fixture
def run(pytester):
    def run_pytest(*arguments):
        return pytester.runpytest(*PLUGIN, *map(str, arguments))

    return run_pytest


def models():
    return [f'--flight-set={n}={v}' for n, v in values().items() if n.endswith('.model')]


def test_setup_registers_the_plugin():
    assert (
        "'pytest11': ['rs_onboard = rs_onboard.pytest_plugin']" in (ROOT / 'setup.py').read_text()
    )


def test_a_flight_given_by_option_is_a_test_with_properties_for_junit(run, flown, pytester):
    bag, expected = flown
    result = run(
        '--flight', bag, '--flight-expect', expected, '--junitxml=junit.xml', '-v', *models(),
        '--flight-set=tasks=[scene,detection,segmentation]', '--flight-set=segmentation.overlap=16',
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(['*flight[[]flight[]] PASSED*'])
    suite = ET.parse(pytester.path / 'junit.xml').getroot()
    properties = {x.get('name'): x.get('value') for x in suite.iter('property')}
    assert properties['flight'] == 'flight'
    assert (properties['images'], properties['results']) == ('2', '2')
    assert (properties['differences'], properties['false_alarms']) == ('0', '0')
    assert Path(properties['page']).is_file()


def test_a_file_of_expectations_is_a_test_and_fails_with_what_differs(run, flown):
    _, expected = flown
    run(expected).assert_outcomes(passed=1)
    result = run(expected, '--flight-set=detection.score=0.97')
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert f'differences from {expected}' in text
    assert 'objects missing' in text
    assert 'index.html' in text
    assert 'Traceback' not in text


def test_files_of_other_programs_with_the_same_ending_are_no_tests(run, pytester):
    pytester.makefile('.expect.yaml', other='script: spawn telnet')
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_golden_results_are_updated_by_option(run, flown, tmp_path):
    bag, _ = flown
    expected = tmp_path / 'new.expect.yaml'
    options = ['--flight', bag, '--flight-expect', expected, *models()]
    run(*options, '--flight-update').assert_outcomes(passed=1)
    run(*options).assert_outcomes(passed=1)
    assert expected.is_file()


def test_the_fixture_is_the_flight_of_the_marker_or_of_each_option(run, flown, pytester):
    bag, expected = flown
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.flight({str(bag)!r}, expect={str(expected)!r}, parameters={values()!r})
        def test_of_the_marker(flight):
            assert flight.facts.results == 2
            assert [r['scene']['status'] for r in flight.records] == ['ok', 'ok']
            assert not flight.alarms
            assert len(list(flight.masks())) == 2
            flight.check()

        def test_of_each(flight):
            flight.check()
    """)
    result = run('--flight', bag, *models())
    # The option is a test of its own too.
    result.assert_outcomes(passed=3)
    result = run()
    result.assert_outcomes(passed=1, skipped=1)


def test_a_fixture_of_the_same_name_in_a_suite_stays_what_it_is(run, pytester):
    pytester.makepyfile("""
        import pytest

        @pytest.fixture
        def flight():
            return 'LH 400'

        def test_of_another_kind(flight):
            assert flight == 'LH 400'
    """)
    run().assert_outcomes(passed=1)


def test_bad_input_is_one_clear_failure(run, tmp_path):
    result = run('--flight', tmp_path / 'nothing')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*does not exist. Give a bag folder*'])
    assert 'Traceback' not in result.stdout.str()


def test_more_expectations_than_flights_are_refused(run):
    result = run('--flight-expect', 'x.yaml')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*found 1 files for 0 flights*'])


def test_nothing_of_the_runtime_is_loaded_without_a_flight(pytester, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    pytester.makepyfile("""
        import sys

        def test_that_nothing_is_there():
            assert not {'onnxruntime', 'cv2', 'rosbags'} & set(sys.modules)
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)
