# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Quantised graphs: small, plain ONNX, and close to the float ones."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnx')

from random_network import randomise  # noqa: E402

from rs_onboard.zoo.catalogue import NETWORKS  # noqa: E402
from rs_onboard.zoo.export import Normalisation, SegmentationGraph, deploy, session, to_onnx  # noqa: E402
from rs_onboard.zoo.quantize import prepare, quantise, worst_nodes  # noqa: E402


def feeds(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    coarse = [rng.integers(0, 256, (1, 8, 8, 3), np.uint8) for _ in range(count)]
    return [{'tiles': np.kron(tile, np.ones((1, 8, 8, 1), np.uint8))} for tile in coarse]


def test_int8_graph_has_a_third_of_the_size_the_same_interface_and_mostly_the_same_answers():
    entry = NETWORKS['segghostnet_ued']
    model = to_onnx(deploy(entry, randomise(entry.build(classes=3))), bands=3, size=(64, 64))
    result = quantise(model, feeds(4), target=0.5)
    assert result.agreement >= 0.5
    assert result.float_nodes == ()
    assert result.model.ByteSize() < model.ByteSize() / 2.5
    assert {entry.domain for entry in result.model.opset_import} == {''}
    runner = session(result.model)
    labels, confidence = runner.run(None, feeds(1)[0])
    assert labels.shape == confidence.shape == (1, 64, 64)
    assert labels.dtype == confidence.dtype == np.uint8


class HeavyTailed(torch.nn.Module):
    """Two convolutions, the second of which sees rare large values."""

    def __init__(self):
        super().__init__()
        self.even = torch.nn.Conv2d(3, 2, 1)
        self.rare = torch.nn.Conv2d(2, 2, 1)

    def forward(self, x):
        return self.rare(self.even(x) ** 9)


def test_the_node_with_rare_large_outputs_is_the_first_to_stay_in_float():
    graph = SegmentationGraph(randomise(HeavyTailed()), Normalisation())
    model = prepare(to_onnx(graph.eval(), bands=3, size=(64, 64)))
    assert worst_nodes(model, feeds(2)) == ['/network/rare/Conv', '/network/even/Conv']
