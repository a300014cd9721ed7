# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Match the entries of a checkpoint with those of a network, and count its classes and bands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from rs_onboard.zoo.count import build_on_meta
from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.state_dict import best_renaming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.zoo.network import NetworkEntry
    from rs_onboard.zoo.pickle_names import TensorView

    Shapes = Mapping[str, tuple[int, ...]]

# Absent from files older than PyTorch 0.4.1, without effect on what a network computes.
COUNTER = '.num_batches_tracked'
SHOWN_KEYS = 3


@dataclass(frozen=True)
class Reshaped:
    """An entry of equal values but another shape in the file.

    Attributes:
        key: Our key.
        theirs: Shape in the file.
        ours: Shape in the network.
    """

    key: str
    theirs: tuple[int, ...]
    ours: tuple[int, ...]


@dataclass(frozen=True)
class ImportReport:
    """How a file's entries fit a network.

    Attributes:
        network: Catalogue name.
        classes: Class count.
        bands: Input bands.
        matched: Our key by the file's key, for entries taken over.
        reshaped: Those of the matched whose shape differs in axes of length one only.
        mismatched: Entries of the same name but an incompatible shape.
        missing: Our keys that the file lacks.
        idle: Our keys that the file lacks, without effect on the output.
        unexpected: The file's keys that the network does not have.
        dropped: The file's keys that are not kept: layers never run, and constants.
        constants: Our buffer by the file's key, for constants of the network that authors store.
    """

    network: str
    classes: int
    bands: int
    matched: Mapping[str, str]
    reshaped: tuple[Reshaped, ...] = ()
    mismatched: tuple[Reshaped, ...] = ()
    missing: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Tell whether every entry found its place."""
        return not (self.mismatched or self.missing or self.unexpected)

    def summary(self) -> str:
        """Say in one line what does not fit."""
        parts = [f'{len(self.matched)} entries match']
        for name, keys in (
            ('missing', self.missing),
            ('unexpected', self.unexpected),
            (
                'of another shape',
                tuple(f'{m.key}: {m.theirs}, expected {m.ours}' for m in self.mismatched),
            ),
        ):
            if keys:
                more = ', ...' if len(keys) > SHOWN_KEYS else ''
                parts.append(f'{len(keys)} {name} ({", ".join(keys[:SHOWN_KEYS])}{more})')
        return ', '.join(parts)


class MisfitError(CheckpointError):
    """A checkpoint that does not fit the network; `report` has every key."""

    def __init__(self, message: str, report: ImportReport) -> None:
        super().__init__(message)
        self.report = report


@cache
def network_shapes(entry: NetworkEntry, *, classes: int, bands: int) -> Shapes:
    """List a network's entries with their shapes."""
    state = build_on_meta(entry, classes=classes, bands=bands).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@cache
def constant_buffers(entry: NetworkEntry) -> frozenset[str]:
    """List the buffers that are no part of our checkpoints."""
    network = build_on_meta(entry, **default_counts(entry))
    return frozenset(name for name, _ in network.named_buffers()) - set(network.state_dict())


def default_counts(entry: NetworkEntry) -> dict[str, int]:
    """Give the classes and bands of the published network."""
    return {'classes': entry.default_classes, 'bands': entry.default_bands}


def our_keys(entry: NetworkEntry, views: Mapping[str, TensorView]) -> dict[str, str | None]:
    """Map a file's keys to ours, with the prefixes that fit most of them."""
    rename = best_renaming(
        list(views), entry.our_key, network_shapes(entry, **default_counts(entry))
    )
    return {key: entry.our_key(rename(key)) for key in views}


def fits(entry: NetworkEntry, views: Mapping[str, TensorView]) -> bool:
    """Tell whether every entry of a file finds its place in a network of the file's counts."""
    by_name = compare(entry, our_keys(entry, views), views, **default_counts(entry))
    if by_name.missing or by_name.unexpected:
        return False
    return match(entry, views, classes=None, bands=None).complete


def count_in_file(low: Shapes, high: Shapes, count: int, file: Shapes) -> int | None:
    """Find the count of classes or bands that a file's shapes stand for.

    Args:
        low: Shapes of the network with `count`.
        high: Shapes of the network with one more.
        count: The count of `low`.
        file: Shapes in the file by our keys.

    Returns:
        The count, or None where the shapes do not depend on it or contradict one another.
    """
    counts = set()
    for key, shape in low.items():
        theirs = file.get(key)
        if shape == high.get(key) or theirs is None or len(theirs) != len(shape):
            continue
        for ours, more, size in zip(shape, high[key], theirs, strict=True):
            if more != ours:
                steps, rest = divmod(size - ours, more - ours)
                counts.add(None if rest else count + steps)
    found = counts.pop() if len(counts) == 1 else None
    return found if found is not None and found > 0 else None


def match(
    entry: NetworkEntry, views: Mapping[str, TensorView], *, classes: int | None, bands: int | None
) -> ImportReport:
    """Match a file's entries with a network's.

    Args:
        entry: The network.
        views: Tensors of the file by key.
        classes: Class count, None to take the file's.
        bands: Input bands, None to take the file's.

    Raises:
        MisfitError: The file has another number of classes or bands.
    """
    defaults = default_counts(entry)
    low = network_shapes(entry, **defaults)
    ours = our_keys(entry, views)
    file = {our: views[key].shape for key, our in ours.items() if our is not None}
    counts, wrong = dict(defaults), ''
    for axis, wanted in (('bands', bands), ('classes', classes)):
        high = network_shapes(entry, **{**defaults, axis: defaults[axis] + 1})
        found = count_in_file(low, high, defaults[axis], file)
        counts[axis] = wanted or found or defaults[axis]
        if wanted and found and found != wanted:
            wrong = (
                f'the file has {found} {axis}, but {wanted} were asked for (--{axis}). Ask for '
                f'{found} or leave the option out'
            )
    report = compare(entry, ours, views, **counts)
    if wrong:
        raise MisfitError(wrong, report)
    return report


def compare(
    entry: NetworkEntry,
    ours: Mapping[str, str | None],
    views: Mapping[str, TensorView],
    *,
    classes: int,
    bands: int,
) -> ImportReport:
    """Sort entries into matched, reshaped, mismatched, missing, idle, unexpected and dropped."""
    shapes = network_shapes(entry, classes=classes, bands=bands)
    matched: dict[str, str] = {}
    reshaped, mismatched, unexpected = [], [], []
    constants = {
        key: our for key, our in ours.items() if our is not None and our in constant_buffers(entry)
    }
    dropped = [key for key, our in ours.items() if our is None or key in constants]
    absent = dict.fromkeys(shapes)
    for key, our in ours.items():
        if our is None or key in constants:
            continue
        if our not in absent:
            unexpected.append(key)
        else:
            del absent[our]
            pair = Reshaped(our, views[key].shape, shapes[our])
            if without_ones(pair.theirs) != without_ones(pair.ours):
                mismatched.append(pair)
                continue
            matched[key] = our
            if pair.theirs != pair.ours:
                reshaped.append(pair)
    idle = [key for key in absent if entry.optional_key(key) or key.endswith(COUNTER)]
    return ImportReport(
        network=entry.name,
        classes=classes,
        bands=bands,
        matched=matched,
        reshaped=tuple(reshaped),
        mismatched=tuple(mismatched),
        missing=tuple(key for key in absent if key not in idle),
        idle=tuple(idle),
        unexpected=tuple(unexpected),
        dropped=tuple(dropped),
        constants=constants,
    )


def without_ones(shape: Sequence[int]) -> list[int]:
    """Leave out axes of length one, so that a linear layer fits a 1x1 convolution."""
    return [size for size in shape if size != 1]
