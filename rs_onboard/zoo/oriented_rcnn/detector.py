# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented R-CNN: a two-stage detector of oriented boxes on any four-level backbone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor, nn

from rs_onboard.zoo.deviation import RowRule
from rs_onboard.zoo.oriented_rcnn import roi_head, rpn
from rs_onboard.zoo.oriented_rcnn.anchors import STRIDES
from rs_onboard.zoo.oriented_rcnn.fpn import FeaturePyramid
from rs_onboard.zoo.oriented_rcnn.roi_align import rotated_roi_align

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAPER = 'Xie et al., Oriented R-CNN for Object Detection, ICCV 2021'
ROI_LEVELS = 4


class Backbone(Protocol):
    """A backbone: images [N, bands, H, W] to four maps at strides 4, 8, 16 and 32."""

    channels: tuple[int, ...]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps, finest first."""


@dataclass(frozen=True)
class Regions:
    """What the second stage says of the proposals of a batch.

    Attributes:
        rois: [R, 5] float32 proposals, cx, cy, w, h, theta.
        images: [R] int64, the image of each.
        features: [R, width, 7, 7].
        logits: [R, classes + 1], background last.
        deltas: [R, 5].
    """

    rois: Tensor
    images: Tensor
    features: Tensor
    logits: Tensor
    deltas: Tensor


class OrientedRcnn(nn.Module):
    """Pyramid, oriented proposals, rotated RoI align and a refining head; see `PAPER`.

    With a DecoupleNet D0 backbone and 15 classes: 18,568,766 parameters, 16.4 M of them behind
    the backbone. Images are float32 [N, bands, H, W] in RGB order,
    (value - mean) / std with the constants of ImageNet, padded with zeros at the right and bottom.
    """

    # Regions an image in the exported form: the time of the second stage is proportional to them.
    exported_proposals = rpn.PROPOSALS

    # Named outputs, less the number of the image, that are rows in the order of scores.
    row_rules: ClassVar[Mapping[str, RowRule]] = {
        'rois': RowRule('roi_scores', 0, angle=5),
        **dict.fromkeys(
            ('roi_scores', 'roi_features', 'cls_score', 'bbox_pred', 'probabilities'),
            RowRule('roi_scores', 0),
        ),
        'roi_boxes': RowRule('roi_scores', 0, angle=4),
        'proposals': RowRule('proposals', 5, angle=4),
        'detections': RowRule('detections', 5, angle=4),
        'detection_boxes': RowRule('detections', 5, angle=4),
        'detection_labels': RowRule('detections', 5),
        'detections_by_class': RowRule('detections_by_class', 5, angle=4),
        'boxes_by_class': RowRule('detections_by_class', 5, angle=4),
        'labels_by_class': RowRule('detections_by_class', 5),
    }

    def __init__(self, backbone: nn.Module, channels: Sequence[int], *, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = FeaturePyramid(channels)
        self.rpn = rpn.OrientedRpn()
        self.head = roi_head.RoiHead(classes)
        for module in (self.neck, self.rpn, self.head):
            initialise(module)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Compute the five maps of the feature pyramid."""
        maps: list[Tensor] = self.neck(self.backbone(images))
        return maps

    def refine(self, pyramid: Sequence[Tensor], rois: Tensor, images: Tensor) -> Regions:
        """Run the second stage on proposals [R, 5] of the images [R]."""
        features = rotated_roi_align(pyramid[:ROI_LEVELS], STRIDES[:ROI_LEVELS], rois, images)
        logits, deltas = self.head(features)
        return Regions(rois, images, features, logits, deltas)

    def forward(
        self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None
    ) -> list[roi_head.Detections]:
        """Detect objects.

        Args:
            images: [N, bands, H, W] float32, prepared as the class says.
            sizes: (height, width) of each image before padding; the padded size without.
        """
        pyramid = self.pyramid(images)
        maps = self.rpn(pyramid)
        if images.is_meta:
            # Shapes alone, for counting: there are no scores to choose by, so every image has as
            # many proposals as can be.
            rois = images.new_empty((len(images) * rpn.PROPOSALS, 5))
            self.refine(pyramid, rois, images.new_empty(len(rois), dtype=torch.long))
            return []
        rois, owners = batch_of(rpn.propose(maps))
        return self.decide(self.refine(pyramid, rois, owners), images, sizes)

    def decide(
        self,
        regions: Regions,
        images: Tensor,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> list[roi_head.Detections]:
        """Turn the second stage's answers into the detections of each image."""
        probabilities = regions.logits.softmax(1)
        results = []
        for image in range(len(images)):
            mine = regions.images == image
            size = tuple(images.shape[-2:]) if sizes is None else sizes[image]
            boxes = roi_head.CODER.decode(regions.rois[mine], regions.deltas[mine], size)
            results.append(roi_head.detections(boxes, probabilities[mine]))
        return results

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Detect objects, but leave the last suppression to the flight code.

        Every step is a standard operator of ONNX and the number of regions an image is fixed
        (`exported_proposals`), so this is what is exported. With as many regions as `forward`,
        suppressing its result at the IoU of `roi_head.SUPPRESSION_IOU`, class by class and image by
        image, gives `forward`'s.

        Args:
            images: [N, bands, H, W] float32.

        Returns:
            Boxes [M, 5], scores [M], classes [M] int64 and images [M] int64.
        """
        pyramid = self.pyramid(images)
        found = rpn.propose(self.rpn(pyramid), self.exported_proposals)
        owners = torch.arange(found.shape[0])[:, None].expand(found.shape[:2]).flatten()
        rows = found.flatten(0, 1)
        regions = self.refine(pyramid, rows[:, :5], owners.to(images.device))
        boxes = roi_head.CODER.decode(regions.rois, regions.deltas, images.shape[-2:])
        probabilities = regions.logits.softmax(1) * (rows[:, 5:] >= 0)
        region, label = roi_head.scored(probabilities, roi_head.MIN_SCORE)
        return boxes[region], probabilities[region, label], label, regions.images[region]

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show every step: levels, pyramid, proposal maps, proposals, head, detections.

        Proposals and detections are numbered by image.
        """
        levels = self.backbone(images)
        pyramid = self.neck(levels)
        maps = self.rpn(pyramid)
        proposals = rpn.propose(maps)
        regions = self.refine(pyramid, *batch_of(proposals))
        named = {f'feat{i}': x for i, x in enumerate(levels)}
        named |= {f'fpn{i}': x for i, x in enumerate(pyramid)}
        named |= {f'rpn_cls{i}': x for i, x in enumerate(maps.logits)}
        named |= {f'rpn_reg{i}': x for i, x in enumerate(maps.deltas)}
        owners = regions.images[:, None].to(regions.rois)
        named |= {
            'rois': torch.cat((owners, regions.rois), dim=1),
            'roi_boxes': regions.rois,
            'roi_scores': proposals[proposals[..., 5] >= 0][:, 5:],
            'roi_features': regions.features,
            'cls_score': regions.logits,
            'bbox_pred': regions.deltas,
            'probabilities': regions.logits.softmax(1),
        }
        for i, result in enumerate(self.decide(regions, images)):
            named[f'proposals{i}'] = proposals[i][proposals[i, :, 5] >= 0]
            named[f'detections{i}'] = result.rows()
            named[f'detection_boxes{i}'] = result.rows()[:, :6]
            named[f'detection_labels{i}'] = result.labels.to(images)
            grouped = result.by_class()
            named[f'detections_by_class{i}'] = grouped
            named[f'boxes_by_class{i}'], named[f'labels_by_class{i}'] = (
                grouped[:, :6],
                grouped[:, 6],
            )
        return named


def batch_of(proposals: Tensor) -> tuple[Tensor, Tensor]:
    """Return the boxes [R, 5] and images [R] of proposals [N, P, 6], less those that fill up."""
    image, row = (proposals[..., 5] >= 0).nonzero().unbind(1)
    return proposals[image, row, :5], image


def rescale(found: roi_head.Detections, scale: tuple[float, float]) -> roi_head.Detections:
    """Return detections in the image before resizing.

    Args:
        found: Detections in the resized image.
        scale: (width, height) factors of the resize; sizes are divided like the centre, whatever
            the angle, as the authors do (the factors are nearly equal).
    """
    factors = found.boxes.new_tensor((*scale, *scale, 1.0))
    return replace(found, boxes=found.boxes / factors)


def initialise(module: nn.Module) -> None:
    """Set starting weights: Xavier uniform for hidden layers, small normal for predictions."""
    for name, layer in module.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if name in {'conv', 'logits', 'deltas'}:
            std = 0.001 if name == 'deltas' and isinstance(layer, nn.Linear) else 0.01
            nn.init.normal_(layer.weight, std=std)
        else:
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
