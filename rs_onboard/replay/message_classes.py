# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes without ROS: made from the definitions, with the shape of those of rclpy.

The code that writes results as messages imports `vision_msgs.msg` and its like. Where ROS is
installed these are its own packages; where it is not, `provide_messages` lets the same imports find
classes made here, so that a bag is processed and its results are written by the same code.
"""

from __future__ import annotations

import array
import copy
import importlib.abc
import importlib.machinery
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from rs_onboard.replay.errors import UnknownTypeError
from rs_onboard.replay.typestore import make_typestore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from rosbags.interfaces.typing import FieldDesc
    from rosbags.typesys.store import Typestore

_ARRAY_CODES = {
    'int8': 'b',
    'uint8': 'B',
    'byte': 'B',
    'int16': 'h',
    'uint16': 'H',
    'int32': 'i',
    'uint32': 'I',
    'int64': 'q',
    'uint64': 'Q',
    'float32': 'f',
    'float64': 'd',
}
# Defaults that are not zero: rosbags' definitions are without them.
_DEFAULTS = {('geometry_msgs/msg/Quaternion', 'w'): 1.0}
_DTYPES = {'bool': 'bool', 'byte': 'uint8', 'char': 'uint8'}


class MessageClass:
    """A message: every field has its default until it is set."""

    _defaults: Mapping[str, Any] = {}

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - self._defaults.keys()
        if unknown:
            msg = f'{type(self).__name__}: no field {sorted(unknown)}; has {list(self._defaults)}.'
            raise AttributeError(msg)
        for name, default in self._defaults.items():
            value = values[name] if name in values else copy.deepcopy(default)
            setattr(self, name, value)

    def __repr__(self) -> str:
        fields = ', '.join(f'{name}={getattr(self, name)!r}' for name in self._defaults)
        return f'{type(self).__name__}({fields})'


class MessagePackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages of message types where nothing else does.

    Args:
        store: Definitions of the messages.
    """

    def __init__(self, store: Typestore) -> None:
        self._store = store
        self._classes: dict[str, type[MessageClass]] = {}
        self._packages = {name.partition('/')[0] for name in store.fielddefs}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        del path, target
        package, _, rest = fullname.partition('.')
        if package not in self._packages or rest not in {'', 'msg'}:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=not rest)

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module `<package>.msg` with its classes; the package itself stays empty."""
        package, _, rest = module.__name__.partition('.')
        if not rest:
            return
        prefix = f'{package}/msg/'
        for name in self._store.fielddefs:
            if name.startswith(prefix):
                setattr(module, name.removeprefix(prefix), self.class_of(name))

    def class_of(self, type_name: str) -> type[MessageClass]:
        """Return the class of a type such as sensor_msgs/msg/Image."""
        found = self._classes.get(type_name)
        if found is None:
            constants, fields = self._store.fielddefs[type_name]
            package, _, name = type_name.rpartition('/')
            members = {
                '__module__': package.replace('/', '.'),
                '__doc__': f'A {type_name}.',
                '_defaults': {
                    field: _DEFAULTS.get((type_name, field), self._default(desc))
                    for field, desc in fields
                },
                **{constant: value for constant, _, value in constants},
            }
            found = self._classes[type_name] = type(name, (MessageClass,), members)
        return found

    def _default(self, desc: FieldDesc) -> Any:
        kind, details = desc
        if kind == Nodetype.NAME:
            return self.class_of(str(details))()
        if kind == Nodetype.BASE:
            return {'string': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}.get(
                str(details[0]), 0
            )
        # Of a sequence the number is its bound, not its size.
        inner: Any = details[0]
        count = int(details[1]) if kind == Nodetype.ARRAY else 0
        single = [self._default(inner) for _ in range(count)]
        code = _ARRAY_CODES.get(_base_name(inner))
        return array.array(code, single) if code else single


def provide_messages() -> None:
    """Let imports of message packages that are not installed find classes made here."""
    if not any(isinstance(finder, MessagePackages) for finder in sys.meta_path):
        sys.meta_path.append(MessagePackages(make_typestore()))


def type_name_of(kind: type) -> str:
    """Return the name of the type of a message class, as in sensor_msgs/msg/Image."""
    return f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'


def to_cdr(message: object, store: Typestore) -> bytes:
    """Serialise a message of ROS or of this module (little-endian CDR, header included).

    Raises:
        UnknownTypeError: Its type is not in the store.
    """
    name = type_name_of(type(message))
    if name not in store.fielddefs:
        msg = f'no definition of {name}. Source the workspace that defines it.'
        raise UnknownTypeError(msg)
    return bytes(store.serialize_cdr(_to_store(message, name, store), name, little_endian=True))


def _to_store(message: object, type_name: str, store: Typestore) -> object:
    fields = store.fielddefs[type_name][1]
    kind: Any = store.types[type_name]
    return kind(**{name: _value(getattr(message, name), desc, store) for name, desc in fields})


def _value(value: Any, desc: FieldDesc, store: Typestore) -> Any:
    kind, details = desc
    if kind == Nodetype.NAME:
        return _to_store(value, str(details), store)
    if kind == Nodetype.BASE:
        # A byte of rclpy is a bytes object of one.
        return value[0] if isinstance(value, bytes) else value
    inner: FieldDesc = details[0]  # type: ignore[assignment]
    base = _base_name(inner)
    if base and base != 'string':
        return np.asarray(value, _DTYPES.get(base, base))
    return [_value(item, inner, store) for item in value]


def _base_name(desc: FieldDesc) -> str:
    kind, details = desc
    return str(details[0]) if kind == Nodetype.BASE else ''
