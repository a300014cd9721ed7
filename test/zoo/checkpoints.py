# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as their authors write them, made of key lists."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rs_onboard.zoo.golden import read_golden

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


def authors_state(golden: str) -> dict[str, torch.Tensor]:
    """Draw a state dict with the authors' keys and shapes, every value different."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for key, shape in read_golden(GOLDEN / f'{golden}.npz').keys.items():
        if key.endswith('num_batches_tracked'):
            state[key] = torch.tensor(7)
        else:
            state[key] = torch.rand(shape, generator=generator) + 0.5
    return state


def module_of(state: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Make a module whose whole pickle has these entries, with a profiler's leftovers."""
    root = torch.nn.Module()
    for key, value in state.items():
        *path, name = key.split('.')
        module = root
        for part in path:
            if part not in module._modules:
                child = torch.nn.Module()
                child.register_buffer('total_ops', torch.zeros(1, dtype=torch.float64))
                module.add_module(part, child)
            module = module._modules[part]
        if value.is_floating_point() and not name.startswith('running_'):
            module.register_parameter(name, torch.nn.Parameter(value))
        else:
            module.register_buffer(name, value)
    return root


def pretend_cuda(source: Path, target: Path) -> None:
    """Copy a zip checkpoint with all storages tagged as of a GPU."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w') as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith('data.pkl'):
                data = data.replace(b'X\x03\x00\x00\x00cpu', b'X\x06\x00\x00\x00cuda:1')
                assert b'cuda:1' in data
            new.writestr(info.filename, data)


def zipped(path: Path, pickled: bytes, storages: Mapping[str, bytes] | None = None) -> Path:
    """Write a zip checkpoint around a pickle of one's own."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', pickled)
        for key, data in (storages or {}).items():
            archive.writestr(f'archive/data/{key}', data)
    return path


def legacy(path: Path, pickled: bytes, keys: Mapping[str, bytes] | None = None) -> Path:
    """Write a checkpoint of the time before zips around a pickle of one's own."""
    stored = keys or {}
    head = (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True})
    parts = [pickle.dumps(value, 2) for value in head]
    parts += [pickled, pickle.dumps(list(stored), 2)]
    for data in stored.values():
        parts += [struct.pack('<q', len(data) // 4), data]
    path.write_bytes(b''.join(parts))
    return path
