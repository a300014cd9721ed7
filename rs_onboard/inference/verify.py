# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Prove a model folder before it flies: load every variant as flight does and run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.inference.card import CARD_FILE, load_card
from rs_onboard.inference.errors import ModelError, ProviderError
from rs_onboard.inference.model import load_model
from rs_onboard.inference.sample import sample_feeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.inference.card import InputSpec, ModelCard
    from rs_onboard.inference.model import Model
    from rs_onboard.inference.runtime_settings import RuntimeSettings
    from rs_onboard.inference.signature import TrustedKeys

BATCHES = (1, 5)
# A tile gets the same answer alone and among others, but for another order of sums.
PROBABILITY_TOLERANCE = 1e-3
LABEL_TOLERANCE = 1e-3
CONFIDENCE_TOLERANCE = 2
# Share of detections that rounding adds or takes at the score limit; two are always allowed.
DETECTION_TOLERANCE = 0.02
# Probabilities of a tile sum to one, within half precision.
SUM_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Verdict:
    """What was found of one variant.

    Attributes:
        variant: Its name.
        provider: What ran it; empty where nothing could.
        shapes: (N, H, W) of the calls made.
        problem: Why it must not fly; empty where it may.
        notice: What users should know all the same; empty where there is nothing.
    """

    variant: str
    provider: str
    shapes: tuple[tuple[int, int, int], ...]
    problem: str
    notice: str


def verify_folder(
    folder: Path, settings: RuntimeSettings | None = None, *, trusted: TrustedKeys | None = None
) -> Iterator[Verdict]:
    """Load and run every variant; a bad one does not stop the others.

    Args:
        folder: The model folder.
        settings: How to run them.
        trusted: Keys one of which must have signed the folder; None asks for no signature.

    Raises:
        CardError: The card is missing or wrong, so that nothing can be verified.
    """
    card = load_card(folder)
    for name in card.variants:
        shapes: list[tuple[int, int, int]] = []
        provider, notice = '', ''
        try:
            model = load_model(
                folder,
                task=card.task,
                variant=name,
                settings=settings,
                batch=max(BATCHES),
                trusted=trusted,
            )
            provider, notice = model.runtime.provider, model.runtime.notice
            sizes = sizes_promised(card.input)
            # A TensorRT engine is built for the size of the card and refuses others by design.
            for height, width in sizes[:1] if provider == 'tensorrt' else sizes:
                run_at(model, height, width)
                shapes += [(batch, height, width) for batch in BATCHES]
        except (ModelError, ProviderError, OSError) as exc:
            yield Verdict(name, provider, tuple(shapes), ' '.join(str(exc).split()), notice)
        else:
            yield Verdict(name, provider, tuple(shapes), '', notice)


def strays(card: ModelCard) -> list[str]:
    """Name the files of a folder that its card does not: nothing vouches for them."""
    known = {CARD_FILE, *(variant.file for variant in card.variants.values())}
    return sorted(
        path.name
        for path in card.folder.iterdir()
        if path.suffix in {'.onnx', '.data', '.engine'} and path.name not in known
    )


def sizes_promised(spec: InputSpec) -> list[tuple[int, int]]:
    """List (height, width) that a card promises: trained, smallest, two rectangles, larger."""
    sizes = [(spec.height, spec.width)]
    if spec.dynamic:
        step = spec.multiple
        least = -(-spec.minimum // step) * step
        # Where any size fits, an odd one is the test.
        odd = 13 if step == 1 else step
        sizes += [
            (least, least),
            (least, least + odd),
            (spec.height + odd, max(least, spec.width - odd)),
        ]
    return list(dict.fromkeys(sizes))


def run_at(model: Model, height: int, width: int) -> None:
    """Run one tile and five at a size and look at what comes out.

    Raises:
        ModelError: An output is not of its shape, not finite, out of range, or differs between one
            tile alone and the same tile among others.
    """
    many = sample_feeds(model.runtime.inputs, max(BATCHES), height, width)
    alone = {name: np.ascontiguousarray(tiles[:1]) for name, tiles in many.items()}
    where = f'{model.card.folder / model.variant.file} at {height}x{width}'
    results = {}
    for feeds in (alone, many):
        count = len(next(iter(feeds.values())))
        results[count] = outputs = model.runtime.run(feeds)
        if problem := _strange(model.card, outputs, (count, height, width)):
            raise ModelError(
                f'{where}, {count} tiles: {problem}. Export the model again, or mend the card.'
            )
    if problem := _apart(model.card, results[1], results[max(BATCHES)]):
        raise ModelError(
            f'{where}: {problem} when the same tile comes with others; expected the same answer. '
            'Export the model again.'
        )


def _strange(
    card: ModelCard, outputs: Mapping[str, NDArray[np.generic]], shape: tuple[int, int, int]
) -> str:
    """Say what is wrong with outputs; empty where nothing is."""
    classes = len(card.classes)
    if card.task == 'detection':
        return _strange_boxes(outputs, shape[0], classes)
    for name, values in outputs.items():
        expected = (shape[0], classes) if card.task == 'scene' else shape
        if values.shape != expected:
            return f'found {name} of shape {values.shape}; expected {expected}'
    if card.task == 'scene':
        sums = outputs['probabilities'].astype(np.float64).sum(axis=1)
        if not np.all(np.abs(sums - 1) <= SUM_TOLERANCE):
            return f'found probabilities that sum to {sums.tolist()}; expected 1'
    if card.task == 'segmentation' and (highest := int(outputs['labels'].max())) >= classes:
        return f'found label {highest}; expected at most {classes - 1}'
    return ''


def _strange_boxes(outputs: Mapping[str, NDArray[np.generic]], tiles: int, classes: int) -> str:
    """The same for detections."""
    count = len(outputs['scores'])
    for name, values in outputs.items():
        expected = (count, 5) if name == 'boxes' else (count,)
        if values.shape != expected:
            return f'found {name} of shape {values.shape}; expected {expected}'
        if not np.isfinite(values.astype(np.float64)).all():
            return f'found {name} that are not finite'
    for name, limit in (('classes', classes), ('tile', tiles)):
        values = outputs[name].astype(np.int64)
        if count and not (values.min() >= 0 and values.max() < limit):
            return f'found {name} from {values.min()} to {values.max()}; expected 0 to {limit - 1}'
    return ''


def _apart(
    card: ModelCard, one: Mapping[str, NDArray[np.generic]], many: Mapping[str, NDArray[np.generic]]
) -> str:
    """Say how the first tile differs between two calls; empty where it does not."""
    if card.task == 'detection':
        found, expected = int((many['tile'] == 0).sum()), len(one['scores'])
        apart = abs(found - expected) > max(2, DETECTION_TOLERANCE * expected)
        return f'{found} detections, {expected} alone,' if apart else ''
    for name, values in one.items():
        off = np.abs(values[0].astype(np.float64) - many[name][0].astype(np.float64))
        if name == 'labels':
            share = float((off > 0).mean())
            if share > LABEL_TOLERANCE:
                return f'{share:.1%} of the labels differ'
        else:
            limit = PROBABILITY_TOLERANCE if name == 'probabilities' else CONFIDENCE_TOLERANCE
            if (worst := float(off.max())) > limit:
                return f'{name} differ by {worst:.3g}'
    return ''
