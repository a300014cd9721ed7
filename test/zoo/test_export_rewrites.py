# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Each rewrite leaves the result as it was, takes away what it is for, and keeps off the rest."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

import onnxruntime as ort  # noqa: E402
from random_network import randomise  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from rs_onboard.zoo.export.classes import reduce_by_class  # noqa: E402
from rs_onboard.zoo.export.concats import sink_concats  # noqa: E402
from rs_onboard.zoo.export.dates import separate_dates  # noqa: E402
from rs_onboard.zoo.export.ghosts import join_ghosts  # noqa: E402
from rs_onboard.zoo.export.linear import convolve_before_resize, merge_convolutions  # noqa: E402
from rs_onboard.zoo.export.norms import (  # noqa: E402
    fold_norms_ahead,
    fold_norms_back,
    norms_as_convolutions,
)
from rs_onboard.zoo.export.onnx_graph import OnnxGraph  # noqa: E402
from rs_onboard.zoo.export.pools import pool_globally  # noqa: E402
from rs_onboard.zoo.export.prelu import split_prelus  # noqa: E402
from rs_onboard.zoo.export.rewrite import RECIPES, rewrites_for  # noqa: E402

SHAPES = [(1, 12, 12), (3, 9, 14)]


class Forward(nn.Module):
    """Modules by name and a function of them and the inputs."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


def traced(module, bands, inputs=1, prepare=lambda module: module):
    names = [f'x{i}' for i in range(inputs)]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            prepare(randomise(module)),
            tuple(torch.zeros((1, bands, 10, 11)) for _ in names),
            buffer,
            input_names=names,
            dynamic_axes={name: {0: 'N', 2: 'H', 3: 'W'} for name in names},
            opset_version=17,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def run(model, feeds):
    options = ort.SessionOptions()
    # What is compared is the graph, not what the runtime makes of it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds)


def rewritten(module, *rewrites, bands=16, inputs=1, **options):
    """Apply rewrites, check that nothing else changed; give the counts and the operators left."""
    model = traced(module, bands, inputs, **options)
    graph = OnnxGraph(model)
    counts = [rewrite(graph) for rewrite in rewrites]
    result = graph.to_model()
    onnx.checker.check_model(result, full_check=True)
    rng = np.random.default_rng(1)
    for batch, height, width in SHAPES:
        feeds = {
            f'x{i}': rng.standard_normal((batch, bands, height, width), np.float32)
            for i in range(inputs)
        }
        for ours, theirs in zip(run(result, feeds), run(model, feeds), strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() < 1e-5 * max(1.0, np.abs(theirs).max())
            assert np.abs(theirs).max() > 1e-3
    return counts, [node.op_type for node in result.graph.node]


def depthwise(channels, **options):
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, **options)


def test_a_norm_behind_a_sum_of_convolutions_goes_into_both():
    module = Forward(
        lambda m, x: m.norm(m.rows(x) + m.columns(x)).sigmoid(),
        rows=depthwise(16, bias=False),
        columns=nn.Conv2d(16, 16, 1),
        norm=nn.BatchNorm2d(16),
    )
    counts, operators = rewritten(module, fold_norms_back)
    assert counts == [1]
    assert 'BatchNormalization' not in operators


def test_a_norm_behind_a_concatenation_of_depthwise_convolutions_goes_into_them():
    module = Forward(
        lambda m, x: m.norm(torch.cat((m.near(x), m.far(x)), 1)).relu(),
        near=depthwise(16, bias=False),
        far=nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16),
        norm=nn.BatchNorm2d(32, eps=1e-2),
    )
    counts, operators = rewritten(module, fold_norms_back)
    assert counts == [1]
    assert 'BatchNormalization' not in operators


def test_a_norm_stays_where_what_is_before_it_is_used_twice_or_is_no_convolution():
    module = Forward(
        lambda m, x: m.norm(y := m.conv(x)) + y + m.other(x.relu()),
        conv=nn.Conv2d(16, 16, 1),
        norm=nn.BatchNorm2d(16),
        other=nn.BatchNorm2d(16),
    )
    counts, operators = rewritten(module, fold_norms_back)
    assert counts == [0]
    assert operators.count('BatchNormalization') == 2


def test_a_norm_before_a_convolution_without_padding_goes_into_it():
    module = Forward(
        lambda m, x: m.dense(y := m.norm(x.relu())) + m.deep(y),
        norm=nn.BatchNorm2d(16),
        dense=nn.Conv2d(16, 16, 3, stride=2),
        deep=nn.Conv2d(16, 16, 3, stride=2, groups=16, bias=False),
    )
    counts, operators = rewritten(module, fold_norms_ahead)
    assert counts == [1]
    assert 'BatchNormalization' not in operators


def test_a_norm_before_a_concatenation_goes_into_the_convolution_behind_it():
    module = Forward(
        lambda m, x: m.mix(torch.cat((x.relu(), m.norm(functional.gelu(x)), x), 1)),
        norm=nn.BatchNorm2d(16),
        mix=nn.Conv2d(48, 8, 1),
    )
    counts, operators = rewritten(module, fold_norms_ahead)
    assert counts == [1]
    assert 'BatchNormalization' not in operators


def test_a_norm_before_a_padded_convolution_stays_for_the_zeros_are_not_normalised():
    module = Forward(
        lambda m, x: m.conv(m.norm(x.relu())),
        norm=nn.BatchNorm2d(16),
        conv=nn.Conv2d(16, 16, 3, padding=1),
    )
    counts, operators = rewritten(module, fold_norms_ahead)
    assert counts == [0]
    assert 'BatchNormalization' in operators


@pytest.mark.parametrize(('low', 'high'), [(-0.2, 0.9), (0.5, 1.5)])
@pytest.mark.parametrize('kernel', [1, 5])
def test_a_prelu_becomes_convolutions_and_relu_whatever_its_slopes(low, high, kernel):
    module = Forward(
        lambda m, x: m.slope(m.conv(x)) + m.free(x + 1) + m.behind(m.norm(x)),
        conv=nn.Conv2d(16, 16, kernel, padding=kernel // 2),
        slope=nn.PReLU(16),
        free=nn.PReLU(16),
        norm=nn.BatchNorm2d(16),
        behind=nn.PReLU(16),
    )

    def slopes(module):
        for layer in (module.slope, module.free, module.behind):
            layer.weight.data = torch.linspace(low, high, layer.num_parameters)
        return module

    counts, operators = rewritten(module, norms_as_convolutions, split_prelus, prepare=slopes)
    assert counts == [1, 3]
    assert not {'PRelu', 'BatchNormalization'} & set(operators)
    assert operators.count('Relu') == 3


def test_a_pointwise_convolution_goes_into_the_one_before_it():
    module = Forward(
        lambda m, x: m.classify(m.wide(x)),
        wide=nn.Conv2d(16, 64, 3, padding=1),
        classify=nn.Conv2d(64, 5, 1),
    )
    counts, operators = rewritten(module, merge_convolutions)
    assert counts == [1]
    assert operators.count('Conv') == 1


def test_taps_of_a_second_convolution_are_taken_by_the_first_right_up_to_the_border():
    module = Forward(
        lambda m, x: m.classify(m.mid(m.wide(x))),
        wide=nn.Conv2d(16, 128, 3, padding=1),
        mid=nn.Conv2d(128, 128, 3, padding=1, bias=False),
        classify=nn.Conv2d(128, 2, 1),
    )
    counts, operators = rewritten(module, merge_convolutions, merge_convolutions)
    assert counts == [1, 1]
    assert operators.count('Conv') == 2
    merged = OnnxGraph(traced(module, 16))
    while merge_convolutions(merged):
        pass
    sizes = [merged.constants[node.inputs[1]].shape for node in merged.of('Conv')]
    assert sorted(sizes) == [(2, 18, 3, 3), (18, 16, 3, 3)]


def test_convolutions_are_not_merged_across_an_activation_nor_where_nothing_is_saved():
    module = Forward(
        lambda m, x: m.last(m.first(x).relu()) + m.wider(m.narrow(x)),
        first=nn.Conv2d(16, 64, 3, padding=1),
        last=nn.Conv2d(64, 16, 1),
        narrow=nn.Conv2d(16, 4, 1),
        wider=nn.Conv2d(4, 16, 3, padding=1),
    )
    counts, _ = rewritten(module, merge_convolutions)
    assert counts == [0]


@pytest.mark.parametrize('align', [True, False])
def test_a_pointwise_convolution_moves_before_an_enlargement(align):
    module = Forward(
        lambda m, x: m.conv(
            functional.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=align)
        ),
        conv=nn.Conv2d(16, 8, 1),
    )
    counts, operators = rewritten(module, convolve_before_resize)
    assert counts == [1]
    assert operators.index('Conv') < operators.index('Resize')


def test_a_convolution_stays_behind_a_reduction_of_size():
    module = Forward(
        lambda m, x: m.conv(functional.interpolate(x, scale_factor=0.5, mode='bilinear')),
        conv=nn.Conv2d(16, 8, 1),
    )
    assert rewritten(module, convolve_before_resize)[0] == [0]


def test_means_become_global_pools_and_gates_small_convolutions():
    gate = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())
    module = Forward(
        lambda m, x: (
            x * m.gate(x.mean((2, 3)))[:, :, None, None]
            + x.relu().mean((2, 3), keepdim=True)
            + x.mean(2, keepdim=True)
        ),
        gate=gate,
    )
    counts, operators = rewritten(module, pool_globally)
    assert counts == [2]
    assert operators.count('GlobalAveragePool') == 2
    assert not {'Gemm', 'Unsqueeze'} & set(operators)


def test_a_mean_that_stays_a_vector_is_left_alone():
    module = Forward(lambda m, x: m.head(x.mean((2, 3))), head=nn.Linear(16, 3))
    counts, operators = rewritten(module, pool_globally)
    assert counts == [0]
    assert 'Gemm' in operators


def test_a_concatenation_is_passed_on_down_to_sums_of_convolutions():
    module = Forward(
        lambda m, x: m.mix(
            functional.max_pool2d(
                m.deep(m.slope(m.norm(torch.cat((m.a(x), x, torch.cat((m.b(x), x), 1)), 1)))), 2
            )
        ),
        a=nn.Conv2d(16, 5, 1),
        b=nn.Conv2d(16, 3, 1),
        norm=nn.BatchNorm2d(40),
        slope=nn.PReLU(40),
        deep=depthwise(40),
        mix=nn.Conv2d(40, 8, 3, padding=1),
    )
    counts, operators = rewritten(module, sink_concats)
    assert counts[0] >= 5
    assert 'Concat' not in operators
    assert operators.count('Add') == 3


def test_gates_and_residual_sums_of_a_concatenation_are_done_in_parts():
    gate = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(21, 4, 1), nn.ReLU(), nn.Conv2d(4, 21, 1), nn.Sigmoid()
    )
    module = Forward(
        lambda m, x: m.mix((y := torch.cat((m.a(x), x), 1)) * m.gate(y) + m.other(x)),
        a=nn.Conv2d(16, 5, 1),
        gate=gate,
        other=Forward(lambda m, x: torch.cat((m.c(x), x.relu()), 1), c=nn.Conv2d(16, 5, 1)),
        mix=nn.Conv2d(21, 8, 1),
    )
    _, operators = rewritten(module, sink_concats)
    # The one left joins the two vectors of means.
    assert operators.count('Concat') == 1
    assert operators.count('Mul') == 2


def test_a_concatenation_that_somebody_needs_whole_stays():
    module = Forward(
        lambda m, x: m.mix(y := torch.cat((m.a(x), x), 1)) + y.softmax(1)[:, :8],
        a=nn.Conv2d(16, 5, 1),
        mix=nn.Conv2d(21, 8, 1),
    )
    counts, operators = rewritten(module, sink_concats)
    assert counts == [0]
    assert 'Concat' in operators


def test_both_dates_run_apart_when_they_were_one_batch():
    module = Forward(
        lambda m, a, b: (
            m.mix((y := m.conv(torch.cat((a, b))).relu())[: a.shape[0]] * 2)
            - y[a.shape[0] :].flatten(2).mean(2)[:, :, None, None]
        ),
        conv=nn.Conv2d(16, 8, 3, padding=1),
        mix=nn.Conv2d(8, 8, 1),
    )
    counts, operators = rewritten(module, separate_dates, inputs=2)
    assert counts == [1]
    assert operators.count('Conv') == 3


def test_equal_constants_are_stored_once():
    def halved(module):
        module.slope.weight.data.fill_(0.5)
        return module

    module = Forward(lambda m, x: m.slope(m.conv(x)), conv=nn.Conv2d(16, 8, 1), slope=nn.PReLU(8))
    graph = OnnxGraph(traced(module, 16, prepare=halved))
    assert split_prelus(graph) == 1
    model = graph.to_model()
    # Half of the map and the other half of it come from the same weights.
    assert [node.op_type for node in model.graph.node].count('Conv') == 2
    assert sorted(tuple(x.dims) for x in model.graph.initializer) == [(8,), (8, 16, 1, 1)]


@pytest.mark.parametrize('relu', [True, False])
def test_a_ghost_module_becomes_one_convolution_and_one_depthwise(relu):
    def ghost(m, x):
        first = m.first(x).relu() if relu else m.first(x)
        second = m.second(first).relu() if relu else m.second(first)
        return torch.cat((first, second), 1) + x

    module = Forward(ghost, first=nn.Conv2d(16, 8, 1), second=depthwise(8))
    counts, operators = rewritten(module, join_ghosts)
    assert counts == [1]
    assert 'Concat' not in operators
    assert operators.count('Conv') == 2


def test_a_ghost_that_fills_blocks_or_is_no_ghost_stays():
    def both(m, x):
        first = m.first(x)
        third = m.third(x)
        return torch.cat((first, m.second(first)), 1) + torch.cat((third, m.other(x)), 1)

    module = Forward(
        both,
        first=nn.Conv2d(16, 32, 1),
        second=depthwise(32),
        third=nn.Conv2d(16, 56, 1),
        other=nn.Conv2d(16, 8, 1),
    )
    assert rewritten(module, join_ghosts)[0] == [0]


def test_every_network_has_rewrites_and_the_special_ones_come_first():
    assert RECIPES[-1][0] == ''
    assert split_prelus in rewrites_for('lsnet_difffpn')
    assert join_ghosts in rewrites_for('segghostnet_ued')
    assert merge_convolutions in rewrites_for('dnas_l12')
    assert split_prelus not in rewrites_for('decouplenet_d0')


def test_labels_and_sums_come_from_one_map_a_class_and_of_equals_the_first_wins():
    def decide(m, x):
        logits = m.classify(x).round()
        top = logits.amax(1, keepdim=True)
        total = (logits - top).exp().sum(1)
        return logits.argmax(1).to(torch.uint8).float(), 1 / total

    module = Forward(decide, classify=nn.Conv2d(16, 5, 1))
    counts, operators = rewritten(module, reduce_by_class)
    assert counts == [1]
    assert not {'ArgMax', 'ReduceMax', 'ReduceSum'} & set(operators)


def test_an_argmax_alone_is_left():
    module = Forward(lambda m, x: m.classify(x).argmax(1), classify=nn.Conv2d(16, 5, 1))
    assert rewritten(module, reduce_by_class)[0] == [0]


def test_whole_blocks_stay_joined_but_let_a_norm_pass_to_their_convolutions():
    module = Forward(
        lambda m, x: m.mix(m.norm(torch.cat((m.near(x), m.far(x)), 1)).relu()),
        near=depthwise(16),
        far=nn.Conv2d(16, 32, 1),
        norm=nn.BatchNorm2d(48),
        mix=nn.Conv2d(48, 8, 1),
    )
    counts, operators = rewritten(module, sink_concats, fold_norms_back)
    assert counts == [1, 2]
    assert 'BatchNormalization' not in operators
    assert operators.count('Concat') == 1
