# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""CLAFA: keys and parameters of the authors, its gated convolution, symmetry, ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.clafa import NETWORKS, our_key  # noqa: E402
from rs_onboard.zoo.clafa_layers import ContextGatedConv, PositionCode, VerticalFusion  # noqa: E402
from rs_onboard.zoo.count import build_on_meta, count_parameters  # noqa: E402

BACKBONE = Path(__file__).parents[1] / 'data' / 'golden' / 'a2net_lwganet_l0.npz'


def norm(prefix, *, affine=True):
    names = ('weight', 'bias') if affine else ()
    names = (*names, 'running_mean', 'running_var', 'num_batches_tracked')
    return [f'{prefix}.{name}' for name in names]


def both(*prefixes):
    return [f'{prefix}.{name}' for prefix in prefixes for name in ('weight', 'bias')]


def pyramid_keys(level):
    lateral = f'fpn.p{level}'
    keys = both(lateral, f'{lateral}.conv_offset', f'{lateral}.offset', f'{lateral}_smooth')
    for branch in range(3):
        keys += [f'{lateral}.pyconv_levels.{branch}.0.weight']
        keys += norm(f'{lateral}.pyconv_levels.{branch}.1')
    keys += norm(f'{lateral}_bn', affine=level == 5)
    if level == 5:
        return keys
    keys += [f'{lateral}_Gamma.fc.{index}.weight' for index in (0, 2)]
    keys += both(f'{lateral}_beta.stem.0', f'{lateral}_beta.conv')
    keys += [f'{lateral}_beta.conv.{name}.weight' for name in ('ce', 'gd', 'ci', 'gd2')]
    for name in ('ce_bn', 'ci_bn2', 'ci_bn'):
        keys += norm(f'{lateral}_beta.conv.{name}')
    return keys


def fusion_keys(level):
    name = f'p{level + 1}_to_p{level}'
    parts = ('sampling_offsets', 'attention_weights', 'value_proj', 'output_proj')
    keys = both(f'{name}.norm1', f'{name}.norm2', *(f'{name}.crossattn.{part}' for part in parts))
    keys += [f'{name}.pos.scale', f'{name}.pos.inv_freq']
    for block in ('enc.block', 'convs.0.block'):
        keys += [f'{name}.{block}.0.weight', *norm(f'{name}.{block}.1')]
    return keys


def authors_keys():
    with np.load(BACKBONE) as golden:
        keys = [key for key in json.loads(str(golden['keys'])) if key.startswith('backbone.')]
    for level in range(2, 6):
        keys += [*pyramid_keys(level), *both(f'p{level}_head')]
    for level in range(2, 5):
        keys += fusion_keys(level)
    for step in ('head.up.0', 'head.up.1'):
        keys += [f'{step}.residual_up.0.weight', *norm(f'{step}.residual_up.1')]
        keys += both(f'{step}.gate.conv2d', f'{step}.gate.mask_conv2d', f'{step}.up.1')
    return [*keys, *both('head.smooth.0', 'head.final', 'project')]


def test_every_entry_of_the_authors_has_its_own_place_here_and_none_stays_empty():
    network = NETWORKS['clafa_lwganet_l0'].build(classes=2)
    places = [place for key in authors_keys() if (place := our_key(key)) is not None]
    constants = dict(network.named_buffers()).keys() - network.state_dict().keys()
    assert len(places) == len(set(places))
    assert set(places) >= network.state_dict().keys()
    assert set(places) - network.state_dict().keys() <= constants


@pytest.mark.parametrize(
    ('variant', 'parameters', 'channels'),
    [('l0', 5_706_606, (32, 64, 128, 256)), ('l2', 19_633_690, (96, 192, 384, 768))],
)
def test_parameters_differ_from_the_authors_by_the_layers_that_never_run(
    variant, parameters, channels
):
    offsets = sum(108 * width * 9 + 108 for width in channels)
    gated_biases, project = 3 * 128, 256 * 256 + 256
    network = build_on_meta(NETWORKS[f'clafa_lwganet_{variant}'], classes=2, bands=3)
    assert count_parameters(network) + offsets + gated_biases + project == parameters


def test_the_gated_convolution_has_a_kernel_of_its_own_for_every_image():
    conv = randomise(ContextGatedConv())
    x = torch.randn(2, 128, 6, 9, generator=torch.Generator().manual_seed(10))
    with torch.no_grad():
        context = conv.ce(torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(2))
        of_inputs = conv.gd(conv.ce_bn(context).relu())
        lively = conv.ci_bn2(context).relu()
        mixed = torch.zeros_like(lively)
        for group in range(8):
            for out in range(16):
                for source in range(16):
                    weight = conv.ci.weight[out, source]
                    mixed[:, group * 16 + out] += weight * lively[:, group * 16 + source]
        of_outputs = conv.gd2(conv.ci_bn(mixed).relu())
        found = conv(x)
        for image in range(2):
            gate = (of_inputs[image][None] + of_outputs[image][:, None]).sigmoid()
            kernel = conv.weight * gate.view(128, 128, 3, 3)
            expected = torch.nn.functional.conv2d(x[image : image + 1], kernel, padding=1)
            assert torch.allclose(found[image : image + 1], expected, atol=1e-4)


def test_the_position_code_holds_sines_then_cosines():
    code = PositionCode()(7).detach()
    assert code.shape == (7, 128)
    assert code[3, 0] == pytest.approx(np.sin(3), abs=1e-6)
    assert code[3, 64 + 32] == pytest.approx(np.cos(3 * 10000 ** (-2 * 32 / 128)), abs=1e-6)


def test_the_coarse_level_is_reassembled_by_kernels_made_of_the_fine_one():
    fusion = randomise(VerticalFusion(4))
    generator = torch.Generator().manual_seed(11)
    coarse = torch.randn(1, 128, 3, 4, generator=generator)
    fine = torch.randn(1, 128, 6, 8, generator=generator)
    with torch.no_grad():
        tokens = fusion.norm1(coarse.flatten(2).transpose(1, 2))
        query = tokens + fusion.position(12)
        fine_tokens = fusion.norm2(fine.flatten(2).transpose(1, 2))
        tokens = tokens + fusion.attention(query, (3, 4), fine_tokens, (6, 8))
        x = (
            tokens.transpose(1, 2)
            .view(1, 128, 3, 4)
            .repeat_interleave(2, 2)
            .repeat_interleave(2, 3)
        )
        taps = torch.nn.functional.unfold(x, 5, dilation=2, padding=4).view(1, 128, 25, 6, 8)
        expected = (taps * fusion.kernels(fine)[:, None]).sum(2) + fine
        assert torch.allclose(fusion(coarse, fine), expected, atol=1e-5)
        assert torch.allclose(fusion.kernels(fine).sum(1), torch.ones(1, 6, 8))


@pytest.fixture(scope='module')
def network():
    return randomise(NETWORKS['clafa_lwganet_l0'].build(classes=2))


def pair(height, width):
    generator = torch.Generator().manual_seed(12)
    return tuple(torch.randn(1, 3, height, width, generator=generator) for _ in range(2))


def test_the_order_of_the_dates_has_no_effect(network):
    before, after = pair(96, 128)
    with torch.no_grad():
        assert torch.equal(network(before, after), network(after, before))


def test_side_outputs_have_full_size_in_training_and_the_authors_size_for_comparison(network):
    before, after = pair(96, 128)
    with torch.no_grad():
        logits, *side = network.forward_with_auxiliary(before, after)
        named = network.named_outputs(before, after)
        assert torch.equal(logits, network(before, after))
    assert [tuple(x.shape) for x in (logits, *side)] == [(1, 2, 96, 128)] * 5
    assert [tuple(named[f'p{i}'].shape) for i in range(2, 6)] == [(1, 2, 256, 256)] * 4


def test_one_exported_graph_serves_squares_and_rectangles(network):
    shapes = [(1, 96, 96), (2, 96, 128), (1, 160, 128)]
    assert_one_graph_serves(network, shapes, inputs=2, tolerance=5e-5)
