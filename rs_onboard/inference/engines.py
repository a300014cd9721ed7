# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Keep TensorRT engines: keyed by all they depend on, built beside, renamed whole, checked on use.

An engine is machine code for one GPU and one version of TensorRT, built for minutes. A folder a key
holds the files TensorRT wrote and a manifest with their hashes; what is not whole is thrown away
and built again. The hashes find damage, not malice: engines are run as they are, so the cache must
be writable by this user alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.errors import ProviderError
from rs_onboard.inference.file_hash import file_hash
from rs_onboard.inference.machine import user_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    # Told, a line at a time, what takes long or was thrown away.
    Progress: TypeAlias = Callable[[str], None]

MANIFEST = 'manifest.json'
BUILDING = '.building-'


@dataclass(frozen=True)
class Purpose:
    """What a graph will be run on.

    Attributes:
        sha256: Hash of its file.
        precision: `fp32`, `fp16` or `int8`.
        shapes: Largest and usual shape of every input, (N, H, W, bands).
    """

    sha256: str
    precision: str
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def least(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of a single tile: the last call of a frame may have fewer."""
        return {name: (1, *shape[1:]) for name, shape in self.shapes.items()}


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on.

    Attributes:
        sha256: Hash of the ONNX file.
        precision: Precision it was built with.
        shapes: Shapes it was built for, as text.
        gpu: Name and compute capability of the GPU.
        tensorrt: Version of TensorRT.
        runtime: Version of ONNX Runtime, which cuts the graph into engines.
    """

    sha256: str
    precision: str
    shapes: str
    gpu: str
    tensorrt: str
    runtime: str

    @property
    def digest(self) -> str:
        """Name of the folder."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def engine_key(purpose: Purpose, *, gpu: str, tensorrt: str, runtime: str) -> EngineKey:
    """Build the key of a graph on this machine."""
    shapes = ' '.join(
        f'{name}:{"x".join(map(str, shape))}' for name, shape in sorted(purpose.shapes.items())
    )
    return EngineKey(purpose.sha256, purpose.precision, shapes, gpu, tensorrt, runtime)


def default_cache() -> Path:
    """Return the folder for engines where no other is set."""
    return user_cache('engines')


def ensure_engine(
    cache: Path, key: EngineKey, build: Callable[[Path], None], progress: Progress
) -> Path:
    """Return the folder of an engine that is whole, building it where there is none.

    Args:
        cache: Folder of all engines.
        key: The engine wanted.
        build: Builds it into a folder; raises where it cannot.
        progress: Told what is thrown away and built.

    Raises:
        ProviderError: Others may write to the cache.
    """
    _make_private(cache)
    folder = cache / key.digest
    fault = engine_fault(folder, key)
    if not fault:
        return folder
    if folder.exists():
        _discard(folder, fault, progress)
    _discard_stale(cache, key, progress)
    beside = cache / f'{key.digest}{BUILDING}{os.getpid()}'
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    try:
        build(beside)
        _write_manifest(beside, key)
        if engine_fault(folder, key):
            beside.replace(folder)
    finally:
        # Gone after a rename; left by a failure, or by another process that was first.
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def engine_fault(folder: Path, key: EngineKey) -> str:
    """Say why a folder does not hold the engine of a key; empty where it does."""
    if not folder.is_dir():
        return 'not built'
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding='utf-8'))
        files: dict[str, str] = dict(manifest['files'])
        made_for = EngineKey(**manifest['key'])
    except (OSError, ValueError, KeyError, TypeError):
        return f'{MANIFEST} is missing or cannot be read'
    if made_for != key:
        return f'made for {_difference(made_for, key)}'
    if not files:
        return 'it holds no engine'
    for name, digest in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            return f'{name} is missing'
        if file_hash(path) != digest:
            return f'{name} was changed or is cut short'
    return ''


def _discard(folder: Path, reason: str, progress: Progress) -> None:
    progress(f'engine cache: discarded {folder}: {reason}')
    shutil.rmtree(folder, ignore_errors=True)


def _discard_stale(cache: Path, key: EngineKey, progress: Progress) -> None:
    """Throw away what was built for other versions or never finished."""
    for folder in sorted(cache.iterdir()):
        if BUILDING in folder.name:
            owner = folder.name.rpartition('-')[2]
            if not (owner.isdigit() and _alive(int(owner))):
                _discard(folder, 'its building was interrupted', progress)
            continue
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding='utf-8'))
            other = EngineKey(**manifest['key'])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        same = asdict(other) | {'tensorrt': key.tensorrt, 'runtime': key.runtime} == asdict(key)
        if same and other != key:
            _discard(folder, f'made for {_difference(other, key)}', progress)


def _difference(made_for: EngineKey, key: EngineKey) -> str:
    here = asdict(key)
    parts = [
        f'{name} {value} (here {here[name]})'
        for name, value in asdict(made_for).items()
        if value != here[name]
    ]
    return ', '.join(parts)


def _write_manifest(folder: Path, key: EngineKey) -> None:
    files = {path.name: file_hash(path) for path in sorted(folder.iterdir()) if path.is_file()}
    if not files:
        raise ProviderError(
            f'{folder}: TensorRT wrote no engine; expected one. Does it take any node of this '
            "graph? Choose provider 'cuda', or see the messages of TensorRT."
        )
    content: dict[str, Any] = {'key': asdict(key), 'files': files}
    with (folder / MANIFEST).open('w', encoding='utf-8') as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _make_private(cache: Path) -> None:
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = cache.stat()
    others = stat.S_IMODE(state.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if others or state.st_uid not in {os.geteuid(), 0}:
        raise ProviderError(
            f'engine_cache {str(cache)!r}: found a folder that others may write to (mode '
            f'{stat.S_IMODE(state.st_mode):o}, owner {state.st_uid}); expected one of this user '
            'alone, since engines are run as they are. Run "chmod go-w" on it or choose another.'
        )


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
