# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Networks with weights of moderate size, and what ONNX Runtime makes of them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import onnxruntime as ort
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


# Small maps on a shared machine: a second thread waits more than it works.
torch.set_num_threads(1)


def randomise(network: nn.Module) -> nn.Module:
    """Draw every weight and statistic, so that no layer is the identity; evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim >= 2:
            drawn = torch.randn(value.shape, generator=generator) * 0.8
            drawn *= value[0].numel() ** -0.5
        elif name.endswith(('bias', 'running_mean')):
            drawn = torch.randn(value.shape, generator=generator) * 0.1
        else:
            drawn = torch.rand(value.shape, generator=generator) + 0.5
        value.copy_(drawn)
    return network.eval()


def assert_one_graph_serves(
    network: nn.Module,
    shapes: Sequence[tuple[int, int, int]],
    *,
    inputs: int = 1,
    tolerance: float = 1e-5,
) -> None:
    """Trace at the first (batch, height, width), all three dynamic, and compare at every one.

    Peak pooling is not continuous: at one shape rounding may have moved a peak. A size frozen by
    the trace would show at all shapes but the first.
    """

    def images(shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(sum(shape))
        batch, height, width = shape
        return tuple(
            torch.randn((batch, 3, height, width), generator=generator) for _ in range(inputs)
        )

    names = [f'image{i}' for i in range(inputs)]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            images(shapes[0]),
            buffer,
            input_names=names,
            dynamic_axes={name: {0: 'n', 2: 'h', 3: 'w'} for name in names},
            opset_version=17,
            dynamo=False,
        )
    session = ort.InferenceSession(buffer.getvalue(), providers=['CPUExecutionProvider'])
    differences = []
    for shape in shapes:
        with torch.no_grad():
            expected = network(*images(shape))
        found = session.run(
            None, {name: image.numpy() for name, image in zip(names, images(shape), strict=True)}
        )
        expected = expected if isinstance(expected, tuple) else (expected,)
        worst = 0.0
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == tuple(theirs.shape)
            scale = max(1.0, float(theirs.abs().max()))
            worst = max(worst, float((torch.from_numpy(ours) - theirs).abs().max()) / scale)
        differences.append(worst)
    *most, moved = sorted(differences)
    assert len(most) >= 2
    assert max(most) < tolerance
    assert moved < 0.1
