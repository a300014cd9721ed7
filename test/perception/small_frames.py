# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames, poses and models for the tests of the flight core."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.inference.model import Model, load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.perception.frame import Frame, FrameHeader

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def frame_of(image, *, camera=None, pose=None, stamp_ns=1_000, reason='no pose source'):
    header = FrameHeader(stamp_ns, 'camera', 0, image.shape[0], image.shape[1])
    return Frame(header, image, camera, pose, '' if pose else reason)


def camera_for(image, focal=1000.0):
    height, width = image.shape[:2]
    return CameraModel(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def nadir_pose(height_m=100.0, **changes):
    pose = Pose(1_000, 46.0, 7.0, 600.0, height_m, NADIR_MOUNT)
    return dataclasses.replace(pose, **changes)


def model_of(task):
    return load_model(MODELS / f'colour-{task}', task=task, settings=RuntimeSettings(threads=1))


class FakeRuntime:
    """Answers with what a function makes of the tiles."""

    provider = 'cpu'
    notice = ''
    placement = ''
    inputs = ()
    outputs = ()

    def __init__(self, answer):
        self._answer = answer

    def run(self, feeds):
        return self._answer(feeds['tiles'])


def faked(task, answer):
    """Return the model of a task with its graph replaced by a function of the tiles."""
    model = model_of(task)
    return Model(model.card, model.variant, FakeRuntime(answer))
