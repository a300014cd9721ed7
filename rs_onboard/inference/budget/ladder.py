# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The ladder of a task: what it may do on a frame, from the best to nothing, and its costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Shares of the tiles below all of them, and strides of frames below every one.
SHARES = (0.75, 0.5, 0.25)
STRIDES = (2, 4)
# All strides divide it.
CYCLE = 4

# What half of the tiles, and every second frame, are worth: a share s of the ground counts as s to
# this power, since the tiles that matter most are taken first; a frame left out counts for more,
# since nobody looks at any of it.
SHARE_POWER = 0.5
STRIDE_POWER = 0.7


# What a variant is worth at most beside the one the user chose, however well they agree.
NEARLY = 0.999


@dataclass(frozen=True)
class Step:
    """One step of a ladder.

    Attributes:
        variant: Variant of the model; empty for off.
        share: Share of the tiles of a frame that are inferred, above 0 to 1; 0 for off.
        every: The task runs on every so many frames; 0 for off.
    """

    variant: str
    share: float = 1.0
    every: int = 1

    @property
    def off(self) -> bool:
        """Whether the task does not run at all."""
        return self.every == 0

    def tiles(self, count: int) -> int:
        """Return how many of a number of tiles are inferred on a frame it runs on."""
        return min(count, max(1, math.ceil(self.share * count))) if not self.off else 0

    def __str__(self) -> str:
        """Name the step for logs and diagnostics."""
        if self.off:
            return 'off'
        share = '' if self.share == 1.0 else f', {self.share:.0%} of the tiles'
        stride = '' if self.every == 1 else f', every {ordinal(self.every)} frame'
        return f'{self.variant or "not measured yet"}{share}{stride}'


OFF = Step('', 0.0, 0)


@dataclass(frozen=True)
class VariantCost:
    """What a variant of a model costs on this machine, and what it is worth.

    Attributes:
        variant: Its name.
        fixed_ms: Time of a frame besides its tiles [ms].
        tile_ms: Time of a tile [ms].
        agreement: Share of its answers, 0 to 1, that are those of the variant the user chose.
    """

    variant: str
    fixed_ms: float
    tile_ms: float
    agreement: float = 1.0

    def frame_ms(self, tiles: int) -> float:
        """Return the time of so many tiles of a frame [ms], 0 for none."""
        return self.fixed_ms + self.tile_ms * tiles if tiles else 0.0


@dataclass(frozen=True)
class TaskLoad:
    """A task and what there is to do for it on a frame.

    Attributes:
        task: Its name.
        weight: What its results are worth beside those of others.
        variants: The variant the user chose, then those that are offered below it.
        tiles: Tiles of the frame.
    """

    task: str
    weight: float
    variants: tuple[VariantCost, ...]
    tiles: int

    def cost(self, variant: str) -> VariantCost | None:
        """Return the costs of a variant, None where they are not known."""
        return next((cost for cost in self.variants if cost.variant == variant), None)

    def work_ms(self, step: Step) -> float:
        """Return the time of a frame that the task runs on, by its measured costs [ms]."""
        cost = None if step.off else self.cost(step.variant)
        return cost.frame_ms(step.tiles(self.tiles)) if cost else 0.0

    def worth(self, step: Step) -> float:
        """Return what a step is worth; the best one of the task is worth its weight."""
        cost = None if step.off else self.cost(step.variant)
        if cost is None:
            return 0.0
        share = step.tiles(self.tiles) / max(1, self.tiles)
        agreement = cost.agreement
        if cost is not self.variants[0]:
            agreement = min(agreement, NEARLY)
        worth = self.weight * agreement * share**SHARE_POWER
        return float(worth / step.every**STRIDE_POWER)


def ladder(load: TaskLoad) -> tuple[Step, ...]:
    """Return the steps of a task, best first: all variants, fewer tiles, fewer frames, off.

    Steps that cost no less than a better one are left out, such as half of one tile.
    """
    cheapest = min(load.variants, key=lambda cost: cost.frame_ms(load.tiles)).variant
    steps = [Step(cost.variant) for cost in load.variants]
    steps += [Step(cheapest, share) for share in SHARES]
    steps += [Step(cheapest, SHARES[-1], every) for every in STRIDES]
    kept = [steps[0]]
    for step in steps[1:]:
        cheaper = load.work_ms(step) < load.work_ms(kept[-1])
        rarer = step.every > kept[-1].every
        if (cheaper or rarer) and load.worth(step) < load.worth(kept[-1]):
            kept.append(step)
    return (*kept, OFF)


def ordinal(number: int) -> str:
    """Write 2 as 2nd."""
    return f'{number}{ {1: "st", 2: "nd", 3: "rd"}.get(number, "th") }'
