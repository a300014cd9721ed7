# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""YAML is read strictly: each field once, of its type, and every complaint names it."""

from __future__ import annotations

import math

import pytest

from rs_onboard.inference.errors import CardError, FieldError
from rs_onboard.inference.fields import MAX_YAML_BYTES, Fields, load_yaml


def written(tmp_path, content):
    path = tmp_path / 'settings.yaml'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding='utf-8')
    return path


def test_a_mapping_is_read_as_it_is(tmp_path):
    path = written(tmp_path, 'name: Überflug\nsizes: [1, 2.5]\nnested: {deep: true}\n')
    expected = {'name': 'Überflug', 'sizes': [1, 2.5], 'nested': {'deep': True}}
    assert load_yaml(path, what='settings') == expected


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'settings holds NoneType at its top level; expected a mapping'),
        ('- 1\n', 'settings holds list at its top level'),
        ('a: 1\na: 2\n', "key 'a' appears twice.* line 2"),
        ('top:\n  a: 1\n  b: 2\n  a: 3\n', "key 'a' appears twice.* line 4"),
        ('a: &x [1]\nb: *x\n', 'aliases are not allowed.* line 2'),
        ('a: [1, 2\n', 'is not valid YAML'),
        ('a: "\\x00"\nb: \x00\n', 'is not valid YAML'),
        (b'a: \xff\xfe\n', "is not valid YAML: 'utf-8' codec"),
        ('a: 2024-13-45\n', 'is not valid YAML: month must be'),
        ('a: 0x_\n', 'is not valid YAML'),
        ('? [a, b]\n: 1\n', 'is not valid YAML.*keys must be plain text'),
        ('? {a: b}\n: 1\n', 'keys must be plain text'),
        ('[' * 600, 'is not valid YAML'),
        ('a: !!python/object/apply:os.system [id]\n', 'could not determine a constructor'),
    ],
)
def test_files_that_are_no_plain_mapping_are_refused(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(FieldError, match=message) as caught:
        load_yaml(path, what='settings')
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)


def test_a_number_of_thousands_of_digits_is_refused(tmp_path):
    # Python 3.10 reads it; later versions refuse it while reading.
    path = written(tmp_path, 'a: ' + '9' * 5000 + '\n')
    with pytest.raises(FieldError, match=r'settings.yaml'):
        Fields(load_yaml(path, what='settings'), str(path)).take('a', float)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = written(tmp_path, '#' * (MAX_YAML_BYTES + 1))
    with pytest.raises(FieldError, match='settings of 1000001 bytes; at most 1000000 are read'):
        load_yaml(path, what='settings')


def test_a_missing_file_and_a_folder_are_no_file(tmp_path):
    for path in (tmp_path / 'none.yaml', tmp_path):
        with pytest.raises(FieldError, match='no such settings; expected a YAML file'):
            load_yaml(path, what='settings')


def fields(**data):
    return Fields(data, 'file.yaml', prefix='part.')


@pytest.mark.parametrize(
    ('kind', 'value', 'expected'),
    [
        (str, 'text', 'text'),
        (str, '', ''),
        (int, -3, -3),
        (float, 2.5, 2.5),
        (float, 2, 2.0),
        (bool, False, False),
    ],
)
def test_a_field_of_its_type_is_taken(kind, value, expected):
    found = fields(x=value).take('x', kind)
    assert found == expected
    assert type(found) is kind


@pytest.mark.parametrize(
    ('kind', 'value', 'expected'),
    [
        (str, 1, 'text'),
        (str, None, 'text'),
        (int, 1.0, 'a whole number'),
        (int, True, 'a whole number'),
        (int, '1', 'a whole number'),
        (float, '1', 'a number'),
        (float, True, 'a number'),
        (float, 10**400, 'a number'),
        (bool, 1, 'true or false'),
        (bool, 'yes', 'true or false'),
        (str, [1], 'text'),
    ],
)
def test_a_field_of_another_type_is_refused(kind, value, expected):
    with pytest.raises(FieldError, match=rf'file.yaml: part.x: found .*; expected {expected}\.'):
        fields(x=value).take('x', kind)


def test_a_missing_field_is_named_unless_it_has_a_default():
    assert fields().take('x', int, 7) == 7
    with pytest.raises(FieldError, match=r'file.yaml: part.x: missing; expected a whole number'):
        fields().take('x', int)


@pytest.mark.parametrize('value', [math.nan, math.inf, -0.1, 1.1, 10**300])
def test_numbers_have_limits(value):
    with pytest.raises(FieldError, match='expected a number'):
        fields(x=value).number('x', 0, 1)
    assert fields(x=1).number('x', 0, 1) == 1.0


def test_whole_numbers_and_choices_have_limits():
    with pytest.raises(FieldError, match='found 9; expected a whole number from 1 to 8'):
        fields(x=9).whole('x', 1, 8)
    with pytest.raises(FieldError, match="found 'c'; expected one of a, b"):
        fields(x='c').choice('x', ['a', 'b'])
    assert fields().choice('x', ['a', 'b'], 'b') == 'b'


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('abc', "found 'abc'; expected a list of at least 1 entries"),
        ([], r'found \[\]; expected a list of at least 1 entries'),
        (['a', 2], r'part.x\[1\]: found 2; expected text'),
    ],
)
def test_lists_of_texts_hold_texts_only(value, message):
    with pytest.raises(FieldError, match=message):
        fields(x=value).texts('x', least=1)
    assert fields(x=['a', 'b']).texts('x') == ('a', 'b')
    assert fields().texts('x') == ()


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (None, 'part.x: found None; expected a mapping of names to finite numbers'),
        ([1], r'part.x: found \[1\]; expected a mapping'),
        ({'a': 'b'}, "part.x.a: found 'b'; expected a finite number"),
        ({'a': True}, 'part.x.a: found True'),
        ({1: 2}, 'part.x.1: found 2; expected a finite number under a name'),
        ({'a': math.nan}, 'part.x.a: found nan'),
        ({'a': math.inf}, 'part.x.a: found inf'),
        ({'a': 10**300}, 'part.x.a: found 1000'),
    ],
)
def test_named_numbers_are_finite(value, message):
    with pytest.raises(FieldError, match=message):
        fields(x=value).numbers('x', default={})
    assert fields(x={'a': 1}).numbers('x') == {'a': 1.0}
    assert fields().numbers('x', default={}) == {}


def test_nested_fields_are_named_by_their_path():
    nested = fields(inner={'y': 'text'}).fields('inner')
    with pytest.raises(
        FieldError, match=r"file.yaml: part.inner.y: found 'text'; expected a whole"
    ):
        nested.take('y', int)
    with pytest.raises(FieldError, match=r'part.inner: missing; expected a mapping'):
        fields().fields('inner')
    with pytest.raises(FieldError, match=r'part.inner: found 3; expected a mapping of fields'):
        fields(inner=3).fields('inner')
    fields().fields('inner', optional=True).done()


def test_what_nobody_asked_for_is_refused_with_the_nearest_name():
    found = fields(height=1, witdh=2)
    found.take('height', int)
    found.take('width', int, 0)
    message = r"part.witdh: unknown field; allowed are height, width. Did you mean 'width'\?"
    with pytest.raises(FieldError, match=message):
        found.done()


def test_the_error_is_of_the_kind_that_the_reader_wants():
    with pytest.raises(CardError, match='content: found 3; expected a mapping'):
        Fields(3, 'card.yaml', error=CardError)
    with pytest.raises(CardError, match=r'card.yaml: x\.y: missing'):
        Fields({'x': {}}, 'card.yaml', error=CardError).fields('x').take('y', str)
