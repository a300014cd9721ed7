# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The page about the models says what the cards say, and the one in the docs is up to date."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rs_onboard.inference.card import Baseline, ClassInfo, Latency, load_card
from rs_onboard.inference.card_page import card_page

ROOT = Path(__file__).parents[2]
CARD = ROOT / 'test' / 'data' / 'models' / 'colour-scene'


@pytest.fixture
def card():
    plain = load_card(CARD)
    variant = dataclasses.replace(
        plain.variants['fp32'],
        quality={'accuracy': 0.8, 'accuracy_low': 0.7, 'accuracy_high': 0.9, 'ap50': 0.5},
        latencies=(Latency('a laptop', 'cpu', 2, 1, 128, 128, 3.14),),
        note='a note',
    )
    return dataclasses.replace(
        plain,
        classes=(ClassInfo('red', (255, 0, 0), ('rot', 'rouge')), *plain.classes[1:]),
        variants={'fp32': variant},
        weights=dataclasses.replace(plain.weights, restrictions='Research only.'),
        baseline=Baseline('plain', 'The same way.', {'accuracy': 0.75}),
    )


def test_the_page_names_figures_intervals_baseline_terms_and_limits(card):
    page = card_page([card], '../models')
    for text in (
        '| [colour-scene](#colour-scene) | scene |',
        '## colour-scene',
        'Trained at 0.3 m/px, meant for 0.15 to 0.6 m/px.',
        'Classes: red (rot, rouge), green, blue.',
        '**Restrictions: Research only.**',
        '| figure | fp32 | plain |\n|---|--:|--:|\n',
        '| accuracy | 80.0 (70.0 to 90.0) | 75.0 |',
        '| AP50 | 50.0 | - |',
        'Baseline `plain`: The same way.',
        '| fp32 | a laptop, cpu | 0.0 MB | 2 | 1 | 128 x 128 | 3.1 |',
        '- fp32: a note.',
        '- Knows colours only.',
    ):
        assert text in page
    assert 'failures.jpg' not in page


def test_untrained_models_and_pictures_of_failures_are_shown(card, tmp_path):
    (tmp_path / 'failures.jpg').write_bytes(b'')
    page = card_page([dataclasses.replace(card, trained=False, folder=tmp_path)], '../models')
    assert '**NOT TRAINED: its weights are random.**' in page
    assert f'images:\n\n![Failures](../models/{tmp_path.name}/failures.jpg)' in page


def test_a_model_that_was_not_measured_says_so():
    page = card_page([load_card(CARD)], '../models')
    assert 'Not measured.' in page
    assert '| fp32 | not measured | 0.0 MB | - | - | - | - |' in page


def test_the_page_of_the_docs_is_that_of_the_cards():
    folders = sorted(path.parent for path in (ROOT / 'models').glob('*/card.yaml'))
    page = card_page([load_card(folder) for folder in folders], '../models')
    written = (ROOT / 'docs' / 'models.md').read_text(encoding='utf-8')
    assert written == page, 'run: rs_onboard models page --out docs/models.md'
