# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results of frames compared with golden ones, task by task."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.replay.expectations.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.replay.expectations.criteria import Tolerances

METRES_PER_DEGREE = 111_320.0
UNKNOWN = 255


@dataclass
class Counted:
    """Differences of which a flight may have some."""

    statuses: list[Difference] = field(default_factory=list)
    objects_missing: list[Difference] = field(default_factory=list)
    objects_extra: list[Difference] = field(default_factory=list)
    regions_missing: list[Difference] = field(default_factory=list)
    regions_extra: list[Difference] = field(default_factory=list)


def compare_frame(
    golden: Mapping[str, Any], found: Mapping[str, Any], limits: Tolerances, counted: Counted
) -> Iterator[Difference]:
    """Yield what differs in a frame; what a flight may have some of goes to `counted`."""
    stamp = int(golden['stamp_ns'])
    for name in ('width', 'height', 'frame_id'):
        if golden[name] != found[name]:
            yield Difference('frame', f'{name} {found[name]}, expected {golden[name]}', stamp)
    yield from _footprint(golden['footprint'], found['footprint'], limits, stamp)
    tasks = [name for name, value in golden.items() if _is_task(value)]
    for task in [*tasks, *(n for n, v in found.items() if _is_task(v) and n not in tasks)]:
        if task not in golden or task not in found:
            which = 'not run' if task not in found else 'run, but not in the golden results'
            yield Difference(task, which, stamp)
            continue
        one, two = golden[task], found[task]
        if one['status'] != two['status']:
            why = f' ({two["reason"]})' if two.get('reason') else ''
            text = f'status {two["status"]}{why}, expected {one["status"]}'
            counted.statuses.append(Difference(task, text, stamp))
            continue
        if task == 'scene':
            yield from _scene(one, two, limits, stamp)
        elif task == 'detection':
            yield from _objects(one, two, limits, counted, stamp)
        elif task == 'change':
            yield from _change(one, two, limits, counted, stamp, golden['width'])


def compare_masks(
    task: str,
    golden: NDArray[np.uint8],
    found: NDArray[np.uint8],
    names: Sequence[str],
    limits: Tolerances,
    stamp_ns: int,
) -> Iterator[Difference]:
    """Yield the classes whose areas differ.

    Args:
        task: Name of the task.
        golden: (H, W) uint8 labels.
        found: (H, W) uint8 labels.
        names: Names of the classes in order of their ids, as far as known.
        limits: Least IoU, least share.
        stamp_ns: Stamp of the frame.
    """
    if golden.shape != found.shape:
        text = f'mask of {found.shape[1]}x{found.shape[0]} px, expected {golden.shape[::-1]}'
        yield Difference(task, text, stamp_ns)
        return
    # The joint histogram gives every intersection and union in one pass.
    joint = np.bincount((golden.astype(np.intp) * 256 + found).ravel(), minlength=65536)
    joint = joint.reshape(256, 256)
    both, one, two = joint.diagonal(), joint.sum(axis=1), joint.sum(axis=0)
    for label in np.flatnonzero(np.maximum(one, two) >= limits.mask_least_share * golden.size):
        if not one[label] + two[label]:
            continue
        iou = both[label] / (one[label] + two[label] - both[label])
        if iou < limits.mask_iou:
            name = names[label] if label < len(names) else f'class {label}'
            name = 'unknown' if label == UNKNOWN else name
            shares = (
                f'{two[label] / golden.size:.1%} of the frame, was {one[label] / golden.size:.1%}'
            )
            text = f'{name}: IoU {iou:.4f}, least {limits.mask_iou:g} ({shares})'
            yield Difference(task, text, stamp_ns)


def match_objects(
    golden: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], least_iou: float
) -> list[tuple[int, int, float]]:
    """Pair objects of one class by rotated IoU, best pairs first, each object once.

    Returns:
        (index of the golden object, index of the found one, IoU) of every pair.
    """
    pairs: list[tuple[float, int, int]] = []
    for name in sorted({item['class'] for item in golden}):
        one = [i for i, item in enumerate(golden) if item['class'] == name]
        two = [i for i, item in enumerate(found) if item['class'] == name]
        if not two:
            continue
        matrix = iou_matrix(_boxes(golden, one), _boxes(found, two))
        for i, j in zip(*np.nonzero(matrix >= max(least_iou, 1e-9)), strict=True):
            pairs.append((float(matrix[i, j]), one[i], two[j]))
    taken_one: set[int] = set()
    taken_two: set[int] = set()
    matched = []
    for iou, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if i not in taken_one and j not in taken_two:
            taken_one.add(i)
            taken_two.add(j)
            matched.append((i, j, iou))
    return matched


def _boxes(items: Sequence[Mapping[str, Any]], rows: Sequence[int]) -> NDArray[np.float64]:
    return np.array([items[row]['box'] for row in rows], np.float64).reshape(-1, 5)


def _is_task(value: object) -> bool:
    return isinstance(value, dict) and 'status' in value


def _footprint(
    golden: Mapping[str, Any], found: Mapping[str, Any], limits: Tolerances, stamp: int
) -> Iterator[Difference]:
    one, two = golden.get('corners'), found.get('corners')
    if one is None or two is None:
        if (one is None) != (two is None):
            was, now = ('unknown' if x is None else 'known' for x in (one, two))
            why = f' ({found["unknown"]})' if 'unknown' in found else ''
            yield Difference('footprint', f'{now}{why}, expected {was}', stamp)
        return
    moved = _moved_m(one, two)
    if not moved <= limits.footprint_m:
        text = f'moved by {moved:.2f} m, allowed {limits.footprint_m:g} m'
        yield Difference('footprint', text, stamp)


def _moved_m(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float:
    """Return the longest way from a point of one to the same of the other [m]; lon, lat [deg]."""
    one, two = np.array(first, np.float64), np.array(second, np.float64)
    steps = (two - one) * METRES_PER_DEGREE
    steps[:, 0] *= math.cos(math.radians(float(one[0, 1])))
    return float(np.linalg.norm(steps, axis=1).max())


def _scene(
    golden: Mapping[str, Any], found: Mapping[str, Any], limits: Tolerances, stamp: int
) -> Iterator[Difference]:
    if not golden['classes']:
        return
    best = golden['classes'][0]
    now = {item['name']: item['probability'] for item in found['classes']}
    # One that fell out of the best few is at most as probable as the last of them.
    probability = now.get(best['name'])
    if probability is None or abs(probability - best['probability']) > limits.probability:
        top = found['classes'][0] if found['classes'] else {'name': 'nothing', 'probability': 0.0}
        had = 'not among the best' if probability is None else f'{probability:.3f}'
        text = (
            f'{best["name"]} {had}, expected {best["probability"]:.3f} +- {limits.probability:g}; '
            f'best is {top["name"]} {top["probability"]:.3f}'
        )
        yield Difference('scene', text, stamp)


def _objects(
    golden: Mapping[str, Any],
    found: Mapping[str, Any],
    limits: Tolerances,
    counted: Counted,
    stamp: int,
) -> Iterator[Difference]:
    one, two = golden['objects'], found['objects']
    matched = match_objects(one, two, limits.box_iou)
    for i, j, _ in matched:
        if abs(one[i]['score'] - two[j]['score']) > limits.score:
            text = (
                f'{_name(two[j])}: score {two[j]["score"]:.3f}, expected {one[i]["score"]:.3f} '
                f'+- {limits.score:g}'
            )
            yield Difference('detection', text, stamp)
    for kind, items, rows, other in (
        ('missing', one, {i for i, _, _ in matched}, two),
        ('extra', two, {j for _, j, _ in matched}, one),
    ):
        for index, item in enumerate(items):
            if index in rows:
                continue
            near = _nearest(item, other)
            difference = Difference('detection', f'{kind}: {_name(item)}{near}', stamp)
            (counted.objects_missing if kind == 'missing' else counted.objects_extra).append(
                difference
            )


def _nearest(item: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """Say which object comes nearest to one without a match."""
    if not others:
        return ''
    ious = iou_matrix([item['box']], _boxes(others, range(len(others))))[0]
    best = int(ious.argmax())
    if not ious[best]:
        return '; nothing there'
    return f'; nearest is {_name(others[best])} with IoU {ious[best]:.2f}'


def _name(item: Mapping[str, Any]) -> str:
    x, y, w, h, _ = item['box']
    return f'{item["class"]} {item["score"]:.2f} at ({x:.0f}, {y:.0f}) of {w:.0f}x{h:.0f} px'


def _change(
    golden: Mapping[str, Any],
    found: Mapping[str, Any],
    limits: Tolerances,
    counted: Counted,
    stamp: int,
    width: int,
) -> Iterator[Difference]:
    one, two = (len(x.get('regions', ())) for x in (golden, found))
    text = f'{two} regions, expected {one}'
    counted.regions_missing += [Difference('change', text, stamp)] * max(0, one - two)
    counted.regions_extra += [Difference('change', text, stamp)] * max(0, two - one)
    first, second = (x.get('registration', {}).get('corners') for x in (golden, found))
    if first is None or second is None or not width:
        return
    # The upper side of the frame on the ground says how large a pixel is.
    pixel_m = _moved_m([first[0]], [first[1]]) / width
    moved = _moved_m(first, second) / pixel_m if pixel_m else math.inf
    if not moved <= limits.registration_px:
        text = f'registration moved by {moved:.2f} px, allowed {limits.registration_px:g} px'
        yield Difference('change', text, stamp)
