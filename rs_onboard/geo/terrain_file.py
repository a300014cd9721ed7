# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Terrain models as GeoTIFF, read as a whole so that no disk is touched in flight."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.errors import TerrainError
from rs_onboard.geo.terrain import Terrain

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# 64 MB: 120 km at the 30 m of global models, 4 km at a metre.
MAX_CELLS = 4096 * 4096

WGS84 = 'EPSG:4326'
# No land is lower or higher [m]; what is there all the same is a void that nobody declared (-9999,
# -32768), which would be a pit with walls ten kilometres high.
LOWEST_M, HIGHEST_M = -500.0, 9000.0

METRES = {'', 'm', 'metre', 'metres', 'meter', 'meters'}


def shared_terrain(path: Path, *, zero_m: float = 0.0, sigma_m: float = 0.0) -> Terrain:
    """Read a terrain model, once for all nodes of a process; see `read_terrain`.

    Raises:
        TerrainError: As there.
    """
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _kept(path, zero_m, sigma_m, changed)


@lru_cache(maxsize=1)
def _kept(path: Path, zero_m: float, sigma_m: float, _changed_ns: int) -> Terrain:
    return read_terrain(path, zero_m=zero_m, sigma_m=sigma_m)


def read_terrain(path: Path, *, zero_m: float = 0.0, sigma_m: float = 0.0) -> Terrain:
    """Read a terrain model; one that is not in degrees is brought to them.

    Args:
        path: GeoTIFF of one band of heights in metres.
        zero_m: Height of its zero above that of the fix [m]: the undulation of the geoid where
            the fix is above the ellipsoid and the model above the sea.
        sigma_m: Standard deviation of its heights [m].

    Raises:
        TerrainError: There is no such file, it is no terrain model, too large, or rasterio is not
            installed.
    """
    if not path.is_file():
        raise TerrainError(
            f'{path}: no such terrain model; expected a GeoTIFF. Check terrain.file.'
        )
    try:
        # Only those who fly over a terrain model need it.
        import rasterio  # noqa: PLC0415
        from rasterio.errors import RasterioError  # noqa: PLC0415
    except ImportError:
        raise TerrainError(
            f'{path}: found no rasterio to read it with; expected it installed. Install '
            'python3-rasterio, or leave terrain.file empty for flat ground.'
        ) from None
    try:
        with rasterio.open(path) as file:
            _check(path, file)
            heights, transform = _in_degrees(file)
    except (RasterioError, OSError, ValueError) as exc:
        if isinstance(exc, TerrainError):
            raise
        reason = ' '.join(str(exc).split())
        raise TerrainError(
            f'{path}: {reason}; expected a GeoTIFF of heights. Copy the file again.'
        ) from None
    known = heights[np.isfinite(heights)]
    if not known.size:
        raise TerrainError(f'{path}: found no height; expected some that are not nodata.')
    return Terrain(
        name=path.name,
        heights=heights,
        west=transform.c + transform.a / 2.0,
        north=transform.f + transform.e / 2.0,
        step_deg=(transform.a, -transform.e),
        zero_m=zero_m,
        sigma_m=sigma_m,
    )


def _check(path: Path, file: Any) -> None:
    """Refuse what is no terrain model.

    Raises:
        TerrainError: It is none.
    """
    if file.crs is None or file.transform.is_identity:
        raise TerrainError(
            f'{path}: found no georeference; expected a coordinate system and a transform. Export '
            'it as GeoTIFF from the program that made it.'
        )
    if file.count != 1:
        raise TerrainError(
            f'{path}: found {file.count} bands; expected one of heights. An image is no terrain '
            'model; choose the band with gdal_translate -b.'
        )
    unit = (file.units[0] or '').lower()
    if unit not in METRES:
        raise TerrainError(
            f'{path}: found heights in {unit!r}; expected metres. Convert it with gdal_calc.py.'
        )
    if file.width < 2 or file.height < 2 or file.width * file.height > MAX_CELLS:
        raise TerrainError(
            f'{path}: found {file.width}x{file.height} cells; expected 2x2 to {MAX_CELLS} in all. '
            'Cut out the area of the flight with gdal_translate -projwin.'
        )


def _in_degrees(file: Any) -> tuple[NDArray[np.float32], Any]:
    """Return heights (H, W) float32 with NaN where there are none, and their transform."""
    from rasterio import Affine  # noqa: PLC0415  (as above)
    from rasterio.enums import Resampling  # noqa: PLC0415
    from rasterio.vrt import WarpedVRT  # noqa: PLC0415

    upright = not file.transform.b and not file.transform.d
    if file.crs.is_geographic and upright and file.transform.a > 0 > file.transform.e:
        return _filled(file), file.transform
    # Without a value of their own, cells beyond the edge would be at the height of 0.
    options = {
        'crs': WGS84,
        'resampling': Resampling.bilinear,
        'dtype': 'float32',
        'tolerance': 0.0,
    }
    with WarpedVRT(file, **options, nodata=np.nan) as warped:
        if warped.width * warped.height > 2 * MAX_CELLS:
            raise TerrainError(
                f'{file.name}: found cells that are {warped.width}x{warped.height} in degrees; '
                f'expected at most {MAX_CELLS}. Bring it to EPSG:4326 with gdalwarp.'
            )
        return _filled(warped), Affine(*warped.transform[:6])


def _filled(file: Any) -> NDArray[np.float32]:
    heights = np.asarray(file.read(1, masked=True).astype(np.float32).filled(np.nan), np.float32)
    with np.errstate(invalid='ignore'):
        heights[(heights < LOWEST_M) | (heights > HIGHEST_M)] = np.nan
    return heights
