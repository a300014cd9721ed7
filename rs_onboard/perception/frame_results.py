# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""All results of a frame, with the record and the GeoJSON that are made of them once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rs_onboard.perception.features import feature_collection
from rs_onboard.perception.records import frame_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.card import TaskName
    from rs_onboard.perception.frame import Frame, FrameHeader
    from rs_onboard.perception.results import TaskResult


@dataclass(frozen=True)
class FrameResults:
    """All results of one frame.

    Attributes:
        header: Header of the image.
        frame: The frame itself where it is at hand, for drawing and coordinates.
        results: Results by task.
        latency_ms: From the arrival of the image to its publication [ms], None where unknown.
        polygons: Whether records have the classes of masks as polygons.
    """

    header: FrameHeader
    frame: Frame | None
    results: Mapping[TaskName, TaskResult]
    latency_ms: float | None = None
    polygons: bool = True

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The results as plain values, see `frame_record`."""
        return frame_record(self)

    @cached_property
    def collection(self) -> Mapping[str, Any]:
        """The record as a GeoJSON feature collection, see `feature_collection`."""
        return feature_collection(self.record)
