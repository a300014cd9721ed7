# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""GeoTIFF and COG of any coordinate system, warped to Web Mercator tile by tile.

This is the one part of flight that needs rasterio. A map that flies often is better built to
MBTiles once: its tiles are read in a tenth of the time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import EQUATOR_M, MAX_ZOOM, TILE, to_pixels, zoom_for
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, TileKey

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WEB_MERCATOR = 'EPSG:3857'
# Tiles coarser than this many halvings of the finest would read the whole file.
LEVELS = 8
COLOURS = 3
DATE_TAGS = ('ACQUISITION_DATE', 'ACQUISITIONDATE', 'TIFFTAG_DATETIME', 'DATE')


class GeoTiff:
    """A GeoTIFF, open read-only.

    The first three bands are red, green and blue; one band is grey. Values of 16 bits are scaled by
    the range that holds 98 % of them.

    Raises:
        MapError: rasterio is missing, or the file is no raster, has no georeference or no bands.
    """

    info: MapInfo

    def __init__(self, path: Path) -> None:
        try:
            import rasterio  # noqa: PLC0415  (optional: MBTiles needs none of it)
            from rasterio.enums import ColorInterp, Resampling  # noqa: PLC0415
            from rasterio.errors import RasterioError  # noqa: PLC0415
            from rasterio.vrt import WarpedVRT  # noqa: PLC0415
        except ImportError:
            raise MapError(
                f'{path}: reading a GeoTIFF needs rasterio, which is not installed. Install it '
                '(python3-rasterio, or pip install rasterio), or build the map to MBTiles on '
                'another machine with `rs_onboard reference build`.'
            ) from None
        self._path = path
        self._errors = (RasterioError, OSError, ValueError)
        self._lock = threading.Lock()
        try:
            self._file: Any = rasterio.open(path)
            self._check()
            self._range = self._stretch()
            self.info = self._describe()
            alpha = ColorInterp.alpha in self._file.colorinterp
            self._infrared = alpha and self._is_image(
                self._file.colorinterp.index(ColorInterp.alpha)
            )
            # A virtual image whose pixels are those of the tiles, as large as its coarsest tile, so
            # that every tile is a whole window of it.
            step = 2 ** (self.info.max_zoom - self.info.min_zoom)
            corners = to_pixels(np.array(self.info.bounds).reshape(2, 2), self.info.max_zoom)
            tiles = np.floor(corners / (TILE * step)).astype(int)
            self._left, self._top = (int(value) * step for value in tiles.min(axis=0))
            columns, rows = ((tiles.max(axis=0) - tiles.min(axis=0) + 1) * step).tolist()
            west, _, _, north = mercator_bounds(TileKey(self.info.max_zoom, self._left, self._top))
            pixel = EQUATOR_M / (TILE * 2**self.info.max_zoom)
            self._warped: Any = WarpedVRT(
                self._file,
                crs=WEB_MERCATOR,
                resampling=Resampling.bilinear,
                add_alpha=not alpha,
                transform=rasterio.Affine(pixel, 0.0, west, 0.0, -pixel, north),
                width=columns * TILE,
                height=rows * TILE,
            )
        except self._errors as exc:
            if isinstance(exc, MapError):
                raise
            raise MapError(
                f'{path}: {" ".join(str(exc).split())}; expected a GeoTIFF. Copy the file again.'
            ) from None

    def read(self, key: TileKey) -> MapTile | None:
        """See `MapSource.read`."""
        if not self.info.min_zoom <= key.zoom <= self.info.max_zoom:
            return None
        step = 2 ** (self.info.max_zoom - key.zoom)
        x, y = (key.column * step - self._left) * TILE, (key.row * step - self._top) * TILE
        side = step * TILE
        if not (0 <= x < self._warped.width and 0 <= y < self._warped.height):
            return None
        try:
            with self._lock:
                bands = self._warped.read(
                    window=((y, y + side), (x, x + side)), out_shape=(TILE, TILE)
                )
        except self._errors as exc:
            raise MapError(
                f'{self._path}: tile {tuple(key)}: {" ".join(str(exc).split())}. The file may be '
                'truncated: copy it again.'
            ) from None
        seen = bands.any(axis=0) if self._infrared else bands[-1] > 0
        if not seen.any():
            return None
        image = self._eight_bits(bands[: -1 if len(bands) > 1 else None])
        return MapTile(image, None if bool(seen.all()) else np.asarray(seen, np.bool_))

    def close(self) -> None:
        """See `MapSource.close`."""
        with self._lock:
            self._warped.close()
            self._file.close()

    def _check(self) -> None:
        if self._file.crs is None or self._file.transform.is_identity:
            raise MapError(
                f'{self._path}: found no georeference; expected a coordinate system and a '
                'transform. Export it as GeoTIFF from the program that made it, or georeference it '
                'with gdal_translate -a_srs ... -a_ullr ...'
            )
        if self._file.count < 1:
            raise MapError(f'{self._path}: found no bands; expected red, green and blue, or grey.')

    def _describe(self) -> MapInfo:
        (west, south, east, north), pixel = self._on_globe()
        middle = (south + north) / 2
        gsd = pixel * float(np.cos(np.radians(middle)))
        finest = min(MAX_ZOOM, zoom_for(gsd, middle))
        tags = {name.upper(): str(value) for name, value in self._file.tags().items()}
        date = next((tags[name] for name in DATE_TAGS if name in tags), '')
        return MapInfo(
            path=self._path,
            name=self._path.stem,
            date=date[:10].replace(':', '-'),
            gsd_m=gsd,
            bounds=Bounds(west, south, east, north),
            min_zoom=max(0, finest - LEVELS),
            max_zoom=finest,
            tile_side=TILE,
            attribution=tags.get('TIFFTAG_COPYRIGHT', ''),
            crs=self._file.crs.to_string(),
        )

    def _on_globe(self) -> tuple[tuple[float, float, float, float], float]:
        """Return west, south, east, north [deg] and the side of a pixel in Web Mercator [m]."""
        from rasterio.warp import (  # noqa: PLC0415  (as above)
            calculate_default_transform,
            transform_bounds,
        )

        file = self._file
        try:
            bounds = transform_bounds(file.crs, 'EPSG:4326', *file.bounds, densify_pts=21)
            # Pixels warped as they lie, whatever the units of the original.
            transform, _, _ = calculate_default_transform(
                file.crs, WEB_MERCATOR, file.width, file.height, *file.bounds
            )
        except Exception as exc:  # noqa: BLE001  (GDAL's own errors have no common public type)
            bounds, transform, reason = (), None, ' '.join(str(exc).split())[:200]
        else:
            reason = f'corners at {[round(value, 3) for value in bounds]} degrees'
        west, south, east, north = bounds or (0.0, 0.0, 0.0, 0.0)
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            here = ', '.join(f'{value:g}' for value in file.bounds)
            raise MapError(
                f'{self._path}: found coordinates {here} in {file.crs.to_string()[:80]}, which are '
                f'nowhere on the globe ({reason}); expected a coordinate system that the '
                'coordinates are in. Assign the right one with gdal_translate -a_srs ...'
            )
        return (west, south, east, north), abs(float(transform.a))

    def _is_image(self, band: int) -> bool:
        """Say whether a band that is called alpha holds values instead, as the infrared of NAIP."""
        values = self._sample(band + 1)
        return bool(values.size) and float(((values > 0) & (values < values.max())).mean()) > 0.5

    def _sample(self, band: int) -> NDArray[Any]:
        """Read some of the pixels of a band."""
        shape = (1, min(512, self._file.height), min(512, self._file.width))
        values = np.ravel(self._file.read([band], out_shape=shape))
        return values if self._file.nodata is None else values[values != self._file.nodata]

    def _stretch(self) -> tuple[float, float]:
        """Return the values shown as 0 and 255."""
        if self._file.dtypes[0] == 'uint8':
            return 0.0, 255.0
        values = self._sample(1)
        if not values.size:
            raise MapError(f'{self._path}: found no valid pixel; expected an image.')
        low, high = (float(value) for value in np.percentile(values, (1, 99)))
        return low, max(high, low + 1.0)

    def _eight_bits(self, bands: NDArray[Any]) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 of the first bands (count, H, W)."""
        chosen = bands[:COLOURS] if len(bands) >= COLOURS else np.repeat(bands[:1], COLOURS, axis=0)
        if chosen.dtype != np.uint8:
            low, high = self._range
            scaled = (chosen.astype(np.float32) - low) * (255.0 / (high - low))
            chosen = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(chosen, 0, -1))


def mercator_bounds(key: TileKey) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a tile [m of Web Mercator]."""
    step = EQUATOR_M / 2**key.zoom
    west, north = key.column * step - EQUATOR_M / 2, EQUATOR_M / 2 - key.row * step
    return west, north - step, west + step, north
