# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models verify`: load every variant as flight does and run it at every size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rs_onboard.inference.runtime_settings import RuntimeSettings
    from rs_onboard.inference.signature import TrustedKeys
    from rs_onboard.inference.verify import Verdict

DESCRIPTION = """\
Load every variant as flight does (hash, no outside data, inputs and outputs of its task, classes of
its card) and run it on one tile and on five at every kind of size the card promises. One line a
variant; exit status 1 if one must not fly. Needs no torch."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'verify', help='prove model folders before they fly', description=DESCRIPTION
    )
    parser.add_argument('names', nargs='*', metavar='NAME', help=NAMES_HELP)
    parser.add_argument('--provider', default='auto', help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, help='default: all cores but one')
    parser.add_argument(
        '--trusted-keys', type=Path, metavar='FILE', help='ask for a signature by one of these'
    )


def run(args: argparse.Namespace) -> int:
    """Print a line a variant; 1 if one fails."""
    from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: PLC0415  (loads onnxruntime)

    trusted = None
    if args.trusted_keys:
        from rs_onboard.inference.signature import load_trusted_keys  # noqa: PLC0415

        trusted = load_trusted_keys(args.trusted_keys)
    settings = RuntimeSettings(provider=args.provider, threads=args.threads)
    failed = total = 0
    for folder in find_folders(args.names):
        for line, passed in verdicts(folder, settings, trusted):
            print(line, flush=True)
            total += 1
            failed += not passed
    print(f'{total - failed} of {total} may fly')
    return 1 if failed else 0


def verdicts(
    folder: Path, settings: RuntimeSettings, trusted: TrustedKeys | None = None
) -> Iterator[tuple[str, bool]]:
    """Yield a line and whether it is good news, for every variant and stray file."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415  (a quick command line)
    from rs_onboard.inference.errors import CardError  # noqa: PLC0415
    from rs_onboard.inference.verify import strays, verify_folder  # noqa: PLC0415

    name = folder.resolve().name
    try:
        for verdict in verify_folder(folder, settings, trusted=trusted):
            yield describe(name, verdict), not verdict.problem
        for file in strays(load_card(folder)):
            text = f'{name}: FAILED: {file} is in the folder, but not on the card. Remove it.'
            yield text, False
    except CardError as exc:
        yield f'{name}: FAILED: {" ".join(str(exc).split())}', False


def describe(name: str, verdict: Verdict) -> str:
    """Put a verdict into a line."""
    if verdict.problem:
        return f'{name} {verdict.variant}: FAILED: {verdict.problem}'
    sizes = dict.fromkeys(f'{height}x{width}' for _, height, width in verdict.shapes)
    batches = dict.fromkeys(str(count) for count, _, _ in verdict.shapes)
    text = (
        f'{name} {verdict.variant}: ok on {verdict.provider}, '
        f'{" and ".join(batches)} tiles of {", ".join(sizes)}'
    )
    return f'{text}; {verdict.notice}' if verdict.notice else text
