# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the zoo knows of a network besides its layers: input sizes, figures, checkpoint keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from rs_onboard.zoo.errors import InputSizeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

Task = Literal['scene', 'backbone', 'segmentation', 'change', 'detection']


class Builder(Protocol):
    """Build a network with untrained weights."""

    def __call__(self, *, classes: int, bands: int = 3) -> nn.Module:
        """Build for `classes` classes and `bands` input bands."""


class NamedOutputs(Protocol):
    """A network that shows, besides its prediction, the tensors golden files are made of."""

    def named_outputs(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Run once on (N, bands, H, W) float32 inputs and give every golden output by its name."""


@dataclass(frozen=True)
class InputRule:
    """The input sizes a network accepts.

    Attributes:
        multiple: Height and width must be multiples of this many pixels.
        minimum: Smallest height and width in pixels.
        slack: Pixels beyond a multiple that the network drops by itself.
        square: Height and width must be equal.
        note: What happens at other sizes and why (shown to users).
    """

    multiple: int = 1
    minimum: int = 1
    slack: int = 0
    square: bool = False
    note: str = ''

    def check(self, network: str, height: int, width: int) -> None:
        """Refuse a size the network is not exact for.

        Raises:
            InputSizeError: The size breaks the rule; the message names the nearest larger size.
        """
        bad = max(height % self.multiple, width % self.multiple) > self.slack
        small = min(height, width) < self.minimum
        if not bad and not small and not (self.square and height != width):
            return
        good_h, good_w = (
            max(
                -(-n // self.multiple) * self.multiple,
                -(-self.minimum // self.multiple) * self.multiple,
            )
            for n in (height, width)
        )
        if self.square:
            good_h = good_w = max(good_h, good_w)
        shape = 'square, ' if self.square else ''
        raise InputSizeError(
            f'{network}: input of {height}x{width} pixels (height x width) is refused; expected '
            f'{shape}multiples of {self.multiple}, at least {self.minimum}. {self.note} '
            f'Pad or resize to {good_h}x{good_w}.'.replace('  ', ' ')
        )


@dataclass(frozen=True)
class PublishedFigures:
    """What the authors publish, next to which ours are printed.

    Attributes:
        parameters: Parameter count in millions, None where none is published.
        macs: Multiply-accumulates in units of 1e9 at `input_size`, None where none is published.
        input_size: (height, width) in pixels of the published count.
        classes: Number of classes of the published count.
        difference: Why ours differ, empty where they agree.
    """

    parameters: float | None
    macs: float | None
    input_size: tuple[int, int]
    classes: int
    difference: str = ''


@dataclass(frozen=True)
class NetworkEntry:
    """One row of the catalogue.

    Attributes:
        name: Catalogue name, e.g. `decouplenet_d0`.
        task: What the network computes.
        build: Builder of the untrained network.
        inputs: Number of image inputs (2 for change detection).
        input_rule: Sizes accepted.
        published: Figures of the authors.
        licence: Licence of the authors' weights (SPDX id or a plain sentence).
        source: Paper, one line.
        our_key: Maps a state-dict key of the authors to ours; None for an entry that we do not keep
            (layers never executed). A constant buffer of theirs may map to a non-persistent buffer
            of ours: it is then compared, never loaded.
        optional_key: Whether a published checkpoint may lack this entry of ours without any effect
            on the output (layers that reach no output).
        default_classes: Class count when the user names none.
        default_bands: Input bands when the user names none.
    """

    name: str
    task: Task
    build: Builder
    published: PublishedFigures
    licence: str
    source: str
    inputs: int = 1
    input_rule: InputRule = field(default_factory=InputRule)
    our_key: Callable[[str], str | None] = lambda key: key
    optional_key: Callable[[str], bool] = lambda _key: False
    default_classes: int = 2
    default_bands: int = 3
