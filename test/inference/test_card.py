# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A card with any field missing, unknown or wrong is refused, and the field is named."""

from __future__ import annotations

import copy
import math

import pytest
import yaml

from rs_onboard.inference.card import MAX_CLASSES, load_card
from rs_onboard.inference.errors import CardError

SHA = 'a' * 64

FULL = {
    'card': 1,
    'name': 'fields-small',
    'task': 'segmentation',
    'network': 'segghostnet',
    'summary': 'Fields and roads.',
    'trained': True,
    'input': {
        'bands': ['red', 'green', 'blue'],
        'height': 512,
        'width': 256,
        'multiple': 32,
        'minimum': 64,
        'dynamic': False,
    },
    'gsd': {'trained_m': 0.3, 'low_m': 0.2, 'high_m': 0.5},
    'classes': [
        {'name': 'field', 'color': [0, 255, 0], 'aliases': ['crop', 'meadow']},
        {'name': 'road', 'color': [90, 90, 90]},
    ],
    'weights': {
        'origin': 'Trained here.',
        'licence': 'CC-BY-4.0',
        'restrictions': 'none',
        'data': [
            {'name': 'set', 'licence': 'CC0', 'origin': 'a county', 'citation': 'none'},
        ],
    },
    'variants': {
        'fp32': {
            'file': 'fp32.onnx',
            'sha256': SHA,
            'bytes': 1000,
            'quality': {'miou': 0.7},
            'latency': [
                {
                    'machine': 'a laptop',
                    'provider': 'cpu',
                    'threads': 2,
                    'batch': 1,
                    'height': 512,
                    'width': 256,
                    'p50_ms': 12.5,
                }
            ],
            'note': 'first',
        },
    },
    'evaluation': 'On held-out tiles.',
    'limits': ['No snow.'],
    'baseline': {'name': 'unet', 'training': 'The same.', 'quality': {'miou': 0.6}},
}

OPTIONAL = {
    ('input', 'multiple'),
    ('input', 'minimum'),
    ('gsd', 'low_m'),
    ('gsd', 'high_m'),
    ('weights', 'restrictions'),
    ('weights', 'data', 0, 'citation'),
    ('variants', 'fp32', 'quality'),
    ('variants', 'fp32', 'quality', 'miou'),
    ('variants', 'fp32', 'latency'),
    ('variants', 'fp32', 'note'),
    ('limits',),
    ('classes', 0, 'aliases'),
    ('baseline',),
    ('baseline', 'quality', 'miou'),
}


def leaves(value, path=()):
    """Yield the path of every named field, containers included."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(key, str):
            yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from leaves(item, (*path, key))


def shown(path):
    """Write a path as messages do: list entries in brackets."""
    return ''.join(f'[{key}]' if isinstance(key, int) else f'.{key}' for key in path)[1:]


FIELDS = list(leaves(FULL))
REQUIRED = [path for path in FIELDS if path not in OPTIONAL]


def inside(card, path):
    for key in path:
        card = card[key]
    return card


def changed(path, value):
    card = copy.deepcopy(FULL)
    inside(card, path[:-1])[path[-1]] = value
    return card


def without(*paths):
    card = copy.deepcopy(FULL)
    for path in paths:
        inside(card, path[:-1]).pop(path[-1])
    return card


def load(tmp_path, card):
    text = card if isinstance(card, str) else yaml.safe_dump(card, sort_keys=False)
    (tmp_path / 'card.yaml').write_text(text, encoding='utf-8')
    return load_card(tmp_path)


def refused(tmp_path, card, message):
    with pytest.raises(CardError, match=message) as caught:
        load(tmp_path, card)
    assert str(caught.value).startswith(str(tmp_path / 'card.yaml'))
    return str(caught.value)


def test_a_full_card_is_read(tmp_path):
    card = load(tmp_path, FULL)
    assert (card.folder, card.name, card.trained) == (tmp_path, 'fields-small', True)
    assert card.class_names == ('field', 'road')
    assert card.classes[1].color == (90, 90, 90)
    assert (card.input.height, card.input.width, card.input.multiple) == (512, 256, 32)
    assert (card.gsd.trained_m, card.gsd.low_m, card.gsd.high_m) == (0.3, 0.2, 0.5)
    variant = card.variants['fp32']
    assert (variant.sha256, variant.size, variant.quality) == (SHA, 1000, {'miou': 0.7})
    assert variant.latencies[0].p50_ms == 12.5
    assert card.limits == ('No snow.',)
    assert card.classes[0].aliases == ('crop', 'meadow')
    assert (card.baseline.name, card.baseline.training) == ('unet', 'The same.')
    assert card.baseline.quality == {'miou': 0.6}


def test_optional_fields_may_be_left_out(tmp_path):
    nested = {('variants', 'fp32', 'quality', 'miou'), ('baseline', 'quality', 'miou')}
    paths = sorted(OPTIONAL - nested, key=str)
    loaded = load(tmp_path, without(*paths))
    assert (loaded.input.multiple, loaded.input.minimum) == (1, 1)
    assert (loaded.gsd.low_m, loaded.gsd.high_m) == (0.3, 0.3)
    assert loaded.limits == loaded.variants['fp32'].latencies == loaded.classes[0].aliases == ()
    assert loaded.baseline is None


@pytest.mark.parametrize('path', REQUIRED, ids=shown)
def test_every_required_field_is_missed_by_name(tmp_path, path):
    message = refused(tmp_path, without(path), '(missing|found).*expected')
    assert shown(path) in message


@pytest.mark.parametrize('path', FIELDS, ids=shown)
def test_every_field_of_a_wrong_type_is_refused_by_name(tmp_path, path):
    for wrong in (None, [None], {'odd': None}):
        message = refused(tmp_path, changed(path, wrong), 'expected|unknown field')
        assert shown(path) in message


@pytest.mark.parametrize(
    'path',
    [
        ('colour',),
        ('input', 'colour'),
        ('gsd', 'colour'),
        ('classes', 0, 'colour'),
        ('baseline', 'colour'),
        ('weights', 'colour'),
        ('weights', 'data', 0, 'colour'),
        ('variants', 'fp32', 'colour'),
        ('variants', 'fp32', 'latency', 0, 'colour'),
    ],
    ids=shown,
)
def test_unknown_fields_are_refused_everywhere(tmp_path, path):
    message = refused(tmp_path, changed(path, 1), 'unknown field; allowed are')
    assert f'{shown(path)}: unknown field' in message


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (('card',), 2, 'card: found 2; expected a whole number from 1 to 1'),
        (('name',), 'Fields', "name: found 'Fields'; expected lower-case letters"),
        (('name',), '../up', 'name: found'),
        (('name',), 'a' * 65, 'at most 64'),
        (('task',), 'sorting', "found 'sorting'; expected one of scene, detection"),
        (('trained',), 'yes', "found 'yes'; expected true or false"),
        (('input', 'bands'), [], 'input.bands: found .* at least 1'),
        (('input', 'bands'), [1, 2, 3], r'input.bands\[0\]: found 1; expected text'),
        (('input', 'height'), 500, 'input.height: found 500; expected a multiple of 32'),
        (('input', 'width'), 32, 'input.width: found 32; expected .* at least 64'),
        (('input', 'height'), 0, 'a whole number from 1 to 8192'),
        (('input', 'height'), True, 'input.height: found True'),
        (('gsd', 'trained_m'), 0, 'gsd.trained_m: found 0.0; expected a number from 0.001'),
        (('gsd', 'trained_m'), math.nan, 'gsd.trained_m: found nan'),
        (('gsd', 'low_m'), 0.4, 'gsd.low_m: found 0.4; expected a number from 0.0001 to 0.3'),
        (('gsd', 'high_m'), 0.1, 'gsd.high_m: found 0.1'),
        (('classes',), [], 'classes: found .* at least 1 entries'),
        (('classes', 1, 'name'), 'field', r"classes\[1\].name: found 'field'; .*alias once"),
        (('classes', 1, 'name'), 'crop', r"classes\[1\].name: found 'crop'; .*alias once"),
        (('classes', 0, 'aliases'), ['road'], r"classes\[1\].name: found 'road'"),
        (('classes', 0, 'color'), [0, 0], r'classes\[0\].color: found \[0, 0\]; expected three'),
        (('classes', 0, 'color'), [0, 0, 256], 'three whole numbers from 0 to 255'),
        (('classes', 0, 'color'), [0, 0, 1.5], 'three whole numbers'),
        (('classes', 0, 'color'), [True, False, True], 'three whole numbers'),
        (('weights', 'data'), [], 'weights.data: found .* at least 1'),
        (('weights', 'data'), ['set'], r"weights.data\[0\]: found 'set'; expected a mapping"),
        (('variants',), {}, 'variants.fp32: found None; expected at least one variant'),
        (('variants', 'int4'), {}, 'variants.int4: found .* named fp32, fp16, int8'),
        (('variants', 'fp32', 'file'), '../fp32.onnx', 'a plain file name ending in .onnx'),
        (('variants', 'fp32', 'file'), '/etc/passwd', 'a plain file name'),
        (('variants', 'fp32', 'file'), '.onnx', 'a plain file name'),
        (('variants', 'fp32', 'sha256'), 'A' * 64, '64 lower-case hexadecimal digits'),
        (('variants', 'fp32', 'sha256'), SHA[1:], '64 lower-case hexadecimal digits'),
        (('variants', 'fp32', 'sha256'), SHA + '\n', '64 lower-case hexadecimal digits'),
        (('variants', 'fp32', 'bytes'), 0, 'variants.fp32.bytes: found 0'),
        (
            ('variants', 'fp32', 'quality'),
            {'miou': math.nan},
            'quality.miou: found nan; expected a finite',
        ),
        (('variants', 'fp32', 'latency', 0, 'p50_ms'), -1, r'latency\[0\].p50_ms: found -1.0'),
        (('limits',), [3], r'limits\[0\]: found 3; expected text'),
        (('limits',), 'none', "limits: found 'none'; expected a list"),
    ],
)
def test_values_that_no_model_has_are_refused_by_name(tmp_path, path, value, message):
    refused(tmp_path, changed(path, value), message)


def test_a_change_model_knows_change_and_at_most_its_opposite(tmp_path):
    classes = [{'name': name, 'color': [9, 9, 9]} for name in ('same', 'change', 'perhaps')]
    for known in (classes[1:2], classes[:2]):
        card = changed(('classes',), known) | {'task': 'change'}
        assert len(load(tmp_path, card).classes) == len(known)
    card = changed(('classes',), classes) | {'task': 'change'}
    refused(tmp_path, card, 'classes: found 3; expected "change", alone or after its opposite')


def test_more_classes_than_a_mask_holds_are_refused(tmp_path):
    classes = [{'name': f'c{i}', 'color': [0, 0, 0]} for i in range(MAX_CLASSES + 1)]
    assert len(load(tmp_path, changed(('classes',), classes[:-1])).classes) == 255
    refused(tmp_path, changed(('classes',), classes), 'classes: found 256; .*at most 255 classes')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('card: 1\ncard: 1\n', "key 'card' appears twice"),
        ('card: &x 1\nname: *x\n', 'aliases are not allowed'),
        ('[]', 'model card holds list'),
        ('card: 1\n', 'name: missing; expected text'),
    ],
)
def test_cards_that_are_no_plain_mapping_are_refused(tmp_path, text, message):
    refused(tmp_path, text, message)


def test_a_missing_folder_and_a_missing_card_are_told_apart(tmp_path):
    with pytest.raises(CardError, match=r'none: no such model folder; .*copy the folder'):
        load_card(tmp_path / 'none')
    with pytest.raises(CardError, match=r'card.yaml: no such model card'):
        load_card(tmp_path)
