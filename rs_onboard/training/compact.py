# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Make the files of a model folder smaller: weights in half precision, computed in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from rs_onboard.inference.card import load_card
from rs_onboard.inference.model import load_graph
from rs_onboard.inference.signature import SIGNATURE_FILE
from rs_onboard.training.variants import measure, read_split
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.model_folder import Measured, add_variant
from rs_onboard.zoo.quantise import calibration_feeds
from rs_onboard.zoo.quantise.agreement import Reference
from rs_onboard.zoo.stored_half import store_half

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rs_onboard.inference.card import ModelCard, VariantName
    from rs_onboard.training.variants import LabelledSplit
    from rs_onboard.zoo.quantise.agreement import Feed

NOTE = 'weights stored in half precision'
# Share of the answer that a file must have in common with the one before. Where int8 rounds, a
# slightly different sum falls to the next of few steps, so that it never stays as close.
AGREEMENT: Mapping[VariantName, float] = {'fp32': 0.999, 'int8': 0.99}
# Share of its size that a file must lose to be written anew.
LEAST_SAVED = 0.05


@dataclass(frozen=True)
class Compacted:
    """One file before and after.

    Attributes:
        variant: Its variant.
        before: Its size before [bytes].
        after: Its size after [bytes].
        agreement: Share of the answers, 0 to 1, that stayed; see `Reference.agreement`.
        difference: Largest difference, 0 to 1, of a probability, confidence or score.
        tiles: Tiles on which the answers were compared.
    """

    variant: VariantName
    before: int
    after: int
    agreement: float
    difference: float
    tiles: int


@dataclass(frozen=True)
class Compaction:
    """What became of a folder.

    Attributes:
        card: The card as it is now.
        files: What was written; empty where nothing would have become smaller.
        unsigned: Whether the folder was signed and is so no more.
        notes: What was found of the labelled split.
    """

    card: ModelCard
    files: tuple[Compacted, ...]
    unsigned: bool
    notes: tuple[str, ...]


def compact(
    folder: Path,
    names: Sequence[VariantName],
    images: Path,
    labelled: LabelledSplit | None = None,
) -> Compaction:
    """Store large weights of a model folder in half precision where that makes a file smaller.

    All files are compared with those before, on tiles of real images, before the first is written.
    Latencies stay on the card: once loaded, the graph has the nodes that were timed.

    Args:
        folder: The model folder.
        names: Which variants, of `fp32` and `int8`; those that it has not are left out.
        images: Images to compare on; for change detection with folders A and B.
        labelled: Where to measure quality again; None keeps the figures, and the note says that
            they are those of the file before.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: A file is not that of the card.
        ExportError: There is no image, or a file would answer otherwise than before.
        DataError: Something is wrong with the labelled images.
    """
    card = load_card(folder)
    pairs = smaller(folder, card, names)
    if not pairs:
        return Compaction(card, (), False, ())
    feeds = calibration_feeds(images, card)
    # Labels are read before anything long is begun.
    split = None if labelled is None else read_split(card, labelled)
    files = [compare(folder, name, *graphs, feeds) for name, graphs in pairs.items()]
    written: dict[VariantName, Measured] = {}
    for file in files:
        old, graph = card.variants[file.variant], pairs[file.variant][1]
        if split is None or labelled is None:
            quality, told = old.quality, 'quality is that of the file before'
        else:
            quality = measure(folder, file.variant, graph, split, labelled.gsd_m).quality()
            told = f'figures of {len(split)} images of split {labelled.split}'
        notes = [part for part in (old.note, f'{NOTE}: {in_words(file)}', told) if part]
        written[file.variant] = Measured(graph, quality, old.latencies, '; '.join(notes))
    unsigned = (folder / SIGNATURE_FILE).exists()
    for name, measured in written.items():
        add_variant(folder, name, measured)
    found = () if split is None else (*split.listing.notes, *split.notes)
    return Compaction(load_card(folder), tuple(files), unsigned, found)


def in_words(file: Compacted) -> str:
    """Say how far the answers of a file are those before."""
    return (
        f'{file.agreement:.3%} of the answers on {file.tiles} tiles as before, largest difference '
        f'of a probability {file.difference:.2g}'
    )


def smaller(
    folder: Path, card: ModelCard, names: Sequence[VariantName]
) -> dict[VariantName, tuple[onnx.ModelProto, onnx.ModelProto]]:
    """Give the graphs, before and after, of the variants whose files become smaller."""
    pairs = {}
    for name in names:
        if name not in card.variants:
            continue
        before = onnx.load_from_string(load_graph(folder, variant=name).data)
        after = store_half(before)
        if after.ByteSize() <= (1 - LEAST_SAVED) * before.ByteSize():
            pairs[name] = before, after
    return pairs


def compare(
    folder: Path,
    name: VariantName,
    before: onnx.ModelProto,
    after: onnx.ModelProto,
    feeds: Sequence[Feed],
) -> Compacted:
    """Compare the answers of a variant before and after.

    Raises:
        ExportError: They differ too much.
    """
    reference = Reference(before, feeds)
    answers = reference.answers(after)
    share = reference.share(answers)
    if share < AGREEMENT[name]:
        raise ExportError(
            f'{folder}: {name} with weights in half precision gives {share:.2%} of its answers as '
            f'before, on {len(feeds)} tiles; expected at least {AGREEMENT[name]:.1%}. Nothing '
            'was written: leave it as it is, or compare on images of the kind it was trained on.'
        )
    difference = reference.largest_difference(answers)
    return Compacted(name, before.ByteSize(), after.ByteSize(), share, difference, len(feeds))
