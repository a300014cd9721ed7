# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""All topics of the graph as data: for recording, for the documentation, for tests."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rs_onboard.nodes import names
from rs_onboard.nodes.node_settings import TASKS, TILE_TASKS


class TopicInfo(NamedTuple):
    """A topic.

    Attributes:
        topic: Relative name at default parameters.
        type_name: Such as `sensor_msgs/msg/Image`.
        node: The node that publishes or takes it.
        direction: `in` or `out`.
        meaning: One sentence.
        latched: Whether late subscribers get the last message.
        result: Whether it is a result, worth recording.
    """

    topic: str
    type_name: str
    node: str
    direction: Literal['in', 'out']
    meaning: str
    latched: bool = False
    result: bool = False


IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
BOXES = 'vision_msgs/msg/BoundingBox2DArray'

INPUTS = (
    TopicInfo('image_raw', IMAGE, 'tiler', 'in', 'Images (`image_topic`).'),
    TopicInfo(
        'image_raw/compressed',
        COMPRESSED_IMAGE,
        'tiler',
        'in',
        'Images, with `image_transport` compressed.',
    ),
    TopicInfo('camera_info', 'sensor_msgs/msg/CameraInfo', 'tiler', 'in', 'Intrinsics.'),
    TopicInfo(
        'mavros/global_position/raw/fix',
        'sensor_msgs/msg/NavSatFix',
        'tiler',
        'in',
        'Position (`fix_topic`).',
    ),
    TopicInfo(
        'mavros/imu/data',
        'sensor_msgs/msg/Imu',
        'tiler',
        'in',
        'Attitude, body FLU to ENU (`imu_topic`).',
    ),
    TopicInfo(
        'gimbal/attitude',
        'geometry_msgs/msg/QuaternionStamped',
        'tiler',
        'in',
        'Camera attitude (`gimbal_topic`, `gimbal_message`, `gimbal_axes`); goes before the mount.',
    ),
    TopicInfo(
        'mavros/global_position/rel_alt',
        'std_msgs/msg/Float64',
        'tiler',
        'in',
        'Height above the ground [m] (`height_topic`).',
    ),
)

TASK_OUTPUTS = {
    'scene': (
        TopicInfo(
            names.SCENE,
            'vision_msgs/msg/Classification',
            'scene',
            'out',
            'Scene of the frame, most probable class first.',
            result=True,
        ),
        TopicInfo(
            names.SCENE_TILES,
            'vision_msgs/msg/Detection2DArray',
            'scene',
            'out',
            'Scene of every tile, as a box with its class.',
            result=True,
        ),
    ),
    'detection': (
        TopicInfo(
            names.DETECTIONS,
            'vision_msgs/msg/Detection2DArray',
            'detection',
            'out',
            'Oriented boxes, best first: longer side `size_x`, `theta` clockwise on screen [rad].',
            result=True,
        ),
        TopicInfo(
            names.DETECTION_CORNERS,
            'visualization_msgs/msg/ImageMarker',
            'detection',
            'out',
            'Their outlines [px], eight points an object: its four sides.',
            result=True,
        ),
    ),
    'segmentation': (
        TopicInfo(
            names.SEGMENTATION,
            IMAGE,
            'segmentation',
            'out',
            'Class id of every pixel of the image, mono8; 255 is unknown.',
            result=True,
        ),
        TopicInfo(
            names.CONFIDENCE,
            IMAGE,
            'segmentation',
            'out',
            '255 times the probability of the label, mono8.',
            result=True,
        ),
    ),
    'change': (
        TopicInfo(
            names.CHANGE_MASK,
            IMAGE,
            'change',
            'out',
            '255 times the probability of change, at most 254, mono8; 255 where frame and map are '
            'not both seen. Empty without a match.',
            result=True,
        ),
        TopicInfo(
            names.CHANGE_REGIONS,
            'vision_msgs/msg/Detection2DArray',
            'change',
            'out',
            'Changed regions, larger ones first: upright boxes, `id` the number of the place.',
            result=True,
        ),
        TopicInfo(
            names.CHANGE_OUTLINES,
            'visualization_msgs/msg/ImageMarker',
            'change',
            'out',
            'Their outlines, a list of lines [px].',
            result=True,
        ),
        TopicInfo(
            names.CHANGE_REGISTRATION,
            DIAGNOSTICS,
            'change',
            'out',
            'How the frame lies on the map, or what prevents it; then the regions on the ground.',
            result=True,
        ),
        TopicInfo(
            names.CHANGE_FIX,
            'sensor_msgs/msg/NavSatFix',
            'change',
            'out',
            'Where the camera was by the map alone, with covariance; no fix without a match.',
            result=True,
        ),
        TopicInfo(
            names.CHANGE_OVERLAY,
            COMPRESSED_IMAGE,
            'change',
            'out',
            'Frame and map side by side in register, with the regions, JPEG.',
            result=True,
        ),
    ),
}

PUBLISHER_OUTPUTS = (
    TopicInfo(
        names.BUDGET_PLAN,
        DIAGNOSTICS,
        'tiler',
        'out',
        'What every task does within the latency budget, and why.',
        latched=True,
        result=True,
    ),
    TopicInfo(
        names.OVERLAY,
        COMPRESSED_IMAGE,
        'publisher',
        'out',
        'The image with all results drawn on it, JPEG.',
        result=True,
    ),
    TopicInfo(
        names.GEOJSON,
        'std_msgs/msg/String',
        'publisher',
        'out',
        'GeoJSON (WGS 84): the footprint of a frame and all it shows, with covariances.',
        result=True,
    ),
    TopicInfo(
        names.DIAGNOSTICS,
        DIAGNOSTICS,
        'every node',
        'out',
        'State, fault, model, provider and counters of every node.',
        result=True,
    ),
)


def tile_topics(task: str) -> tuple[TopicInfo, ...]:
    """Return the topics that only a task on tiles has; none for one that takes whole frames."""
    if task not in TILE_TASKS:
        return ()
    tiles = names.tiles(task)
    return (
        TopicInfo(tiles, IMAGE, 'tiler', 'out', f'Tiles for {task}, stacked under one another.'),
        TopicInfo(
            names.layout(task),
            BOXES,
            'tiler',
            'out',
            'Where they lie: the frame, then every tile [px of the image].',
        ),
        TopicInfo(
            names.report(tiles), DIAGNOSTICS, 'tiler', 'out', 'Scale and GSD of the tiles, and why.'
        ),
        TopicInfo(
            names.costs(task),
            DIAGNOSTICS,
            task,
            'out',
            'With a latency budget: time and agreement of the variants of the model here.',
            latched=True,
            result=True,
        ),
    )


def task_topics(task: str) -> tuple[TopicInfo, ...]:
    """Return the topics that belong to a task: its tiles and its results."""
    return (
        *tile_topics(task),
        *TASK_OUTPUTS[task],
        TopicInfo(
            names.report(task),
            DIAGNOSTICS,
            task,
            'out',
            'Status, model and hash, variant, provider, tiles and latencies of the result.',
            result=True,
        ),
        TopicInfo(
            names.labels(task),
            'vision_msgs/msg/LabelInfo',
            task,
            'out',
            'Class names.',
            latched=True,
            result=True,
        ),
    )


def all_topics(tasks: tuple[str, ...] = TASKS) -> tuple[TopicInfo, ...]:
    """Return all topics of a graph with some tasks."""
    by_task = [topic for task in tasks for topic in task_topics(task)]
    return (*INPUTS, *by_task, *PUBLISHER_OUTPUTS)


def topic_table() -> str:
    """Write the topics as a Markdown table."""
    lines = ['| topic | type | node | | meaning |', '|---|---|---|---|---|']
    for item in all_topics():
        latched = ' Latched.' if item.latched else ''
        lines.append(
            f'| `{item.topic}` | `{item.type_name}` | {item.node} | {item.direction} | '
            f'{item.meaning}{latched} |'
        )
    return '\n'.join(lines) + '\n'
