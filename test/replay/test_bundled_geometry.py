# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Poses, intrinsics and pictures of the bundled flight agree with each other on the ground."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from tagged_images import BRIGHTON

from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topics import TOPICS

METRES_PER_DEGREE = 111_195.0


@pytest.fixture(scope='module')
def flight():
    names = (TOPICS.image, TOPICS.camera_info, TOPICS.fix, TOPICS.gimbal, TOPICS.rel_alt)
    with Bag(BRIGHTON) as bag:
        return {x: [bag.decode(y) for y in bag.messages([x])] for x in names}


def matched(first, second):
    """Match two pictures by features; return (N, 2) pixels of the same points in both."""
    sift = cv2.SIFT_create(2000)
    found = []
    for message in (first, second):
        picture = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_GRAYSCALE)
        found.append(sift.detectAndCompute(picture, None))
    (points, features), (others, other_features) = found
    pairs = cv2.BFMatcher().knnMatch(features, other_features, k=2)
    good = [x for x, y in pairs if x.distance < 0.75 * y.distance]
    here = np.float32([points[x.queryIdx].pt for x in good])
    there = np.float32([others[x.trainIdx].pt for x in good])
    _, mask = cv2.findHomography(here, there, cv2.RANSAC, 4)
    inliers = mask.ravel() > 0
    return here[inliers], there[inliers]


def on_ground(flight, index, pixels):
    """Cast pixels to flat ground; return (N, 2) metres east and north of the first fix."""
    rotation = flight[TOPICS.gimbal][index].quaternion
    axis = np.array([rotation.x, rotation.y, rotation.z])
    rays = np.linalg.inv(flight[TOPICS.camera_info][index].k.reshape(3, 3))
    rays = np.column_stack([pixels, np.ones(len(pixels))]) @ rays.T
    rays = rays + 2 * np.cross(axis, np.cross(axis, rays) + rotation.w * rays)
    rays *= -flight[TOPICS.rel_alt][index].data / rays[:, 2:]
    start, fix = flight[TOPICS.fix][0], flight[TOPICS.fix][index]
    east = (fix.longitude - start.longitude) * math.cos(math.radians(start.latitude))
    north = fix.latitude - start.latitude
    return rays[:, :2] + np.array([east, north]) * METRES_PER_DEGREE


@pytest.mark.parametrize('index', [3, 5, 7])
def test_neighbouring_pictures_put_the_same_thing_in_the_same_place(flight, index):
    # 3: first leg; 5: across the turn to the leg whose pictures were turned; 7: on that leg.
    here, there = matched(*flight[TOPICS.image][index : index + 2])
    assert len(here) > 30
    apart = on_ground(flight, index + 1, there) - on_ground(flight, index, here)
    assert np.hypot(*np.median(apart, axis=0)) < 5.0
