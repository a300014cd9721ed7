# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Build a TensorRT engine in a process of its own.

ONNX Runtime holds Python's lock while it opens a session: during the minutes that an engine takes,
no thread of the process would run, no other task, no diagnostics. A crash in the compiler ends the
child alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from rs_onboard.inference.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.engines import Progress

COMMAND = (sys.executable, '-m', 'rs_onboard.inference.engine_build')

# Ten minutes have been reported of large networks on the boards we fly.
LIMIT_S = 3600.0
TELL_EVERY_S = 10.0
LOOK_EVERY_S = 0.2

LAST_WORDS = 400


def build_engine(
    graph: bytes,
    chain: Sequence[tuple[str, Mapping[str, str]]],
    shapes: Sequence[Mapping[str, Sequence[int]]],
    *,
    what: str,
    progress: Progress,
    command: Sequence[str] = COMMAND,
) -> None:
    """Build an engine and wait for it.

    Args:
        graph: The ONNX file.
        chain: Providers with their options, the first of which writes the engine.
        shapes: Shapes of the inputs to run it on, by name.
        what: The file, for messages.
        progress: Told every few seconds how long it has taken.
        command: The process that builds.

    Raises:
        ModelError: The engine cannot be built, or not within the limit.
    """
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder) / 'request.json'
        request.write_text(json.dumps({'chain': chain, 'shapes': shapes}), encoding='utf-8')
        (Path(folder) / 'graph.onnx').write_bytes(graph)
        words = Path(folder) / 'words'
        with words.open('wb') as file:
            process = subprocess.Popen(  # noqa: S603  (our own module)
                [*command, folder], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
            told = begin
            try:
                while process.poll() is None:
                    now = time.monotonic()
                    if now - begin > LIMIT_S:
                        raise ModelError(
                            f'{what}: the TensorRT engine was not built within {LIMIT_S:.0f} s. '
                            'Build it on the ground with "rs_onboard models build", or choose '
                            'provider "cuda".'
                        )
                    if now - told >= TELL_EVERY_S:
                        told = now
                        progress(
                            f'{what}: building the TensorRT engine, {now - begin:.0f} s so far'
                        )
                    time.sleep(LOOK_EVERY_S)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
        if process.returncode != 0:
            said = ' '.join(words.read_text(encoding='utf-8', errors='replace').split())
            raise ModelError(
                f'{what}: TensorRT cannot build an engine (exit status {process.returncode}): '
                f'{said[-LAST_WORDS:]}. Choose provider "cuda", or export the model again.'
            )
    progress(f'{what}: TensorRT engine built in {time.monotonic() - begin:.0f} s')


def main(arguments: Sequence[str]) -> int:
    """Build what a request in a folder asks for."""
    folder = Path(arguments[0])
    request = json.loads((folder / 'request.json').read_text(encoding='utf-8'))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    chain = [(name, dict(details)) for name, details in request['chain']]
    session = ort.InferenceSession(
        (folder / 'graph.onnx').read_bytes(),
        sess_options=options,
        providers=chain,
        enable_fallback=0,
    )
    session.disable_fallback()
    active = session.get_providers()[0]
    if active != chain[0][0]:
        print(f'found provider {active}; expected {chain[0][0]}', file=sys.stderr)  # noqa: T201
        return 1
    # TensorRT may build for an input only when it first meets it.
    for shapes in request['shapes']:
        feeds = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
        session.run(None, feeds)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
