# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models build`: build engines before the flight, which takes minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Build the TensorRT engines of model folders on this machine and keep them, so that a start of the
nodes finds them. An engine is for one GPU, one version of TensorRT and one shape: give the --batch
the nodes use. What is there already is kept."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser('build', help='build TensorRT engines', description=DESCRIPTION)
    parser.add_argument('names', nargs='*', metavar='NAME', help=NAMES_HELP)
    parser.add_argument('--provider', choices=('tensorrt',), default='tensorrt')
    parser.add_argument(
        '--variants', nargs='+', choices=('fp32', 'fp16', 'int8'), help='default: all of each card'
    )
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='tiles of one call')
    parser.add_argument('--device', type=int, default=0, metavar='N', help='number of the GPU')
    parser.add_argument('--cache', type=Path, metavar='DIR', help='default: that of the user')


def run(args: argparse.Namespace) -> int:
    """Build; 1 if an engine cannot be built."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415  (a quick command line)
    from rs_onboard.inference.errors import ModelError, ProviderError  # noqa: PLC0415
    from rs_onboard.inference.model import load_model  # noqa: PLC0415  (loads onnxruntime)
    from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: PLC0415

    if args.batch < 1:
        raise ValueError(f'--batch: found {args.batch}; expected a whole number above 0')
    settings = RuntimeSettings(provider=args.provider, device=args.device, engine_cache=args.cache)
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f'{time.monotonic() - begin:6.0f} s  {text}', flush=True)

    cards = [load_card(folder) for folder in find_folders(args.names)]
    wanted = [
        (card, name)
        for card in cards
        for name in card.variants
        if name in (args.variants or [name])
    ]
    failed = 0
    for number, (card, name) in enumerate(wanted, 1):
        say(f'{number} of {len(wanted)}: {card.name} {name}')
        try:
            load_model(
                card.folder,
                task=card.task,
                variant=name,
                settings=settings,
                batch=args.batch,
                progress=say,
            )
        except (ModelError, ProviderError) as exc:
            failed += 1
            say(f'FAILED: {" ".join(str(exc).split())}')
    say(f'{len(wanted) - failed} of {len(wanted)} are ready')
    return 1 if failed else 0
