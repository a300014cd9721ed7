# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read the files of `torch.save`, zipped and legacy, without torch and without running them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.pickle_names import Global, Storage
from rs_onboard.zoo.unpickle import PickleMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from rs_onboard.zoo.pickle_names import TensorView

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
ZIP_MAGIC = b'PK\x03\x04'
# What zipfile raises for archives that are cut off or overwritten.
DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)
# A pickle of the largest published checkpoint has about 1 MB; the tensors are stored beside it.
PICKLE_LIMIT = 256 << 20

STORAGE_TYPES: Mapping[str, str] = {
    'DoubleStorage': 'f8',
    'FloatStorage': 'f4',
    'HalfStorage': 'f2',
    'BFloat16Storage': 'u2',
    'LongStorage': 'i8',
    'IntStorage': 'i4',
    'ShortStorage': 'i2',
    'CharStorage': 'i1',
    'ByteStorage': 'u1',
    'BoolStorage': '?',
}


class Span(NamedTuple):
    """Bytes of a storage in a legacy file."""

    start: int
    stop: int


@dataclass(frozen=True)
class TorchFile:
    """What a file holds.

    Attributes:
        path: The file.
        content: Plain containers, `TensorView`s and `Record`s.
        read: Gives the bytes of the storage with a key.
        big_endian: Byte order of the storages.
    """

    path: Path
    content: object
    read: Callable[[Storage], bytes]
    big_endian: bool = False

    def array(self, view: TensorView) -> npt.NDArray[np.generic]:
        """Read a tensor; bfloat16 is widened to float32.

        Raises:
            CheckpointError: The storage is shorter than the tensor needs.
        """
        storage, count = view.storage, prod(view.shape)
        native = np.dtype(STORAGE_TYPES[storage.kind])
        if not count:
            return np.zeros(view.shape, native)
        dtype = native.newbyteorder('>' if self.big_endian else '<')
        data = self.read(storage)
        if len(data) < (storage.start + storage.count) * dtype.itemsize:
            raise CheckpointError(
                f'{self.path}: storage {storage.key!r} has {len(data)} bytes, but '
                f'{storage.count} values of {storage.kind} are expected; the file is truncated'
            )
        steps = zip(view.shape, view.strides, strict=True)
        last = view.offset + sum((size - 1) * stride for size, stride in steps)
        if last >= storage.count or count > storage.count:
            raise CheckpointError(
                f'{self.path}: tensor of shape {view.shape} reaches beyond the {storage.count} '
                f'values of storage {storage.key!r}'
            )
        values = np.frombuffer(data, dtype, storage.count, storage.start * dtype.itemsize)
        strided = np.lib.stride_tricks.as_strided(
            values[view.offset :],
            view.shape,
            tuple(stride * dtype.itemsize for stride in view.strides),
            writeable=False,
        )
        array = np.array(strided, native)
        if storage.kind == 'BFloat16Storage':
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array


def storage_of(reference: object) -> object:
    """Make a storage of a persistent id ('storage', type, key, location, count[, view]).

    The location, a device such as `cuda:0`, does not matter. A legacy id ('module', class, source
    file, source text) gives its class.

    Raises:
        CheckpointError: Another id or element type.
    """
    if not isinstance(reference, tuple) or not reference:
        raise CheckpointError('a reference that is no storage')
    if reference[0] == 'module' and len(reference) == 4:
        return reference[1]
    if reference[0] != 'storage' or len(reference) not in (5, 6):
        raise CheckpointError('a reference that is no storage')
    _, kind, key, _, count = reference[:5]
    if not isinstance(kind, Global) or kind.name not in STORAGE_TYPES:
        raise CheckpointError(
            f'tensors of type {kind if isinstance(kind, Global) else "unknown"}; expected one of '
            f'{sorted(STORAGE_TYPES)}'
        )
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise CheckpointError('a storage without a key and a count')
    view = reference[5] if len(reference) == 6 else None
    if view is None:
        return Storage(kind.name, key, count)
    if not isinstance(view, tuple) or len(view) != 3:
        raise CheckpointError('a view of a storage that is none')
    _, start, size = view
    if type(start) is not int or type(size) is not int or not 0 <= start <= start + size <= count:
        raise CheckpointError('a view beyond its storage')
    return Storage(kind.name, key, size, start)


def read_torch_file(path: Path) -> TorchFile:
    """Read a checkpoint's structure; tensors are read when asked for.

    Raises:
        CheckpointError: The file is no checkpoint of torch, is truncated, or asks for anything but
            plain containers and tensors.
        OSError: The file cannot be read.
    """
    with path.open('rb') as file:
        start = file.read(16)
    try:
        if start.startswith(ZIP_MAGIC):
            return read_zip(path)
        if start.startswith(b'\x80'):
            return read_legacy(path)
    except CheckpointError as exc:
        if str(exc).startswith(str(path)):
            raise
        raise CheckpointError(f'{path}: refused: {exc}') from exc
    found = 'an empty file' if not start else f'a file that starts with {start[:4]!r}'
    raise CheckpointError(
        f'{path}: {found} is no checkpoint; expected a file of torch.save (a zip or a pickle)'
    )


def read_zip(path: Path) -> TorchFile:
    """Read the format since PyTorch 1.6: `<root>/data.pkl` and `<root>/data/<key>`."""
    archive = open_zip(path)
    members = set(archive.namelist())
    pickles = [name for name in members if name == 'data.pkl' or name.endswith('/data.pkl')]
    if len(pickles) != 1:
        raise CheckpointError(
            f'{path}: a zip with {len(pickles)} data.pkl is no checkpoint; expected exactly one'
        )
    root = pickles[0].removesuffix('data.pkl')
    if archive.getinfo(pickles[0]).file_size > PICKLE_LIMIT:
        raise CheckpointError(f'{path}: its data.pkl is larger than {PICKLE_LIMIT >> 20} MiB')

    def member(name: str) -> bytes:
        try:
            return archive.read(name)
        except KeyError as exc:
            raise CheckpointError(f'{path}: {name!r} is missing; the file is incomplete') from exc
        except DAMAGED as exc:
            raise CheckpointError(
                f'{path}: {name!r} is truncated or damaged ({exc}); fetch the file again'
            ) from exc

    order = f'{root}byteorder'
    big = order in members and member(order).strip() == b'big'
    content = PickleMachine(io.BytesIO(member(pickles[0])), storage_of).load()
    return TorchFile(path, content, lambda s: member(f'{root}data/{s.key}'), big_endian=big)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a checkpoint's zip, whose members are stored as they are.

    Raises:
        CheckpointError: No complete zip, or one with compressed members.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    except DAMAGED as exc:
        raise CheckpointError(
            f'{path}: the file is truncated or damaged ({exc}); fetch it again'
        ) from exc
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f'{path}: {info.filename!r} is compressed, which torch never does; the file is no '
                'checkpoint'
            )
    return archive


def read_legacy(path: Path) -> TorchFile:
    """Read the format before PyTorch 1.6: five pickles, then every storage with its length."""
    stream = io.BytesIO(path.read_bytes())
    storages: dict[str, Storage] = {}

    def note(reference: object) -> object:
        storage = storage_of(reference)
        if isinstance(storage, Storage):
            storages[storage.key] = storage
        return storage

    if PickleMachine(stream, note).load() != LEGACY_MAGIC:
        raise CheckpointError(
            f'{path}: a pickle without the mark of torch.save is no checkpoint; expected a file '
            'that torch.save wrote'
        )
    version = PickleMachine(stream, note).load()
    if version != LEGACY_VERSION:
        raise CheckpointError(f'{path}: legacy format of an unknown version, not {LEGACY_VERSION}')
    PickleMachine(stream, note).load()
    content = PickleMachine(stream, note).load()
    keys = PickleMachine(stream, note).load()
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or not set(storages) <= set(keys)
    ):
        raise CheckpointError(f'{path}: its list of storages lacks some that its tensors use')
    spans: dict[str, Span] = {}
    for key in keys:
        head = stream.read(8)
        if key not in storages or len(head) < 8:
            raise CheckpointError(f'{path}: the file is truncated before storage {key!r}')
        itemsize = np.dtype(STORAGE_TYPES[storages[key].kind]).itemsize
        start = stream.tell()
        spans[key] = Span(start, start + struct.unpack('<q', head)[0] * itemsize)
        if not start <= spans[key].stop <= len(stream.getbuffer()):
            raise CheckpointError(f'{path}: the file is truncated in storage {key!r}')
        stream.seek(spans[key].stop)

    def read(storage: Storage) -> bytes:
        span = spans[storage.key]
        return stream.getbuffer()[span.start : span.stop].tobytes()

    return TorchFile(path, content, read)
