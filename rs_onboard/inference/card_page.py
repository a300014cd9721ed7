# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A page about model folders, from their cards alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.inference.tables import markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import ClassInfo, ModelCard, TaskName

HEAD = """\
# The shipped models

What each model was trained on, what follows from the terms of that data, how good it is on images
it never saw, and where it fails. Written by `rs_onboard models page` from the cards in `models/`; a
test keeps the two the same. Figures are in percent, of the exported graph run through the flight
code, tiling included, as `rs_onboard evaluate` does it; in brackets the 95 % interval of a
bootstrap over images."""

# Picture of the worst answers on test images, in folders whose data permits it.
FAILURES = 'failures.jpg'
# What stands beside each other in it.
SHOWN: Mapping[TaskName, str] = {
    'scene': '',
    'segmentation': ' (image, truth, answer)',
    'change': ' (before, after, answer: green is right, yellow missed, red false)',
    'detection': ' (truth, answer)',
}
LOW, HIGH = '_low', '_high'
# Words of metric names that are written otherwise.
WORDS = {'iou': 'IoU', 'f1': 'F1', 'ap50': 'AP50', 'voc07': '(VOC 2007)'}


def card_page(cards: Sequence[ModelCard], models: str) -> str:
    """Write the page.

    Args:
        cards: The cards, in the order of the page.
        models: Path from the page to the folder of the model folders.
    """
    rows = [
        (f'[{c.name}](#{c.name})', c.task, c.summary, c.weights.restrictions or 'none')
        for c in cards
    ]
    parts = [HEAD, markdown_table(('model', 'task', 'what it does', 'restrictions'), rows, left=4)]
    for card in cards:
        parts += model_section(card, models)
    return '\n\n'.join(part.strip('\n') for part in parts) + '\n'


def model_section(card: ModelCard, models: str) -> list[str]:
    """Write the paragraphs about one model."""
    parts = [
        f'## {card.name}',
        card.summary,
        *([] if card.trained else ['**NOT TRAINED: its weights are random.**']),
        input_text(card),
        f'Classes: {", ".join(map(class_text, card.classes))}.',
        '### Data and terms',
        *terms(card),
        '### Figures',
        card.evaluation,
        figure_table(card),
    ]
    if card.baseline:
        parts.append(f'Baseline `{card.baseline.name}`: {sentence(card.baseline.training)}')
    parts += ['### Size and latency', latency_table(card), *notes(card)]
    if card.limits:
        parts += ['### Limits', '\n'.join(f'- {limit}' for limit in card.limits)]
    if (card.folder / FAILURES).is_file():
        place = f'{models}/{card.folder.name}/{FAILURES}'
        parts += [f'The worst answers on test images{SHOWN[card.task]}:', f'![Failures]({place})']
    return parts


def input_text(card: ModelCard) -> str:
    """Describe network, tiles and scale."""
    gsd, tile = card.gsd, card.input
    other = ''
    if tile.dynamic:
        step = f' in steps of {tile.multiple} px' if tile.multiple > 1 else ''
        other = f' (others from {tile.minimum} px{step} are possible)'
    size = f'{tile.height} x {tile.width} px{other}'
    return (
        f'Network `{card.network}`, tiles of {size}, bands {", ".join(tile.bands)}. '
        f'Trained at {gsd.trained_m:g} m/px, meant for {gsd.low_m:g} to {gsd.high_m:g} m/px.'
    )


def class_text(info: ClassInfo) -> str:
    """Name a class with what else data sets call it."""
    return f'{info.name} ({", ".join(info.aliases)})' if info.aliases else info.name


def terms(card: ModelCard) -> list[str]:
    """Say where weights and data come from and what that means."""
    weights = card.weights
    consequence = (
        f'**Restrictions: {sentence(weights.restrictions)}**'
        if weights.restrictions
        else 'No restrictions.'
    )
    rows = [(data.name, data.licence, data.origin, data.citation) for data in weights.data]
    return [
        f'Weights: {sentence(weights.licence)} Origin: {sentence(weights.origin)} {consequence}',
        markdown_table(('data', 'licence', 'origin', 'citation'), rows, left=4),
    ]


def figure_table(card: ModelCard) -> str:
    """Lay out the figures of all variants and of the baseline."""
    columns: dict[str, Mapping[str, float]] = {
        str(name): variant.quality for name, variant in card.variants.items()
    }
    if card.baseline:
        columns[card.baseline.name] = card.baseline.quality
    names = dict.fromkeys(name for quality in columns.values() for name in quality)
    figures = [
        name
        for name in names
        if not (name.endswith((LOW, HIGH)) and name.rpartition('_')[0] in names)
    ]
    if not figures:
        return 'Not measured.'
    rows = [(metric(name), *(value(q, name) for q in columns.values())) for name in figures]
    return markdown_table(('figure', *columns), rows, left=1)


def metric(name: str) -> str:
    """Write the name of a metric for people."""
    return ' '.join(WORDS.get(word, word) for word in name.split('_'))


def value(quality: Mapping[str, float], name: str) -> str:
    """Write a figure with its interval; a dash where there is none."""
    if name not in quality:
        return '-'
    text = f'{100 * quality[name]:.1f}'
    low, high = quality.get(name + LOW), quality.get(name + HIGH)
    return text if low is None or high is None else f'{text} ({100 * low:.1f} to {100 * high:.1f})'


def latency_table(card: ModelCard) -> str:
    """Lay out size and median latency of all variants."""
    rows = []
    for variant in card.variants.values():
        size = f'{variant.size / 1e6:.1f} MB'
        rows += [
            (
                variant.name,
                f'{row.machine}, {row.provider}',
                size,
                str(row.threads),
                str(row.batch),
                f'{row.height} x {row.width}',
                f'{row.p50_ms:.1f}',
            )
            for row in variant.latencies
        ] or [(variant.name, 'not measured', size, '-', '-', '-', '-')]
    header = ('variant', 'machine, provider', 'file', 'threads', 'batch', 'tile', 'median [ms]')
    return markdown_table(header, rows, left=2)


def notes(card: ModelCard) -> list[str]:
    """List what the variants say of themselves."""
    said = [f'- {v.name}: {sentence(v.note)}' for v in card.variants.values() if v.note]
    return ['\n'.join(said)] if said else []


def sentence(text: str) -> str:
    """End a text with one full stop."""
    return text.rstrip('. ') + '.'
