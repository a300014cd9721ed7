# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Make a reference map of whatever there is: orthophotos, tiles, or the bag of a flight."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rs_onboard.cli.options import parameter_overrides
from rs_onboard.geo.errors import MapError
from rs_onboard.geo.reference.build import (
    MapText,
    MapWriter,
    build_from_folder,
    build_from_map,
    slippy_tiles,
)
from rs_onboard.geo.reference.flight import Take, flight_date, survey_flight, write_flight
from rs_onboard.geo.reference.layers import Layers
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.source import Origin
from rs_onboard.inference.file_hash import file_hash

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rs_onboard.geo.reference.build import Built
    from rs_onboard.geo.reference.survey import Survey

MAPS = frozenset({'.tif', '.tiff', '.mbtiles'})
BAGS = frozenset({'.mcap', '.db3', '.bag'})


def build(args: argparse.Namespace) -> int:
    """Make the map that the arguments describe; return the exit status.

    Raises:
        MapError: A source is none, or the map cannot be written; nothing is left behind.
    """
    _check(args)
    first = args.sources[0]
    if first.suffix.lower() in MAPS:
        built = _of_maps(args)
    elif len(args.sources) > 1:
        raise MapError(
            f'{first}: found {len(args.sources)} sources; expected one folder of tiles, one bag, '
            'or GeoTIFF and MBTiles files.'
        )
    elif first.suffix.lower() in BAGS or _is_bag(first):
        built = _of_flight(args)
    elif first.is_dir():
        built = _of_folder(args)
    else:
        raise MapError(
            f'{first}: no such source; expected a .tif or .mbtiles file, a folder of tiles '
            'zoom/column/row.png, or a bag. Check the path.'
        )
    tiles = ', '.join(f'zoom {zoom}: {count}' for zoom, count in built.tiles.items())
    print(f'{args.out}: {built.size / 1e6:.1f} MB, tiles: {tiles}')
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.out.suffix.lower() != '.mbtiles':
        raise MapError(f'--out: found {args.out}; expected a file named *.mbtiles.')
    if args.out.exists() and not args.force:
        raise MapError(f'{args.out}: is there already; give another name, or --force.')
    if args.out in args.sources:
        raise MapError(f'{args.out}: is a source, too; give the new map another name.')
    if args.gsd is not None and not 0.001 <= args.gsd <= 1000:
        raise MapError(f'--gsd: found {args.gsd:g}; expected 0.001 to 1000 m/px.')


def _is_bag(path: Path) -> bool:
    return (path / 'metadata.yaml').is_file() or any(path.glob('*.mcap'))


def _of_maps(args: argparse.Namespace) -> Built:
    opened = [open_map(path) for path in args.sources]
    source = opened[0] if len(opened) == 1 else Layers(opened)
    info = source.info
    dated = [one.info.date or args.date for one in opened]
    text = MapText(
        name=args.name or info.name,
        date=args.date or (min(dated) if all(dated) else ''),
        gsd_m=args.gsd or info.gsd_m,
        attribution=args.attribution or info.attribution,
        origins=tuple(
            Origin(
                one.info.path.name,
                one.info.date or args.date,
                one.info.gsd_m,
                one.info.attribution or args.attribution,
                file_hash(one.info.path),
            )
            for one in opened
        ),
    )
    try:
        return build_from_map(source, MapWriter(args.out, text), _progress('tiles'))
    finally:
        source.close()


def _of_folder(args: argparse.Namespace) -> Built:
    folder = args.sources[0]
    if not any(slippy_tiles(folder)):
        raise MapError(
            f'{folder}: found neither tiles zoom/column/row with .png, .jpg or .webp (rows counted '
            'from the north) nor a bag. Check the path.'
        )
    origin = Origin(folder.name, args.date, args.gsd or 0.0, args.attribution)
    text = MapText(
        args.name or folder.name, args.date, args.gsd or 0.0, args.attribution, (origin,)
    )
    return build_from_folder(folder, MapWriter(args.out, text), _progress('tiles'))


def _of_flight(args: argparse.Namespace) -> Built:
    values = parameter_overrides(args.params, args.set)
    bag = args.sources[0]
    survey = survey_flight(takes_of(bag, values))
    date = args.date or flight_date(survey)
    name = args.name or bag.stem
    origin = Origin(bag.name, date, survey.gsd_m, args.attribution, _bag_hash(bag))
    text = MapText(name, date, survey.gsd_m, args.attribution, (origin,))
    writer = MapWriter(args.out, text)
    built = write_flight(
        survey,
        takes_of(bag, values),
        writer,
        _progress('shots'),
        beside=args.out,
        gsd_m=args.gsd,
    )
    print('\n'.join(_told(survey)))
    return built


def takes_of(bag_path: Path, values: dict[str, object]) -> Iterator[Take]:
    """Yield the frames of a bag, as the tiler makes them.

    Raises:
        BagError: The bag cannot be opened, or holds no images.
    """
    from rs_onboard.replay.message_classes import provide_messages  # noqa: PLC0415

    provide_messages()
    from rs_onboard.cli.replay.feed import Feed  # noqa: PLC0415
    from rs_onboard.cli.replay.flight_run import topics_for  # noqa: PLC0415
    from rs_onboard.cli.replay.lockstep import settings_of  # noqa: PLC0415
    from rs_onboard.nodes.settings import TilerSettings  # noqa: PLC0415
    from rs_onboard.replay.alarms import Alarms  # noqa: PLC0415
    from rs_onboard.replay.reader import Bag  # noqa: PLC0415

    with Bag(bag_path) as bag:
        choice = topics_for(bag, values)
        settings = settings_of(TilerSettings, {**values, **choice.values})
        for fed in Feed(bag, choice, settings, Alarms()).frames():
            frame = fed.frame
            yield Take(frame.header.sequence, frame.image, frame.camera, frame.pose)


def _bag_hash(bag: Path) -> str:
    """Return the hash of a bag of one file, empty for others."""
    if bag.is_file():
        return file_hash(bag)
    files = [path for path in sorted(bag.iterdir()) if path.suffix in BAGS]
    return file_hash(files[0]) if len(files) == 1 else ''


def _told(survey: Survey) -> list[str]:
    report = survey.report
    lines = [
        f'{len(survey.shots)} shots at {survey.gsd_m:.3g} m/px',
        (
            f'{report.linked} of {report.pairs} pairs in register: matches {report.before_m:.2f} m '
            f'apart by the poses, {report.after_m:.2f} m once adjusted'
        ),
    ]
    if report.alone:
        lines.append(f'  {report.alone} shots are linked to no other and lie where their pose says')
    lines += [f'  {count} frames left out: {why}' for why, count in report.left_out.items()]
    return lines


def _progress(what: str) -> Callable[[int, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = '\n' if done == total else ''
        print(f'\r{done} of {total} {what}', end=end, file=sys.stderr, flush=True)

    return show
