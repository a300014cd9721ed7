# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters: one dataclass a node, from which declarations, checks and documentation follow."""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from rs_onboard.inference.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Value = bool | int | float | str | list[str]
Settings = TypeVar('Settings')

_NAMES: Mapping[object, str] = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'text',
    list[str]: 'a list of texts',
}


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter.

    Attributes:
        name: ROS name, nested by dots.
        field: Name of the dataclass field.
        kind: Python type.
        default: Default value.
        description: One sentence for `ros2 param describe` and the documentation.
        low: Smallest value, None without a bound.
        high: Largest value, None without a bound.
        choices: Allowed texts; empty allows any.
        live: Whether it may change while the node is active.
    """

    name: str
    field: str
    kind: object
    default: Value
    description: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool

    def allowed(self) -> str:
        """Say what values are allowed, for messages and tables."""
        if self.choices:
            return 'one of ' + ', '.join(repr(choice) for choice in self.choices)
        text = _NAMES[self.kind]
        if self.low is not None and self.high is not None:
            return f'{text} from {self.low:g} to {self.high:g}'
        return text

    def check(self, value: object) -> Value:
        """Return the value in the parameter's type.

        Raises:
            FieldError: The type or value is not allowed.
        """
        wrong = FieldError(
            f'parameter {self.name}: found {value!r}; expected {self.allowed()}. {self.description}'
        )
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind == list[str]:
            if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
                raise wrong
            if self.choices and not set(value) <= set(self.choices):
                raise wrong
            return list(value)
        if type(value) is not self.kind:
            raise wrong
        if self.choices and value not in self.choices:
            raise wrong
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low = -float('inf') if self.low is None else self.low
            high = float('inf') if self.high is None else self.high
            if not low <= value <= high:
                raise wrong
        assert isinstance(value, (bool, int, float, str))
        return value


def parameter(
    default: Value,
    description: str,
    *,
    name: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    live: bool = False,
) -> Any:
    """Describe a parameter as a dataclass field; see `ParameterSpec`."""
    metadata = {
        'description': description,
        'name': name,
        'low': low,
        'high': high,
        'choices': tuple(choices),
        'live': live,
    }
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def specs(settings: type) -> tuple[ParameterSpec, ...]:
    """Return the parameters of a settings dataclass in order."""
    hints = get_type_hints(settings)
    found = []
    for item in dataclasses.fields(settings):
        made = item.default_factory
        default: Any = item.default if made is MISSING else made()
        meta = item.metadata
        found.append(
            ParameterSpec(
                name=meta['name'] or item.name,
                field=item.name,
                kind=hints[item.name],
                default=default,
                description=meta['description'],
                low=meta['low'],
                high=meta['high'],
                choices=meta['choices'],
                live=meta['live'],
            )
        )
    return tuple(found)


def build(settings: type[Settings], values: Mapping[str, object]) -> Settings:
    """Build settings from values by ROS name; what is missing takes its default.

    Raises:
        FieldError: A name is unknown or a value is not allowed.
    """
    known = {spec.name: spec for spec in specs(settings)}
    for name in values:
        if name not in known:
            raise unknown_parameter(name, known)
    return settings(**{known[name].field: known[name].check(v) for name, v in values.items()})


def class_numbers(name: str, text: str, count: int) -> dict[str, tuple[float, ...]]:
    """Read numbers by class name from a parameter such as "ship 5 400, plane 4 90".

    Args:
        name: Name of the parameter, for messages.
        text: Its value.
        count: Numbers a class has; they do not descend.

    Raises:
        FieldError: The value is not of this form.
    """
    found: dict[str, tuple[float, ...]] = {}
    for item in filter(None, (part.strip() for part in text.split(','))):
        label, *tail = item.rsplit(maxsplit=count)
        try:
            numbers = tuple(float(word) for word in tail)
        except ValueError:
            numbers = ()
        sound = len(numbers) == count and all(math.isfinite(number) for number in numbers)
        if not sound or list(numbers) != sorted(numbers) or label in found:
            wanted = 'a class name once and ' + ('a number' if count == 1 else 'two numbers')
            raise FieldError(
                f'parameter {name}: found {item!r} in {text!r}; expected {wanted}, the classes '
                'parted by commas.'
            )
        found[label] = numbers
    return found


def unknown_parameter(name: str, known: Mapping[str, object] | Sequence[str]) -> FieldError:
    """Build the error for a parameter nobody declares."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f' Did you mean {near[0]!r}?' if near else ''
    return FieldError(
        f'parameter {name}: unknown; expected one of {", ".join(sorted(known))}.{hint}'
    )


def flatten(tree: Mapping[str, object], prefix: str = '') -> Iterator[tuple[str, object]]:
    """Yield (dotted name, value) of a nested mapping of parameters."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value
