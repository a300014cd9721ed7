# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Rotated RoI align from standard operators, over all levels of a pyramid at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 7
SAMPLES = 2  # per side of a bin

# Regions whose sqrt(w h) reaches 2, 4 or 8 times this many pixels use a coarser level.
FINEST_SCALE = 56


def level_of(rois: Tensor, levels: int) -> Tensor:
    """Return the pyramid level of each region [R, 5], int64 [R]: 0 is the finest."""
    scale = (rois[:, 2] * rois[:, 3]).sqrt()
    level = (scale / FINEST_SCALE + 1e-6).log2().floor()
    return level.clamp(0, levels - 1).long()


def sample_grid(rois: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y of the samples in cells of each region's level.

    Args:
        rois: [R, 5] regions in pixels.
        strides: [R] pixels a cell.

    Returns:
        Two tensors [R, BINS, BINS, SAMPLES, SAMPLES]: bin row and column, sample row and column.
    """
    cx, cy, w, h = (rois[:, :4] / strides[:, None]).unbind(1)
    steps = torch.arange(BINS * SAMPLES, device=rois.device, dtype=rois.dtype)
    place = ((steps + 0.5) / (BINS * SAMPLES) - 0.5).reshape(BINS, SAMPLES)
    yy = h[:, None, None, None, None] * place[:, None, :, None]
    xx = w[:, None, None, None, None] * place[None, :, None, :]
    cos = rois[:, 4].cos()[:, None, None, None, None]
    sin = rois[:, 4].sin()[:, None, None, None, None]
    x = (cx - 0.5)[:, None, None, None, None] + xx * cos - yy * sin
    y = (cy - 0.5)[:, None, None, None, None] + xx * sin + yy * cos
    return x, y


def _taps(at: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return both cells and weights of linear sampling at `at` along an axis of `size` cells."""
    inside = (at >= -1) & (at <= size)
    clamped = torch.minimum(at.clamp(min=0), (size - 1).to(at.dtype))
    low = clamped.floor()
    far = clamped - low
    first = low.long()
    second = torch.minimum(first + 1, size - 1)
    weight = inside.to(at.dtype)
    return first, second, (1 - far) * weight, far * weight


def rotated_roi_align(
    features: Sequence[Tensor], strides: Sequence[int], rois: Tensor, images: Tensor
) -> Tensor:
    """Sample every region on a 7 x 7 grid along its own axes.

    The maps of all levels are joined into one table of cells, so that regions of different levels
    and images are gathered together, in a graph without branches.

    Args:
        features: Maps [N, C, H_i, W_i], finest first.
        strides: Pixels a cell of each map.
        rois: [R, 5] regions in pixels.
        images: [R] int64, the image of each region.

    Returns:
        [R, C, 7, 7]: means of four samples a bin, zero outside of the map.
    """
    table = torch.cat([x.permute(0, 2, 3, 1).flatten(0, 2) for x in features])
    heights, widths = (
        torch.stack([torch.as_tensor(x.shape[axis]).to(images) for x in features])
        for axis in (2, 3)
    )
    cells = heights * widths
    starts = (torch.cumsum(cells, 0) - cells) * features[0].shape[0]
    level = level_of(rois, len(features))
    stride = rois.new_tensor(list(strides))[level]
    height, width = (n[level][:, None, None, None, None] for n in (heights, widths))
    x, y = sample_grid(rois, stride)
    x0, x1, wx0, wx1 = _taps(x, width)
    y0, y1, wy0, wy1 = _taps(y, height)
    start = (starts[level] + images * cells[level])[:, None, None, None, None]
    index = torch.stack([start + r * width + c for r in (y0, y1) for c in (x0, x1)], dim=-1)
    weight = torch.stack([r * c for r in (wy0, wy1) for c in (wx0, wx1)], dim=-1)
    weight = weight.flatten(3).flatten(0, 2) / SAMPLES**2
    index = index.flatten(3).flatten(0, 2)
    out = _weighted_rows(table, index, weight)
    return out.reshape(-1, BINS, BINS, table.shape[1]).permute(0, 3, 1, 2)


def _weighted_rows(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Return sum over t of weight[b, t] * table[index[b, t]]: [B, C] from [K, C] and [B, T]."""
    if not torch.onnx.is_in_onnx_export():
        # 20 times faster than gathering, but ONNX has no such operator.
        return functional.embedding_bag(index, table, per_sample_weights=weight, mode='sum')
    # One tap at a time: gathering all 16 at once would take 1.6 GB for 2000 regions.
    out = table.index_select(0, index[:, 0]) * weight[:, :1]
    for tap in range(1, index.shape[1]):
        out = out + table.index_select(0, index[:, tap]) * weight[:, tap, None]
    return out
