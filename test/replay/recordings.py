# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Small bags made to measure."""

from __future__ import annotations

from rs_onboard.replay.messages import MessageMaker
from rs_onboard.replay.topics import TF_MESSAGE
from rs_onboard.replay.typestore import make_typestore
from rs_onboard.replay.writer import BagWriter

STORE = make_typestore()
MAKER = MessageMaker(STORE)
FIX = 'sensor_msgs/msg/NavSatFix'
POINT = 'geometry_msgs/msg/PointStamped'
S = 1_000_000_000


def point(stamp_ns, value=0.0):
    """Make a PointStamped, the smallest message with a header."""
    return MAKER.make(
        POINT,
        header=MAKER.header(stamp_ns, 'map'),
        point=MAKER.make('geometry_msgs/msg/Point', x=value, y=0.0, z=0.0),
    )


def number(value):
    """Make a Float64."""
    return MAKER.make('std_msgs/msg/Float64', data=value)


def record(path, entries, **options):
    """Write (topic, type, message, log time) entries as a bag and return its path."""
    with BagWriter(path, store=STORE, **options) as writer:
        for topic, type_name, message, time in entries:
            writer.write_message(topic, type_name, message, time)
    return path


def points(path, times, *, topic='/p', **options):
    """Write a bag of points whose stamps are their log times (seconds)."""
    entries = [(topic, POINT, point(round(x * S), x), round(x * S)) for x in times]
    return record(path, entries, **options)


def frames(*told):
    """Make a message of /tf_static of (parent, child, place, turn)."""
    return MAKER.make(TF_MESSAGE, transforms=[_transform(*item) for item in told])


def _transform(parent, child, place, turn):
    vector = MAKER.make(
        'geometry_msgs/msg/Vector3', **dict(zip('xyz', map(float, place), strict=True))
    )
    transform = MAKER.make(
        'geometry_msgs/msg/Transform', translation=vector, rotation=MAKER.quaternion(turn)
    )
    kind, header = 'geometry_msgs/msg/TransformStamped', MAKER.header(0, parent)
    return MAKER.make(kind, header=header, child_frame_id=child, transform=transform)
