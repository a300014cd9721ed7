# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: epochs, deadline, selection, log, checkpoints, resuming."""

from __future__ import annotations

import csv
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rs_onboard.training.checkpoint import BEST, LAST, LOG, load_run
from rs_onboard.training.device import Device
from rs_onboard.training.distill import Teachers
from rs_onboard.training.errors import RecipeError
from rs_onboard.training.optimise import MovingAverage, make_optimiser, rate_factor
from rs_onboard.training.takeover import take_over
from rs_onboard.training.tasks import DISTILLED, TASKS
from rs_onboard.zoo.catalogue import network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet
    from rs_onboard.training.recipe import Recipe, Step
    from rs_onboard.training.tasks.base import Task


@dataclass
class State:
    """Where a run stands; all of it is in the checkpoint.

    Attributes:
        epoch: Finished epochs.
        progress: Share of the run done, 0 to 1, by epochs or by time, whichever is further.
        best: Best validation figure so far.
        best_epoch: Epoch of it.
    """

    epoch: int = 0
    progress: float = 0.0
    best: float = -1.0
    best_epoch: int = 0


def build_network(recipe: Recipe, data: DataSet) -> nn.Module:
    """Build the network of a recipe with starting weights drawn from its seed.

    Raises:
        RecipeError: The network is for another task.
    """
    entry = network(recipe.network)
    if entry.task != ('scene' if recipe.task == 'pretrain' else recipe.task):
        raise RecipeError(
            f'recipe {recipe.name!r}: network {recipe.network!r} is for {entry.task}, '
            f'the recipe for {recipe.task}; choose a network of that task.'
        )
    torch.manual_seed(recipe.seed)
    return entry.build(classes=len(data.classes))


def build_task(recipe: Recipe, data: DataSet, teachers: Sequence[Path], device: Device) -> Task:
    """Make what knows the task, with its teachers where it distils.

    Raises:
        RecipeError: Recipe and teachers do not fit, or the task learns from labels alone.
        CheckpointError: A teacher is missing or knows other classes.
    """
    if bool(teachers) != (recipe.distil is not None):
        raise RecipeError(
            f'recipe {recipe.name!r}: {len(teachers)} teachers and '
            f'{"a" if recipe.distil else "no"} section `distil`; expected both or neither.'
        )
    if recipe.distil is None:
        return TASKS[recipe.task](recipe, data)
    if recipe.task not in DISTILLED:
        raise RecipeError(
            f'recipe {recipe.name!r}: found `distil` for {recipe.task}; only '
            f'{" and ".join(DISTILLED)} distil.'
        )
    loaded = Teachers.load(teachers, data.classes, recipe.distil.temperature)
    loaded.to(device.name)
    return DISTILLED[recipe.task](recipe, data, loaded)


def recipe_hash(recipe: Recipe) -> str:
    """Identify a recipe, so that a run is resumed with the one it was started with."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]


class Trainer:
    """Trains one network by one recipe.

    Args:
        recipe: The recipe.
        data: Splits `train` and `val`.
        out: Folder of checkpoints and log; an unfinished run in it is resumed.
        seconds: Time that the run may take; the learning rate reaches its end by then.
        teachers: Selected weights of runs to learn from, where the recipe distils.
        device: Where to compute, and how exactly.
        report: Takes a line of text an epoch.
        progress: Takes the share done and a text, a batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: DataSet,
        out: Path,
        *,
        seconds: float | None = None,
        teachers: Sequence[Path] = (),
        device: Device | None = None,
        report: Callable[[str], None] = print,
        progress: Callable[[float, str], None] | None = None,
    ) -> None:
        self.recipe = recipe
        self.data = data
        self.out = out
        self.seconds = seconds
        self.device = device or Device()
        self.report = report
        self.progress = progress
        built = build_network(recipe, data).to(self.device.name)
        self.network = built.to(memory_format=torch.channels_last)
        self.average = MovingAverage(self.network, recipe.optimiser.ema)
        self.optimiser = make_optimiser(self.network, recipe.optimiser)
        self.scaler = self.device.scaler()
        with self.device.tensors():
            self.task = build_task(recipe, data, teachers, self.device)
        self.state = State()
        out.mkdir(parents=True, exist_ok=True)
        if (out / LAST).is_file():
            self.resume(out / LAST)
        self.resumed_at = self.state.progress

    def run(self) -> State:
        """Train until the epochs or the time are used up."""
        start = time.monotonic()
        while self.state.progress < 1:
            self.train_epoch(start)
            if self.state.epoch % self.recipe.validate_every == 0 or self.state.progress >= 1:
                self.select(time.monotonic() - start)
            self.save(self.out / LAST)
        return self.state

    def step_now(self) -> Step:
        """Find the size and batch of the present share of the run."""
        return next(s for s in self.recipe.steps if self.state.progress < s.until or s.until == 1)

    def train_epoch(self, start: float) -> None:
        """Pass once over the train split."""
        # A generator an epoch makes a resumed run draw what an unbroken one would.
        rng = np.random.default_rng([self.recipe.seed, self.state.epoch])
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.state.epoch)
        train = self.data.splits['train']
        order = rng.permutation(np.repeat(np.arange(len(train)), self.recipe.samples_per_image))
        step = self.step_now()
        self.network.train()
        batches = max(len(order) // step.batch, 1)
        for index in range(batches):
            chosen = order[index * step.batch : (index + 1) * step.batch]
            rate = self.recipe.optimiser.rate * rate_factor(
                self.state.progress, self.recipe.optimiser.warmup
            )
            for group in self.optimiser.param_groups:
                group['lr'] = rate
            with self.device.tensors(), self.device.autocast():
                loss = self.task.loss(self.network, [train[i] for i in chosen], step.size, rng)
            self.update(loss)
            self.advance((index + 1) / batches, time.monotonic() - start)
            if self.progress:
                self.progress(
                    self.state.progress,
                    f'epoch {self.state.epoch + 1}, {step.size} px, loss {self.loss:.3f}',
                )
            if self.state.progress >= 1:
                break
        self.state.epoch += 1

    def update(self, loss: Tensor) -> None:
        """Take one step against the gradient of a loss."""
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(self.network)
        self.loss = float(loss.detach())

    def advance(self, share: float, elapsed: float) -> None:
        """Note the progress after a share of the current epoch and `elapsed` seconds."""
        by_epochs = (self.state.epoch + share) / self.recipe.epochs
        by_time = 0.0
        if self.seconds is not None:
            by_time = self.resumed_at + (1 - self.resumed_at) * elapsed / self.seconds
        self.state.progress = min(max(by_epochs, by_time, self.state.progress), 1.0)

    def select(self, elapsed: float) -> None:
        """Validate the averaged weights, keep them if they are the best so far, and log."""
        with self.device.tensors():
            scores = self.task.validate(self.average.network, self.data.splits['val'])
        if scores.main >= self.state.best:
            self.state.best, self.state.best_epoch = scores.main, self.state.epoch
            torch.save(
                {
                    'model': self.average.network.state_dict(),
                    'network': self.recipe.network,
                    'classes': list(self.data.classes),
                    'recipe': self.recipe.name,
                    'epoch': self.state.epoch,
                    'figures': dict(scores.figures),
                },
                self.out / BEST,
            )
        row: dict[str, Any] = {
            'epoch': self.state.epoch,
            'progress': round(self.state.progress, 4),
            'seconds': round(elapsed, 1),
            'size': self.step_now().size,
            'rate': f'{self.optimiser.param_groups[0]["lr"]:.3g}',
            'loss': round(self.loss, 4),
            **{name: round(value, 4) for name, value in scores.figures.items()},
        }
        self.log(row)
        self.report(' '.join(f'{key}={value}' for key, value in row.items()))

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to the CSV log."""
        path = self.out / LOG
        fresh = not path.is_file()
        with path.open('a', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        partial = path.with_suffix('.partial')
        torch.save(
            {
                'recipe': recipe_hash(self.recipe),
                'model': self.network.state_dict(),
                'average': self.average.network.state_dict(),
                'updates': self.average.updates,
                'optimiser': self.optimiser.state_dict(),
                'scaler': self.scaler.state_dict(),
                'state': vars(self.state),
            },
            partial,
        )
        partial.replace(path)

    def start_from(self, path: Path) -> None:
        """Start with what fits of the selected weights of another run, of any task.

        Raises:
            CheckpointError: There are none, or too little of them fits.
        """
        taken = take_over(self.network, load_run(path)['model'], path)
        self.report(f'{path}: {taken}')
        self.average = MovingAverage(self.network, self.recipe.optimiser.ema)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            RecipeError: The checkpoint belongs to another recipe.
        """
        saved = torch.load(path, map_location='cpu', weights_only=True)
        if saved['recipe'] != recipe_hash(self.recipe):
            raise RecipeError(
                f'{path}: started with another recipe than {self.recipe.name!r} as it is now; '
                'choose another output folder, or restore the recipe.'
            )
        self.network.load_state_dict(saved['model'])
        self.average.network.load_state_dict(saved['average'])
        self.average.updates = saved['updates']
        self.optimiser.load_state_dict(saved['optimiser'])
        self.scaler.load_state_dict(saved['scaler'])
        self.state = State(**saved['state'])
        self.report(f'resumed {path} at epoch {self.state.epoch}')
