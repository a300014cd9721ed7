# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The written part of a card: what no program can measure, from a file or the command line."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.card import (
    ClassInfo,
    DataSource,
    GsdSpec,
    InputSpec,
    Weights,
    read_baseline,
)
from rs_onboard.inference.errors import CardError
from rs_onboard.inference.fields import Fields
from rs_onboard.zoo.model_folder import CardText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.zoo.network import NetworkEntry

# Names of the bands where the network takes so many and the file names none.
BANDS: Mapping[int, tuple[str, ...]] = {
    3: ('red', 'green', 'blue'),
    4: ('red', 'green', 'blue', 'near_infrared'),
}


def hue(index: int, count: int) -> tuple[int, int, int]:
    """Give each class its own hue."""
    red, green, blue = colorsys.hsv_to_rgb(index / count, 0.75 if index % 2 else 1.0, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def read_card_text(
    data: Mapping[str, Any],
    where: str,
    *,
    name: str,
    entry: NetworkEntry,
    classes: Sequence[str],
    bands: int = 3,
) -> CardText:
    """Read the fields of a `*.card.yaml`.

    Args:
        data: The fields: `summary`, `input` (`side`, `minimum`, `bands`), `gsd` (`trained_m`,
            `low_m`, `high_m`), `colors` by class, `weights` (`origin`, `licence`, `restrictions`,
            `data`), `evaluation`, `limits`, `baseline` (`name`, `training`, `quality`).
        where: The file they come from, for messages.
        name: Name of the model.
        entry: Its network.
        classes: Its classes in the order of the outputs.
        bands: Number of its input bands.

    Raises:
        CardError: A field is missing, unknown or wrong.
    """
    top = Fields(dict(data), where, error=CardError)
    gsd, weights = top.fields('gsd'), top.fields('weights')
    text = CardText(
        name=name,
        task=entry.task,
        network=entry.name,
        summary=top.take('summary', str),
        input=_input(top.fields('input'), entry, bands),
        gsd=GsdSpec(
            gsd.number('trained_m', 1e-3, 1e3),
            gsd.number('low_m', 1e-4, 1e3),
            gsd.number('high_m', 1e-3, 1e4),
        ),
        classes=_classes(top, classes),
        weights=Weights(
            origin=weights.take('origin', str),
            licence=weights.take('licence', str),
            restrictions=weights.take('restrictions', str, ''),
            data=tuple(
                _source(weights.nested(f'data[{index}]', item))
                for index, item in enumerate(weights.items('data', least=1))
            ),
        ),
        evaluation=top.take('evaluation', str),
        limits=top.texts('limits'),
        baseline=read_baseline(top),
    )
    for fields in (gsd, weights, top):
        fields.done()
    return text


def _input(fields: Fields, entry: NetworkEntry, bands: int) -> InputSpec:
    rule = entry.input_rule
    side = fields.whole('side', max(16, rule.minimum), 8192)
    if side % rule.multiple:
        raise fields.fail('side', side, f'a multiple of {rule.multiple}, which {entry.name} needs')
    names = fields.texts('bands') or BANDS.get(bands, ())
    if len(names) != bands:
        raise fields.fail('bands', list(names), f'{bands} names, one for each input band')
    spec = InputSpec(
        bands=names,
        height=side,
        width=side,
        multiple=rule.multiple,
        minimum=fields.whole('minimum', rule.minimum, side),
        dynamic=True,
    )
    fields.done()
    return spec


def _classes(top: Fields, classes: Sequence[str]) -> tuple[ClassInfo, ...]:
    chosen: dict[str, Any] = top.fields('colors', optional=True).rest()
    if unknown := sorted(set(chosen) - set(classes)):
        raise top.fail('colors', unknown, f'colours of {", ".join(classes)}')
    return tuple(
        ClassInfo(known, tuple(chosen.get(known) or hue(index, len(classes))))
        for index, known in enumerate(classes)
    )


def _source(fields: Fields) -> DataSource:
    source = DataSource(
        name=fields.take('name', str),
        licence=fields.take('licence', str),
        origin=fields.take('origin', str),
        citation=fields.take('citation', str, ''),
    )
    fields.done()
    return source
