# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented R-CNN on DecoupleNet and LWGANet: detector, its parts and its catalogue entries."""

from __future__ import annotations

from rs_onboard.zoo.oriented_rcnn.detector import Backbone, OrientedRcnn, Regions, rescale
from rs_onboard.zoo.oriented_rcnn.entries import NETWORKS
from rs_onboard.zoo.oriented_rcnn.roi_head import Detections

__all__ = ['NETWORKS', 'Backbone', 'Detections', 'OrientedRcnn', 'Regions', 'rescale']
