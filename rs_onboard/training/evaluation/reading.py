# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read the labelled images of a listing one by one, all of them checked before any is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.training.data.class_folders import to_square
from rs_onboard.training.data.oriented_boxes import LabelLine, objects_of, read_labels
from rs_onboard.training.data.sample import IGNORE, Sample, read_image
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.masks import (
    read_change_mask,
    read_classes,
    read_index_mask,
    shown,
)
from rs_onboard.training.evaluation.names import Matching, match_classes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard
    from rs_onboard.training.evaluation.layout import Item, Listing


@dataclass(frozen=True)
class Options:
    """What the user decides about labels and sizes.

    Attributes:
        ignored: Classes of the data that have no say.
        known_only: Leave out what the model does not know.
        side: Side of the squares to which scenes are resized [px]; 0 keeps their size, None takes
            that of a tile, since a labelled image stands for its class whole.
    """

    ignored: Collection[str] = ()
    known_only: bool = False
    side: int | None = None


class LabelledImages:
    """The images of a listing with labels in the classes of a model.

    Args:
        listing: What is to be read.
        card: Card of the model.
        options: What the user decides.

    Attributes:
        matching: Where the classes of the data go.
        notes: What users must know of the data.
        left_out: Scenes whose class has no say.

    Raises:
        DataError: Lists every unreadable file, unequal size and label value outside the classes.
    """

    def __init__(self, listing: Listing, card: ModelCard, options: Options) -> None:
        self.listing = listing
        self._card = card
        self._options = options
        self.notes: list[str] = []
        self._names, self._colours = self._own_classes(listing)
        self.matching = self._match()
        self.left_out = 0
        self._check()

    def __len__(self) -> int:
        """Return the number of images that have a say."""
        return len(self.listing.items) - self.left_out

    def __iter__(self) -> Iterator[Sample]:
        """Read one image after the other; those whose class has no say are left out."""
        for item in self.listing.items:
            sample = self._read(item)
            assert isinstance(sample, Sample)
            if self._card.task != 'scene' or sample.label >= 0:
                yield self._fitted(sample)

    def sample(self, name: str) -> Sample:
        """Read the image of a name again."""
        found = self._read(next(item for item in self.listing.items if item.name == name))
        assert isinstance(found, Sample)
        return self._fitted(found)

    def _own_classes(
        self, listing: Listing
    ) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
        """Name the classes of the data in the order of their numbers."""
        task, items = self._card.task, listing.items
        if task == 'change':
            return self._card.class_names, ()
        try:
            names, colours = read_classes(listing.root)
            if not names:
                names, colours = read_classes(listing.folder)
        except ValueError as exc:
            raise DataError(str(listing.root), [str(exc)]) from None
        if task == 'scene':
            folders = {item.folder for item in items}
            if names and (strange := sorted(folders - set(names))):
                lines = [f'{name}/: not a class of classes.txt' for name in strange]
                raise DataError(str(listing.root), lines)
            return names or tuple(sorted(folders)), ()
        if task == 'detection' and not names:
            objects = [x for item in items if item.label for x in read_labels(item.label)]
            return tuple(sorted({x.label for x in objects if isinstance(x, LabelLine)})), ()
        if not names:
            self.notes.append('no classes.json: values are taken for the classes of the model')
        return names or self._card.class_names, colours

    def _match(self) -> Matching:
        options = self._options
        return match_classes(
            self._card.classes, self._names, ignored=options.ignored, known_only=options.known_only
        )

    def _check(self) -> None:
        """Read everything once."""
        problems: list[str] = []
        present: Counter[int] = Counter()
        changed = 0
        for item in self.listing.items:
            sample = self._read(item)
            if isinstance(sample, str):
                problems.append(sample)
                continue
            present.update(_classes_in(sample))
            self.left_out += self._card.task == 'scene' and sample.label < 0
            changed += self._fitted(sample).image.shape != sample.image.shape
        if not problems and not len(self):
            problems = ['no image is of a class that the model knows; expected some']
        if problems:
            raise DataError(str(self.listing.root), problems)
        self._note(present, changed)

    def _note(self, present: Counter[int], changed: int) -> None:
        """Say what users must know of the data."""
        matching = self.matching
        if matching.unknown:
            how = 'left out' if self._options.known_only else 'counted as wrong'
            self.notes.append(f'classes unknown to the model, {how}: {", ".join(matching.unknown)}')
        if matching.ignored:
            self.notes.append(f'classes without a say: {", ".join(matching.ignored)}')
        if matching.renamed:
            pairs = ', '.join(f'{data} is {model}' for data, model in matching.renamed)
            self.notes.append(f'names matched: {pairs}')
        absent = [
            name
            for name, index in zip(self._names, matching.ids, strict=True)
            if index is not None and not present[index]
        ]
        if absent and self._card.task != 'change':
            self.notes.append(f'classes of the data without an example: {", ".join(absent)}')
        if changed:
            self.notes.append(f'{changed} images resized to {self._side()} px a side')
        if self.left_out:
            self.notes.append(f'{self.left_out} images left out')

    def _read(self, item: Item) -> Sample | str:
        """Read an image with its labels, or say what is wrong."""
        image = read_image(item.image)
        if image is None:
            return f'{item.name}: {item.image.name} is not a readable image'
        sample = Sample(item.name, image)
        if self._card.task == 'scene':
            index = self.matching.ids[self._names.index(item.folder)]
            return replace(sample, label=-1 if index is None else index)
        assert item.label is not None
        if self._card.task == 'detection':
            return self._with_objects(sample, item.label)
        if self._card.task == 'change':
            return self._with_change(sample, item)
        return self._with_mask(sample, item.label)

    def _with_mask(self, sample: Sample, path: Path) -> Sample | str:
        """Add the labels of every pixel."""
        mask = read_index_mask(path, self._colours)
        if problem := _misfit(mask, path, sample):
            return problem
        values = np.flatnonzero(np.bincount(np.ravel(mask), minlength=256))
        if bad := [int(v) for v in values if len(self._names) <= v != IGNORE]:
            allowed = f'expected 0 to {len(self._names) - 1} or {IGNORE}'
            return f'{_place(path)}: values {shown(bad)}; {allowed}'
        return replace(sample, mask=self._table()[np.asarray(mask)])

    def _with_change(self, sample: Sample, item: Item) -> Sample | str:
        """Add the earlier image and what has changed since."""
        assert item.before is not None
        assert item.label is not None
        before = read_image(item.before)
        if before is None:
            return f'{_place(item.before)}: not a readable image'
        if before.shape != sample.image.shape:
            sizes = f'{before.shape[:2]} pixels, the later image has {sample.image.shape[:2]}'
            return f'{_place(item.before)}: {sizes}'
        mask = read_change_mask(item.label)
        if problem := _misfit(mask, item.label, sample):
            return problem
        return replace(sample, before=before, mask=np.asarray(mask))

    def _with_objects(self, sample: Sample, path: Path) -> Sample | str:
        """Add the objects."""
        lines = read_labels(path)
        if wrong := [line for line in lines if isinstance(line, str)]:
            return '; '.join(wrong)
        known = [line for line in lines if isinstance(line, LabelLine)]
        if strange := sorted({line.label for line in known} - set(self._names)):
            return f'{_place(path)}: classes {strange}; not those of classes.txt'
        ids = self.matching.ids
        kept = [line for line in known if ids[self._names.index(line.label)] is not None]
        objects = objects_of(kept, self._names)
        table = np.array([-1 if index is None else index for index in ids], np.int64)
        return replace(sample, objects=replace(objects, classes=table[objects.classes]))

    def _table(self) -> NDArray[np.uint8]:
        """Map values of the data to classes of the model, 255 without a say; (256,) uint8."""
        table = np.full(256, IGNORE, np.uint8)
        for value, index in enumerate(self.matching.ids):
            if index is not None:
                table[value] = index
        return table

    def _fitted(self, sample: Sample) -> Sample:
        return replace(sample, image=to_square(sample.image, self._side()))

    def _side(self) -> int:
        side = self._card.input.height if self._options.side is None else self._options.side
        return side if self._card.task == 'scene' else 0


def _place(path: Path) -> str:
    return f'{path.parent.name}/{path.name}'


def _misfit(mask: NDArray[np.uint8] | str, path: Path, sample: Sample) -> str:
    """Say what is wrong with a mask, empty where nothing is."""
    if isinstance(mask, str):
        return f'{_place(path)}: {mask}'
    if mask.shape != sample.image.shape[:2]:
        return f'{_place(path)}: {mask.shape} pixels, its image has {sample.image.shape[:2]}'
    return ''


def _classes_in(sample: Sample) -> Sequence[int]:
    """List the classes of a sample once each."""
    if sample.mask is not None:
        return [int(v) for v in np.flatnonzero(np.bincount(sample.mask.ravel(), minlength=256))]
    if sample.objects is not None:
        return [int(v) for v in np.unique(sample.objects.classes)]
    return [sample.label]
