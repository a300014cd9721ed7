# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Files of expectations: written, read back, and refused where something is misspelt."""

from __future__ import annotations

import pytest

from rs_onboard.inference.errors import FieldError
from rs_onboard.replay.alarms import Alarm
from rs_onboard.replay.expectations.criteria import (
    AlarmPattern,
    LatencyLimit,
    Tolerances,
    golden_folder,
    load_criteria,
    template,
)
from rs_onboard.replay.run_facts import RunFacts

LEAST = 'expectations: 1\ngolden: here\n'


def written(tmp_path, text):
    path = tmp_path / 'x.expect.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def facts(**more):
    content = {
        'bag': 'flight',
        'inputs_sha256': '0' * 64,
        'models': {},
        'parameters': {'scene.variant': 'int8'},
        'images': 3,
        'results': 2,
        'drops': {'tiler': {'bad_image': 1}},
        'statuses': {},
    }
    return RunFacts(**{**content, **more})


def test_a_template_is_read_as_the_defaults_and_what_the_run_met(tmp_path):
    alarm = Alarm('bag', 'warn', "fix_topic: nothing on /fix, so 'no' position # s", 2, '')
    path = tmp_path / 'x.expect.yaml'
    path.write_text(template(golden_folder(path), '../bag', facts(alarms=(alarm,))), 'utf-8')
    criteria = load_criteria(path)
    assert criteria.golden == tmp_path / 'x.expect.golden'
    assert criteria.bag == tmp_path / '../bag'
    assert criteria.parameters == {'scene.variant': 'int8'}
    assert criteria.tolerances == Tolerances()
    assert criteria.drops == {'tiler bad_image': 1}
    assert criteria.required == ()
    assert criteria.allowed == (AlarmPattern('bag', alarm.text),)
    assert criteria.other_alarms == 'refuse'
    assert criteria.latency == {}


def test_what_a_user_writes_is_taken(tmp_path):
    text = LEAST + (
        'models: any\ntolerances: {mask_iou: 0.9}\n'
        'latency_ms:\n  frame: {mean: 20, max: 50}\n  scene infer: {max: 9}\n'
        'drops: {tiler out_of_order: 2}\n'
        'alarms:\n  required:\n  - text: stamps go back\n  others: allow\n'
    )
    criteria = load_criteria(written(tmp_path, text))
    assert criteria.models == 'any'
    assert criteria.tolerances.mask_iou == 0.9
    assert criteria.latency['frame'] == LatencyLimit(20, 50)
    assert criteria.latency['scene infer'] == LatencyLimit(None, 9)
    assert criteria.required == (AlarmPattern('', 'stamps go back'),)
    assert criteria.other_alarms == 'allow'
    assert criteria.bag is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('golden: x\n', 'expectations: missing'),
        ('expectations: 2\ngolden: x\n', 'expectations: found 2; expected a whole number from 1'),
        ('expectations: 1\n', 'golden: missing'),
        (LEAST + 'tolerances: {mask_iuo: 1}\n', "Did you mean 'mask_iou'"),
        (
            LEAST + 'tolerances: {mask_iou: 2}\n',
            'tolerances.mask_iou: found 2.0; expected a number',
        ),
        (LEAST + 'latency_ms: {frame: {average: 1}}\n', 'latency_ms.frame.average: unknown field'),
        (LEAST + 'alarms: {others: ignore}\n', "alarms.others: found 'ignore'"),
        (LEAST + 'alarms: {required: [{source: x}]}\n', 'required[0].text: missing'),
        (LEAST + 'drop: {}\n', "Did you mean 'drops'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(FieldError) as caught:
        load_criteria(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_pattern_fits_the_text_with_and_without_its_numbers():
    alarm = Alarm('tiler', 'warn', 'stale by # s', 3, 'stale by 1.5 s')
    assert AlarmPattern('', 'stale by #').fits(alarm)
    assert AlarmPattern('tiler', 'by 1.5 s').fits(alarm)
    assert not AlarmPattern('scene', 'stale').fits(alarm)
    assert not AlarmPattern('', 'fresh').fits(alarm)
