# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models export`: weights become a model folder (ground: it needs torch)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rs_onboard.zoo.export import Normalisation
    from rs_onboard.zoo.weights import TrainedNetwork

DESCRIPTION = """\
Export weights to a model folder: uint8 images in, final results out, any batch and size the network
takes. The graph is compared with torch at several sizes and nothing is written if they differ. What
the weights do not know comes from a card file (as those of the training recipes) or from options,
which win."""


class Fact(NamedTuple):
    """A field of the card that no program can know.

    Attributes:
        option: Option that gives it.
        path: Where it stands in the card file.
        meaning: What it is.
    """

    option: str
    path: tuple[str, ...]
    meaning: str


REQUIRED = (
    Fact('--side', ('input', 'side'), 'side of the tiles trained at [px]'),
    Fact('--gsd', ('gsd', 'trained_m'), 'ground sample distance trained at [m/px]'),
    Fact('--origin', ('weights', 'origin'), 'who trained the weights, how'),
    Fact('--licence', ('weights', 'licence'), 'terms of the weights'),
    Fact('--data', ('weights', 'data'), 'data set behind the weights: NAME; LICENCE; ORIGIN'),
)


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'export', help='make a model folder from weights (ground)', description=DESCRIPTION
    )
    parser.add_argument('network', metavar='NETWORK', help='see `rs_onboard zoo list`')
    parser.add_argument(
        '--weights',
        type=Path,
        required=True,
        metavar='FILE',
        help='safetensors of `rs_onboard zoo import`, or best.pt of a training run',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write')
    parser.add_argument('--force', action='store_true', help='replace a model that is there')
    parser.add_argument('--card', type=Path, metavar='FILE', help='YAML with the facts below')
    facts = parser.add_argument_group('facts of the card')
    facts.add_argument('--classes', nargs='+', metavar='NAME', help='default: as in the weights')
    facts.add_argument('--side', type=int, metavar='PX', help=REQUIRED[0].meaning)
    facts.add_argument('--minimum', type=int, metavar='PX', help='smallest side measured to work')
    facts.add_argument('--gsd', type=float, metavar='M', help=REQUIRED[1].meaning)
    facts.add_argument(
        '--gsd-range', type=float, nargs=2, metavar='M', help='lowest and highest that work'
    )
    facts.add_argument('--summary', metavar='TEXT', help='one sentence for users')
    facts.add_argument('--origin', metavar='TEXT', help=REQUIRED[2].meaning)
    facts.add_argument('--licence', metavar='TEXT', help=REQUIRED[3].meaning)
    facts.add_argument('--restrictions', metavar='TEXT', help='what the terms forbid')
    facts.add_argument('--data', action='append', metavar='TEXT', help=REQUIRED[4].meaning)
    facts.add_argument('--evaluation', metavar='TEXT', help='how quality was measured')
    facts.add_argument('--limit', action='append', metavar='TEXT', help='a known failure')
    images = parser.add_argument_group('images')
    images.add_argument(
        '--images', type=Path, metavar='DIR', help='to compare on; default: synthetic ground'
    )
    for name in ('mean', 'std'):
        images.add_argument(
            f'--{name}',
            type=float,
            nargs='+',
            metavar='X',
            help=f'{name} a band that the weights were trained with, values 0 to 1; default: of '
            'the published weights, or of our training',
        )


def run(args: argparse.Namespace) -> int:
    """Export and say how it compares."""
    from rs_onboard.zoo.catalogue import network  # noqa: PLC0415  (says what to install)

    network(args.network)
    from rs_onboard.cli.models.images import images_of  # noqa: PLC0415  (needs OpenCV)
    from rs_onboard.zoo.card_text import read_card_text  # noqa: PLC0415  (needs torch)
    from rs_onboard.zoo.make_folder import make_folder, refuse_occupied  # noqa: PLC0415
    from rs_onboard.zoo.weights import read_weights, with_class_names  # noqa: PLC0415

    refuse_occupied(args.out, force=args.force)
    weights = read_weights(args.weights, args.network)
    data = card_fields(args, weights)
    classes = with_class_names(weights, class_names(args)) if args.classes else weights.classes
    text = read_card_text(
        data,
        str(args.card or 'options'),
        name=args.out.resolve().name,
        entry=weights.entry,
        classes=classes,
        bands=weights.bands,
    )
    size = (text.input.height, text.input.width)
    images, what = images_of(args.images, size, weights.bands)
    print(f'compared with torch on {what}', flush=True)
    card, timings = make_folder(
        weights, text, images, args.out, normalisation=normalisation(args, weights.bands)
    )
    print(f'{args.out}: {card.task}, {len(card.classes)} classes, {", ".join(card.variants)}')
    for row in timings:
        if row.of_plain is not None:
            print(
                f'{row.variant}, threads {row.threads}: {row.p50_ms:.3g} ms, {row.of_plain:.2f} of '
                'a plain export'
            )
    if not args.images:
        print('rs_onboard: warning: compared on no real images; pass --images', file=sys.stderr)
    return 0


def class_names(args: argparse.Namespace) -> list[str]:
    """Read `--classes`.

    Raises:
        ValueError: No class, an empty name or one given twice.
    """
    names = [name.strip() for name in ','.join(args.classes).split(',')]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f'--classes {", ".join(names)!r}: expected different names')
    return names


def card_fields(args: argparse.Namespace, weights: TrainedNetwork) -> dict[str, Any]:
    """Join card file, options and what the weights say; options win, then the file.

    Raises:
        ValueError: Lists every missing fact with its option.
    """
    from rs_onboard.inference.fields import load_yaml  # noqa: PLC0415  (a quick command line)

    data: dict[str, Any] = load_yaml(args.card, what='card text') if args.card else {}
    low, high = args.gsd_range or (None, None)
    for path, value in {
        ('summary',): args.summary,
        ('input', 'side'): args.side,
        ('input', 'minimum'): args.minimum,
        ('gsd', 'trained_m'): args.gsd,
        ('gsd', 'low_m'): low,
        ('gsd', 'high_m'): high,
        ('weights', 'origin'): args.origin,
        ('weights', 'licence'): args.licence,
        ('weights', 'restrictions'): args.restrictions,
        ('weights', 'data'): [data_source(text) for text in args.data] if args.data else None,
        ('evaluation',): args.evaluation,
        ('limits',): args.limit,
    }.items():
        if value is not None:
            put(data, path, value)
    trained = look_up(data, ('gsd', 'trained_m'))
    entry = weights.entry
    for path, value in {
        ('summary',): f'{entry.task} of {len(weights.classes)} classes by {entry.name}.',
        ('input', 'minimum'): entry.input_rule.minimum,
        ('gsd', 'low_m'): trained,
        ('gsd', 'high_m'): trained,
        ('weights', 'origin'): weights.origin or None,
        ('weights', 'licence'): weights.licence or None,
        ('evaluation',): 'Quality has not been measured.',
    }.items():
        if value is not None and look_up(data, path) is None:
            put(data, path, value)
    require(args, data, weights)
    return data


def require(args: argparse.Namespace, data: Mapping[str, Any], weights: TrainedNetwork) -> None:
    """Refuse a card with facts missing.

    Raises:
        ValueError: Lists them all with their options.
    """
    missing = [
        f'{fact.option} ({fact.meaning})' for fact in REQUIRED if look_up(data, fact.path) is None
    ]
    if weights.nameless and not args.classes:
        missing.append(f'--classes (names; the weights have {len(weights.classes)} without)')
    if missing:
        where = f' and are not in {args.card}' if args.card else ''
        raise ValueError(
            f'facts that {args.weights} does not know{where}: {", ".join(missing)}. Give these '
            'options, or --card FILE with the fields.'
        )


def data_source(text: str) -> dict[str, str]:
    """Read `NAME; LICENCE; ORIGIN`, optionally with a citation after it.

    Raises:
        ValueError: It has not these parts.
    """
    parts = [part.strip() for part in text.split(';', 3)]
    if len(parts) < 3 or not all(parts):
        raise ValueError(
            f"--data {text!r}: expected 'NAME; LICENCE; ORIGIN' and optionally '; CITATION'"
        )
    return dict(zip(('name', 'licence', 'origin', 'citation'), parts, strict=False))


def put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set a field, making the mappings on the way; what is no mapping is left to the reader."""
    for name in path[:-1]:
        data = data.setdefault(name, {})
    if isinstance(data, dict):
        data[path[-1]] = value


def look_up(data: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Give a field, None where there is none."""
    value: Any = data
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def normalisation(args: argparse.Namespace, bands: int) -> Normalisation | None:
    """Read `--mean` and `--std`.

    Raises:
        ValueError: One without the other, not one value a band, or a std that divides by nothing.
    """
    if args.mean is None and args.std is None:
        return None
    mean, std = args.mean or [], args.std or []
    if not len(mean) == len(std) == bands or min(std) <= 0:
        raise ValueError(
            f'--mean and --std: found {mean} and {std}; expected {bands} values each, one a band, '
            'and standard deviations above 0'
        )
    from rs_onboard.zoo.export import Normalisation  # noqa: PLC0415  (needs torch)

    return Normalisation(tuple(mean), tuple(std))
