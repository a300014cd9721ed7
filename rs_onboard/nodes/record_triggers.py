# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which results are a reason to record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.serialization import deserialize_message
from vision_msgs.msg import Detection2DArray

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.change_messages import CONFIRMED
from rs_onboard.nodes.parameters import class_numbers
from rs_onboard.recording.terms import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.inference.card import ModelCard
    from rs_onboard.nodes.recorder_settings import RecorderSettings


def class_limits(settings: RecorderSettings, card: ModelCard | None) -> dict[str, float]:
    """Read the least scores of the classes that trigger.

    Args:
        settings: Of the recorder.
        card: Of the detection model, None where detection is not among the tasks.

    Raises:
        FieldError: The parameter is malformed, or names a class that is never detected.
    """
    name = 'record.classes'
    limits = {k: v[0] for k, v in class_numbers(name, settings.classes, 1).items()}
    if not limits:
        return {}
    if card is None:
        raise FieldError(
            f'parameter {name}: found {settings.classes!r} without the task detection; expected '
            'nothing. Add detection to tasks, or leave it empty.'
        )
    if unknown := sorted(limits.keys() - set(card.class_names)):
        raise FieldError(
            f'parameter {name}: found {", ".join(unknown)}; the model {card.name} knows '
            f'{", ".join(card.class_names)}.'
        )
    return limits


def detection_watch(
    limits: Mapping[str, float], *, keep: bool
) -> Callable[[bytes], Trigger | None]:
    """Return what says whether serialised detections are a trigger.

    Args:
        limits: Least score by class.
        keep: Whether its recording is protected.
    """

    def watch(cdr: bytes) -> Trigger | None:
        message = deserialize_message(cdr, Detection2DArray)
        for item in message.detections:
            for result in item.results:
                name, score = result.hypothesis.class_id, result.hypothesis.score
                if score >= limits.get(name, float('inf')):
                    return Trigger('detection', f'{name} {score:.2f}', keep)
        return None

    return watch


def change_watch(least: float, *, keep: bool) -> Callable[[bytes], Trigger | None]:
    """Return what says whether serialised change regions are a trigger: one that is confirmed.

    Args:
        least: Least score.
        keep: Whether its recording is protected.
    """

    def watch(cdr: bytes) -> Trigger | None:
        message = deserialize_message(cdr, Detection2DArray)
        found = [result.hypothesis for item in message.detections for result in item.results]
        scores = [one.score for one in found if one.class_id == CONFIRMED and one.score >= least]
        if not scores:
            return None
        return Trigger('change', f'{len(scores)} confirmed, score up to {max(scores):.2f}', keep)

    return watch
