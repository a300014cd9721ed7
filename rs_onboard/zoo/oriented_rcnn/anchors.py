# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Axis-aligned anchors of the region proposal network."""

from __future__ import annotations

import torch
from torch import Tensor

STRIDES = (4, 8, 16, 32, 64)
RATIOS = (0.5, 1.0, 2.0)  # height / width
SCALE = 8


def base_anchors(stride: int) -> Tensor:
    """Return the anchors around (0, 0), one a ratio: [3, 4] float32 x1, y1, x2, y2, pixels."""
    root = torch.tensor(RATIOS).sqrt()
    half = torch.stack((stride * SCALE / root, stride * SCALE * root), dim=1) / 2
    return torch.cat((-half, half), dim=1)


def grid_anchors(stride: int, height: int, width: int, *, like: Tensor | None = None) -> Tensor:
    """Return the anchors of a map: [height * width * 3, 4], rows, then columns, then ratios.

    Anchors sit on the upper left corner of their cell.

    Args:
        stride: Pixels a cell.
        height: Rows of the map.
        width: Columns of the map.
        like: Tensor whose device and type the anchors take; float32 on the CPU without.
    """
    options = {} if like is None else {'device': like.device, 'dtype': like.dtype}
    base = base_anchors(stride).to(**options)
    x = torch.arange(width, **options)[None, :] * stride
    y = torch.arange(height, **options)[:, None] * stride
    columns, rows = torch.broadcast_tensors(x, y)
    shift = torch.stack((columns, rows, columns, rows), dim=2)
    return (shift[:, :, None] + base).reshape(-1, 4)
