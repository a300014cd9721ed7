# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""From weights to a model folder: export, compare with torch on images, write, prove."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.inference.bench import PLAIN, Subject, loose_graph, time_together
from rs_onboard.inference.card import CARD_FILE, load_card
from rs_onboard.inference.machine import machine_name
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.inference.verify import verify_folder
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export import compare_with_torch, comparison_batches, deploy, export_model
from rs_onboard.zoo.model_folder import Measured, latencies_of, write_model_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.inference.bench import Timing
    from rs_onboard.inference.card import ModelCard
    from rs_onboard.zoo.export import Normalisation
    from rs_onboard.zoo.model_folder import CardText
    from rs_onboard.zoo.weights import TrainedNetwork

RUNS, WARM_UP = 20, 3
THREADS = (1, 2)
# What belongs to a model and goes when it is replaced.
MODEL_FILES = ('*.onnx', '*.sig', CARD_FILE)


def refuse_occupied(out: Path, *, force: bool) -> None:
    """Refuse to write over a model.

    Raises:
        ExportError: The folder holds a model, and it was not asked for, or it is no folder.
    """
    if out.exists() and not out.is_dir():
        raise ExportError(f'{out}: is a file; expected a folder to write. Choose another --out.')
    held = sorted(path.name for pattern in MODEL_FILES for path in out.glob(pattern))
    if held and not force:
        raise ExportError(
            f'{out}: already holds a model ({", ".join(held)}); expected none. Choose another '
            '--out, or --force to replace it.'
        )


def make_folder(
    weights: TrainedNetwork,
    text: CardText,
    images: Sequence[NDArray[np.uint8]],
    out: Path,
    *,
    normalisation: Normalisation | None = None,
) -> tuple[ModelCard, list[Timing]]:
    """Export weights to a model folder with the variant fp32.

    Nothing is written unless the graph agrees with torch and the folder passes what `models verify`
    asks. What a model that was there before left behind is removed.

    Args:
        weights: The weights.
        text: The written part of the card.
        images: (H, W, bands) uint8 to compare with torch on.
        out: Folder to write.
        normalisation: What the weights were trained with; as `weights` says if None.

    Returns:
        The card, and the timings of the graph and of a plain export in the same rounds.

    Raises:
        ExportError: The graph does not do what torch does.
    """
    size = (text.input.height, text.input.width)
    entry, network = weights.entry, weights.network
    scheme = normalisation or weights.normalisation
    model = export_model(entry, network, normalisation=scheme, size=size)
    graph = deploy(entry, network, scheme)
    compare_with_torch(graph, model, comparison_batches(entry, images, size))
    plain = export_model(entry, network, normalisation=scheme, size=size, plain=True)
    files = {'fp32': model.SerializeToString(), PLAIN: plain.SerializeToString()}
    timings = time_files(text.name, size, files)
    measured = Measured(model, {}, latencies_of(timings, 'fp32'), weights.note)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / text.name
        write_model_folder(folder, text, {'fp32': measured})
        for verdict in verify_folder(folder):
            if verdict.problem:
                raise ExportError(f'the exported folder must not fly: {verdict.problem}')
        out.mkdir(parents=True, exist_ok=True)
        for old in [path for pattern in MODEL_FILES for path in out.glob(pattern)]:
            old.unlink()
        for path in folder.iterdir():
            shutil.copy2(path, out / path.name)
    return load_card(out), timings


def time_files(
    name: str, size: tuple[int, int], files: Mapping[str, bytes], *, batch: int = 1
) -> list[Timing]:
    """Time graphs together on the CPU, with one thread and two.

    Args:
        name: What they belong to.
        size: (height, width) of a tile [px].
        files: ONNX files by variant.
        batch: Tiles a call.
    """
    graphs = {variant: loose_graph(data, what=variant) for variant, data in files.items()}
    settings = [RuntimeSettings(provider='cpu', threads=count) for count in THREADS]
    candidates = Subject(name, size, graphs).candidates(settings, [batch])
    return time_together(candidates, runs=RUNS, warm_up=WARM_UP)


def speed_note(timings: Sequence[Timing], variant: str, *, of: str = 'fp32') -> str:
    """Say what a variant costs beside another one, by the processor time on one thread.

    Args:
        timings: Rows of both, timed together.
        variant: The variant.
        of: What it is compared with.
    """
    spent = {row.variant: row.cpu_ms for row in timings if row.threads == min(THREADS)}
    share = spent[variant] / spent[of]
    where = f'on {machine_name()} with one thread'
    if share < 1:
        return f'takes {share:.2f} of the time of {of} {where}'
    return f'not faster than {of} {where}: {share:.2f} of its time'
