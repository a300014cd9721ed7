# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The criteria of a flight: a YAML file written once by the replay and edited by hand.

The golden results themselves lie in a folder beside it, which an update rewrites; the file with its
comments stays as it is.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import yaml

from rs_onboard.inference.errors import FieldError
from rs_onboard.inference.fields import Fields, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rs_onboard.replay.alarms import Alarm
    from rs_onboard.replay.run_facts import RunFacts

VERSION = 1
SOURCES_ANY = ''


def _tolerance(default: float, high: float, comment: str) -> float:
    value: float = field(default=default, metadata={'high': high, 'comment': comment})
    return value


@dataclass(frozen=True)
class Tolerances:
    """How far results may be from the golden ones."""

    frames_missing: float = _tolerance(0, 1e9, 'golden frames without a result')
    frames_extra: float = _tolerance(0, 1e9, 'results that are not among the golden ones')
    statuses: float = _tolerance(0, 1e9, 'tasks of frames with another status')
    footprint_m: float = _tolerance(0.5, 1e6, 'a corner of a footprint [m]')
    probability: float = _tolerance(0.02, 1, 'scene: of the golden class')
    box_iou: float = _tolerance(0.8, 1, 'detection: least rotated IoU of two boxes that match')
    score: float = _tolerance(0.02, 1, 'detection: of two boxes that match')
    objects_missing: float = _tolerance(0, 1e9, 'detection: golden objects without a match')
    objects_extra: float = _tolerance(0, 1e9, 'detection: objects that match no golden one')
    mask_iou: float = _tolerance(0.98, 1, 'segmentation, change: least IoU of a class in a frame')
    mask_least_share: float = _tolerance(0.005, 1, 'classes that cover less are not compared')
    registration_px: float = _tolerance(1.0, 1e4, 'change: a corner of the registered frame [px]')
    regions_missing: float = _tolerance(0, 1e9, 'change: golden regions more than found')
    regions_extra: float = _tolerance(0, 1e9, 'change: regions found more than golden')


class LatencyLimit(NamedTuple):
    """Limits of the durations of a stage over a flight [ms]; None for none."""

    mean_ms: float | None
    max_ms: float | None


class AlarmPattern(NamedTuple):
    """Alarms of a source (any, if empty) whose text contains a text."""

    source: str
    text: str

    def fits(self, alarm: Alarm) -> bool:
        """Whether an alarm is one of these; numbers may be written as # or as they were."""
        if self.source not in {SOURCES_ANY, alarm.source}:
            return False
        return self.text in alarm.text or self.text in alarm.first

    def __str__(self) -> str:
        return f'{self.source or "any source"}: {self.text}'


@dataclass(frozen=True)
class Criteria:
    """What a flight must meet.

    Attributes:
        bag: The flight, for those who have the file only; None where it does not say.
        parameters: Parameters that it is replayed with.
        golden: Folder of the golden results.
        models: `same` wants the files that gave the golden results, `any` takes others.
        tolerances: How far results may be from them.
        latency: Limits by stage, named as in the summary: `frame`, `scene infer`.
        drops: Most drops by node and reason (`tiler out_of_order`); others are not allowed.
        required: Alarms that must be raised.
        allowed: Alarms that may be raised.
        other_alarms: `refuse` or `allow` those that are neither.
    """

    golden: Path
    bag: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    models: Literal['same', 'any'] = 'same'
    tolerances: Tolerances = Tolerances()
    latency: Mapping[str, LatencyLimit] = field(default_factory=dict)
    drops: Mapping[str, float] = field(default_factory=dict)
    required: tuple[AlarmPattern, ...] = ()
    allowed: tuple[AlarmPattern, ...] = ()
    other_alarms: Literal['refuse', 'allow'] = 'refuse'


def load_criteria(path: Path) -> Criteria:
    """Read criteria.

    Raises:
        FieldError: The file is missing, or a field is unknown or not allowed.
    """
    top = Fields(load_yaml(path, what='file of expectations'), str(path))
    version = top.whole('expectations', 1, VERSION)
    assert version == VERSION
    golden = path.parent / top.take('golden', str)
    bag = top.take('bag', str, '')
    parameters = top.fields('parameters', optional=True).rest()
    models = top.choice('models', ('same', 'any'), 'same')
    values = top.fields('tolerances', optional=True)
    tolerances = Tolerances(
        **{
            item.name: values.number(
                item.name, 0.0, item.metadata['high'], cast('float', item.default)
            )
            for item in dataclasses.fields(Tolerances)
        }
    )
    values.done()
    latency = {}
    limits = top.fields('latency_ms', optional=True)
    for stage, content in limits.rest().items():
        own = limits.nested(stage, content)
        latency[stage] = LatencyLimit(
            *(own.number(x, 0.0, 1e9, -0.0) or None for x in ('mean', 'max'))
        )
        own.done()
    drops = top.numbers('drops', default={})
    alarms = top.fields('alarms', optional=True)
    required = _patterns(alarms, 'required')
    allowed = _patterns(alarms, 'allowed')
    others = alarms.choice('others', ('refuse', 'allow'), 'refuse')
    alarms.done()
    top.done()
    return Criteria(
        golden=golden,
        bag=path.parent / bag if bag else None,
        parameters=parameters,
        models=cast("Literal['same', 'any']", models),
        tolerances=tolerances,
        latency=latency,
        drops=drops,
        required=required,
        allowed=allowed,
        other_alarms=cast("Literal['refuse', 'allow']", others),
    )


def _patterns(fields: Fields, name: str) -> tuple[AlarmPattern, ...]:
    found = []
    for index, item in enumerate(fields.items(name)):
        own = fields.nested(f'{name}[{index}]', item)
        found.append(AlarmPattern(own.take('source', str, SOURCES_ANY), own.take('text', str)))
        own.done()
    return tuple(found)


def golden_folder(path: Path) -> Path:
    """Return where the golden results of a new file of expectations go."""
    name = path.name.removesuffix('.yaml').removesuffix('.yml')
    return path.with_name(f'{name}.golden')


def template(golden: Path, bag: str, facts: RunFacts) -> str:
    """Write criteria for a run, with the default tolerances and the alarms that it raised.

    Args:
        golden: Folder of its golden results.
        bag: Path of its bag as seen from the file.
        facts: What is known of it.
    """
    lines = [
        f'# What {facts.bag} is expected to give. Edit the criteria; `rs_onboard replay --update`',
        '# rewrites the golden results beside this file and leaves it alone.',
        f'expectations: {VERSION}',
        f'bag: {_scalar(bag)}',
        f'parameters: {json.dumps(dict(facts.parameters))}',
        f'golden: {_scalar(golden.name)}',
        '# same: the model files that gave the golden results; any: others are compared too.',
        'models: same',
        'tolerances:',
    ]
    lines += [
        f'  {item.name}: {item.default:g}  # {item.metadata["comment"]}'
        for item in dataclasses.fields(Tolerances)
    ]
    lines += [
        '# Limits by stage, as in the summary, such as: frame: {mean: 400, max: 1000}',
        'latency_ms: {}',
        '# Most drops by node and reason; others are not allowed.',
        'drops:' if facts.drops else 'drops: {}',
    ]
    lines += [
        f'  {_scalar(f"{node} {reason}")}: {count}'
        for node, reasons in facts.drops.items()
        for reason, count in reasons.items()
    ]
    lines += [
        'alarms:',
        '  # Must be raised; one that is not is a missed alarm.',
        '  required: []',
        '  # May be raised: text is a part of what the alarm says, numbers written as #.',
        *_alarm_lines(facts.alarms),
        '  # refuse: every other alarm is a false one; allow: it is nothing.',
        '  others: refuse',
    ]
    return '\n'.join(lines) + '\n'


def _alarm_lines(alarms: Sequence[Alarm]) -> list[str]:
    if not alarms:
        return ['  allowed: []']
    lines = ['  allowed:']
    for alarm in alarms:
        lines += [f'  - source: {_scalar(alarm.source)}', f'    text: {_scalar(alarm.text)}']
    return lines


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, default_flow_style=True, width=10_000).split('\n...')[0].strip()


def check_latency(criteria: Criteria, stages: Sequence[str], path: Path) -> None:
    """Refuse limits for stages that a run does not have.

    Raises:
        FieldError: Names the stage and those there are.
    """
    for stage in criteria.latency:
        if stage not in stages:
            raise FieldError(
                f'{path}: latency_ms.{stage}: no such stage; the run has {", ".join(stages)}. '
                'Correct the name.'
            )
