# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that are timed are the same in both forms and hide nothing from the rewrites."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from rs_onboard.inference.bench import loose_graph  # noqa: E402
from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: E402
from rs_onboard.inference.sample import sample_tiles  # noqa: E402
from rs_onboard.zoo.bench_graphs import build, network_graphs, plain_graph  # noqa: E402
from rs_onboard.zoo.errors import ZooError  # noqa: E402

ONE = RuntimeSettings(provider='cpu', threads=1)


def run(graph, tiles):
    return loose_graph(graph, what='graph').open(ONE, 2).run({'tiles': tiles})


def test_both_forms_of_a_network_give_the_same_answers():
    (graphs,) = network_graphs(['decouplenet_d0'])
    assert graphs.size == (224, 224)
    tiles = sample_tiles(2, 96, 64)
    ours, plain = run(graphs.rewritten, tiles), run(graphs.plain, tiles)
    assert ours['probabilities'].shape == (2, 45)
    assert np.abs(ours['probabilities'] - plain['probabilities']).max() < 1e-4


def test_norms_and_slopes_are_none_that_a_rewrite_could_leave_out():
    network = build('lsnet_difffpn', None, None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.weight.std() > 0 or module.weight.numel() == 1
            assert (module.running_mean != 0).all()
        if isinstance(module, torch.nn.PReLU):
            assert (module.weight != 0.25).all()
    again = build('lsnet_difffpn', None, None)
    for (name, ours), theirs in zip(
        network.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_the_plain_form_has_the_classes_and_bands_of_the_card():
    graph = plain_graph('decouplenet_d0', classes=7, bands=4, size=(64, 64))
    assert run(graph, sample_tiles(1, 64, 64, bands=4))['probabilities'].shape == (1, 7)


def test_what_cannot_be_timed_is_named():
    with pytest.raises(ZooError, match="'resnet' is not in the zoo"):
        list(network_graphs(['resnet']))
