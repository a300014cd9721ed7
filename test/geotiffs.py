# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""GeoTIFF files for tests; skips the test where rasterio is not installed."""

from __future__ import annotations

import numpy as np
import pytest


def north_up(west, north, step):
    """Square pixels from their corner in the north-west."""
    rasterio = pytest.importorskip('rasterio', reason='rasterio is not installed: reads GeoTIFF')
    return rasterio.Affine(step, 0.0, west, 0.0, -step, north)


def write_geotiff(path, values, *, transform, crs='EPSG:4326', units=None, **options):
    """Write values (H, W) or (bands, H, W)."""
    rasterio = pytest.importorskip('rasterio', reason='rasterio is not installed: reads GeoTIFF')
    values = np.asarray(values)
    bands = values if values.ndim == 3 else values[np.newaxis]
    with rasterio.open(
        path,
        'w',
        driver='GTiff',
        dtype=bands.dtype,
        count=len(bands),
        width=bands.shape[2],
        height=bands.shape[1],
        crs=crs,
        transform=transform,
        **options,
    ) as file:
        file.write(bands)
        if units:
            file.units = [units]
    return path
