# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models bench`: time every variant against a plain export of its network."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rs_onboard.inference.bench import Subject, Timing
    from rs_onboard.inference.card import ModelCard

DESCRIPTION = """\
Time every variant of model folders, and networks of the catalogue with random weights (ground).
Candidates are called in turn, round after round, so that noise of the machine meets all of them.
Where torch is installed, a plain export of the same network runs in the same rounds."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser('bench', help='time model folders', description=DESCRIPTION)
    parser.add_argument('names', nargs='*', metavar='NAME', help=NAMES_HELP)
    parser.add_argument(
        '--networks', nargs='+', default=[], metavar='NETWORK', help='see `rs_onboard zoo list`'
    )
    parser.add_argument('--only-networks', action='store_true', help='no model folders')
    parser.add_argument('--threads', type=int, nargs='+', default=[1], metavar='N')
    parser.add_argument('--batch', type=int, nargs='+', default=[1], metavar='N', help='tiles')
    parser.add_argument('--provider', nargs='+', default=['cpu'], metavar='NAME')
    parser.add_argument('--runs', type=int, default=100, metavar='N', help='default: %(default)s')
    parser.add_argument('--warm-up', type=int, default=5, metavar='N', help='default: %(default)s')
    parser.add_argument('--no-plain', action='store_true', help='do not time plain exports')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures')
    parser.add_argument('--markdown', action='store_true', help='print the table as Markdown')
    parser.add_argument(
        '--readme', type=Path, metavar='FILE', help='write the table between the marker lines'
    )
    parser.add_argument(
        '--cards', action='store_true', help='write the timings into the cards, for older ones'
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if something could not be measured."""
    from rs_onboard.inference import bench_report  # noqa: PLC0415  (loads onnxruntime)
    from rs_onboard.inference.machine import describe_machine  # noqa: PLC0415
    from rs_onboard.inference.tables import write_between_markers  # noqa: PLC0415

    counts = {'--threads': args.threads, '--batch': args.batch, '--runs': [args.runs]}
    for option, values in counts.items():
        if min(values) < 1:
            raise ValueError(f'{option}: found {min(values)}; expected whole numbers above 0')
    machine = describe_machine()
    rows: list[Timing] = []
    problems: list[str] = []
    for subject in find_subjects(args, problems):
        rows += measure(subject, args, problems)
    if args.cards:
        for folder in find_folders(args.names):
            write_card(folder, rows)
    for problem in problems:
        print('rs_onboard: error:', ' '.join(problem.split()), file=sys.stderr)
    if rows:
        report = bench_report.make_report(rows, machine)
        table = bench_report.to_markdown(report)
        print(table if args.markdown else bench_report.to_text(rows), end='')
        if args.json:
            args.json.write_text(bench_report.to_json(report), encoding='utf-8')
        if args.readme:
            write_between_markers(args.readme, 'models bench', table)
    return 1 if problems else 0


def measure(subject: Subject, args: argparse.Namespace, problems: list[str]) -> list[Timing]:
    """Time a subject under all settings; adds to the problems where it cannot be."""
    from rs_onboard.inference.bench import time_together  # noqa: PLC0415  (loads onnxruntime)
    from rs_onboard.inference.errors import ModelError, ProviderError  # noqa: PLC0415
    from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: PLC0415

    settings = [
        RuntimeSettings(provider=provider, threads=threads)
        for provider in args.provider
        for threads in args.threads
    ]
    print(f'{subject.name}: {", ".join(subject.graphs)} ...', file=sys.stderr, flush=True)
    try:
        candidates = subject.candidates(settings, args.batch)
        return time_together(candidates, runs=args.runs, warm_up=args.warm_up)
    except (ModelError, ProviderError) as exc:
        problems.append(f'{subject.name}: {exc}')
        return []


def write_card(folder: Path, rows: list[Timing]) -> None:
    """Put the timings of a model into its card; nothing where it could not be timed."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415
    from rs_onboard.zoo.model_folder import latencies_of, write_latencies  # noqa: PLC0415

    card = load_card(folder)
    hashes = {variant.sha256 for variant in card.variants.values()}
    own = [row for row in rows if row.name == card.name and row.sha256 in hashes]
    if own:
        names = [str(name) for name in card.variants]
        write_latencies(folder, {name: latencies_of(own, name) for name in names})


def find_subjects(args: argparse.Namespace, problems: list[str]) -> Iterator[Subject]:
    """Yield model folders, then networks, each with its plain export where that can be had.

    A folder that must not fly adds to the problems.
    """
    from rs_onboard.inference.bench import (  # noqa: PLC0415  (loads onnxruntime)
        PLAIN,
        Subject,
        folder_subject,
        loose_graph,
    )
    from rs_onboard.inference.card import load_card  # noqa: PLC0415
    from rs_onboard.inference.errors import CardError, ModelError  # noqa: PLC0415

    def read(folder: Path) -> Subject | None:
        try:
            return folder_subject(folder)
        except (CardError, ModelError) as exc:
            problems.append(f'{folder.resolve().name}: {exc}')
            return None

    for folder in () if args.only_networks else find_folders(args.names):
        if (subject := read(folder)) is None:
            continue
        plain = None if args.no_plain else plain_of(load_card(folder))
        if plain is not None:
            graph = loose_graph(plain, what=f'plain export of {subject.name}')
            subject = replace(subject, graphs={**subject.graphs, PLAIN: graph})
        yield subject
    if args.networks:
        import rs_onboard.zoo.catalogue  # noqa: F401, PLC0415  (says what to install)
        from rs_onboard.zoo.bench_graphs import network_graphs  # noqa: PLC0415  (needs torch)

        for item in network_graphs(args.networks):
            graphs = {'fp32': loose_graph(item.rewritten, what=item.name)}
            if not args.no_plain:
                graphs[PLAIN] = loose_graph(item.plain, what=f'plain export of {item.name}')
            yield Subject(f'{item.name} (untrained)', item.size, graphs)


def plain_of(card: ModelCard) -> bytes | None:
    """Export the network of a card plainly; None where torch or the network is missing."""
    try:
        import rs_onboard.zoo.catalogue  # noqa: F401, PLC0415  (says what to install)
        from rs_onboard.zoo.bench_graphs import plain_graph  # noqa: PLC0415  (needs torch)
        from rs_onboard.zoo.errors import ZooError  # noqa: PLC0415
    except ImportError as exc:
        print(f'rs_onboard: no plain export of {card.name}: {exc}', file=sys.stderr)
        return None
    try:
        return plain_graph(
            card.network,
            classes=len(card.classes),
            bands=len(card.input.bands),
            size=(card.input.height, card.input.width),
        )
    except ZooError as exc:
        print(f'rs_onboard: no plain export of {card.name}: {exc}', file=sys.stderr)
        return None
