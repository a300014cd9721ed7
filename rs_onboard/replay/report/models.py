# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The models of a run: terms, what was measured, what they are known to get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_onboard.replay.report.markup import Html, element, join, section, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.card import ModelCard, TaskName, Variant
    from rs_onboard.replay.summary import RunSummary

# Digits of a hash that tell files apart at a glance.
HASH_DIGITS = 12


def models_section(run: RunSummary) -> Html:
    """Show the card of every model."""
    if not run.cards:
        return section('models', 'Models', element('p', 'No model ran.'))
    return section(
        'models',
        'Models',
        [_model(task, card, models_that_ran(run, task)) for task, card in run.cards.items()],
    )


def models_that_ran(run: RunSummary, task: TaskName) -> list[Mapping[str, Any]]:
    """Return the identities of the models that gave a task's results, each once."""
    known = {}
    for record in run.records:
        model = record.get(task, {}).get('model')
        if model:
            known[model['sha256'], model['variant'], model['provider']] = model
    return list(known.values())


def model_lines(run: RunSummary) -> Html:
    """List the models in a line each."""
    rows = []
    for task, card in run.cards.items():
        ran = models_that_ran(run, task)
        weights = card.weights
        rows.append(
            [
                task,
                join(card.name, ' ', untrained_mark(card)),
                ', '.join(f'{m["variant"]} on {m["provider"]}' for m in ran) or 'never ran',
                _main_figure(card, ran),
                join([[element('code', m['sha256'][:HASH_DIGITS]), ' '] for m in ran]),
                weights.licence,
                weights.restrictions or 'none stated',
            ]
        )
    head = ['task', 'model', 'variant', 'measured', 'sha256', 'licence of weights', 'restrictions']
    return table(head, rows, class_='text')


def untrained_mark(card: ModelCard) -> Html | None:
    """Mark a model with random weights."""
    return None if card.trained else element('b', 'UNTRAINED', class_='bad')


def _model(task: TaskName, card: ModelCard, ran: list[Mapping[str, Any]]) -> Html:
    variants = [
        card.variants[name] for name in card.variants if name in {m['variant'] for m in ran}
    ]
    gsd = card.gsd
    return element(
        'article',
        element('h3', f'{task}: {card.name} ', untrained_mark(card)),
        element('p', card.summary),
        [_variant(variant) for variant in variants],
        element('p', element('b', 'How it was measured. '), card.evaluation),
        element(
            'p',
            element('b', 'Scale. '),
            f'Trained at {gsd.trained_m:g} m/px, measured from {gsd.low_m:g} to {gsd.high_m:g} '
            'm/px.',
        ),
        [
            element('p', element('b', 'Known limits')),
            element('ul', [element('li', limit) for limit in card.limits]),
        ]
        if card.limits
        else None,
        _terms(card),
        class_='model',
    )


def _variant(variant: Variant) -> Html:
    """Show the figures of a variant; bounds stand beside the value that they belong to."""
    note = element('p', f'{variant.name}: {variant.note}', class_='quiet') if variant.note else None
    rows = _figures(variant)
    figures = table([f'{variant.name}, measured', 'value', 'interval'], rows) if rows else None
    return join(figures, note)


def _figures(variant: Variant) -> list[list[str]]:
    """Return (name, value, interval) of what was measured, the main figure first."""
    quality = variant.quality
    rows = []
    for name, value in quality.items():
        if name.endswith(('_low', '_high')) and name.rpartition('_')[0] in quality:
            continue
        low, high = quality.get(f'{name}_low'), quality.get(f'{name}_high')
        interval = '' if low is None or high is None else f'{low:.3f} to {high:.3f}'
        rows.append([name.replace('_', ' '), f'{value:.3f}', interval])
    return rows


def _main_figure(card: ModelCard, ran: list[Mapping[str, Any]]) -> str:
    """Write the first figure of the variant that ran, with its interval."""
    for model in ran:
        variant = card.variants.get(model['variant'])
        if variant and (figures := _figures(variant)):
            name, value, interval = figures[0]
            return f'{name} {value}' + (f' ({interval})' if interval else '')
    return 'not measured'


def _terms(card: ModelCard) -> Html:
    weights = card.weights
    rows = [
        ['weights', weights.licence, weights.origin, weights.restrictions or 'none stated'],
        *(
            [f'data: {source.name}', source.licence, source.origin, source.citation]
            for source in weights.data
        ),
    ]
    head = ['terms', 'licence', 'origin', 'restrictions, citation']
    return table(head, rows, class_='text')
