# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Check the golden files of DNAS search networks, decoders and encodings of one's own."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo import dnas, dnas_decode
from rs_onboard.zoo.dnas_encoding import read_encoding
from rs_onboard.zoo.dnas_search import CellSearch, ConnectionSearch, PathSearch
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.golden import (
    OutputCheck,
    build_matching,
    compare,
    load_drawn,
    read_golden,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.zoo.golden import GoldenFile
    from rs_onboard.zoo.network import Builder

TRANSITION_TOLERANCE = 1e-6


def builder(golden: GoldenFile) -> Builder:
    """Choose the network of a golden file by its architecture parameter and meta.

    Raises:
        ZooError: The meta lacks the architecture.
    """
    try:
        if not {'alphas', 'betas'} & set(golden.keys):
            encoding = read_encoding(golden.path.with_name(golden.meta['encoding']))
            return partial(dnas.build_dnas, encoding)
        base = int(golden.meta['base_channels'])
        if 'alphas' in golden.keys:
            edges = [((a, b), (i, j)) for (a, b), (i, j) in golden.meta['connections']]
            layers = golden.keys['alphas'][0]
            return partial(CellSearch, layers, edges, base_channels=base)
        if golden.meta.get('core_path'):
            return partial(ConnectionSearch, golden.meta['core_path'], base_channels=base)
        return partial(PathSearch, golden.keys['betas'][0], base_channels=base)
    except (KeyError, TypeError, ValueError) as exc:
        raise ZooError(
            f'{golden.path}: not the golden file of a DNAS network ({exc!r}); expected betas or '
            'alphas among its keys and base_channels, connections and core_path in meta, or the '
            'name of an encoding beside the file in meta'
        ) from exc


def check_network(path: Path) -> list[OutputCheck]:
    """Compare every output of a golden file with ours: a search network or any encoding's.

    Raises:
        ZooError: The file cannot be read or is of another network.
    """
    golden = read_golden(path)
    name = str(golden.meta.get('model', path.stem))
    entry = replace(dnas.NETWORKS['dnas_l12'], name=name, build=builder(golden))
    network = build_matching(entry, golden)
    load_drawn(network, entry, golden)
    ours = run(network.eval(), golden.draw_inputs())
    return [
        compare(name, output, ours.get(output), expected)
        for output, expected in golden.outputs.items()
    ]


def decode(stage: int, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Run the decoder of a stage on a case's architecture parameters."""
    if stage == 1:
        table = dnas_decode.transition_table(np.asarray(arrays['betas'], np.float32))
        path = dnas_decode.core_path(table)
        second = dnas_decode.connection_level_connections([int(level) for level in path])
        return {'transition': table, 'path': path, 'second_connections': np.array(second)}
    if stage == 2:
        core = [int(level) for level in np.asarray(arrays['core_path'])]
        third, used = dnas_decode.cell_level_connections(np.asarray(arrays['betas'], float), core)
        return {'third_connections': np.array(third), 'used': used}
    return {'cell_ops': dnas_decode.cell_operators(np.asarray(arrays['alphas'], float))}


def check_decode(path: Path) -> list[OutputCheck]:
    """Compare what our decoders make of architecture parameters with a golden file.

    Raises:
        ZooError: The file is no golden file of a decoder.
    """
    checks = []
    try:
        with np.load(path, allow_pickle=False) as npz:
            meta = json.loads(str(npz['meta']))
            for index in range(len(meta['cases'])):
                prefix = f'{index}_'
                names = [n for n in npz.files if n.startswith(prefix)]
                arrays = {name.removeprefix(prefix): npz[name] for name in names}
                for output, ours in decode(int(meta['stage']), arrays).items():
                    checks.append(
                        compare_decoded(path.stem, f'case {index} {output}', ours, arrays[output])
                    )
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise ZooError(f'{path}: not the golden file of a DNAS decoder ({exc!r})') from exc
    return checks


def compare_decoded(
    network: str, output: str, ours: NDArray[np.generic], golden: NDArray[np.generic]
) -> OutputCheck:
    """Compare a decoded array: weights within 1e-6, all others exactly."""
    if ours.shape != golden.shape:
        problem = f'shape {ours.shape}, expected {golden.shape}'
        return OutputCheck(network, output, float('nan'), problem)
    deviation = float(np.abs(ours.astype(float) - golden.astype(float)).max(initial=0.0))
    allowed = TRANSITION_TOLERANCE if np.issubdtype(golden.dtype, np.float64) else 0.0
    problem = '' if deviation <= allowed else f'deviates by more than {allowed:g}'
    return OutputCheck(network, output, deviation, problem)
