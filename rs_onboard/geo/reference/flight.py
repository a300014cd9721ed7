# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Make a map of the frames of a flight: survey them, then lay them on tiles.

The frames are read twice, since those of a long flight do not fit into memory.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import zoom_for
from rs_onboard.geo.reference.mosaic import Mosaic, work_folder
from rs_onboard.geo.reference.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.reference.build import Built, MapWriter

# Tiles may be this much coarser than the shots: overlapping shots do not make a map finer.
COARSER = 1.3
YEAR_2000_NS = 946_684_800 * 1_000_000_000


class Take(NamedTuple):
    """A frame of a flight: number, (H, W, 3) uint8 RGB, and what is known of camera and pose."""

    sequence: int
    image: NDArray[np.uint8]
    camera: CameraModel | None
    pose: Pose | None


def survey_flight(takes: Iterable[Take], survey: Survey | None = None) -> Survey:
    """Collect the frames that can be laid on the ground, and what they have in common.

    Raises:
        MapError: There is none.
    """
    survey = survey or Survey()
    for take in takes:
        if take.camera is None or take.pose is None:
            survey.leave('without intrinsics' if take.camera is None else 'without pose')
            continue
        image, camera = rectified(take.image, take.camera)
        survey.add(image, camera, take.pose, take.sequence)
    survey.require_shots()
    return survey


def flight_date(survey: Survey) -> str:
    """Return the day of the first shot (UTC), empty where the clock was never set."""
    stamp_ns = survey.shots[0].stamp_ns
    if stamp_ns < YEAR_2000_NS:
        return ''
    return f'{datetime.fromtimestamp(stamp_ns // 10**9, timezone.utc):%Y-%m-%d}'


def write_flight(
    survey: Survey,
    takes: Iterable[Take],
    writer: MapWriter,
    progress: Callable[[int, int], None] | None = None,
    *,
    beside: Path,
    gsd_m: float | None = None,
) -> Built:
    """Adjust the shots of a survey and write the map.

    Args:
        survey: What `survey_flight` made of the same frames.
        takes: The frames once more.
        writer: Takes the tiles.
        progress: Takes shots done and shots in all.
        beside: The map to be; tiles that do not fit into memory wait beside it.
        gsd_m: Ground sample distance of the map [m/px]; None for that of the shots.

    Raises:
        MapError: There is nothing to write; nothing is left behind.
    """
    placed = {
        shot.sequence: place for shot, place in zip(survey.shots, survey.place(), strict=True)
    }
    assert survey.origin is not None
    wanted = gsd_m or COARSER * survey.gsd_m
    try:
        with work_folder(beside) as folder:
            mosaic = Mosaic(zoom_for(wanted, survey.origin[0]), survey.origin, folder=Path(folder))
            done = 0
            for take in takes:
                if (place := placed.get(take.sequence)) is None or take.camera is None:
                    continue
                image, _ = rectified(take.image, take.camera)
                if not mosaic.add(image, place):
                    survey.leave('seen from too far or too flat')
                done += 1
                if progress is not None:
                    progress(done, len(placed))
            for key, tile in mosaic.tiles():
                writer.add(key, tile)
    except (MapError, OSError):
        writer.abandon()
        raise
    return writer.finish()


def rectified(
    image: NDArray[np.uint8], camera: CameraModel
) -> tuple[NDArray[np.uint8], CameraModel]:
    """Return the image that a pinhole of the same intrinsics would have taken, and that pinhole.

    What the lens did not see is black.
    """
    if not any(camera.distortion):
        return image, camera
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    bent = np.array(camera.distortion, np.float64)
    if camera.distortion_model == 'equidistant':
        straight = cv2.fisheye.undistortImage(image, matrix, bent, Knew=matrix)
    else:
        straight = cv2.undistort(image, matrix, bent)
    return np.asarray(straight, np.uint8), replace(camera, distortion_model='', distortion=())
