# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load the other variants of a task's model and learn what they cost: for the latency budget."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.health.machine import MachineReader
from rs_onboard.inference.card import VARIANTS
from rs_onboard.inference.errors import ModelError, ProviderError
from rs_onboard.inference.machine import user_cache
from rs_onboard.inference.runtime import default_threads
from rs_onboard.nodes.model_loading import load_task_model
from rs_onboard.perception.frame_budget import TaskCosts
from rs_onboard.perception.self_benchmark import Measured, known_or_measured

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.model_settings import (
        DetectionSettings,
        SceneSettings,
        SegmentationSettings,
    )
    from rs_onboard.perception.task import ModelTask

    TileTaskSettings: TypeAlias = SceneSettings | DetectionSettings | SegmentationSettings


def offer_variants(
    task: ModelTask[Any], settings: TileTaskSettings, tell: Callable[[str], None]
) -> None:
    """Load the variants below the chosen one beside it, warm; one that cannot run is left out.

    Args:
        task: The task, made of the chosen variant.
        settings: The parameters of its node.
        tell: Told what was loaded, in how much memory, and what was not.
    """
    chosen = task.model
    before = _resident_mb()
    below = VARIANTS[VARIANTS.index(chosen.variant.name) + 1 :]
    for name in (name for name in below if name in chosen.card.variants):
        try:
            other = load_task_model(
                dataclasses.replace(settings, variant=name), chosen.card.task, tell
            )
            if other.runtime.provider != chosen.runtime.provider:
                tell(f'{name} is not offered: it would run on {other.runtime.provider}')
                continue
            task.offer(other)
        except (ModelError, ProviderError) as exc:
            tell(f'{name} is not offered: {exc}')
    if others := [model.variant.name for model in task.models[1:]]:
        after = _resident_mb()
        more = '' if before is None or after is None else f', {after - before:.0f} MiB more'
        tell(f'{", ".join(others)} loaded for the latency budget{more}')


def learn_costs(
    task: ModelTask[Any], settings: TileTaskSettings, share_s: float
) -> tuple[TaskCosts, Measured]:
    """Return what the variants at hand cost on this machine.

    Args:
        task: The task with all its variants, warm.
        settings: The parameters of its node.
        share_s: Time for measuring [s].
    """
    cache = Path(settings.budget_cache).expanduser() if settings.budget_cache else None
    measured = known_or_measured(
        task.models,
        batch=settings.batch,
        threads=settings.threads,
        least_agreement=settings.budget_agreement,
        limit_s=share_s,
        cache=cache or user_cache('costs'),
    )
    return TaskCosts(measured.offered, lanes_of(task.model, settings.threads)), measured


def lanes_of(model: Model, threads: int) -> int:
    """Return how many models like this one can run without slowing each other."""
    if model.runtime.provider != 'cpu':
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return max(1, (cores or 1) // (threads or default_threads()))


def _resident_mb() -> float | None:
    return MachineReader().process().rss_mb
