# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Golden results: a folder of small files, fit for a repository.

`run.json` has the facts, `frames.jsonl` the records without what follows from the rest, `masks/` a
PNG a mask, thinned to at most `MASK_SIDE` pixels a side (every n-th row and column, so that labels
stay labels).
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rs_onboard.replay.errors import RunError
from rs_onboard.replay.expectations.recorded import RecordedRun, read_lines
from rs_onboard.replay.run_facts import RunFacts
from rs_onboard.replay.run_records import by_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MASK_SIDE = 640
FRAMES = 'frames.jsonl'

# Of an object: what follows from its box and the pose.
_DERIVED = (
    *('corners', 'ground', 'length_m', 'width_m'),
    *('position', 'position_covariance_m2', 'sigma_m'),
)


class Golden:
    """Golden results of a flight.

    Args:
        folder: Their folder.

    Raises:
        RunError: There are none, or they are damaged.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise RunError(f'{folder}: no golden results. Write them with --update.')
        self.folder = folder
        self.facts = RunFacts.read(folder)
        self.frames = by_stamp(read_lines(folder / FRAMES))

    def masks(self) -> set[tuple[str, int]]:
        """Return (task, stamp (ns)) of every mask."""
        names = [path.stem for path in (self.folder / 'masks').glob('*.png')]
        return {(task, int(stamp)) for stamp, _, task in (name.partition('.') for name in names)}

    def mask(self, task: str, stamp_ns: int) -> NDArray[np.uint8] | None:
        """Return a thinned mask, (h, w) uint8 labels, None where there is none.

        Raises:
            RunError: The file is damaged.
        """
        path = _mask_path(self.folder, task, stamp_ns)
        if not path.is_file():
            return None
        data = np.frombuffer(path.read_bytes(), np.uint8)
        mask = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
            raise RunError(f'{path}: no mask of 8 bits. Restore it, or write it with --update.')
        return np.asarray(mask)


def write_golden(folder: Path, run: RecordedRun) -> None:
    """Make the results of a run the golden ones.

    Raises:
        OSError: They cannot be written.
    """
    if (folder / FRAMES).is_file():
        shutil.rmtree(folder)
    (folder / 'masks').mkdir(parents=True)
    run.facts.write(folder)
    lines = [json.dumps(_compact(record)) for record in run.records]
    (folder / FRAMES).write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    for task, stamp_ns, mask in run.masks():
        path = _mask_path(folder, task, stamp_ns)
        _, data = cv2.imencode('.png', thinned(mask), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        path.write_bytes(data.tobytes())


def thinned(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return every n-th row and column of a mask, so that no side is above `MASK_SIDE`."""
    step = -(-max(mask.shape) // MASK_SIDE)
    return np.ascontiguousarray(mask[::step, ::step])


def _compact(record: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a record what follows from the rest."""
    kept = dict(record)
    for task, value in record.items():
        if isinstance(value, dict) and 'status' in value:
            kept[task] = {
                name: item for name, item in value.items() if name not in {'model', 'polygons'}
            }
            if 'objects' in value:
                kept[task]['objects'] = [
                    {name: item[name] for name in item if name not in _DERIVED}
                    for item in value['objects']
                ]
    return kept


def _mask_path(folder: Path, task: str, stamp_ns: int) -> Path:
    return folder / 'masks' / f'{stamp_ns}.{task}.png'
