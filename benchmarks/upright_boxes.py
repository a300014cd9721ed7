# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector loses that cannot turn its boxes: AP50 with oriented IoU.

Four rows on the test split of a set of oriented boxes: the boxes that the model folder gives; the
upright rectangles around them; and the upright rectangles around the labelled objects themselves,
with certainty: the most that a head reaches that learns those, as upright heads do. Where the
folder of such a head is given (`--upright`), its boxes are the fourth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.inference.model import load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.perception.boxes import circumscribed, from_axis_aligned
from rs_onboard.perception.results import DetectionResult
from rs_onboard.training.average_precision import Ranking, match
from rs_onboard.training.evaluation.layout import list_items
from rs_onboard.training.evaluation.measure import LEAST_SCORE, Runner
from rs_onboard.training.evaluation.reading import LabelledImages, Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.training.average_precision import Detected

FOUND, AROUND, BEST = 'as found', 'upright around them', 'upright around the truth'


def upright(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Circumscribe oriented boxes (N, 5) by upright ones (N, 5)."""
    return from_axis_aligned(circumscribed(boxes))


def judge(folder: Path, data: Path, split: str, gsd_m: float | None) -> dict[str, list[Detected]]:
    """Judge every image of a split in each of the three ways."""
    settings = RuntimeSettings(provider='cpu', threads=1)
    model = load_model(folder, task='detection', settings=settings)
    images = LabelledImages(list_items(data, 'detection', split), model.card, Options((), True, 0))
    classes = len(images.matching.classes)
    runner = Runner(model, gsd_m=gsd_m, least_score=LEAST_SCORE)
    judged: dict[str, list[Detected]] = {FOUND: [], AROUND: [], BEST: []}
    for sample in images:
        objects = sample.objects
        assert objects is not None
        result = runner.run(sample)
        assert isinstance(result, DetectionResult)
        scores, labels = result.scores, result.class_ids
        sure, true = np.ones(len(objects.boxes)), upright(objects.boxes)
        around = upright(result.boxes)
        judged[FOUND].append(match(result.boxes, scores, labels, objects, classes))
        judged[AROUND].append(match(around, scores, labels, objects, classes))
        judged[BEST].append(match(true, sure, objects.classes, objects, classes))
    return judged


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', type=Path)
    parser.add_argument('data', type=Path)
    parser.add_argument('--split', default='test')
    parser.add_argument('--gsd', type=float)
    parser.add_argument('--upright', type=Path, help='model folder of a detector of upright boxes')
    args = parser.parse_args()
    rows = judge(args.model, args.data, args.split, args.gsd)
    if args.upright:
        rows['upright head'] = judge(args.upright, args.data, args.split, args.gsd)[FOUND]
    for name, judged in rows.items():
        print(f'{name:26} AP50 {np.nanmean(Ranking(judged).average_precision()):.3f}')


if __name__ == '__main__':
    main()
