# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames fixed in one another, as /tf_static tells them, and the way from one to the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.pose_buffer import Mount
from rs_onboard.geo.rotation import Quaternion, is_unit, multiply, rotation_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A robot has some dozens; whoever sends more sends them without end.
MOST_FRAMES = 1000


class _Link(NamedTuple):
    parent: str
    place: NDArray[np.float64]
    turn: Quaternion


class StaticFrames:
    """A tree of frames, each fixed in its parent (REP-105)."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def add(
        self, parent: str, child: str, place: tuple[float, float, float], turn: Quaternion
    ) -> bool:
        """Fix a frame in its parent; returns whether the values are those of a place and a turn.

        Args:
            parent: Name of the parent.
            child: Name of the frame; what was told of it before is forgotten.
            place: Its origin in the parent [m].
            turn: Rotation from it to the parent.
        """
        full = len(self._links) >= MOST_FRAMES and child not in self._links
        if full or not all(map(math.isfinite, place)) or not is_unit(turn):
            return False
        self._links[_bare(child)] = _Link(_bare(parent), np.array(place, np.float64), turn)
        return True

    def mount(self, camera: str, body: str) -> Mount | str:
        """Return a camera's optical frame in the body, or why that is not known."""
        names = [_bare(camera)]
        turn: Quaternion = (0.0, 0.0, 0.0, 1.0)
        place: NDArray[np.float64] = np.zeros(3)
        while names[-1] != _bare(body):
            link = self._links.get(names[-1])
            if link is None or link.parent in names:
                way = ' in '.join(names)
                end = 'nothing' if link is None else f'{link.parent} again'
                return (
                    f'/tf_static: found frame {way} in {end}; expected a way to {body}. Check '
                    'body_frame and the frame_id of the images, or publish the transform.'
                )
            place = link.place + rotation_matrix(link.turn) @ place
            turn = multiply(link.turn, turn)
            names.append(link.parent)
        return Mount(turn, (float(place[0]), float(place[1]), float(place[2])))


def _bare(name: str) -> str:
    # tf names of ROS 1 began with a slash, and some drivers still write it.
    return name.lstrip('/')
