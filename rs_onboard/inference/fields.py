# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Strict reading of YAML mappings: each field once, typed, named in every complaint."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from rs_onboard.inference.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

T = TypeVar('T', str, int, float, bool)

_NAMES = {str: 'text', int: 'a whole number', float: 'a number', bool: 'true or false'}

# Whole numbers above this are mistakes everywhere.
MAX_WHOLE = 2**63

# Aliases let a few hundred bytes expand to gigabytes; no card or parameter file of ours has any.
MAX_YAML_BYTES = 1_000_000


class _NoAliasLoader(yaml.SafeLoader):
    """A safe loader that refuses aliases and duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, 'aliases are not allowed', event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        if isinstance(node, yaml.MappingNode):
            seen: set[object] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.composer.ComposerError(
                        None, None, 'keys must be plain text', key.start_mark
                    )
                if key.value in seen:
                    raise yaml.composer.ComposerError(
                        None, None, f'key {key.value!r} appears twice', key.start_mark
                    )
                seen.add(key.value)
        return node


def load_yaml(path: Path, *, what: str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: The file.
        what: What the file is, for messages ("model card").

    Raises:
        FieldError: The file is missing, too large, not UTF-8, not YAML or not a mapping.
    """
    return parse_yaml(read_yaml(path, what=what), path, what=what)


def read_yaml(path: Path, *, what: str) -> bytes:
    """Read the bytes of a YAML file.

    Raises:
        FieldError: The file is missing or too large.
    """
    if not path.is_file():
        raise FieldError(f'{path}: no such {what}; expected a YAML file. Check the path.')
    size = path.stat().st_size
    if size > MAX_YAML_BYTES:
        raise FieldError(
            f'{path}: {what} of {size} bytes; at most {MAX_YAML_BYTES} are read. '
            'Check that it is the right file.'
        )
    return path.read_bytes()


def parse_yaml(content: bytes, path: Path, *, what: str) -> dict[str, Any]:
    """Parse the content of a YAML file whose top level is a mapping.

    Raises:
        FieldError: It is not UTF-8, not YAML or not a mapping.
    """
    try:
        data = yaml.load(content.decode('utf-8'), Loader=_NoAliasLoader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        # ValueError: bytes that are not UTF-8, dates that no calendar has, numbers without digits.
        reason = ' '.join(str(exc).split())
        raise FieldError(
            f'{path}: {what} is not valid YAML: {reason}. Mend the line named.'
        ) from None
    if not isinstance(data, dict):
        raise FieldError(
            f'{path}: {what} holds {type(data).__name__} at its top level; expected a mapping.'
        )
    return data


class Fields:
    """A view of a mapping from which every field is taken once.

    `done()` then refuses what is left over, so that a misspelt field is never ignored silently.
    """

    def __init__(
        self,
        data: object,
        where: str,
        *,
        prefix: str = '',
        error: type[FieldError] = FieldError,
    ) -> None:
        self._where = where
        self._prefix = prefix
        self._error = error
        if not isinstance(data, dict):
            raise self._error(
                f'{where}: {prefix.rstrip(".") or "content"}: found {data!r}; '
                'expected a mapping of fields.'
            )
        self._data: dict[str, Any] = dict(data)
        self._known: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._data)

    def path(self, name: str) -> str:
        """Full name of a field for messages."""
        return f'{self._where}: {self._prefix}{name}'

    def nested(self, name: str, value: object) -> Fields:
        """View `value`, found under `name`, as fields of its own."""
        return Fields(value, self._where, prefix=f'{self._prefix}{name}.', error=self._error)

    def fail(self, name: str, found: object, expected: str) -> FieldError:
        """Build the error for field `name`."""
        return self._error(f'{self.path(name)}: found {found!r}; expected {expected}.')

    def _take(self, name: str) -> tuple[bool, Any]:
        self._known.append(name)
        if name in self._data:
            return True, self._data.pop(name)
        return False, None

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Take a scalar field; without a default it is required.

        Raises:
            FieldError: The field is missing or of another type (a whole number is a number).
        """
        present, value = self._take(name)
        if not present:
            if default is None:
                raise self._error(f'{self.path(name)}: missing; expected {_NAMES[kind]}. Add it.')
            return default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            # Beyond this a float cannot hold it, and a message could not be read.
            if abs(value) > MAX_WHOLE:
                raise self.fail(name, f'a number of {value.bit_length()} bits', _NAMES[kind])
            return kind(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(name, value, _NAMES[kind])
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """Take a text field that must be one of `allowed`."""
        value = self.take(name, str, default)
        if value not in allowed:
            raise self.fail(name, value, 'one of ' + ', '.join(allowed))
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Take a number within [low, high]; NaN is refused."""
        value = self.take(name, float, default)
        if not low <= value <= high:
            raise self.fail(name, value, f'a number from {low:g} to {high:g}')
        return value

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Take a whole number within [low, high]."""
        value = self.take(name, int, default)
        if not low <= value <= high:
            raise self.fail(name, value, f'a whole number from {low} to {high}')
        return value

    def fields(self, name: str, *, optional: bool = False) -> Fields:
        """Take a nested mapping."""
        present, value = self._take(name)
        if not present:
            if not optional:
                raise self._error(f'{self.path(name)}: missing; expected a mapping. Add it.')
            value = {}
        return self.nested(name, value)

    def items(self, name: str, *, least: int = 0) -> list[Any]:
        """Take a list of at least `least` entries."""
        present, value = self._take(name)
        if not present:
            value = []
        if not isinstance(value, list) or len(value) < least:
            raise self.fail(name, value, f'a list of at least {least} entries')
        return value

    def texts(self, name: str, *, least: int = 0) -> tuple[str, ...]:
        """Take a list of at least `least` texts."""
        items = self.items(name, least=least)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise self.fail(f'{name}[{index}]', item, _NAMES[str])
        return tuple(items)

    def numbers(self, name: str, *, default: Mapping[str, float] | None = None) -> dict[str, float]:
        """Take a mapping of names to finite numbers."""
        present, value = self._take(name)
        if not present and default is not None:
            return dict(default)
        if not isinstance(value, dict):
            raise self.fail(name, value, 'a mapping of names to finite numbers')
        for key, number in value.items():
            if (
                not isinstance(key, str)
                or not isinstance(number, (int, float))
                or isinstance(number, bool)
                or not abs(number) < MAX_WHOLE
            ):
                raise self.fail(f'{name}.{key}', number, 'a finite number under a name')
        return {k: float(v) for k, v in value.items()}

    def rest(self) -> dict[str, Any]:
        """Take all that is left, for mappings whose keys are names chosen by the user."""
        rest, self._data = self._data, {}
        return rest

    def done(self) -> None:
        """Refuse fields nobody asked for.

        Raises:
            FieldError: Names the field, the nearest known one and all allowed ones.
        """
        for name in self._data:
            near = difflib.get_close_matches(str(name), self._known, n=1)
            hint = f' Did you mean {near[0]!r}?' if near else ''
            raise self._error(
                f'{self.path(str(name))}: unknown field; '
                f'allowed are {", ".join(sorted(self._known))}.{hint}'
            )
