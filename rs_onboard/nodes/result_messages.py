# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as standard messages, and back without loss.

A result is published as what its task's field calls it (Classification, mask image, ...) and, with
the same header, as a report: a DiagnosticArray with one status whose values say which model,
variant, provider, tiles and latencies the result comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionClass,
)

from rs_onboard.nodes.image_messages import header_message
from rs_onboard.nodes.selection_values import SelectedTiles, selection_from_values
from rs_onboard.nodes.tile_messages import box_message, pixel_box
from rs_onboard.nodes.view_values import finite_number, view_from_values, view_values
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.results import ModelIdentity, SceneResult, TaskReport, TileUse
from rs_onboard.perception.tiler import TileScale
from rs_onboard.perception.tiles import PixelBox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import Status

# Before the reasons under which something is counted.
LEFT_OUT = 'left_out.'
TILES_LEFT_OUT = 'tiles_left_out.'

LEVELS = {
    'ok': DiagnosticStatus.OK,
    'degraded': DiagnosticStatus.WARN,
    'skipped': DiagnosticStatus.WARN,
    'failed': DiagnosticStatus.ERROR,
}


def report_message(header: FrameHeader, report: TaskReport) -> DiagnosticArray:
    """Write a report; floats keep all digits."""
    values: dict[str, str] = {'status': report.status}
    if report.model is not None:
        model = report.model
        values |= {
            'model': model.name,
            'sha256': model.sha256,
            'variant': model.variant,
            'provider': model.provider,
            'trained': str(model.trained).lower(),
        }
    if report.tiles is not None:
        tiles = report.tiles
        values |= {
            'tiles': str(tiles.count),
            'tile_height': str(tiles.height),
            'tile_width': str(tiles.width),
            'scale': repr(tiles.scale),
            'gsd_m': '' if tiles.gsd_m is None else repr(tiles.gsd_m),
            **_counted(TILES_LEFT_OUT, tiles.left_out),
        }
    for stage, spent in (report.latency_ms or {}).items():
        values[f'latency_ms.{stage}'] = repr(spent)
    values |= _counted(LEFT_OUT, report.left_out)
    return _array(header, report.task, report.status, report.reason, values)


def report_from_message(message: DiagnosticArray) -> TaskReport:
    """Read a report.

    Raises:
        TaskError: It is not one of ours.
    """
    status, values = _values(message)
    try:
        tiles = None
        if 'tiles' in values:
            tiles = TileUse(
                count=int(values['tiles']),
                height=int(values['tile_height']),
                width=int(values['tile_width']),
                scale=finite_number(values['scale']),
                gsd_m=finite_number(values['gsd_m']) if values['gsd_m'] else None,
                left_out=_counts(TILES_LEFT_OUT, values) or None,
            )
        model = None
        if 'model' in values:
            model = ModelIdentity(
                name=values['model'],
                sha256=values['sha256'],
                variant=values['variant'],
                provider=values['provider'],
                trained=values['trained'] == 'true',
            )
        latency = {
            key.removeprefix('latency_ms.'): finite_number(value)
            for key, value in values.items()
            if key.startswith('latency_ms.')
        }
        return TaskReport(
            task=cast('TaskName', status.name),
            status=cast('Status', values['status']),
            reason=status.message,
            model=model,
            tiles=tiles,
            latency_ms=latency or None,
            left_out=_counts(LEFT_OUT, values) or None,
        )
    except (KeyError, ValueError) as exc:
        raise TaskError(
            f'report of {status.name!r}: {exc!r}; expected the report of an rs_onboard task node. '
            'Run nodes of one release together.'
        ) from None


def scale_message(
    header: FrameHeader,
    task: str,
    scale: TileScale,
    camera: CameraModel | None = None,
    pose: Pose | None = None,
    selected: Mapping[str, str] | None = None,
) -> DiagnosticArray:
    """Write how the scale of a tile set was chosen, and camera and pose of its frame.

    Args:
        header: Header of the frame.
        task: Task the tiles are for.
        scale: The scale.
        camera: Intrinsics of the frame.
        pose: Pose of the camera.
        selected: Which of the tiles are to be inferred, as `selection_values` writes it.
    """
    values = {
        'scale': repr(scale.scale),
        'gsd_m': '' if scale.gsd_m is None else repr(scale.gsd_m),
        **view_values(camera, pose),
        **(selected or {}),
    }
    status: Status = 'degraded' if scale.reason else 'ok'
    return _array(header, task, status, scale.reason, values)


def scale_from_message(message: DiagnosticArray) -> TileScale:
    """Read how the scale of a tile set was chosen.

    Raises:
        TaskError: It is not one of ours.
    """
    status, values = _values(message)
    try:
        gsd = values['gsd_m']
        return TileScale(
            finite_number(values['scale']), finite_number(gsd) if gsd else None, status.message
        )
    except (KeyError, ValueError) as exc:
        raise TaskError(
            f'tile scale of {status.name!r}: {exc!r}; expected that of an rs_onboard tiler. '
            'Run nodes of one release together.'
        ) from None


def selection_from_message(message: DiagnosticArray) -> SelectedTiles | None:
    """Read which tiles are in a stack, None where all are.

    Raises:
        TaskError: It is not what an rs_onboard tiler writes.
    """
    return selection_from_values(_values(message)[1])


def view_from_message(message: DiagnosticArray) -> tuple[CameraModel | None, Pose | None]:
    """Read camera and pose of the frame of a tile set, None where the tiler had none.

    Raises:
        TaskError: They are not those of an rs_onboard tiler.
    """
    return view_from_values(_values(message)[1])


def classification_message(result: SceneResult) -> Classification:
    """Write the scene of a frame, most probable class first; ties keep the order of the ids."""
    order = np.argsort(-result.probabilities, kind='stable')
    return Classification(
        header=header_message(result.header),
        results=[
            ObjectHypothesis(
                class_id=result.classes[index], score=float(result.probabilities[index])
            )
            for index in order
        ],
    )


def scene_tiles_message(result: SceneResult) -> Detection2DArray:
    """Write the scene of every tile as a box with its class."""
    header = header_message(result.header)
    detections = []
    for box, index, score in zip(
        result.boxes, result.tile_classes, result.tile_scores, strict=True
    ):
        hypothesis = ObjectHypothesis(class_id=result.classes[index], score=float(score))
        detections.append(
            Detection2D(
                header=header,
                results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
                bbox=box_message(PixelBox(*(float(value) for value in box))),
            )
        )
    return Detection2DArray(header=header, detections=detections)


def scene_from_messages(
    header: FrameHeader,
    report: TaskReport,
    card: ModelCard,
    classification: Classification,
    tiles: Detection2DArray,
) -> SceneResult:
    """Read the scene of a frame.

    Raises:
        TaskError: A class is not on the card, or a number is none.
    """
    ids = {name: index for index, name in enumerate(card.class_names)}
    probabilities = np.zeros(len(ids) if classification.results else 0, np.float32)
    try:
        for item in classification.results:
            probabilities[ids[item.class_id]] = item.score
        found = [item.results[0].hypothesis for item in tiles.detections]
        classes = np.array([ids[item.class_id] for item in found], np.uint8)
    except (KeyError, IndexError) as exc:
        raise TaskError(
            f'scene: found class {exc}; the card of {card.name} has {", ".join(ids)}. '
            'Give the publisher the model that the scene node runs.'
        ) from None
    scores = np.array([item.score for item in found], np.float32)
    boxes = np.array([pixel_box(item.bbox) for item in tiles.detections], np.float32)
    if not all(np.isfinite(values).all() for values in (probabilities, scores, boxes)):
        raise TaskError(
            'scene: found a probability or a box that is no finite number; expected those of an '
            'rs_onboard scene node. Run nodes of one release together.'
        )
    return SceneResult(
        header=header,
        report=report,
        classes=card.class_names,
        probabilities=probabilities,
        tile_classes=classes,
        tile_scores=scores,
        boxes=boxes.reshape(-1, 4),
    )


def label_info_message(card: ModelCard, header: FrameHeader) -> LabelInfo:
    """Write the class names of a model."""
    return LabelInfo(
        header=header_message(header),
        class_map=[
            VisionClass(class_id=index, class_name=name)
            for index, name in enumerate(card.class_names)
        ],
    )


def _array(
    header: FrameHeader, name: str, status: Status, message: str, values: dict[str, str]
) -> DiagnosticArray:
    entry = DiagnosticStatus(
        level=LEVELS[status],
        name=name,
        message=message,
        hardware_id=values.get('model', ''),
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=header_message(header), status=[entry])


def _counted(prefix: str, counts: Mapping[str, int] | None) -> dict[str, str]:
    """Write counts by reason."""
    return {f'{prefix}{reason}': str(count) for reason, count in (counts or {}).items()}


def _counts(prefix: str, values: Mapping[str, str]) -> dict[str, int]:
    """Read counts by reason."""
    return {
        key.removeprefix(prefix): int(value)
        for key, value in values.items()
        if key.startswith(prefix)
    }


def _values(message: DiagnosticArray) -> tuple[DiagnosticStatus, dict[str, str]]:
    if len(message.status) != 1:
        raise TaskError(f'report: found {len(message.status)} statuses; expected one.')
    status = message.status[0]
    return status, {item.key: item.value for item in status.values}
