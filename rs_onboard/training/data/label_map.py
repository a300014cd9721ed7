# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One list of classes for several sets of class folders."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.errors import FieldError
from rs_onboard.inference.fields import load_yaml
from rs_onboard.training.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class LabelMap:
    """Union classes and what each set calls them.

    Attributes:
        path: File it was read from.
        classes: Union classes in id order.
        names: For each set, name in the set to union class.
    """

    path: Path
    classes: tuple[str, ...]
    names: Mapping[str, Mapping[str, str]]

    def ids(self, origin: str, classes: Sequence[str]) -> tuple[int, ...]:
        """Give the union id of each class of a set.

        Raises:
            DataError: The set is unknown, or its classes are not those of the map.
        """
        known = self.names.get(origin, {})
        if set(known) != set(classes):
            raise DataError(
                str(self.path),
                [
                    f'set {origin!r}: class {name!r} is on one side only'
                    for name in sorted(set(known) ^ set(classes))
                ],
            )
        return tuple(self.classes.index(known[name]) for name in classes)


def find_label_map(name: str) -> Path:
    """Find a label map by path, or by the name of one that comes with the package."""
    path = Path(name)
    if path.suffix:
        return path
    return Path(str(resources.files('rs_onboard.training') / 'recipes' / f'{name}.labels.yaml'))


def load_label_map(path: Path) -> LabelMap:
    """Read a label map: `union class: {set: name in the set}`.

    Raises:
        RecipeError: The file is missing or wrong.
    """
    try:
        data: dict[str, Any] = load_yaml(path, what='label map')
    except FieldError as exc:
        raise RecipeError(str(exc)) from None
    names: dict[str, dict[str, str]] = {}
    for union, sets in data.items():
        if not isinstance(sets, dict) or not sets:
            raise RecipeError(f'{path}: {union}: found {sets!r}; expected {{set: name in the set}}')
        for origin, name in sets.items():
            taken = names.setdefault(str(origin), {})
            if name in taken:
                raise RecipeError(
                    f'{path}: {name!r} of {origin} belongs to {taken[name]!r} and {union!r}; '
                    'expected one union class.'
                )
            taken[str(name)] = str(union)
    return LabelMap(path, tuple(map(str, data)), names)
