# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The recipe of a training run, read strictly from YAML."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, cast

from rs_onboard.inference.errors import FieldError
from rs_onboard.inference.fields import Fields, load_yaml
from rs_onboard.training.data_recipe import DataRecipe, read_data
from rs_onboard.training.errors import RecipeError

TaskName = Literal['scene', 'detection', 'segmentation', 'change', 'pretrain']
WindowBase = Literal['image', 'tile']

TASKS: tuple[TaskName, ...] = ('scene', 'detection', 'segmentation', 'change', 'pretrain')
BASES: tuple[WindowBase, ...] = ('image', 'tile')


@dataclass(frozen=True)
class AugmentRecipe:
    """How a training sample is varied.

    Attributes:
        base: What the window is measured by: the short side of the image, or the tile size.
        low: Smallest window side as a factor of the base.
        high: Largest window side as a factor of the base.
        rotate: Share of samples turned by any angle; the eight flips and turns always apply.
        tone: Share of samples whose brightness, contrast and cast become those of another image of
            the set, as if another camera had taken them at another hour.
        colour: Strength of the changes of brightness, contrast, colour cast and saturation.
        blur: Share of samples blurred (half of them along a line, as by motion).
        haze: Share of samples under haze.
        jpeg: Share of samples compressed as JPEG.
    """

    base: WindowBase
    low: float
    high: float
    rotate: float
    tone: float
    colour: float
    blur: float
    haze: float
    jpeg: float


@dataclass(frozen=True)
class PairRecipe:
    """How the two dates of a pair are set against each other (change).

    Attributes:
        shift: Largest misregistration of one date against the other [px of the tile].
        skew: Largest rotation [rad] and relative scale of that misregistration.
        swap: Share of pairs whose dates are exchanged.
        same: Share of pairs made of one date twice, in which nothing has changed.
        paste: Share of pairs into which the changed areas of another pair are pasted.
        focus: Share of windows that are chosen to hold a changed pixel where the pair has any.
    """

    shift: float = 0.0
    skew: float = 0.0
    swap: float = 0.0
    same: float = 0.0
    paste: float = 0.0
    focus: float = 0.0


@dataclass(frozen=True)
class Step:
    """Size and batch up to a share of the run; small inputs come first, because they are cheap."""

    until: float
    size: int
    batch: int


@dataclass(frozen=True)
class OptimiserRecipe:
    """AdamW with warm-up and cosine.

    Attributes:
        rate: Highest learning rate.
        weight_decay: Decay of weights of two or more dimensions.
        warmup: Share of the run in which the rate grows.
        clip: Largest gradient norm.
        ema: Decay of the moving average of the weights, which is what is kept.
    """

    rate: float
    weight_decay: float
    warmup: float
    clip: float
    ema: float


@dataclass(frozen=True)
class LossRecipe:
    """Losses and label mixing.

    Attributes:
        smoothing: Label smoothing.
        mixup: Share of batches mixed by weight (scene).
        cutmix: Share of batches (scene) or samples (segmentation) mixed by rectangles.
        dice: Weight of the Dice loss beside cross entropy (segmentation, change).
        side: Weight of the losses of the coarser outputs that a network has for training (change).
        class_weights: Weigh classes by rarity, 2 - share of labelled pixels (segmentation).
    """

    smoothing: float
    mixup: float
    cutmix: float
    dice: float
    side: float
    class_weights: bool


@dataclass(frozen=True)
class DistilRecipe:
    """How much is learnt from teachers (scene).

    Attributes:
        share: Weight of the teachers' answers; the labels have the rest.
        temperature: Divisor of the logits of both sides.
    """

    share: float
    temperature: float


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        name: Name of the run.
        task: What is learnt.
        network: Catalogue name.
        seed: Seed of weights, order and augmentation.
        epochs: Passes over the train split at most.
        validate_every: Epochs between two looks at the validation images.
        validation_size: Side to which validation images are resized, or cut in the middle (change);
            0 keeps their size.
        samples_per_image: Windows taken from each image in an epoch.
        data: Images.
        augment: Augmentation.
        pairs: Augmentation of one date against the other.
        steps: Sizes and batches in order.
        optimiser: Optimiser.
        loss: Losses.
        distil: Learning from teachers, None without.
    """

    name: str
    task: TaskName
    network: str
    seed: int
    epochs: int
    validate_every: int
    validation_size: int
    samples_per_image: int
    data: DataRecipe
    augment: AugmentRecipe
    pairs: PairRecipe
    steps: tuple[Step, ...]
    optimiser: OptimiserRecipe
    loss: LossRecipe
    distil: DistilRecipe | None


def find_recipe(name: str) -> Path:
    """Find a recipe by path, or by the name of one that comes with the package."""
    path = Path(name)
    if path.suffix:
        return path
    return Path(str(resources.files('rs_onboard.training') / 'recipes' / f'{name}.yaml'))


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: The file or a field is missing, unknown or wrong.
    """
    try:
        data = load_yaml(path, what='training recipe')
    except FieldError as exc:
        raise RecipeError(str(exc)) from None
    top = Fields(data, str(path), error=RecipeError)
    task = cast('TaskName', top.choice('task', TASKS))
    distil = _distil(top.fields('distil', optional=True))
    # Teachers answer for images without labels, but not for pairs.
    unlabelled = task == 'pretrain' or (task == 'scene' and distil is not None)
    recipe = Recipe(
        name=path.stem,
        task=task,
        network=top.take('network', str),
        seed=top.whole('seed', 0, 2**31),
        epochs=top.whole('epochs', 1, 1_000_000),
        validate_every=top.whole('validate_every', 1, 1_000_000, 1),
        validation_size=top.whole('validation_size', 0, 8192, 0),
        samples_per_image=top.whole('samples_per_image', 1, 10_000, 1),
        data=read_data(top.fields('data'), task, learns=unlabelled),
        augment=_augment(top.fields('augment')),
        pairs=_pairs(top.fields('pairs', optional=True)),
        steps=_steps(top),
        optimiser=_optimiser(top.fields('optimiser')),
        loss=_loss(top.fields('loss', optional=True)),
        distil=distil,
    )
    top.done()
    return recipe


def _augment(fields: Fields) -> AugmentRecipe:
    low = fields.number('low', 0.05, 20)
    augment = AugmentRecipe(
        base=cast('WindowBase', fields.choice('base', BASES)),
        low=low,
        high=fields.number('high', low, 20),
        rotate=fields.number('rotate', 0, 1, 0.0),
        tone=fields.number('tone', 0, 1, 0.0),
        colour=fields.number('colour', 0, 1, 0.0),
        blur=fields.number('blur', 0, 1, 0.0),
        haze=fields.number('haze', 0, 1, 0.0),
        jpeg=fields.number('jpeg', 0, 1, 0.0),
    )
    fields.done()
    return augment


def _pairs(fields: Fields) -> PairRecipe:
    pairs = PairRecipe(
        shift=fields.number('shift', 0, 64, 0.0),
        skew=fields.number('skew', 0, 0.5, 0.0),
        swap=fields.number('swap', 0, 1, 0.0),
        same=fields.number('same', 0, 1, 0.0),
        paste=fields.number('paste', 0, 1, 0.0),
        focus=fields.number('focus', 0, 1, 0.0),
    )
    fields.done()
    return pairs


def _steps(top: Fields) -> tuple[Step, ...]:
    steps: list[Step] = []
    for index, item in enumerate(top.items('steps', least=1)):
        fields = top.nested(f'steps[{index}]', item)
        low = steps[-1].until if steps else 0.0
        steps.append(
            Step(
                until=fields.number('until', low, 1),
                size=fields.whole('size', 16, 4096),
                batch=fields.whole('batch', 2, 4096),
            )
        )
        fields.done()
    if steps[-1].until != 1:
        raise top.fail('steps', steps[-1].until, 'a last step with until: 1')
    return tuple(steps)


def _optimiser(fields: Fields) -> OptimiserRecipe:
    optimiser = OptimiserRecipe(
        rate=fields.number('rate', 1e-7, 10),
        weight_decay=fields.number('weight_decay', 0, 1),
        warmup=fields.number('warmup', 0, 0.5),
        clip=fields.number('clip', 1e-3, 1e6, 5.0),
        ema=fields.number('ema', 0, 0.99999),
    )
    fields.done()
    return optimiser


def _loss(fields: Fields) -> LossRecipe:
    loss = LossRecipe(
        smoothing=fields.number('smoothing', 0, 0.5, 0.0),
        mixup=fields.number('mixup', 0, 1, 0.0),
        cutmix=fields.number('cutmix', 0, 1, 0.0),
        dice=fields.number('dice', 0, 10, 0.0),
        side=fields.number('side', 0, 10, 0.0),
        class_weights=fields.take('class_weights', bool, False),
    )
    fields.done()
    return loss


def _distil(fields: Fields) -> DistilRecipe | None:
    if not fields:
        return None
    distil = DistilRecipe(fields.number('share', 0, 1), fields.number('temperature', 0.1, 20, 1.0))
    fields.done()
    return distil
