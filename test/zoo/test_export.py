# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Exported graphs do what torch does at every size, and keep the contract of model folders."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from random_network import randomise  # noqa: E402

from rs_onboard.zoo.catalogue import NETWORKS  # noqa: E402
from rs_onboard.zoo.errors import ExportError  # noqa: E402
from rs_onboard.zoo.export import (  # noqa: E402
    compare_with_torch,
    comparison_batches,
    deploy,
    session,
    to_onnx,
)

SIZE = (96, 96)


def images(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    coarse = [rng.integers(0, 256, (20, 25, 3), np.uint8) for _ in range(count)]
    return [np.kron(image, np.ones((8, 8, 1), np.uint8)) for image in coarse]


def exported(name: str):
    entry = NETWORKS[name]
    graph = deploy(entry, randomise(entry.build(classes=5)))
    return entry, graph, to_onnx(graph, bands=3, size=SIZE)


@pytest.mark.parametrize(
    'name',
    ['decouplenet_d0', 'segghostnet_ued', 'segghostnet_ued_bes', 'segghostnet_ued_bes_sfm'],
)
def test_graph_is_torch_at_all_sizes_and_batches_and_stays_within_onnx(name):
    entry, graph, model = exported(name)
    batches = list(comparison_batches(entry, images(), SIZE))
    shapes = {batch['tiles'].shape for batch in batches}
    assert {shape[0] for shape in shapes} == {1, 5}
    assert any(shape[1] != shape[2] for shape in shapes)
    compare_with_torch(graph, model, batches)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', 17)]
    assert model.ir_version <= 8


def test_outputs_are_final():
    _, _, scene = exported('decouplenet_d0')
    tiles = np.stack([image[:96, :96] for image in images(2)])
    (probabilities,) = session(scene).run(None, {'tiles': tiles})
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    _, graph, model = exported('segghostnet_ued')
    labels, confidence = session(model).run(None, {'tiles': tiles})
    assert labels.dtype == confidence.dtype == np.uint8
    with torch.no_grad():
        softmax = graph.logits(torch.from_numpy(tiles)).softmax(dim=1)
    assert np.mean(labels == softmax.argmax(dim=1).numpy()) > 0.999
    assert np.abs(confidence - softmax.amax(dim=1).numpy() * 255).max() <= 1


def test_a_graph_that_differs_is_an_error_that_names_size_and_amount():
    entry, graph, model = exported('decouplenet_d0')
    graph.network.head.bias.data[0] += 1.0
    with pytest.raises(ExportError, match=r'probabilities at \(1, 96, 96, 3\): differs by'):
        compare_with_torch(graph, model, comparison_batches(entry, images(), SIZE))


def test_a_task_without_deployed_form_is_refused():
    entry = NETWORKS['decouplenet_d0_backbone']
    with pytest.raises(ExportError, match="no deployed form for task 'backbone'"):
        deploy(entry, entry.build(classes=0))
