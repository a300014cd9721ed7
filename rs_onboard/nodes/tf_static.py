# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How /tf_static is subscribed to, published and named."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from rs_onboard.inference.errors import FieldError

TF_MESSAGE = 'tf2_msgs/msg/TFMessage'

# Every broadcaster latches one message of its own.
STATIC_FRAMES_QOS = QoSProfile(
    depth=100,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def static_frames_type() -> Any:
    """Return the message type of /tf_static, which only those need who ask for it.

    Raises:
        FieldError: It is not installed.
    """
    try:
        return importlib.import_module('tf2_msgs.msg').TFMessage
    except ImportError:
        raise FieldError(
            'parameter camera_mount_from_tf: found true without the package tf2_msgs; expected it '
            'installed. Install ros-$ROS_DISTRO-tf2-msgs, or give camera_mount_rpy_deg.'
        ) from None
