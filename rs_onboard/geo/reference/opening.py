# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Open a reference map of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.reference.geotiff import GeoTiff
from rs_onboard.geo.reference.mbtiles import MbTiles

if TYPE_CHECKING:
    from pathlib import Path

    from rs_onboard.geo.reference.source import MapSource


def open_map(path: Path) -> MapSource:
    """Open a map by what its name ends with.

    Raises:
        MapError: There is no such file, it is of another kind, or it is not what its name says.
    """
    if not path.is_file():
        raise MapError(
            f'{path}: no such map; expected an .mbtiles or .tif file. Check the path, or make one '
            'with `rs_onboard reference build`.'
        )
    suffix = path.suffix.lower()
    if suffix == '.mbtiles':
        return MbTiles(path)
    if suffix in {'.tif', '.tiff'}:
        return GeoTiff(path)
    raise MapError(
        f'{path}: found a file named *{path.suffix}; expected .mbtiles, .tif or .tiff. Convert it '
        'with `rs_onboard reference build`.'
    )
