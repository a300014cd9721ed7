# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation of pairs of dates: one place, but not quite; two days, two lights, two cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.training.augment import Tone, Window, degrade
from rs_onboard.training.data.sample import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.recipe import AugmentRecipe, PairRecipe

    Image = NDArray[np.uint8]

# A building comes with its shadow, its drive and its garden.
PASTED_MARGIN = 9


@dataclass(frozen=True)
class PairTile:
    """A training sample of two dates.

    Attributes:
        before: (S, S, 3) uint8 RGB.
        after: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8: 1 changed, 0 unchanged, 255 not seen in both.
    """

    before: Image
    after: Image
    mask: Image


class PairAugmentation:
    """Makes training samples of the pairs of a set."""

    def __init__(
        self, samples: Sequence[Sample], augment: AugmentRecipe, pairs: PairRecipe
    ) -> None:
        self.augment = augment
        self.pairs = pairs
        self.tones = [Tone.of(s.image) for s in samples]
        self.tones += [Tone.of(s.before) for s in samples if s.before is not None]

    def tiles(
        self, samples: Sequence[Sample], size: int, rng: np.random.Generator
    ) -> list[PairTile]:
        """Cut a tile of (size, size) from each pair, mix some and degrade all."""
        cut = [self.cut(sample, size, rng) for sample in samples]
        mixed = [
            paste_changes(tile, cut[int(rng.integers(len(cut)))])
            if rng.random() < self.pairs.paste
            else tile
            for tile in cut
        ]
        return [self.degrade(tile, rng) for tile in mixed]

    def cut(self, sample: Sample, size: int, rng: np.random.Generator) -> PairTile:
        """Cut both dates and the mask at one place, the earlier date slightly off."""
        before, after, mask = sample.before, sample.image, sample.mask
        assert before is not None
        assert mask is not None
        if rng.random() < self.pairs.same:
            before = after = after if rng.random() < 0.5 else before
            mask = np.zeros_like(mask)
        point = None
        if rng.random() < self.pairs.focus and len(changed := np.flatnonzero(mask)):
            row, column = divmod(int(rng.choice(changed)), mask.shape[1])
            point = (float(column), float(row))
        height, width = mask.shape
        place = Window.draw(height, width, size, self.augment, rng, point)
        other = self.misplaced(place, size, rng)
        # The label belongs to the later date; what the earlier one does not show has none.
        unseen = other.cut_mask(np.zeros_like(mask), size) == IGNORE
        found = place.cut_mask(mask, size)
        first, second = other.cut(before, size), place.cut(after, size)
        if rng.random() < self.pairs.swap:
            first, second = second, first
        return PairTile(first, second, np.where(unseen, np.uint8(IGNORE), found))

    def misplaced(self, place: Window, size: int, rng: np.random.Generator) -> Window:
        """Draw the window that the other date shows by mistake."""
        step = place.side / size
        x, y = rng.uniform(-1, 1, 2) * self.pairs.shift * step
        angle, scale = rng.uniform(-1, 1, 2) * self.pairs.skew
        return place.moved(float(x), float(y), float(angle), 1 + float(scale))

    def degrade(self, tile: PairTile, rng: np.random.Generator) -> PairTile:
        """Give each date a light, an air and a camera of its own."""
        dates = []
        for image in (tile.before, tile.after):
            tones = (Tone.of(image), self.tones[int(rng.integers(len(self.tones)))])
            dates.append(degrade(image, self.augment, rng, tones))
        return PairTile(dates[0], dates[1], tile.mask)


def paste_changes(tile: PairTile, donor: PairTile) -> PairTile:
    """Paste what changed in one pair, with its surroundings on both dates, into another."""
    kernel = np.ones((2 * PASTED_MARGIN + 1, 2 * PASTED_MARGIN + 1), np.uint8)
    area = cv2.dilate((donor.mask == 1).astype(np.uint8), kernel) > 0
    return PairTile(
        np.where(area[..., None], donor.before, tile.before),
        np.where(area[..., None], donor.after, tile.after),
        np.where(area, donor.mask, tile.mask),
    )
