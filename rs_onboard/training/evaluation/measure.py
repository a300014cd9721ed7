# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Run a model folder on labelled images through the flight code: tiles, graph, stitching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.gsd import GroundScale
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.perception.change import UNKNOWN_SCALE, AlignedPair, ChangeTask
from rs_onboard.perception.detection import DetectionLimits
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.pipeline import TILE_TASKS, Pipeline
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.scores import judge
from rs_onboard.training.evaluation.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.results import ChangeResult, TaskResult
    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.evaluation.scores import ImageScore
    from rs_onboard.training.evaluation.summary import Evaluation

# Any height of flight will do; the focal length follows from it.
HEIGHT_M = 100.0

# Average precision asks for unsure detections too, far below what is worth reporting in flight.
LEAST_SCORE = 0.05


class Runner:
    """Runs the flight code on single images.

    Args:
        model: The loaded model folder.
        gsd_m: Ground sample distance of the images [m/px], as if taken from straight above; None
            to take them at image scale.
        least_score: Least score of a detection; what flight reports by default if None.
    """

    def __init__(
        self, model: Model, *, gsd_m: float | None = None, least_score: float | None = None
    ) -> None:
        self.model = model
        self.gsd_m = gsd_m
        task = model.card.task
        self._change = ChangeTask(model) if task == 'change' else None
        options: dict[str, DetectionLimits] = {}
        if task == 'detection' and least_score is not None:
            options['limits'] = DetectionLimits(score=least_score)
        self._pipeline = None if self._change else Pipeline([TILE_TASKS[task](model, **options)])
        self._count = 0

    def run(self, sample: Sample) -> TaskResult | ChangeResult:
        """Infer one image or pair.

        Raises:
            DataError: The task failed on it.
        """
        height, width = sample.image.shape[:2]
        header = FrameHeader(self._count, '', self._count, height, width)
        self._count += 1
        result: TaskResult | ChangeResult
        if self._change is not None:
            assert sample.before is not None
            ground = UNKNOWN_SCALE if self.gsd_m is None else GroundScale(self.gsd_m, '')
            pair = AlignedPair(header, sample.before, sample.image, ground=ground)
            result = self._change.run(pair)
        else:
            assert self._pipeline is not None
            frame = self._frame(header, sample)
            result = self._pipeline.process(frame).results[self.model.card.task]
        if result.report.status == 'failed':
            raise DataError(self.model.card.name, [f'{sample.name}: {result.report.reason}'])
        return result

    def _frame(self, header: FrameHeader, sample: Sample) -> Frame:
        if self.gsd_m is None:
            return Frame(header, sample.image)
        focal, height, width = HEIGHT_M / self.gsd_m, header.height, header.width
        camera = CameraModel(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        pose = Pose(header.stamp_ns, 0.0, 0.0, HEIGHT_M, HEIGHT_M, NADIR_MOUNT)
        return Frame(header, sample.image, camera, pose, '')


def evaluate(
    model: Model,
    samples: Iterable[Sample],
    *,
    classes: tuple[str, ...] | None = None,
    gsd_m: float | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure a model on labelled images.

    Args:
        model: The loaded model folder.
        samples: At least one image; class ids are positions in `classes`.
        classes: The classes of the model, then those of the data that the model does not know;
            those of the model if None.
        gsd_m: Ground sample distance of the images [m/px]; None to take them at image scale.
        seed: Seed of the bootstrap.

    Raises:
        DataError: There is no image, or the task failed on one.
    """
    known = classes or model.card.class_names
    runner = Runner(model, gsd_m=gsd_m, least_score=LEAST_SCORE)
    scores: list[ImageScore] = [judge(sample, runner.run(sample), known) for sample in samples]
    if not scores:
        raise DataError(model.card.name, ['no image to be measured on'])
    return summarise(model.card.task, known, scores, seed=seed)
