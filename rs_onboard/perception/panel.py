# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The panel below an overlay: scene, legend, and the state of every task."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.perception.lettering import (
    Colour,
    Image,
    Rect,
    Style,
    draw_label,
    draw_text,
    elide,
    join_fitting,
    label_size,
    paint,
    rounded,
    text_width,
)
from rs_onboard.perception.results import DetectionResult, SceneResult, SegmentationResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.results import Status, TaskReport

# Letters are drawn for a picture this wide; others scale with it, down to the smallest legible.
DESIGN_WIDTH = 1280
MIN_LETTER_PX = 11

GROUND: Colour = (17, 20, 24)
RULE: Colour = (48, 54, 62)
DARK: Colour = (14, 17, 20)
FAINT: Colour = (160, 168, 178)
STATUS_COLOURS: dict[Status, Colour] = {
    'ok': (74, 194, 122),
    'degraded': (245, 179, 60),
    'skipped': (132, 140, 150),
    'failed': (236, 84, 84),
}
WARNING = STATUS_COLOURS['degraded']

# Stamps before 2000 are simulation time or a clock that was never set.
YEAR_2000_NS = 946_684_800 * 1_000_000_000

RUNNERS_UP = 2


class Metrics(NamedTuple):
    """Sizes for a picture of a certain width [px]."""

    width: int
    title: Style
    text: Style
    small: Style
    mark: Style
    margin: int

    @classmethod
    def of(cls, width: int) -> Metrics:
        """Scale the design to a width."""

        def px(size: float) -> int:
            return max(MIN_LETTER_PX, round(size * width / DESIGN_WIDTH))

        return cls(
            width=width,
            title=Style(px(24), bold=True),
            text=Style(px(16)),
            small=Style(px(14)),
            mark=Style(px(14), WARNING, bold=True),
            margin=px(14),
        )


class Swatch(NamedTuple):
    """An entry of the legend: where it stands [px of the panel] and what it says."""

    left: int
    top: int
    colour: Colour
    text: str


def draw_panel(results: FrameResults, metrics: Metrics, age_ms: float | None) -> Image:
    """Draw the panel; its height depends on the tasks and their classes, not on what they found.

    Args:
        results: What the tasks found.
        metrics: Sizes.
        age_ms: Age of the results at publication [ms], None where unknown.

    Returns:
        (height, metrics.width, 3) uint8 RGB.
    """
    found = list(results.results.values())
    scene = next((item for item in found if isinstance(item, SceneResult)), None)
    margin = metrics.margin
    top = margin // 2 + metrics.title.line_height + margin // 2
    legend: list[Swatch] = []
    for item in found:
        if isinstance(item, DetectionResult | SegmentationResult):
            legend += _legend(item, metrics, top)
            top = legend[-1].top + metrics.text.line_height + margin // 2
    row = metrics.small.line_height + margin // 4
    panel = np.full(
        (top + margin // 2 + row * len(found) + margin // 2, metrics.width, 3), 0, np.uint8
    )
    panel[...] = GROUND
    _draw_title(panel, metrics, results.header, scene, age_ms)
    for swatch in legend:
        _draw_swatch(panel, metrics, swatch)
    if found:
        panel[top, margin : metrics.width - margin] = RULE
    for index, item in enumerate(found):
        draw_report(panel, metrics, top + margin // 2 + index * row, item.report)
    return panel


def _draw_title(
    panel: Image,
    metrics: Metrics,
    header: FrameHeader,
    scene: SceneResult | None,
    age_ms: float | None,
) -> None:
    """Draw the scene with its runners-up on the left, frame and time on the right."""
    top, margin = metrics.margin // 2, metrics.margin
    parts = [format_stamp(header.stamp_ns), f'frame {header.sequence}']
    parts += [] if age_ms is None else [f'{age_ms:.0f} ms old']
    parts += [header.frame_id] if header.frame_id else []
    style = metrics.small._replace(colour=FAINT)
    right = join_fitting(parts, '   ', style, metrics.width // 2 - margin)
    drop = round((metrics.title.px - style.px) * 1.06)
    start = metrics.width - margin - text_width(right, style)
    draw_text(panel, start, top + drop, right, style)
    if scene is None:
        return
    if not scene.probabilities.size:
        draw_text(panel, margin, top, 'no scene', metrics.title._replace(colour=FAINT))
        return
    order = np.argsort(-scene.probabilities, kind='stable')[: RUNNERS_UP + 1].tolist()
    best, *others = [f'{scene.classes[i]} {scene.probabilities[i]:.0%}' for i in order]
    left = draw_text(
        panel, margin, top, elide(best, metrics.title, start - 3 * margin), metrics.title
    )
    if scene.report.model is not None and not scene.report.model.trained:
        left = _draw_mark(panel, left + margin, top + drop, 'UNTRAINED', metrics.mark)
    runners_up = join_fitting(others, '   ', style, start - left - 3 * margin)
    draw_text(panel, left + round(1.5 * margin), top + drop, runners_up, style)


def format_stamp(stamp_ns: int) -> str:
    """Write a stamp as UTC date and time, or as seconds where it is none of this century."""
    if stamp_ns < YEAR_2000_NS:
        return f't = {stamp_ns / 1e9:.3f} s'
    seconds, rest = divmod(stamp_ns, 1_000_000_000)
    day = datetime.fromtimestamp(seconds, timezone.utc)
    return f'{day:%Y-%m-%d %H:%M:%S}.{rest // 1_000_000:03d} UTC'


def _legend(
    result: DetectionResult | SegmentationResult, metrics: Metrics, top: int
) -> Iterator[Swatch]:
    """Lay out the classes in id order, in columns that do not move with what was found."""
    left, gap = metrics.margin, round(1.4 * metrics.margin)
    values, widest = _amounts(result)
    for name, colour, value in zip(result.classes, result.palette.tolist(), values, strict=True):
        width = text_width(f'{name} {widest}', metrics.text) + metrics.text.px + gap
        if left + width > metrics.width - metrics.margin and left > metrics.margin:
            left, top = metrics.margin, top + metrics.text.line_height
        text = f'{name} {value}'.rstrip()
        yield Swatch(left, top, (colour[0], colour[1], colour[2]), text)
        left += width


def _amounts(result: DetectionResult | SegmentationResult) -> tuple[list[str], str]:
    """Say how much of each class there is, empty without a result, and the widest it may get."""
    count = len(result.classes)
    if isinstance(result, DetectionResult):
        numbers = np.bincount(result.class_ids, minlength=count)
        known = result.report.status in {'ok', 'degraded'}
        return [str(number) if known else '' for number in numbers.tolist()], '999'
    shares = result.label_shares()[:count]
    return [f'{share:.0%}' if result.labels.size else '' for share in shares], '100%'


def _draw_swatch(panel: Image, metrics: Metrics, swatch: Swatch) -> None:
    side = round(0.8 * metrics.text.px)
    box = rounded(side, side, max(2, side // 4), 255)
    paint(panel, swatch.left, swatch.top + round(0.37 * metrics.text.px), box, swatch.colour)
    left = swatch.left + round(1.3 * metrics.text.px)
    draw_text(panel, left, swatch.top, swatch.text, metrics.text)


def draw_report(panel: Image, metrics: Metrics, top: int, report: TaskReport) -> None:
    """Draw the line of a task: status, marks, reason, model, tiles, latency."""
    style, margin = metrics.small, metrics.margin
    colour = STATUS_COLOURS[report.status]
    dot = round(0.6 * style.px)
    paint(panel, margin, top + round(0.48 * style.px), rounded(dot, dot, dot, 255), colour)
    name_style = style._replace(bold=True)
    left = margin + style.px
    draw_text(panel, left, top, report.task, name_style)
    left += text_width('segmentation', name_style) + margin
    if report.status != 'ok':
        mark = metrics.mark._replace(colour=colour)
        left = _draw_mark(panel, left, top, report.status.upper(), mark) + margin // 2
    if report.model is not None and not report.model.trained:
        left = _draw_mark(panel, left, top, 'UNTRAINED', metrics.mark) + margin // 2
    end = metrics.width - margin
    latency = format_latency(report)
    end -= text_width(latency, style)
    draw_text(panel, end, top, latency, style._replace(colour=FAINT))
    if report.status != 'ok' and report.reason:
        reason = elide(report.reason, style, end - margin - left)
        left = draw_text(panel, left, top, reason, style._replace(colour=colour)) + margin
    draw_text(panel, left, top, format_origin(report, style, end - margin - left), style)


def _draw_mark(panel: Image, left: int, top: int, text: str, style: Style) -> int:
    """Draw a mark on a ground of the style's colour; return the x behind it."""
    ground, style = style.colour, style._replace(colour=DARK)
    width, height = label_size(text, style)
    draw_label(panel, Rect(left, top, width, height), text, style, ground=ground, opacity=255)
    return left + width


def format_origin(report: TaskReport, style: Style, width: int) -> str:
    """Say which model made a result, from which tiles, as far as the width [px] allows."""
    parts = []
    if report.model is not None:
        provider = report.model.provider.removesuffix('ExecutionProvider')
        parts.append(f'{report.model.name} {report.model.variant} on {provider}')
    if report.tiles is not None:
        tiles = report.tiles
        parts.append(f'{tiles.count} x {tiles.width}x{tiles.height}')
        if tiles.gsd_m is not None:
            parts.append(f'{100 * tiles.gsd_m:.1f} cm/px')
    return join_fitting(parts, ', ', style, width)


def format_latency(report: TaskReport) -> str:
    """List the stages of a task and their sum in milliseconds; empty without them."""
    if not report.latency_ms:
        return ''
    stages = '  '.join(f'{name} {ms:.1f}' for name, ms in report.latency_ms.items())
    return f'{stages}  =  {sum(report.latency_ms.values()):.1f} ms'
