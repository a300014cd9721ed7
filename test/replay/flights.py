# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Small flights made to measure: noisy pictures, a pose, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from recordings import MAKER, STORE, S, record

from rs_onboard.geo.camera import CameraModel
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.messages import MessageMaker
from rs_onboard.replay.topics import CAMERA_INFO, COMPRESSED_IMAGE, FIX, GIMBAL, HEIGHT, TOPICS

START = 1_700_000_000 * S
HEIGHT_PX, WIDTH_PX = 120, 160
MODELS = Path(__file__).parents[1] / 'data' / 'models'
TASKS = ['scene', 'detection', 'segmentation']
COLOURS = [
    '--models=' + ','.join(str(MODELS / f'colour-{x}') for x in TASKS),
    '--set=segmentation.overlap=16',
]


def values(**more):
    """Return parameters that run the models with exactly known outputs."""
    models = {f'{task}.model': str(MODELS / f'colour-{task}') for task in TASKS}
    return {'tasks': TASKS, **models, 'segmentation.overlap': 16, **more}


def picture(seed):
    """Make noise with two bright things in it, as JPEG."""
    image = np.random.default_rng(seed).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    image[40:, 40:55, 0] = 250
    image[:24, 80:, 1] = 240
    return cv2.imencode('.jpg', image)[1].tobytes()


def camera():
    """Make a camera of the pictures."""
    return CameraModel(WIDTH_PX, HEIGHT_PX, 200.0, 200.0, (WIDTH_PX - 1) / 2, (HEIGHT_PX - 1) / 2)


def tag(number):
    """Make the pose at a picture."""
    return Geotag(
        latitude_deg=46.8 + 1e-4 * number,
        longitude_deg=-92.0,
        altitude_m=240.0,
        rel_altitude_m=40.0,
        yaw_deg=10.0 * number,
        gimbal_pitch_deg=-90.0,
        gimbal_yaw_deg=10.0 * number,
        gimbal_roll_deg=0.0,
    )


def image(stamp_ns, seed=0):
    """Make a message with a picture."""
    return MAKER.image(stamp_ns, picture(seed))


def entries(count=4, *, image_topic=TOPICS.image, topics=TOPICS, stamps=None):
    """List (topic, type, message, log time) of a flight, a picture every half second."""
    maker = MessageMaker(STORE)
    found = []
    for number in range(count):
        log_time = START + number * S // 2
        stamp = log_time if stamps is None else START + round(stamps[number] * S)
        found += [
            (topics.camera_info, CAMERA_INFO, maker.camera_info(stamp, camera()), log_time),
            (topics.fix, FIX, maker.fix(stamp, tag(number)), log_time),
            (topics.gimbal, GIMBAL, maker.gimbal(stamp, tag(number)), log_time),
            (topics.rel_alt, HEIGHT, maker.height(tag(number)), log_time),
            (image_topic, COMPRESSED_IMAGE, image(stamp, number), log_time),
        ]
    return found


def flight(path, count=4, **options):
    """Write a flight and return its path."""
    return record(path, entries(count, **options))
