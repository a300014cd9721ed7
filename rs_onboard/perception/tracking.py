# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The same object has the same number in every frame that shows it.

With camera and pose an object is recognised by its place on the ground, also when it comes into
view again on the next flight line. Without them it is recognised in the picture, from one frame to
the next, after the motion of the camera: the one shift that brings most objects onto objects.

Libraries for tracking follow people past a fixed camera and know neither; they bring a solver and a
motion model for each object where one shift for all is what a nadir view does.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.wgs84 import wgs84_to_offset
from rs_onboard.perception.overlap import iou_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose

UNTRACKED = -1

# Positions of one object from two frames differ by the receiver and the attitude: metres, and a
# share of the height (1.7 degrees).
RECEIVER_M = 2.5
ATTITUDE = 0.03
# And by the box, whose centre may be off by this share of the length.
BOX_SHARE = 0.4

# In the picture, after the shift.
LEAST_IOU = 0.2
# Objects that vote on the shift; more cost time and change nothing.
VOTERS = 40

# A survey of a city has some hundred thousand objects; the memory of a tracker is bounded.
MAX_TRACKS = 20_000
NS_PER_S = 1_000_000_000


@dataclass
class _Track:
    """An object that was seen.

    Attributes:
        number: Its number.
        label: Class id.
        place: (2,) float64 east, north of the origin [m]; None while it was never located.
        length: Longer side [m] where it was located.
        stamp_ns: When it was seen last.
    """

    number: int
    label: int
    place: NDArray[np.float64] | None
    length: float
    stamp_ns: int


class Tracker:
    """Numbers the objects of successive frames.

    Args:
        memory_s: How long an object out of view is remembered [s].
    """

    def __init__(self, *, memory_s: float = 300.0) -> None:
        self._memory_ns = int(memory_s * NS_PER_S)
        self._tracks: OrderedDict[int, _Track] = OrderedDict()
        self._origin: tuple[float, float] | None = None
        self._stamp_ns = 0
        self._last_boxes = np.zeros((0, 5))
        self._last_numbers = np.zeros(0, np.int64)
        self._next = 0

    @property
    def count(self) -> int:
        """Objects seen so far, each once."""
        return self._next

    def update(
        self,
        boxes: NDArray[np.floating],
        labels: NDArray[np.integer],
        stamp_ns: int,
        camera: CameraModel | None = None,
        pose: Pose | None = None,
    ) -> NDArray[np.int64]:
        """Number the objects of a frame.

        Args:
            boxes: (M, 5) oriented boxes [px of the frame].
            labels: (M,) class ids.
            stamp_ns: Stamp of the frame; one before the last starts anew.
            camera: Intrinsics, None where unknown.
            pose: Pose of the camera, None where unknown.

        Returns:
            (M,) numbers, different within the frame.
        """
        if stamp_ns < self._stamp_ns:
            self._forget()
        self._expire(stamp_ns)
        rows = np.asarray(boxes, np.float64).reshape(-1, 5)
        places, lengths = self._places(rows, camera, pose)
        numbers = np.full(len(rows), UNTRACKED, np.int64)
        if places is not None and pose is not None:
            height = pose.height_m or 0.0
            self._match_places(places, lengths, labels, height, numbers)
        else:
            self._match_picture(rows, labels, numbers)
        for row in np.flatnonzero(numbers == UNTRACKED):
            numbers[row] = self._next
            self._next += 1
        for row, number in enumerate(numbers.tolist()):
            known = places is not None and bool(np.isfinite(places[row]).all())
            self._tracks[number] = _Track(
                number,
                int(labels[row]),
                places[row] if known and places is not None else None,
                float(lengths[row]) if known else 0.0,
                stamp_ns,
            )
            self._tracks.move_to_end(number)
        self._stamp_ns, self._last_boxes, self._last_numbers = stamp_ns, rows, numbers
        return numbers

    def _places(
        self, boxes: NDArray[np.float64], camera: CameraModel | None, pose: Pose | None
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
        """Locate box centres (M, 2) [m from the origin] and lengths (M,) [m]."""
        half = boxes[:, 2:3] / 2 * np.stack((np.cos(boxes[:, 4]), np.sin(boxes[:, 4])), axis=1)
        ends = np.concatenate((boxes[:, :2], boxes[:, :2] - half, boxes[:, :2] + half))
        ground = locate(ends, camera, pose)
        if ground.wgs84 is None or ground.offsets is None or pose is None:
            return None, np.zeros(len(boxes))
        if self._origin is None:
            self._origin = (pose.latitude_deg, pose.longitude_deg)
        count = len(boxes)
        spans = ground.offsets[count : 2 * count] - ground.offsets[2 * count :]
        lengths = np.nan_to_num(np.hypot(spans[:, 0], spans[:, 1]))
        return wgs84_to_offset(ground.wgs84[:count], *self._origin), lengths

    def _match_places(
        self,
        places: NDArray[np.float64],
        lengths: NDArray[np.float64],
        labels: NDArray[np.integer],
        height_m: float,
        numbers: NDArray[np.int64],
    ) -> None:
        """Give located objects the numbers of tracks near them, the nearest pairs first."""
        tracks = [track for track in self._tracks.values() if track.place is not None]
        if not tracks or not len(places):
            return
        known = np.array([track.place for track in tracks])
        gap = np.linalg.norm(places[:, None] - known[None], axis=2)
        # Of two objects side by side, neither reaches farther than to its own border.
        longest = np.maximum(lengths[:, None], np.array([track.length for track in tracks]))
        gate = RECEIVER_M + ATTITUDE * height_m + BOX_SHARE * longest
        same = labels[:, None] == np.array([track.label for track in tracks])
        pairs = np.argwhere(same & (gap <= gate))
        order = np.argsort(gap[pairs[:, 0], pairs[:, 1]], kind='stable')
        taken: set[int] = set()
        for row, index in pairs[order].tolist():
            number = tracks[index].number
            if numbers[row] == UNTRACKED and number not in taken:
                numbers[row] = number
                taken.add(number)

    def _match_picture(
        self, boxes: NDArray[np.float64], labels: NDArray[np.integer], numbers: NDArray[np.int64]
    ) -> None:
        """Give objects the numbers of those of the last frame that they lie on after one shift."""
        last = self._last_numbers
        if not len(last) or not len(boxes):
            return
        old = np.array([self._tracks[n].label if n in self._tracks else -1 for n in last.tolist()])
        same = np.asarray(labels)[:, None] == old
        shift = common_shift(self._last_boxes, boxes, same.T)
        moved = self._last_boxes + np.array([*shift, 0.0, 0.0, 0.0])
        overlap = np.where(same, iou_matrix(boxes, moved), 0.0)
        pairs = np.argwhere(overlap > LEAST_IOU)
        order = np.argsort(-overlap[pairs[:, 0], pairs[:, 1]], kind='stable')
        taken: set[int] = set()
        for row, index in pairs[order].tolist():
            number = int(last[index])
            if numbers[row] == UNTRACKED and number not in taken:
                numbers[row] = number
                taken.add(number)

    def _expire(self, stamp_ns: int) -> None:
        """Forget what was not seen for long, and the oldest of too many."""
        while self._tracks:
            track = next(iter(self._tracks.values()))
            if stamp_ns - track.stamp_ns <= self._memory_ns and len(self._tracks) <= MAX_TRACKS:
                return
            del self._tracks[track.number]

    def _forget(self) -> None:
        self._tracks.clear()
        self._last_boxes, self._last_numbers = np.zeros((0, 5)), np.zeros(0, np.int64)


def common_shift(
    before: NDArray[np.float64], after: NDArray[np.float64], same: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Find the shift that brings most boxes of one frame onto boxes of the next.

    Args:
        before: (N, 5) boxes.
        after: (M, 5) boxes.
        same: (N, M) whether they are of one class.

    Returns:
        (2,) float64 [px]; zero where no pair agrees with it better.
    """
    n, m = min(len(before), VOTERS), min(len(after), VOTERS)
    moves = after[None, :m, :2] - before[:n, None, :2]
    allowed = same[:n, :m]
    # Boxes of one object keep their size.
    sizes = np.log(np.maximum(after[None, :m, 2], 1) / np.maximum(before[:n, None, 2], 1))
    allowed = allowed & (np.abs(sizes) < 0.4)
    candidates = np.concatenate((np.zeros((1, 2)), moves[allowed]))
    reach = np.maximum(before[:n, None, 3], 4.0) / 2
    best, most = candidates[0], -1.0
    for shift in candidates:
        off = np.linalg.norm(moves - shift, axis=2)
        hits = (allowed & (off < reach)).any(axis=1)
        # Of shifts with as many hits the closest fit counts, then the first, which is none.
        worth = hits.sum() - float(np.where(hits, np.min(off, axis=1) / 1e4, 0.0).sum())
        if worth > most + 1e-12:
            best, most = shift, worth
    return np.asarray(best)
