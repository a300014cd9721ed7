# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a reference map is, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rs_onboard.geo.reference.inspect import inspect_map
from rs_onboard.geo.reference.opening import open_map

if TYPE_CHECKING:
    from pathlib import Path

    from rs_onboard.geo.reference.inspect import MapReport
    from rs_onboard.geo.reference.source import MapInfo

SHOWN_HOLES = 8


def show(path: Path, *, as_json: bool) -> int:
    """Print what a map is; returns the exit status, 1 if a tile of it is broken.

    Raises:
        MapError: It is no map.
    """
    source = open_map(path)
    try:
        report = inspect_map(source)
    finally:
        source.close()
    if as_json:
        print(json.dumps(_record(source.info, report), indent=1))
    else:
        print('\n'.join(_lines(source.info, report)))
    return 1 if report.broken else 0


def _record(info: MapInfo, report: MapReport) -> dict[str, Any]:
    return {
        **asdict(info),
        'path': str(info.path),
        'bounds': info.bounds._asdict(),
        **asdict(report),
        'holes': [key._asdict() for key in report.holes],
    }


def _lines(info: MapInfo, report: MapReport) -> list[str]:
    west, south, east, north = info.bounds
    lines = [
        f'{info.path}: {info.name}',
        f'  date         {info.date or "unknown"}',
        f'  made from    {info.gsd_m:.3g} m/px',
        f'  extent       {south:.6f} to {north:.6f} north, {west:.6f} to {east:.6f} east',
        f'  system       {info.crs}',
    ]
    if info.attribution:
        lines.append(f'  terms        {info.attribution}')
    for origin in info.origins:
        said = [origin.date or 'no date', f'{origin.gsd_m:.3g} m/px' if origin.gsd_m else '']
        said.append(f'sha256 {origin.sha256[:16]}' if origin.sha256 else '')
        lines.append(f'  source       {origin.name}: {", ".join(text for text in said if text)}')
    for level in report.levels:
        tiles = f'{level.tiles} tiles, ' if level.tiles else ''
        lines.append(f'  zoom {level.zoom:<8}{tiles}{level.gsd_m:.3g} m/px')
    lines.append(f'  shown        {report.shown:.1%} of the extent')
    if report.holes:
        some = ', '.join(f'{key.column}/{key.row}' for key in report.holes[:SHOWN_HOLES])
        more = ' ...' if len(report.holes) > SHOWN_HOLES else ''
        lines.append(
            f'  holes        {len(report.holes)} tiles of zoom {info.max_zoom}: {some}{more}'
        )
    if report.list_hash:
        lines.append(f'  hash list    {report.list_hash}')
        lines.append(f'  verified     {report.verified} tiles are as they were built')
    else:
        lines.append('  hash list    none: nobody can say whether a tile was changed')
    if report.broken:
        lines.append(f'  broken       {report.broken} tiles')
        lines += [f'    {fault}' for fault in report.faults]
    return lines
