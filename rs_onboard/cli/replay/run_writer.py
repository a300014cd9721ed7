# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a replayed flight, the same bytes for the same results; times are kept apart."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from std_msgs.msg import String

from rs_onboard.nodes import names
from rs_onboard.nodes.overlay_message import comparison_message, overlay_message
from rs_onboard.nodes.result_messages import label_info_message
from rs_onboard.nodes.result_topics import RESULT_TOPICS, report_topic
from rs_onboard.perception.features import feature_collection
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.records import timing_of, without_timing
from rs_onboard.perception.result_files import GrowingFile, ResultFiles
from rs_onboard.replay.message_classes import to_cdr, type_name_of
from rs_onboard.replay.run_facts import RUN_FILE
from rs_onboard.replay.writer import BagWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from sensor_msgs.msg import CompressedImage
    from typing_extensions import Self

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.nodes.overlay_message import Comparison
    from rs_onboard.nodes.settings import PublisherSettings
    from rs_onboard.perception.frame_results import FrameResults

RESULTS_BAG = 'results'
PICTURES = 'pictures'
# What follows the stamp in the name of a picture of frame and map.
COMPARED = '-change'
TIMINGS = 'timings.jsonl'
PAGE = 'index.html'
_OWN_FILES = (
    RUN_FILE,
    TIMINGS,
    PAGE,
    'results.jsonl',
    'results.geojson',
    'results.gpkg',
    'differences.txt',
)


class RunWriter:
    """Writes results as they come: JSON lines, GeoJSON, a bag, pictures. Use as context manager.

    Args:
        folder: Where; emptied of an earlier run.
        cards: Cards of the models, by task.
        settings: Size and quality of the overlay.

    Attributes:
        records: The records of all frames, durations included.
    """

    def __init__(
        self, folder: Path, cards: Mapping[TaskName, ModelCard], settings: PublisherSettings
    ) -> None:
        prepare_folder(folder)
        self.records: list[Mapping[str, Any]] = []
        self._pictures = folder / PICTURES
        self._cards = cards
        self._settings = settings
        self._files = ResultFiles(folder)
        self._timings = GrowingFile(folder / TIMINGS)
        self._bag = BagWriter(folder / RESULTS_BAG, compressed=True)

    def __enter__(self) -> Self:
        """Open the bag."""
        self._bag.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close all files; what was written stays, also after an exception."""
        self._bag.__exit__(exc_type, exc_val, exc_tb)
        self._files.close()
        self._timings.close()

    def write(
        self, results: FrameResults, log_time_ns: int, comparison: Comparison | None = None
    ) -> None:
        """Write the results of a frame, or what changed in it.

        Args:
            results: The results, with what they took.
            log_time_ns: When the image was recorded (ns).
            comparison: What was compared, where they are changes.

        Raises:
            OSError: A file cannot be written.
        """
        results = replace(results, polygons=self._settings.polygons)
        timed = results.record
        record = without_timing(timed)
        self._files.write_record(record)
        self._timings.append(json.dumps(timing_of(timed)).encode() + b'\n')
        if not self.records:
            self._write_labels(log_time_ns)
        self.records.append(timed)
        self._write_messages(_timeless(results), record, log_time_ns)
        picture = comparison_message(comparison) if comparison else self._overlay(results)
        topic = names.CHANGE_OVERLAY if comparison else names.OVERLAY
        self._message(topic, picture, log_time_ns)
        name = f'{results.header.stamp_ns}{COMPARED if comparison else ""}.jpg'
        (self._pictures / name).write_bytes(bytes(picture.data))

    def write_diagnostics(self, message: object, log_time_ns: int) -> None:
        """Write a message on /diagnostics."""
        self._message(names.DIAGNOSTICS, message, log_time_ns)

    def _write_labels(self, log_time_ns: int) -> None:
        header = FrameHeader(log_time_ns, '', 0, 0, 0)
        for task, card in self._cards.items():
            self._message(names.labels(task), label_info_message(card, header), log_time_ns)

    def _write_messages(
        self, results: FrameResults, record: Mapping[str, Any], log_time_ns: int
    ) -> None:
        for task, result in results.results.items():
            for topic, _, convert in (*RESULT_TOPICS[task], report_topic(task)):
                self._message(topic, convert(result), log_time_ns)
        geojson = json.dumps(feature_collection(record))
        self._message(names.GEOJSON, String(data=geojson), log_time_ns)

    def _overlay(self, results: FrameResults) -> CompressedImage:
        return overlay_message(
            _timeless(results),
            width=self._settings.overlay_width,
            quality=self._settings.overlay_quality,
        )

    def _message(self, topic: str, message: object, log_time_ns: int) -> None:
        cdr = to_cdr(message, self._bag.store)
        self._bag.write('/' + topic.lstrip('/'), type_name_of(type(message)), cdr, log_time_ns)


def prepare_folder(folder: Path) -> None:
    """Make the output folder, without what an earlier run left in it."""
    for name in (RESULTS_BAG, PICTURES):
        shutil.rmtree(folder / name, ignore_errors=True)
    for ending in ('jsonl', 'geojson', 'gpkg*'):
        for path in folder.glob(f'results.*.{ending}'):
            path.unlink()
    for name in _OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    (folder / PICTURES).mkdir(parents=True)


def part_timings(folder: Path) -> list[dict[str, Any]]:
    """Rewrite what the publisher wrote as a replay does: durations apart, changes in their place.

    Returns:
        The records of all frames, durations included.

    Raises:
        OSError: The files cannot be written.
    """
    path = folder / 'results.jsonl'
    lines = path.read_text(encoding='utf-8').splitlines() if path.is_file() else []
    records = in_order([json.loads(line) for line in lines])
    for ending in ('jsonl', 'geojson', 'gpkg'):
        (folder / f'results.{ending}').unlink(missing_ok=True)
    files, timings = ResultFiles(folder), GrowingFile(folder / TIMINGS)
    for record in records:
        files.write_record(without_timing(record))
        timings.append(json.dumps(timing_of(record)).encode() + b'\n')
    files.close()
    timings.close()
    return records


def in_order(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put changes, which are published alone and late, behind the results of their frame."""
    changes = {r['stamp_ns']: r for r in records if is_change(r)}
    ordered = []
    for record in records:
        if is_change(record):
            continue
        ordered.append(record)
        if (change := changes.pop(record['stamp_ns'], None)) is not None:
            ordered.append(change)
    return [*ordered, *changes.values()]


def is_change(record: Mapping[str, Any]) -> bool:
    """Whether a record is of changes alone."""
    tasks = [
        name for name, value in record.items() if isinstance(value, dict) and 'status' in value
    ]
    return tasks == ['change']


def _timeless(results: FrameResults) -> FrameResults:
    """Return results without durations, which differ from run to run."""
    bare = {
        task: replace(result, report=replace(result.report, latency_ms=None))
        for task, result in results.results.items()
    }
    return replace(results, results=bare, latency_ms=None)
