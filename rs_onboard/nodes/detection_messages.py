# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as standard messages, and back without loss.

`theta` of a box is measured from +x (right) towards +y (down), clockwise as seen on screen, in
radians, and `size_x` is the longer side. The ecosystem disagrees on the sign, therefore the corners
are published beside the boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)
from visualization_msgs.msg import ImageMarker

from rs_onboard.nodes.image_messages import header_message
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.results import DetectionResult, palette

if TYPE_CHECKING:
    from rs_onboard.inference.card import ModelCard
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport

LINE_WIDTH_PX = 2.0
# More objects than this nobody counts; longer numbers are no numbers of ours.
MAX_DIGITS = 18


def detections_message(result: DetectionResult) -> Detection2DArray:
    """Write the objects of a frame, best score first."""
    header = header_message(result.header)
    detections = []
    for box, score, index, number in zip(
        result.boxes.tolist(),
        result.scores.tolist(),
        result.class_ids.tolist(),
        result.numbers.tolist(),
        strict=True,
    ):
        hypothesis = ObjectHypothesis(class_id=result.classes[index], score=score)
        rectangle = BoundingBox2D(size_x=box[2], size_y=box[3])
        rectangle.center.position.x, rectangle.center.position.y = box[:2]
        rectangle.center.theta = box[4]
        detections.append(
            Detection2D(
                header=header,
                results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
                bbox=rectangle,
                id=str(number) if number >= 0 else '',
            )
        )
    return Detection2DArray(header=header, detections=detections)


def corners_message(result: DetectionResult) -> ImageMarker:
    """Write the outlines as a list of lines in pixels of the image.

    Object n has the points 8 n to 8 n + 7, pairs that are its four sides: every second one is a
    corner, in the order top left, top right, bottom right, bottom left of the box at theta = 0.
    """
    quads = corners(result.boxes)
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    colours = [
        ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=1.0)
        for red, green, blue in result.palette[result.class_ids].tolist()
    ]
    return ImageMarker(
        header=header_message(result.header),
        ns='detections',
        type=ImageMarker.LINE_LIST,
        action=ImageMarker.ADD,
        scale=LINE_WIDTH_PX,
        points=[Point(x=x, y=y) for x, y in sides.tolist()],
        # One a line.
        outline_colors=[colour for colour in colours for _ in range(4)],
    )


def detections_from_message(
    header: FrameHeader, report: TaskReport, card: ModelCard, message: Detection2DArray
) -> DetectionResult:
    """Read the objects of a frame.

    Raises:
        TaskError: A class is not on the card, or a number is none.
    """
    ids = {name: index for index, name in enumerate(card.class_names)}
    try:
        found = [item.results[0].hypothesis for item in message.detections]
        class_ids = np.array([ids[item.class_id] for item in found], np.uint8)
    except (KeyError, IndexError) as exc:
        raise TaskError(
            f'detections: found class {exc}; the card of {card.name} has {", ".join(ids)}. '
            'Give the publisher the model that the detection node runs.'
        ) from None
    boxes = np.array([_row(item.bbox) for item in message.detections], np.float32).reshape(-1, 5)
    scores = np.array([item.score for item in found], np.float32)
    numbers = np.array([_number(item.id) for item in message.detections], np.int64)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise TaskError(
            'detections: found a score or a box that is no finite number; expected those of an '
            'rs_onboard detection node. Run nodes of one release together.'
        )
    return DetectionResult(
        header, report, card.class_names, palette(card), boxes, scores, class_ids, numbers
    )


def _number(text: str) -> int:
    """Read the number of an object, -1 where it is none of ours."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else -1


def _row(box: BoundingBox2D) -> tuple[float, ...]:
    centre = box.center.position
    return centre.x, centre.y, box.size_x, box.size_y, box.center.theta
