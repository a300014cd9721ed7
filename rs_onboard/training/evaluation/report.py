# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rs_onboard.inference.model import Model
    from rs_onboard.training.evaluation.summary import Evaluation

LISTED_CONFUSIONS = 10
COUNTED = {'scene': 'images', 'segmentation': 'pixels', 'change': 'pixels', 'detection': 'objects'}


@dataclass(frozen=True)
class Report:
    """What was measured on what.

    Attributes:
        model: The model that ran.
        folder: The data set.
        split: Name of the split.
        digest: sha256 of the names of its images.
        gsd_m: Ground sample distance of the images as the user gave it [m/px]; None for image
            scale.
        notes: What users must know of the data.
        evaluation: The figures.
        worst: Number of worst images to list.
    """

    model: Model
    folder: Path
    split: str
    digest: str
    gsd_m: float | None
    notes: tuple[str, ...]
    evaluation: Evaluation
    worst: int

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain numbers, texts and lists; None where there is no figure."""
        evaluation, card = self.evaluation, self.model.card
        known = len(card.classes)
        confusion = evaluation.confusion
        return {
            'model': {
                'name': card.name,
                'task': card.task,
                'variant': self.model.variant.name,
                'sha256': self.model.variant.sha256,
                'provider': self.model.runtime.provider,
            },
            'data': {
                'folder': self.folder.resolve().name,
                'split': self.split,
                'images': len(evaluation.scores),
                'sha256': self.digest,
                'gsd_m': self.gsd_m,
            },
            'notes': list(self.notes),
            'figures': {
                name: {
                    'value': number(value),
                    'low': number(evaluation.intervals[name][0]),
                    'high': number(evaluation.intervals[name][1]),
                }
                for name, value in evaluation.figures.items()
            },
            'classes': [
                {
                    'name': name,
                    'known': index < known,
                    **{key: number(v[index]) for key, v in evaluation.by_class.items()},
                }
                for index, name in enumerate(evaluation.classes)
            ],
            'confusion': None if confusion is None else confusion.matrix.tolist(),
            'confusions': evaluation.confusions(LISTED_CONFUSIONS),
            'wrong': len(evaluation.worst),
            'worst': [
                {'name': score.name, 'text': score.text} for score in evaluation.worst[: self.worst]
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the report line by line."""
        evaluation, variant = self.evaluation, self.model.variant
        scale = f'at {self.gsd_m:g} m/px' if self.gsd_m else 'at image scale'
        yield f'{self.model.card.name} {variant.name} ({variant.sha256[:12]})'
        yield (
            f'{self.folder}, split {self.split} ({self.digest[:12]}): '
            f'{len(evaluation.scores)} images {scale}'
        )
        yield from (f'note: {note}' for note in self.notes)
        yield ''
        for name, value in evaluation.figures.items():
            low, high = evaluation.intervals[name]
            yield f'{name:18}{percent(value)}  95 % interval: {percent(low)} to {percent(high)}'
        yield ''
        yield from self._class_table()
        if confusions := evaluation.confusions(LISTED_CONFUSIONS):
            yield ''
            yield from confusions
        if worst := evaluation.worst:
            yield ''
            yield f'worst of {len(worst)} images with a wrong answer:'
            yield from (f'  {score.name}: {score.text}' for score in worst[: self.worst])

    def _class_table(self) -> Iterator[str]:
        evaluation = self.evaluation
        width = max(5, *(len(name) for name in evaluation.classes))
        metrics = [name for name in evaluation.by_class if name != 'truth']
        counted = COUNTED[evaluation.task]
        heads = ''.join(f'{name:>11}' for name in metrics)
        yield f'{"class":{width}}  {counted:>12}{heads}'
        for index, name in enumerate(evaluation.classes):
            values = ''.join(f'{percent(evaluation.by_class[m][index]):>11}' for m in metrics)
            yield f'{name:{width}}  {evaluation.by_class["truth"][index]:12.0f}{values}'


def percent(value: float) -> str:
    """Write a share, a dash where there is none."""
    return f'{100 * value:6.2f} %' if math.isfinite(value) else '     -'


def number(value: float) -> float | None:
    """Give a number that JSON has."""
    return float(value) if math.isfinite(value) else None
