# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the names in a checkpoint's pickle stand for here: nothing is imported.

Every name becomes an inert `Global`. The functions of `CALLS` build plain containers and
descriptions of tensors; instances of foreign classes become `Record`s of their state. Names of the
standard library outside these lists and calls of unknown functions refuse the file.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable

# What Python 2 called builtins and copyreg.
RENAMED_MODULES = {'__builtin__': 'builtins', 'copy_reg': 'copyreg'}


class Global(NamedTuple):
    """A name in a pickle; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f'{self.module}.{self.name}'


@dataclass
class Record:
    """An instance of a class that is not ours: what the file says of it, and no behaviour.

    Attributes:
        kind: Dotted name of the class or function.
        args: What it would have been called with.
        state: Its attributes.
        entries: Its items where the class is a mapping.
        elements: Its elements where the class is a list or set.
    """

    kind: str
    args: tuple[object, ...] = ()
    state: dict[object, object] = field(default_factory=dict)
    entries: dict[object, object] = field(default_factory=dict)
    elements: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class Storage:
    """A run of values in a file.

    Attributes:
        kind: Name of the storage class, e.g. `FloatStorage`.
        key: Name of the run.
        count: Number of values.
        start: First value of the run that belongs to this storage.
    """

    kind: str
    key: str
    count: int
    start: int = 0


@dataclass(frozen=True)
class TensorView:
    """A tensor as a strided view of a storage; offset and strides in values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def integers(values: object) -> tuple[int, ...]:
    """Check a shape or strides."""
    if not isinstance(values, tuple) or not all(type(n) is int and n >= 0 for n in values):
        raise CheckpointError('tensor whose sizes or strides are not counts')
    return values


def rebuild_tensor(storage: object, offset: object, shape: object, strides: object) -> TensorView:
    """Describe a tensor; further arguments of the pickled call (gradient, hooks) do not matter."""
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0:
        raise CheckpointError('tensor without a storage and an offset')
    sizes, steps = integers(shape), integers(strides)
    if len(sizes) != len(steps):
        raise CheckpointError(f'tensor of shape {sizes} with strides {steps}: unequal lengths')
    return TensorView(storage, offset, sizes, steps)


def first_tensor(*args: object) -> TensorView:
    """Give the tensor that a parameter wraps."""
    if not args or not isinstance(args[0], TensorView):
        raise CheckpointError('parameter without a tensor')
    return args[0]


def mapping(*args: object) -> dict[object, object]:
    """Make a dict of no argument or of a list of pairs."""
    result: dict[object, object] = {}
    pairs = args[0] if args and isinstance(args[0], (list, tuple)) else ()
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise CheckpointError('mapping made of something other than pairs')
        result[hashable(pair[0])] = pair[1]
    return result


def collection(*args: object) -> set[object]:
    """Make a set of no argument or of a list."""
    listed = args[0] if args and isinstance(args[0], (list, tuple, set)) else ()
    return {hashable(value) for value in listed}


def encoded(text: object = '', *_: object) -> bytes:
    """Give bytes, which pickles before protocol 3 write as text in Latin 1."""
    return text.encode('latin-1') if isinstance(text, str) else b''


def reconstructed(kind: object, *_: object) -> Record:
    """Make the record of an object that protocols 0 and 1 construct."""
    if not isinstance(kind, Global):
        raise CheckpointError('an object without a class')
    return Record(str(kind))


# Every function that a file may have called, with what is done instead.
CALLS: dict[str, Callable[..., object]] = {
    'collections.OrderedDict': mapping,
    'collections.defaultdict': lambda *_: {},
    'collections.Counter': lambda *_: {},
    '_codecs.encode': encoded,
    'builtins.bytes': encoded,
    'builtins.set': collection,
    'builtins.frozenset': collection,
    'copyreg._reconstructor': reconstructed,
    'torch._utils._rebuild_tensor': lambda *args: rebuild_tensor(*args[:4]),
    'torch._utils._rebuild_tensor_v2': lambda *args: rebuild_tensor(*args[:4]),
    'torch._utils._rebuild_parameter': first_tensor,
    'torch._utils._rebuild_parameter_with_state': first_tensor,
    'torch.Size': lambda *args: integers(tuple(args[0])) if args else (),
}
# Called as well, but what they give is of no use here: kept as records.
INERT_CALLS = frozenset(
    (
        'argparse.Namespace',
        'builtins.bytearray',
        'builtins.complex',
        'builtins.slice',
        'datetime.datetime',
        'datetime.timedelta',
        'functools.partial',
        'numpy.core.multiarray._reconstruct',
        'numpy._core.multiarray._reconstruct',
        'numpy.core.multiarray.scalar',
        'numpy._core.multiarray.scalar',
        'numpy.dtype',
        'pathlib.PosixPath',
        'pathlib.PurePosixPath',
        'pathlib.WindowsPath',
        'pathlib._local.PosixPath',
        'pathlib._local.WindowsPath',
        'torch.device',
    )
)
# Harmless names of the standard library that files mention without calling them.
NAMES = frozenset(
    f'builtins.{kind.__name__}'
    for kind in (bool, bytes, dict, float, int, list, object, str, tuple)
)


def hashable(key: object) -> object:
    """Admit a key of a mapping or set; deeply nested ones could exhaust the stack when hashed."""
    if isinstance(key, Global):
        return key
    parts = key if isinstance(key, tuple) else (key,)
    if all(part is None or isinstance(part, (str, bytes, int, float, Global)) for part in parts):
        return key
    raise CheckpointError(f'a mapping with a key of type {type(key).__name__}; expected names')


def resolve(module: object, name: object) -> Global:
    """Turn a name into a `Global` without importing it.

    Raises:
        CheckpointError: A name of the standard library that no checkpoint needs.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise CheckpointError('a name that is not text')
    found = Global(RENAMED_MODULES.get(module, module), name)
    known = str(found) in CALLS or str(found) in INERT_CALLS or str(found) in NAMES
    if not known and found.module.partition('.')[0] in sys.stdlib_module_names:
        raise CheckpointError(
            f'it names {found}, which no checkpoint needs and which could harm this machine; '
            'nothing was run. Do not trust this file'
        )
    return found


def call(function: object, args: object, *, instance: bool = False) -> object:
    """Do what stands for a pickled call.

    Raises:
        CheckpointError: The function is not on the list.
    """
    if not isinstance(function, Global) or not isinstance(args, tuple):
        raise CheckpointError('a call of something that is not a name')
    if made := CALLS.get(str(function)):
        return made(*args)
    if instance or str(function) in INERT_CALLS:
        return Record(str(function), args)
    raise CheckpointError(
        f'it wants to call {function}, which is not on the list of harmless functions; nothing '
        'was run. Do not trust this file, or save its state dict alone'
    )
