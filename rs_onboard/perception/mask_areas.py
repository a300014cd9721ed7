# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Classes of a mask as areas on the ground: polygons with holes, and square metres by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.placing import place_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.perception.results import SegmentationResult

# Outlines stay within so much of the edges of pixels [px]; a mask is no more exact than that.
TOLERANCE_PX = 2.0
# A stair of cells leaves the slope that it stands for by up to the half diagonal of one.
STAIR = 0.75
# Frames are traced at every so many pixels that their longer side is about this [px]. At 1080p that
# takes a quarter of the time, and outlines are off by another half a pixel.
TRACED_PX = 960
# Polygons and holes of fewer pixels are left out: the noise of a mask.
LEAST_PX = 64
# And of fewer of what the network told apart.
LEAST_CELLS = 4
# The largest ones of a frame; a mask that has more is noise throughout.
MOST = 200
# Areas are summed over blocks of the frame of about this side [px], each of one scale.
BLOCK_PX = 32


class MaskPolygon(NamedTuple):
    """A connected part of a mask that has one class.

    Attributes:
        label: Class id.
        area_px: Its pixels; holes do not count.
        rings: Its outline and holes, (K, 2) float64 pixels with centres at whole numbers.
    """

    label: int
    area_px: int
    rings: tuple[NDArray[np.float64], ...]


def mask_content(
    result: SegmentationResult,
    camera: CameraModel | None,
    pose: Pose | None,
    *,
    polygons: bool = True,
) -> dict[str, Any]:
    """Return square metres by class and the polygons of a mask as plain values.

    Nothing is returned where the ground is not known, which the footprint of the frame tells.

    Args:
        result: The mask.
        camera: Intrinsics of its frame, None where none are known.
        pose: Pose of its frame, likewise.
        polygons: Whether to trace them.
    """
    if not result.labels.size or camera is None or pose is None:
        return {}
    areas = class_areas(result, camera, pose)
    if areas is None:
        return {}
    if not polygons:
        return {'areas_m2': areas}
    tiles = result.report.tiles
    cell = 1.0 if tiles is None else 1.0 / tiles.scale
    found, left_out = mask_polygons(result.labels, len(result.classes), cell_px=cell)
    placed = place_shapes([polygon.rings for polygon in found], camera, pose)
    if isinstance(placed, str):
        return {'areas_m2': areas}
    told = [
        {
            'class': result.classes[polygon.label],
            'area_m2': round(place.area_m2, 2),
            'area_px': polygon.area_px,
            **place.about(),
            'ground': [ring.round(8).tolist() for ring in place.rings],
        }
        for polygon, place in zip(found, placed, strict=True)
        if place is not None
    ]
    left_out += len(found) - len(told)
    content: dict[str, Any] = {'areas_m2': areas, 'polygons': told}
    if left_out:
        content['polygons_left_out'] = left_out
    return content


def class_areas(
    result: SegmentationResult, camera: CameraModel, pose: Pose
) -> dict[str, float] | None:
    """Return the ground that each class covers [m^2], for those that cover some; None if unknown.

    Every block of pixels counts with the area of its outline on the ground. Pixels beyond the
    horizon, or over terrain nobody knows, do not count.
    """
    blocks = block_areas(camera, pose)
    if blocks is None:
        return None
    y, x = _edges(camera.height), _edges(camera.width)
    per_pixel = blocks / np.outer(np.diff(y), np.diff(x))
    areas = {}
    for label in np.flatnonzero(result.label_shares()[: len(result.classes)]).tolist():
        inside = (result.labels == label).view(np.uint8)
        # Takes a sixth of the time of resizing the mask by area.
        rows = np.add.reduceat(inside, x[:-1], axis=1, dtype=np.uint16)
        counts = np.add.reduceat(rows, y[:-1], axis=0, dtype=np.uint32)
        areas[result.classes[label]] = round(float((counts * per_pixel).sum()), 2)
    return areas


def block_areas(camera: CameraModel, pose: Pose) -> NDArray[np.float64] | None:
    """Return the ground that the blocks of a frame show, (rows, columns) float64 [m^2]."""
    y, x = _edges(camera.height), _edges(camera.width)
    pixels = np.stack(np.meshgrid(x - 0.5, y - 0.5), axis=-1)
    offsets = locate(pixels.reshape(-1, 2), camera, pose).offsets
    if offsets is None:
        return None
    a = offsets.reshape(len(y), len(x), 2)
    # Half the product of the diagonals is the area of a quadrangle.
    first, second = a[1:, 1:] - a[:-1, :-1], a[1:, :-1] - a[:-1, 1:]
    areas = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / 2.0
    return np.nan_to_num(areas, nan=0.0)


def _edges(side: int) -> NDArray[np.int64]:
    """Return where blocks of about `BLOCK_PX` begin along a side, and its end [px]."""
    count = max(1, -(-side // BLOCK_PX))
    return np.arange(count + 1, dtype=np.int64) * side // count


def mask_polygons(
    labels: NDArray[np.uint8], classes: int, *, cell_px: float = 1.0
) -> tuple[list[MaskPolygon], int]:
    """Trace the connected parts of a mask along the edges of its pixels and simplify them.

    Args:
        labels: (H, W) uint8 class ids.
        classes: Number of classes; higher ids are unknown and not traced.
        cell_px: Side of what the network told apart, in pixels of the frame; smaller steps of an
            outline are those of the enlargement.

    Returns:
        The largest ones first, and how many more were large enough.
    """
    step = max(1, round(max(labels.shape) / TRACED_PX))
    coarse = labels[step // 2 :: step, step // 2 :: step]
    tolerance = max(1.0, max(TOLERANCE_PX, STAIR * cell_px) / step)
    least = max(LEAST_PX, LEAST_CELLS * cell_px**2)
    found = []
    for label in np.unique(coarse).tolist():
        if label < classes:
            found += _polygons_of(coarse == label, label, step, tolerance, least)
    found.sort(key=lambda polygon: (-polygon.area_px, polygon.label))
    return found[:MOST], max(0, len(found) - MOST)


def _polygons_of(
    inside: NDArray[np.bool_], label: int, step: int, tolerance: float, least_px: float
) -> list[MaskPolygon]:
    """Trace the parts of a mask that has every `step`-th pixel; `tolerance` is in its pixels."""
    # As in `outlines_of` of regions, which tells why every pixel is doubled.
    doubled = cv2.resize(inside.view(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings: dict[int, list[NDArray[np.float64]]] = {}
    areas: dict[int, float] = {}
    # Outlines before holes, whose area is taken from theirs.
    order = sorted(range(len(contours)), key=lambda index: hierarchy[0][index][3] >= 0)
    for index in order:
        parent = int(hierarchy[0][index][3])
        # Pixel x became 2 x, on its left edge, and 2 x + 1, on its right edge.
        exact = ((contours[index] + 1) // 2).astype(np.float32)
        area = abs(float(cv2.contourArea(exact))) * step**2
        if area < least_px or (parent >= 0 and parent not in rings):
            if parent in areas:
                areas[parent] -= area
            continue
        simple = cv2.approxPolyDP(exact, tolerance, closed=True)
        if len(simple) < 3:
            continue
        # From edges of pixels, the first of which reaches from 0 to 1, to centres.
        ring = simple.reshape(-1, 2).astype(np.float64) * step - 0.5
        if parent < 0:
            rings[index], areas[index] = [ring], area
        else:
            rings[parent].append(ring)
            areas[parent] -= area
    return [MaskPolygon(label, round(areas[index]), tuple(shape)) for index, shape in rings.items()]
