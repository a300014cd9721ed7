# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the variants of a model cost on this machine, and how far their answers agree."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.inference.budget.ladder import VariantCost
from rs_onboard.inference.cost_file import cost_key, read_costs, write_costs
from rs_onboard.inference.sample import sample_tiles
from rs_onboard.perception.variant_agreement import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model

    Feeds = Mapping[str, NDArray[np.uint8]]

# Rounds over all variants; fewer where the time is up before.
ROUNDS = 8

# Of the times of a variant, this one counts, 0 to 1: what the machine does meanwhile makes calls
# slower, never faster.
QUANTILE = 0.25

# A variant must take at most this share of the time of the chosen one to be offered.
FASTER = 0.95


@dataclass(frozen=True)
class Measured:
    """What a self-benchmark found.

    Attributes:
        costs: Of the chosen variant, then of the others that were timed.
        spent_s: Time it took [s]; 0 where the costs were known from before.
        notes: What users should know: a cache that is unusable, variants that are not offered.
        offered: Costs of the chosen variant, then of those to step down to, dearest first.
    """

    costs: tuple[VariantCost, ...]
    spent_s: float
    notes: tuple[str, ...]
    offered: tuple[VariantCost, ...]


@dataclass
class _Trials:
    """Times and answers of a variant."""

    model: Model
    single_ms: list[float] = field(default_factory=list)
    batch_ms: list[float] = field(default_factory=list)
    same: float = 0.0
    total: float = 0.0


def known_or_measured(
    models: Sequence[Model],
    *,
    batch: int,
    threads: int,
    least_agreement: float,
    limit_s: float,
    cache: Path,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Return the costs of the variants of a model, measured unless that was done before.

    Args:
        models: The chosen variant, then the others; warm.
        batch: Tiles of one call in flight.
        threads: Threads they run on, as set.
        least_agreement: Variants that agree less with the chosen one are not offered.
        limit_s: Time for all of it [s]; a call that runs is ended late, not early.
        cache: Folder of the costs measured before.
        clock: Tells the time [s].
    """
    first = models[0]
    spec = first.card.input
    key = cost_key(
        {model.variant.name: model.variant.sha256 for model in models},
        provider=first.runtime.provider,
        threads=threads,
        batch=batch,
        size=(spec.height, spec.width),
    )
    costs, problem = read_costs(cache, key)
    notes = [f'costs are measured anew: {problem}'] if problem else []
    spent_s = 0.0
    if costs is None:
        began = clock()
        costs = measure(models, batch=batch, limit_s=limit_s, clock=clock)
        spent_s = clock() - began
        busy = machine_is_busy()
        if busy:
            notes.append(f'costs are not kept: {busy}; they are measured again at the next start')
        try:
            # What could not be timed within the limit is tried again next time.
            if len(costs) == len(models) and not busy:
                write_costs(cache, key, costs)
        except OSError as exc:
            notes.append(
                f'costs cannot be kept in {cache}: {exc.strerror or exc}; they are measured at '
                'every start. Set budget.cache to a folder that can be written to.'
            )
    timed = {cost.variant for cost in costs}
    notes += [
        f'{model.variant.name} is not offered: not timed within {limit_s:.2g} s'
        for model in models
        if model.variant.name not in timed
    ]
    offered, refused = choose_offered(costs, least_agreement)
    return Measured(costs, spent_s, (*notes, *refused), offered)


def machine_is_busy() -> str:
    """Say why times measured now are not those of this machine; empty where they are."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= cores:
        return ''
    return f'the machine was busy (load {load:.1f} on {cores} cores)'


def measure(
    models: Sequence[Model],
    *,
    batch: int,
    limit_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[VariantCost, ...]:
    """Time variants in turn on the same tiles, and compare their answers with those of the first.

    Args:
        models: The chosen variant, then the others; warm.
        batch: Tiles of one call in flight.
        limit_s: No call begins after this time [s].
        clock: Tells the time [s].

    Returns:
        Costs of the variants that were timed; the first one always is.
    """
    end = clock() + limit_s
    trials = [_Trials(model) for model in models]
    for turn in range(ROUNDS):
        # The last turn before the time is up may be cut short: each begins with another variant.
        order = [trials[(turn + k) % len(trials)] for k in range(len(trials))] if turn else trials
        feeds, answers = _feeds(models[0], batch, turn), {}
        for trial in order:
            if clock() > end and trials[0].single_ms:
                break
            answers[id(trial)] = _time(trial, feeds, batch, clock)
        _compare(trials, answers)
        if clock() > end:
            break
    return tuple(_cost(trial, batch) for trial in trials if trial.single_ms and trial.total)


def choose_offered(
    costs: Sequence[VariantCost], least_agreement: float
) -> tuple[tuple[VariantCost, ...], list[str]]:
    """Say which variants may stand in for the first, dearest first, and why the others may not."""
    first, *others = costs
    offered, refused = [], []
    for cost in others:
        share = cost.tile_ms / first.tile_ms
        if share > FASTER:
            refused.append(
                f'{cost.variant} is not offered: it takes {share:.2f} times as long as '
                f'{first.variant} here'
            )
        elif cost.agreement < least_agreement:
            refused.append(
                f'{cost.variant} is not offered: {cost.agreement:.1%} of its answers are those of '
                f'{first.variant}, at least {least_agreement:.1%} are asked for'
            )
        else:
            offered.append(cost)
    return (first, *sorted(offered, key=lambda cost: -cost.tile_ms)), refused


def _feeds(model: Model, batch: int, turn: int) -> Feeds:
    """Draw the tiles of a turn for every input, others in every turn."""
    spec, names = model.card.input, [info.name for info in model.runtime.inputs] or ['tiles']
    return {
        name: sample_tiles(
            batch, spec.height, spec.width, bands=len(spec.bands), seed=turn * len(names) + k
        )
        for k, name in enumerate(names)
    }


def _time(
    trial: _Trials, feeds: Feeds, batch: int, clock: Callable[[], float]
) -> Mapping[str, NDArray[np.generic]]:
    run = trial.model.runtime.run
    one = {name: tiles[:1] for name, tiles in feeds.items()}
    began = clock()
    answer = run(one)
    trial.single_ms.append((clock() - began) * 1e3)
    if batch > 1:
        began = clock()
        answer = run(feeds)
        trial.batch_ms.append((clock() - began) * 1e3)
    return answer


def _compare(
    trials: Sequence[_Trials], answers: Mapping[int, Mapping[str, NDArray[np.generic]]]
) -> None:
    expected = answers.get(id(trials[0]))
    if expected is None:
        return
    measure_ = next(MEASURES[name] for name in MEASURES if name in expected)
    for trial in trials:
        if (found := answers.get(id(trial))) is not None:
            same, total = measure_(found, expected)
            trial.same += same
            # Where neither finds anything, they agree.
            trial.total += total or 1.0
            trial.same += 0.0 if total else 1.0


def _cost(trial: _Trials, batch: int) -> VariantCost:
    single = float(np.quantile(trial.single_ms, QUANTILE))
    tile = float(np.quantile(trial.batch_ms, QUANTILE)) / batch if trial.batch_ms else single
    return VariantCost(
        variant=trial.model.variant.name,
        # Of the last, smaller call of a frame; on GPUs, of every call.
        fixed_ms=round(max(0.0, single - tile), 4),
        tile_ms=round(max(tile, 1e-3), 4),
        agreement=round(min(1.0, trial.same / trial.total), 4),
    )
