# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes as plain values, for records and GeoJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.gsd import ground_scale
from rs_onboard.geo.placing import centroid, place_values
from rs_onboard.geo.position import Uncertainty

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from rs_onboard.perception.map_match import MapMatch
    from rs_onboard.perception.regions import ChangeRegion
    from rs_onboard.perception.results import ChangeResult

# What maps are off by, east and north [m]: the usual for orthophotos without ground control.
MAP_SIGMA_M = Uncertainty.map_m

# What is told of the registration with every region.
QUALITY = ('state', 'inliers', 'residual_px', 'overlap', 'agreement')


def change_content(result: ChangeResult) -> dict[str, Any]:
    """Return the map, how the frame lies on it, and the regions, larger ones first."""
    covariance = _covariance(result.match)
    content: dict[str, Any] = {
        'regions': [_region(region, covariance) for region in result.regions]
    }
    if result.probability.size:
        compared = 1.0 if result.seen is None else float(result.seen.mean())
        content['compared'] = round(compared, 4)
    match = result.match
    if match is None:
        return content
    return {
        'map': match.map_name,
        'map_date': match.map_date,
        'registration': _registration(match),
        **content,
    }


def change_outlines(
    change: Mapping[str, Any],
) -> Iterator[tuple[list[list[float]] | None, dict[str, Any]]]:
    """Yield outline and properties of every region of a record, for features."""
    registration = change.get('registration', {})
    about = {name: change[name] for name in ('map', 'map_date') if name in change}
    quality = {name: registration[name] for name in QUALITY if name in registration}
    for region in change.get('regions', []):
        told = {name: value for name, value in region.items() if name not in {'ground', 'outline'}}
        yield region.get('ground'), {**told, **about, 'registration': quality}


def _registration(match: MapMatch) -> dict[str, Any]:
    told: dict[str, Any] = {'state': match.state}
    if match.reason:
        told['reason'] = match.reason
    if match.fit is not None:
        fit = match.fit
        told |= {
            'inliers': fit.inliers,
            'matches': fit.matches,
            'residual_px': round(fit.residual_px, 3),
            'overlap': round(fit.overlap, 4),
            'agreement': round(fit.agreement, 4),
            'shift_m': round(fit.shift_m, 3),
            'turn_deg': round(fit.turn_deg, 3),
            'scale': round(fit.scale, 4),
        }
    if (position := match.position) is not None:
        told['position'] = {
            'latitude_deg': round(position.latitude_deg, 8),
            'longitude_deg': round(position.longitude_deg, 8),
            'altitude_m': round(position.altitude_m, 3),
            'sigma_m': round(position.sigma_m, 3),
            'offset_m': [round(value, 3) for value in position.offset_m],
        }
    if match.corners is not None:
        told['corners'] = match.corners.round(8).tolist()
    return told


def _region(region: ChangeRegion, covariance: NDArray[np.float64] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        'score': round(region.mean_score, 4),
        'max_score': round(region.max_score, 4),
        'area_px': region.area_px,
        'box': [round(float(side), 2) for side in region.box],
        'outline': region.outline.round(2).astype(float).tolist(),
    }
    if (place := region.place) is not None:
        longitude, latitude = centroid(place.outline).tolist()
        told |= place_values((longitude, latitude), covariance)
        told |= {
            'number': place.number,
            'confirmed': place.confirmed,
            'finds': place.finds,
            'looks': place.looks,
            'area_m2': round(place.area_m2, 2),
            'ground': place.outline.round(8).tolist(),
        }
    return told


def _covariance(match: MapMatch | None) -> NDArray[np.float64] | None:
    """Return how surely a frame in register places things, (2, 2) [m^2].

    It lies on the map to within its residual, and the map on the ground to within its own error;
    the pose has no part in it any more.
    """
    if match is None or match.fit is None:
        return None
    gsd_m = ground_scale(match.camera, match.pose).gsd_m
    if gsd_m is None:
        return None
    return np.eye(2) * (MAP_SIGMA_M**2 + (match.fit.residual_px * gsd_m) ** 2)
