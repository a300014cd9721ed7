# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes as standard messages, and back without loss.

The registration is a DiagnosticArray of two statuses: how the frame lies on the map, with camera
and pose, and the regions with their outlines in the image and on the ground, as JSON.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point
from sensor_msgs.msg import NavSatFix, NavSatStatus
from std_msgs.msg import ColorRGBA
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)
from visualization_msgs.msg import ImageMarker

from rs_onboard.geo.position import PositionFix
from rs_onboard.nodes.image_messages import header_message, mask_from_message, mono8_message
from rs_onboard.nodes.tile_messages import box_message
from rs_onboard.nodes.view_values import finite_number, view_from_values, view_values
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.map_match import MapFit, MapMatch, MatchState
from rs_onboard.perception.regions import ChangeRegion, RegionPlace
from rs_onboard.perception.results import ChangeResult
from rs_onboard.perception.tiles import PixelBox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sensor_msgs.msg import Image

    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport

UNSEEN = 255
CONFIRMED, CANDIDATE = 'changed', 'candidate'
COLOUR = ColorRGBA(r=0.9, g=0.22, b=0.27, a=1.0)
LINE_WIDTH_PX = 2.0
FIT_NUMBERS = ('residual_px', 'overlap', 'agreement', 'shift_m', 'turn_deg', 'scale')


def change_mask_message(result: ChangeResult) -> Image:
    """Write the probabilities, 255 where nobody knows; empty without a match."""
    mask = result.probability
    if result.seen is not None:
        mask = np.where(result.seen, mask, np.uint8(UNSEEN))
    return mono8_message(result.header, mask)


def regions_message(result: ChangeResult) -> Detection2DArray:
    """Write the regions as upright boxes, larger ones first."""
    header = header_message(result.header)
    detections = []
    for region in result.regions:
        place = region.place
        confirmed = place is not None and place.confirmed
        hypothesis = ObjectHypothesis(
            class_id=CONFIRMED if confirmed else CANDIDATE, score=region.mean_score
        )
        detections.append(
            Detection2D(
                header=header,
                results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
                bbox=box_message(region.box),
                id='' if place is None else str(place.number),
            )
        )
    return Detection2DArray(header=header, detections=detections)


def outlines_message(result: ChangeResult) -> ImageMarker:
    """Write the outlines as a list of lines in pixels of the image."""
    lines = [
        np.stack([region.outline, np.roll(region.outline, -1, axis=0)], axis=1).reshape(-1, 2)
        for region in result.regions
    ]
    # Outlines count from the edge of the first pixel, markers from its centre.
    points = np.concatenate(lines).astype(np.float64) - 0.5 if lines else np.empty((0, 2))
    return ImageMarker(
        header=header_message(result.header),
        ns='changes',
        type=ImageMarker.LINE_LIST,
        action=ImageMarker.ADD,
        scale=LINE_WIDTH_PX,
        outline_color=COLOUR,
        points=[Point(x=x, y=y) for x, y in points.tolist()],
        outline_colors=[COLOUR] * (len(points) // 2),
    )


def registration_message(result: ChangeResult) -> DiagnosticArray:
    """Write how the frame lies on the map, and its regions; floats keep all digits."""
    match = result.match
    assert match is not None
    values = {
        'state': match.state,
        'height': str(result.header.height),
        'width': str(result.header.width),
        'map': match.map_name,
        'map_date': match.map_date,
        'pose_reason': match.pose_reason,
        **view_values(match.camera, match.pose),
    }
    if match.fit is not None:
        values['homography'] = json.dumps(match.fit.homography.tolist())
        names = ('inliers', 'matches', *FIT_NUMBERS)
        values |= {name: repr(getattr(match.fit, name)) for name in names}
    if match.position is not None:
        fields = {**vars(match.position), 'covariance': match.position.covariance.tolist()}
        values['position'] = json.dumps(fields)
    if match.corners is not None:
        values['corners'] = json.dumps(match.corners.tolist())
    registered = match.state == 'registered'
    places = json.dumps([_region_fields(region) for region in result.regions])
    count = len(result.regions)
    return DiagnosticArray(
        header=header_message(result.header),
        status=[
            _status('registration', match.reason or match.state, values, good=registered),
            _status('regions', f'{count} regions', {'regions': places}, good=registered),
        ],
    )


def position_message(result: ChangeResult) -> NavSatFix:
    """Write where the camera was by the map; without a match, that there is no fix."""
    message = NavSatFix(header=header_message(result.header))
    position = None if result.match is None else result.match.position
    if position is None:
        message.status.status = NavSatStatus.STATUS_NO_FIX
        message.latitude = message.longitude = message.altitude = math.nan
        return message
    message.status.status = NavSatStatus.STATUS_FIX
    message.latitude, message.longitude = position.latitude_deg, position.longitude_deg
    message.altitude = position.altitude_m
    message.position_covariance = position.covariance.ravel().tolist()
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    return message


def change_from_messages(
    header: FrameHeader, report: TaskReport, mask: Image, registration: DiagnosticArray
) -> ChangeResult:
    """Read the changes of a frame.

    Raises:
        EncodingError: The mask is not what its fields say.
        TaskError: A message is not that of an rs_onboard change node.
    """
    probability, seen = _seen_and_probability(mask)
    try:
        first, second = (
            {item.key: item.value for item in status.values} for status in registration.status
        )
        match = _match(first, registration.status[0].message)
        header = replace(header, height=int(first['height']), width=int(first['width']))
        regions = tuple(_region(fields) for fields in json.loads(second['regions']))
    except (KeyError, TypeError, ValueError) as exc:
        raise TaskError(
            f'change/registration: {exc!r}; expected that of an rs_onboard change node. Run nodes '
            'of one release together.'
        ) from None
    if probability.size and probability.shape != (header.height, header.width):
        raise TaskError(
            f'change/mask: found {probability.shape}; expected {(header.height, header.width)} as '
            'change/registration says. Run nodes of one release together.'
        )
    return ChangeResult(header, report, probability, seen, regions, match)


def _seen_and_probability(mask: Image) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Take a mask apart; an empty one stays empty."""
    if not mask.data:
        return np.empty((0, 0), np.uint8), None
    labels = mask_from_message(mask)
    known = np.asarray(labels != UNSEEN, np.bool_)
    probability = np.asarray(np.where(known, labels, np.uint8(0)), np.uint8)
    return probability, None if bool(known.all()) else known


def _status(name: str, message: str, values: dict[str, str], *, good: bool) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if good else DiagnosticStatus.WARN,
        name=name,
        message=message,
        hardware_id='rs_onboard',
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _match(values: Mapping[str, str], message: str) -> MapMatch:
    camera, pose = view_from_values(values)
    state = values['state']
    if state not in get_args(MatchState):
        raise ValueError(f'state {state!r}')
    fit = corners = position = None
    if 'homography' in values:
        fit = MapFit(
            homography=_array(json.loads(values['homography']), (3, 3)),
            inliers=int(values['inliers']),
            matches=int(values['matches']),
            **{name: finite_number(values[name]) for name in FIT_NUMBERS},
        )
    if 'position' in values:
        position = _position(json.loads(values['position']))
    if 'corners' in values:
        corners = _array(json.loads(values['corners']), (4, 2))
    return MapMatch(
        state=cast('MatchState', state),
        reason='' if state == 'registered' else message,
        map_name=values['map'],
        map_date=values['map_date'],
        camera=camera,
        pose=pose,
        pose_reason=values['pose_reason'],
        fit=fit,
        corners=corners,
        position=position,
    )


def _position(fields: dict[str, Any]) -> PositionFix:
    numbers = {
        name: float(fields[name])
        for name in ('latitude_deg', 'longitude_deg', 'altitude_m', 'residual_px')
    }
    offset, rotation = (
        tuple(_array(fields[name], (1, 3))[0].tolist()) for name in ('offset_m', 'rotation_deg')
    )
    return PositionFix(
        stamp_ns=int(fields['stamp_ns']),
        covariance=_array(fields['covariance'], (3, 3)),
        offset_m=offset,
        rotation_deg=rotation,
        matches=int(fields['matches']),
        **numbers,
    )


def _region_fields(region: ChangeRegion) -> dict[str, Any]:
    fields = {
        'area_px': region.area_px,
        'mean_score': region.mean_score,
        'max_score': region.max_score,
        'box': list(region.box),
        'outline': region.outline.tolist(),
    }
    if (place := region.place) is not None:
        fields['place'] = {**vars(place), 'outline': place.outline.tolist()}
    return fields


def _region(fields: dict[str, Any]) -> ChangeRegion:
    left, top, width, height = (float(value) for value in fields['box'])
    place = None
    if 'place' in fields:
        told = fields['place']
        place = RegionPlace(
            outline=_array(told['outline'], (-1, 2)),
            area_m2=float(told['area_m2']),
            number=int(told['number']),
            looks=int(told['looks']),
            finds=int(told['finds']),
            confirmed=bool(told['confirmed']),
        )
    return ChangeRegion(
        area_px=int(fields['area_px']),
        mean_score=float(fields['mean_score']),
        max_score=float(fields['max_score']),
        box=PixelBox(left, top, width, height),
        outline=_array(fields['outline'], (-1, 2)).astype(np.float32),
        place=place,
    )


def _array(values: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Read finite numbers.

    Raises:
        ValueError: They are none, or not so many.
    """
    array = np.asarray(values, np.float64).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f'{values} are no finite numbers')
    return array
