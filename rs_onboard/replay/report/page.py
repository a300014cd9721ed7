# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The page as a whole: one file that needs neither network nor script."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime

from rs_onboard import __version__
from rs_onboard.replay.report.counts import counts_section
from rs_onboard.replay.report.frames import frames_of, tasks_of
from rs_onboard.replay.report.gallery import gallery_section
from rs_onboard.replay.report.latency import latency_section
from rs_onboard.replay.report.markup import Html, document, element, section, table
from rs_onboard.replay.report.models import models_section
from rs_onboard.replay.report.overview import header
from rs_onboard.replay.report.steps import steps_section
from rs_onboard.replay.report.tasks import task_sections
from rs_onboard.replay.report.track_map import map_section

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.summary import RunSummary


def write_report(path: Path, run: RunSummary) -> Path:
    """Write the page; returns its path.

    Raises:
        OSError: The file cannot be written.
    """
    frames = frames_of(run)
    path.write_text(document(run.title, _body(frames, run)), encoding='utf-8')
    return path


def _body(frames: Sequence[FrameView], run: RunSummary) -> list[Html]:
    steps = steps_section(frames, run) if frames else None
    places = {'map': 'Map', 'latency': 'Latency', 'steps': 'Steps', 'counts': 'Drops'}
    places |= {f'task-{task}': task.capitalize() for task in tasks_of(run)}
    places |= {'frames': 'Frames', 'models': 'Models', 'versions': 'Versions'}
    if not frames:
        places = {name: places[name] for name in ('counts', 'models', 'versions')}
    if steps is None:
        places.pop('steps', None)
    links = [element('a', title, href=f'#{place}') for place, title in places.items()]
    sections = [counts_section(run), models_section(run), _versions()]
    if frames:
        sections = [
            map_section(frames, run),
            latency_section(frames, run),
            *([steps] if steps is not None else []),
            sections[0],
            task_sections(frames, run),
            gallery_section(frames, run),
            *sections[1:],
        ]
    return [header(frames, run), element('nav', links), element('main', sections)]


def _versions() -> Html:
    versions = {
        'rs_onboard': __version__,
        'Python': platform.python_version(),
        'numpy': np.__version__,
        'OpenCV': cv2.__version__,
        'ONNX Runtime': onnxruntime.__version__,
        'machine': platform.platform(),
    }
    written = datetime.now(timezone.utc)
    return section(
        'versions',
        'Versions',
        table(['what', 'version'], versions.items(), class_='text'),
        element(
            'p',
            f'Written {written:%Y-%m-%d %H:%M} UTC. Times of frames are those of their stamps. '
            'Perception is advisory: these are statements of models, not measurements.',
            class_='quiet',
        ),
    )
