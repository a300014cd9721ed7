# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files are checked before anything starts; the shipped ones are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.parameter_file import (
    check_parameter_file,
    default_parameter_file,
    parameter_table,
)
from rs_onboard.nodes.settings import NODE_SETTINGS
from rs_onboard.nodes.topics import topic_table

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path, text):
    path = tmp_path / 'params.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_the_shipped_file_is_what_the_settings_say():
    shipped = (ROOT / 'params' / 'perception.yaml').read_text(encoding='utf-8')
    assert shipped == default_parameter_file(), 'run `rs_onboard params --yaml`'


# The parameters of the aggregator are not those of our nodes.
SHIPPED = sorted(set((ROOT / 'params').glob('*.yaml')) - {ROOT / 'params' / 'analyzers.yaml'})


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.name)
def test_every_shipped_file_is_accepted(path):
    assert check_parameter_file(path)['/**']


def test_the_documented_table_is_what_the_settings_say():
    page = (ROOT / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    assert parameter_table() in page, 'run `rs_onboard params --table`'


def test_the_readme_has_the_table_of_topics():
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert topic_table() in readme, 'run `rs_onboard params --topics`'


@pytest.mark.parametrize(
    ('text', 'fragments'),
    [
        ('/**:\n  ros__parameters:\n    tsaks: []\n', ['/**', 'tsaks', "Did you mean 'tasks'"]),
        ('/**:\n  ros__parameters:\n    scene: {batch: 0}\n', ['scene.batch', 'from 1 to 256']),
        ('/**/scnee:\n  ros__parameters: {}\n', ["'/**/scnee' names no node", 'segmentation']),
        ('/**:\n  parameters: {}\n', ['expected the key ros__parameters']),
        ('/**:\n  ros__parameters:\n    tasks: [scene, detecting]\n', ['tasks', 'detecting']),
        ('/**/scene:\n  ros__parameters:\n    rate_hz: 1.0\n', ['rate_hz: unknown']),
        ('a: [', ['not valid YAML']),
        ('- a\n', ['expected a mapping']),
        ('/**:\n  ros__parameters:\n    threads: 1\n    threads: 2\n', ['appears twice']),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_remedy(tmp_path, text, fragments):
    path = write(tmp_path, text)
    with pytest.raises(FieldError) as caught:
        check_parameter_file(path)
    for fragment in [str(path), *fragments]:
        assert fragment in str(caught.value)


def test_whole_numbers_are_numbers_and_ros_parameters_pass(tmp_path):
    text = '/**:\n  ros__parameters:\n    rate_hz: 5\n    use_sim_time: true\n'
    assert check_parameter_file(write(tmp_path, text)) == {
        '/**': {'rate_hz': 5, 'use_sim_time': True}
    }


def test_parameters_of_one_name_mean_the_same_in_every_node():
    from rs_onboard.nodes.parameters import specs

    seen = {}
    for kind in NODE_SETTINGS.values():
        for spec in specs(kind):
            first = seen.setdefault(spec.name, spec)
            assert (spec.kind, spec.default, spec.low, spec.high, spec.choices) == (
                first.kind,
                first.default,
                first.low,
                first.high,
                first.choices,
            )
