# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Static int8 quantisation of exported graphs, and their half-precision form."""

from __future__ import annotations

from rs_onboard.zoo.half import to_half
from rs_onboard.zoo.quantise.feeds import calibration_feeds
from rs_onboard.zoo.quantise.static import Quantised, quantise

__all__ = ['Quantised', 'calibration_feeds', 'quantise', 'to_half']
