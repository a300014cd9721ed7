# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models keygen` and `models sign`: who vouches for a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.verify import verdicts
from rs_onboard.nodes.locations import model_folder

if TYPE_CHECKING:
    import argparse

KEYGEN_HELP = """\
Make an ed25519 key pair: FILE, which signs and stays on the ground, and FILE.pub, which goes into
the file of trusted keys on the vehicle. Needs the Python package cryptography."""
SIGN_HELP = """\
Sign the card of a model folder, and with it the hashes of all its files. The folder is verified
first; one that must not fly is not signed."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both actions."""
    keygen = actions.add_parser('keygen', help='make a pair of keys', description=KEYGEN_HELP)
    keygen.add_argument('key', type=Path, metavar='FILE', help='file to write')
    sign = actions.add_parser('sign', help='sign a model folder', description=SIGN_HELP)
    sign.add_argument(
        'name', metavar='NAME', help='path of a model folder, or name of a shipped one'
    )
    sign.add_argument('--key', type=Path, required=True, metavar='FILE', help='the private key')


def run(args: argparse.Namespace) -> int:
    """Run the action; 1 if the folder must not fly."""
    from rs_onboard.inference.signature import generate_key, sign_folder  # noqa: PLC0415

    if args.action == 'keygen':
        public = args.key.with_name(f'{args.key.name}.pub')
        fingerprint = generate_key(args.key, public)
        print(f'{fingerprint}: {args.key} signs, keep it; {public} verifies, copy it')
        return 0
    from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: PLC0415  (loads onnxruntime)

    folder = model_folder(args.name)
    bad = [line for line, passed in verdicts(folder, RuntimeSettings()) if not passed]
    if bad:
        print('\n'.join(bad))
        return 1
    print(f'{folder}: signed by {sign_folder(folder, args.key)}')
    return 0
