# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The pickle machine: plain values come out, nothing else happens."""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.pickle_names import CALLS, Global, Record
from rs_onboard.zoo.unpickle import PickleMachine

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def no_storage(_reference: object) -> object:
    raise AssertionError('no storage expected')


def load(data: bytes) -> object:
    return PickleMachine(io.BytesIO(data), no_storage).load()


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Plain:
    pass


class Listed(list):
    pass


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.text())
    ),
    max_leaves=12,
)


@given(value=PLAIN, protocol=st.sampled_from(PROTOCOLS[2:]))
def test_plain_values_come_out_as_they_went_in(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_text_protocols_and_ordered_mappings_are_read(protocol):
    value = collections.OrderedDict([('a', [1, 2.5, None]), ('b', ({'c': True}, 'd'))])
    assert load(pickle.dumps(value, protocol)) == dict(value)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_instances_become_records_of_their_state(protocol):
    plain, listed = Plain(), Listed([1, 2])
    plain.weight, listed.name = 3, 'n'
    first, second = load(pickle.dumps([plain, listed], protocol))
    assert isinstance(first, Record)
    assert first.kind.endswith('.Plain')
    assert first.state == {'weight': 3}
    assert second.state == {'name': 'n'}


def test_extras_of_training_programs_are_kept_as_records():
    extras = [
        np.float64(0.5),
        np.arange(3),
        argparse.Namespace(lr=0.1),
        Path('x'),
        functools.partial(dict, a=1),
        collections.defaultdict(list, {'k': 1}),
    ]
    found = load(pickle.dumps(extras, 2))
    assert [getattr(value, 'kind', value) for value in found[:1]] == [found[0].kind]
    assert found[0].kind.endswith('multiarray.scalar')
    assert found[2].state == {'lr': 0.1}
    assert found[5] == {'k': 1}


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize(
    'call',
    [
        lambda mark: Calls(os.system, f'touch {mark}'),
        lambda mark: Calls(subprocess.check_call, ['touch', mark]),
        lambda mark: Calls(eval, f'open({mark!r}, "w")'),
        lambda mark: Calls(exec, f'open({mark!r}, "w")'),
        lambda mark: Calls(open, mark, 'w'),
        lambda mark: Calls(getattr, os, 'system'),
        lambda mark: Calls(__import__, 'os'),
        lambda mark: Calls(Path.touch, Path(mark)),
        lambda mark: Calls(functools.partial, os.system, f'touch {mark}'),
        lambda mark: {'state_dict': {}, 'extra': [Calls(os.mkdir, mark)]},
        lambda mark: Calls(np.save, mark, 1),
    ],
)
def test_calls_are_refused_and_leave_no_trace(call, protocol, tmp_path):
    mark = str(tmp_path / 'mark')
    if 'Path.touch' in call.__code__.co_names and protocol < 4:
        pytest.skip('cannot be pickled')
    try:
        data = pickle.dumps(call(mark), protocol)
    except (TypeError, pickle.PicklingError, AttributeError):
        data = b'cos\nsystem\n(S' + repr(f'touch {mark}').encode() + b'\ntR.'
    with pytest.raises(CheckpointError, match='Do not trust this file'):
        load(data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'data',
    [
        b"(S'touch mark'\nios\nsystem\n.",
        b'(cos\nsystem\nS"touch mark"\no.',
        b'\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0atouch mark\x85R.',
        b'\x80\x02cos\nsystem\n)\x81.',
        b'\x80\x02cnumpy.testing\nrunstring\nX\x01\x00\x00\x001}\x86R.',
        b'\x80\x02ctorch.hub\nload\nX\x01\x00\x00\x00x\x85R.',
        b'\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.',
    ],
)
def test_every_way_of_calling_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match='nothing was run'):
        load(data)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_imported():
    before = set(sys.modules)
    found = load(b'\x80\x02cno_such_package.models\nLSNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.')
    assert found == Record('no_such_package.models.LSNet', (), {'a': 1})
    load(b'\x80\x02cantigravity_not\nx\n.')
    assert not {name for name in set(sys.modules) - before if 'package' in name}


def test_state_for_a_name_changes_nothing():
    before = dict(CALLS)
    found = load(
        b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x0c\x00\x00\x00__defaults__NsN\x86b.'
    )
    assert found == Global('torch._utils', '_rebuild_tensor_v2')
    assert before == CALLS


@pytest.mark.parametrize(
    ('data', 'fragment'),
    [
        (b'', 'truncated or malformed pickle'),
        (b'\x80\x02', 'truncated or malformed pickle'),
        (b'\x80\x02(K\x01', 'truncated or malformed pickle'),
        (b'\x80\x02R.', 'stack underflow'),
        (b'\x80\x02h\x05.', 'malformed'),
        (b'\x80\x02\x82\x01.', 'instruction EXT1'),
        (b'\x80\x02K\x01)R.', 'a call of something that is not a name'),
        (b'\x80\x02}}K\x01s.', 'a mapping with a key of type dict'),
        (b'\x80\x04K\x01K\x02\x93.', 'a name that is not text'),
        (b'\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.', 'malformed'),
    ],
)
def test_broken_pickles_are_refused(data, fragment):
    with pytest.raises(CheckpointError, match=fragment):
        load(data)


def test_deep_nesting_does_not_exhaust_the_stack():
    depth = 200_000
    value = load(b'\x80\x02' + b']' * 1 + b')' + b'\x85' * depth + b'a.')
    assert isinstance(value, list)
    with pytest.raises(CheckpointError, match='key of type tuple'):
        load(b'\x80\x02})' + b'\x85' * depth + b'K\x01s.')


@given(data=st.binary(max_size=200))
def test_random_bytes_give_a_value_or_a_refusal(data):
    with contextlib.suppress(CheckpointError):
        PickleMachine(io.BytesIO(b'\x80\x02' + data + b'.'), str).load()
