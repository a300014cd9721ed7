# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Check of the detector's operators against the golden file of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rs_onboard.perception import boxes as flight
from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.perception.suppression import suppress
from rs_onboard.zoo.deviation import Rows
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.golden import compare, read_golden
from rs_onboard.zoo.oriented_rcnn import roi_head, rpn
from rs_onboard.zoo.oriented_rcnn.anchors import STRIDES, base_anchors, grid_anchors
from rs_onboard.zoo.oriented_rcnn.coders import circumscribed, corners
from rs_onboard.zoo.oriented_rcnn.roi_align import rotated_roi_align

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.zoo.golden import OutputCheck

# Columns with angles of boxes, by output.
ANGLES = {
    'mpo_decoded': 4,
    'xywha_decoded_512x480': 4,
    'obb_of_poly': 4,
    'nms_multiclass_detections': 4,
}
ALIGN_STRIDE = 8


def read_operators(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read all arrays, inputs and outputs of the operators alike."""
    golden = read_golden(path)
    arrays = {name: out.sample.reshape(out.shape) for name, out in golden.outputs.items()}
    arrays['features'] = golden.draw_inputs()[0]
    return arrays


def coders(given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Run anchors, coders and conversions."""
    targets = given['mpo_targets']
    ours = {f'base_anchors{i}': base_anchors(stride) for i, stride in enumerate(STRIDES)}
    ours['grid_anchors_level1_3x4'] = grid_anchors(STRIDES[1], 3, 4)
    ours['mpo_decoded'] = rpn.CODER.decode(given['mpo_anchors'], given['mpo_deltas'])
    ours['mpo_encoded'] = rpn.CODER.encode(given['mpo_anchors'], targets)
    rois = given['xywha_rois']
    ours['xywha_decoded_512x480'] = roi_head.CODER.decode(rois, given['xywha_deltas'], (512, 480))
    ours['xywha_encoded'] = roi_head.CODER.encode(rois, given['xywha_targets'])
    ours['hbb_of_targets'] = circumscribed(targets)
    ours['poly_of_targets'] = corners(targets).flatten(1)
    ours['obb_of_poly'] = torch.from_numpy(flight.from_corners(given['poly_of_targets']))
    return ours


def alignment(given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Run rotated RoI align with theta as it is and with its opposite sign."""
    ours = {}
    for suffix, sign in (('', 1.0), ('_counterclockwise', -1.0)):
        images, rois = given['align_rois'][:, 0].long(), given['align_rois'][:, 1:].clone()
        rois[:, 4] *= sign
        ours[f'align_output{suffix}'] = rotated_roi_align(
            [given['features']], [ALIGN_STRIDE], rois, images
        )
    return ours


def selection(given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Run the overlap, and every suppression the file names with its threshold."""
    ours = {'iou_matrix': torch.from_numpy(iou_matrix(given['iou_a'], given['iou_b']))}
    boxes, scores = given['nms_boxes'], given['nms_scores'].numpy()
    around = circumscribed(boxes)
    size = around[:, 2:] - around[:, :2]
    flat = torch.cat((around[:, :2] + size / 2, size, torch.zeros_like(size[:, :1])), dim=1).numpy()
    levels = given['nms_levels'].numpy()
    for name in given:
        kind, keep, threshold = name.rpartition('_keep_')
        if not keep:
            continue
        rows, groups = (flat, levels) if kind == 'nms_horizontal' else (boxes.numpy(), None)
        kept = suppress(rows, scores, groups, threshold=float(threshold))
        ours[name] = torch.from_numpy(kept)
    ours['nms_multiclass_detections'] = roi_head.detections(boxes, given['nms_class_scores']).rows()
    return ours


def check_operators(path: Path) -> list[OutputCheck]:
    """Compare every operator of a golden file with ours.

    Raises:
        ZooError: The file is no golden file of operators.
    """
    arrays = read_operators(path)
    given = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    try:
        ours = coders(given) | alignment(given) | selection(given)
    except KeyError as exc:
        raise ZooError(
            f'{path}: not the golden file of the detector operators: {exc} is missing'
        ) from exc
    golden = read_golden(path)
    return [
        compare(
            'orcnn_ops',
            name,
            array.numpy().astype(np.float32),
            golden.outputs[name],
            # Row numbers for scores: no rows are tied.
            Rows(np.arange(len(array), dtype=np.float32), ANGLES.get(name)),
        )
        for name, array in ours.items()
    ]
