# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands `rs_onboard zoo list`, `zoo import` and `zoo check` (ground: they need torch)."""

from __future__ import annotations

import math
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rs_onboard.zoo.check import FileCheck
    from rs_onboard.zoo.key_match import ImportReport
    from rs_onboard.zoo.network import InputRule, NetworkEntry

IMPORT_HELP = """\
Turn a checkpoint that the authors of a network published into one of ours (safetensors). Nothing
in the file is executed. Every entry is matched by name and shape; a file that fits in part only is
refused."""
CHECK_HELP = """\
Compare our networks with the authors' programs by golden files: weights and inputs drawn from
names and seeds, and samples of the outputs. Exit status 1 if any file differs."""

# Golden files of a source checkout.
OWN_GOLDEN = Path(__file__).resolve().parents[2] / 'test' / 'data' / 'golden'
LIST_ROW = '{:24} {:12} {:>7} {:>5} {:>12} {:>10} {:>9} {:>8} {:>9}  {}'
CHECK_ROW = '{:34} {:22} {:>12} {:>12}  {:28} {:>10}  {}'


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `zoo` command to those of `rs_onboard`."""
    parser = subparsers.add_parser('zoo', help='networks: list, import weights, check (ground)')
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    table = actions.add_parser('list', help='list the networks with their figures')
    table.add_argument('names', nargs='*', metavar='NETWORK', help='networks; default: all')
    make = actions.add_parser(
        'import', help='import a published checkpoint', description=IMPORT_HELP
    )
    make.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='file of torch.save')
    make.add_argument('--network', required=True, metavar='NAME', help='see `rs_onboard zoo list`')
    make.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='class names, separated by blanks or commas, or their number; default: as in the file',
    )
    make.add_argument('--bands', type=int, metavar='N', help='default: those of the file')
    make.add_argument(
        '--out', type=Path, metavar='FILE', help='file to write; default: NAME.safetensors'
    )
    make.add_argument('--origin', default='', help='where the file comes from, e.g. an address')
    make.add_argument('--licence', default='', help="licence of the weights; default: the authors'")
    make.add_argument(
        '--allow-partial',
        action='store_true',
        help='take over what matches; the rest keeps untrained values',
    )
    make.add_argument('--verbose', action='store_true', help='also list the entries that match')
    check = actions.add_parser('check', help='check golden files', description=CHECK_HELP)
    check.add_argument(
        '--golden',
        type=Path,
        metavar='DIR',
        help='folder of npz files; default: those of the tests',
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    if args.action == 'list':
        return list_networks(args.names)
    if args.action == 'import':
        return import_file(args)
    return check_golden_files(args.golden)


def list_networks(names: Sequence[str]) -> int:
    """Print a row a network, ours beside published, then why they differ."""
    from rs_onboard.zoo.catalogue import NETWORKS, network  # noqa: PLC0415 needs torch

    entries = [network(name) for name in names] or list(NETWORKS.values())
    print(
        LIST_ROW.format(
            'network',
            'task',
            'classes',
            'bands',
            'parameters',
            'published',
            'input',
            'GMAC',
            'published',
            'sizes',
        )
    )
    for entry in entries:
        print(list_row(entry), flush=True)
    print(
        '\nPublished parameters in millions, published GMAC or GFLOP as their authors count.\n'
        'Ours: multiply-accumulates of convolutions, linear layers, attention products. Notes:'
    )
    print_grouped({entry.name: entry.published.difference for entry in entries})
    print("\nLicence of the authors' weights:")
    print_grouped({entry.name: entry.licence for entry in entries})
    return 0


def print_grouped(remarks: Mapping[str, str]) -> None:
    """Print every remark once, with the networks it concerns."""
    for remark in dict.fromkeys(filter(None, remarks.values())):
        concerned = (name for name, own in remarks.items() if own == remark)
        print(f'- {", ".join(concerned)}: {remark}.')


def list_row(entry: NetworkEntry) -> str:
    """Count a network and format its row."""
    from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: PLC0415

    published = entry.published
    bands = entry.default_bands
    network = build_on_meta(entry, classes=published.classes, bands=bands)
    height, width = published.input_size
    macs = count_macs(network, *[(1, bands, height, width)] * entry.inputs)
    return LIST_ROW.format(
        entry.name,
        entry.task,
        published.classes,
        bands,
        f'{count_parameters(network):,}',
        '-' if published.parameters is None else f'{published.parameters:.3f} M',
        f'{height}x{width}',
        f'{macs / 1e9:.3f}',
        '-' if published.macs is None else f'{published.macs:.3f}',
        describe_sizes(entry.input_rule),
    )


def describe_sizes(rule: InputRule) -> str:
    """Say which input sizes a network takes."""
    if rule.multiple == 1:
        return 'any'
    square = ', square' if rule.square else ''
    return f'multiples of {rule.multiple} from {rule.minimum}{square}'


def import_file(args: argparse.Namespace) -> int:
    """Import a checkpoint and print how its entries fit."""
    from rs_onboard.zoo.catalogue import network  # noqa: PLC0415 needs torch
    from rs_onboard.zoo.importer import import_checkpoint  # noqa: PLC0415 needs torch
    from rs_onboard.zoo.key_match import MisfitError  # noqa: PLC0415 needs torch

    network(args.network)
    out = args.out or Path(f'{args.network}.safetensors')
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter('always', UserWarning)
            report = import_checkpoint(
                args.checkpoint,
                out,
                args.network,
                classes=parse_classes(args.classes),
                bands=args.bands,
                origin=args.origin,
                licence=args.licence,
                allow_partial=args.allow_partial,
            )
    except MisfitError as exc:
        print_report(exc.report, verbose=args.verbose)
        raise
    for note in notes:
        print(f'rs_onboard: warning: {note.message}', file=sys.stderr)
    print_report(report, verbose=args.verbose)
    print(f'{out}: {report.network}, {report.classes} classes, {report.bands} bands')
    return 0


def parse_classes(words: Sequence[str] | None) -> int | list[str] | None:
    """Read class names or their number.

    Raises:
        ValueError: No class, an empty name or one given twice.
    """
    if words is None:
        return None
    text = ','.join(words)
    if text.strip().isdecimal() and int(text) > 0:
        return int(text)
    names = [name.strip() for name in text.split(',')]
    if not all(names) or names == ['0'] or len(set(names)) < len(names):
        raise ValueError(f'--classes {text!r}: expected different names, or their number')
    return names


def print_report(report: ImportReport, *, verbose: bool) -> None:
    """Print every key that is not simply matched, and those too if `verbose`."""
    wrong_shape = [f'{m.key}: {m.theirs} in the file, {m.ours} here' for m in report.mismatched]
    reshaped = [f'{m.key}: {m.theirs} in the file, {m.ours} here' for m in report.reshaped]
    for title, keys, shown in (
        ('matched', [f'{theirs} -> {ours}' for theirs, ours in report.matched.items()], verbose),
        ('reshaped', reshaped, True),
        ('of another shape', wrong_shape, True),
        ('missing', report.missing, True),
        ('missing without effect on the result', report.idle, True),
        ('unexpected', report.unexpected, True),
        ('not needed', report.dropped, verbose),
    ):
        if keys or title in ('matched', 'missing', 'unexpected'):
            print(f'{len(keys)} {title}')
        for key in keys if shown else ():
            print(f'  {key}')


def check_golden_files(folder: Path | None) -> int:
    """Print how each golden file agrees; return 1 if one differs or none could be compared."""
    import rs_onboard.zoo.catalogue  # noqa: F401, PLC0415 says what to install without torch
    from rs_onboard.zoo.check import check_folder  # noqa: PLC0415 needs torch

    if folder is None and not OWN_GOLDEN.is_dir():
        raise ValueError('there are no golden files beside this installation: pass --golden DIR')
    print(
        CHECK_ROW.format(
            'file', 'network', 'parameters', 'published', 'output', 'deviation', 'verdict'
        )
    )
    counts = dict.fromkeys(('agrees', 'DIFFERS', 'unknown'), 0)
    for check in check_folder(folder or OWN_GOLDEN):
        print_check(check)
        counts[check.verdict] += 1
    print(
        f'\n{counts["agrees"]} files agree, {counts["DIFFERS"]} differ, {counts["unknown"]} are '
        'unknown (largest deviation allowed: 1e-4 of the output, or of 1 where it is smaller)'
    )
    return 0 if counts['agrees'] and not counts['DIFFERS'] else 1


def print_check(check: FileCheck) -> None:
    """Print a row an output, the first with the network's parameters."""
    ours = '' if check.parameters is None else f'{check.parameters:,}'
    published = '' if check.published is None else f'{check.published:.3f} M'
    first = (check.path.stem, check.network, ours, published)
    if not check.outputs:
        why = 'of no network of the zoo' if check.unknown else ' '.join(check.problem.split())
        print(CHECK_ROW.format(*first, '', '', f'{check.verdict}: {why}'))
    for output in check.outputs:
        shown = '-' if math.isnan(output.deviation) else f'{output.deviation:.1e}'
        verdict = 'agrees' if output.passed else f'DIFFERS {output.problem}'.rstrip()
        print(CHECK_ROW.format(*first, output.output, shown, verdict), flush=True)
        first = ('', '', '', '')
