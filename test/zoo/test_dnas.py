# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS: the authors' numbers, keys and figures, other encodings, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.dnas import NETWORKS, build_dnas, our_key  # noqa: E402
from rs_onboard.zoo.dnas_encoding import (  # noqa: E402
    Encoding,
    Grid,
    encoding_from_code,
    read_encoding,
)
from rs_onboard.zoo.dnas_gid5 import GID5_L12, GID5_L14  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError, ZooError  # noqa: E402
from rs_onboard.zoo.golden import check_golden, read_golden  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'
STEM = (-1, 0)
# Multiply-accumulates of edges that the authors compute although they reach no output.
IDLE_MACS = {'dnas_l12': 389_285_440, 'dnas_l14': 824_446_080}


@pytest.mark.parametrize('name', ['dnas_l12', 'dnas_l12_4band'])
def test_decoded_networks_compute_what_the_authors_compute(name):
    checks = check_golden(GOLDEN / f'{name}.npz')
    assert {check.output for check in checks} == {'stem', 'concat', 'logits'}
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ('name', 'bands', 'parameters', 'macs', 'entries'),
    [
        ('dnas_l12', 4, 6_156_653, 16_799_364_224, 1207),
        ('dnas_l12', 3, 6_156_473, 16_787_567_744, 1207),
        ('dnas_l14', 4, 7_359_053, 53_764_331_776, 1574),
        ('dnas_l14', 3, 7_358_873, 53_752_535_296, 1574),
    ],
)
def test_figures_are_those_of_the_authors_program(name, bands, parameters, macs, entries):
    network = build_on_meta(NETWORKS[name], classes=5, bands=bands)
    assert count_parameters(network) == parameters
    assert len(network.state_dict()) == entries
    assert count_macs(network, (1, bands, 512, 512)) + IDLE_MACS[name] == macs


def test_edges_without_effect_keep_their_weights_but_a_checkpoint_may_lack_them():
    entry = NETWORKS['dnas_l12']
    state = build_on_meta(entry, classes=5, bands=4).state_dict()
    idle = {key.rpartition('.ops')[0] for key in state if entry.optional_key(key)}
    assert idle == {'cells.8.0.stem', 'cells.9.1.8_1'}
    removed = {
        ((8, 0), (10, 1)),
        ((10, 0), (11, 0)),
        ((10, 0), (11, 2)),
        ((11, 0), (12, 1)),
        ((10, 1), (11, 1)),
        ((11, 1), (12, 0)),
    }
    grid = GID5_L14.grid
    assert set(grid.connections) - set(grid.live_connections) == removed


def test_authors_keys_with_numpy_pairs_are_mapped_in_order():
    state = build_on_meta(NETWORKS['dnas_l12'], classes=5, bands=3).state_dict()
    assert [our_key(key) for key in read_golden(GOLDEN / 'dnas_l12.npz').keys] == list(state)
    assert our_key('cells.0.0.[-1  0]._ops.1.op.sep_0.2.bias') == 'cells.0.0.stem.ops.1.2.bias'
    assert our_key('cells.11.2.[10  2]._ops.0.0.weight') == 'cells.11.2.10_2.ops.0.0.weight'
    assert our_key('cells.1.0.[0 0]._ops.conv1x1.0.weight') == (
        'cells.1.0.0_0.ops.conv1x1.0.weight'
    )
    assert our_key('cells.1.0.[0 0]._ops.max_pool_3x3.conv1x1.1.bias') == (
        'cells.1.0.0_0.ops.max_pool_3x3.1.bias'
    )
    assert our_key('last_conv.0.weight') == 'last_conv.0.weight'


def test_published_encodings_have_the_spec_s_counts():
    assert len(GID5_L12.grid.connections) == 64
    assert len(GID5_L14.grid.connections) == 83
    assert (GID5_L12.grid.size_multiple, GID5_L14.grid.size_multiple) == (32, 64)
    assert GID5_L12.operators[11, 1] == (4, 5, 6)
    assert GID5_L14.operators[13, 3] == (4, 6, 7)
    assert GID5_L14.grid.sources((10, 1)) == (STEM, (1, 0), (2, 0), (4, 0), (6, 1), (8, 0), (9, 0))


def test_any_encoding_is_built_from_its_file(tmp_path):
    code = [[[int(k in (0, 9)) for k in range(10)] for _ in range(4)] for _ in range(2)]
    path = tmp_path / 'encoding.json'
    path.write_text(
        json.dumps(
            {
                'connections': [[[-1, 0], [0, 0]], [[0, 0], [1, 1]], [[-1, 0], [1, 0]]],
                'cell_ops': code,
                'base_channels': 8,
            }
        )
    )
    encoding = read_encoding(path)
    network = build_dnas(encoding, classes=3, bands=6).eval()
    assert encoding.grid.size_multiple == 16
    with torch.no_grad():
        outputs = network.named_outputs(torch.zeros(2, 6, 32, 48))
    assert outputs['concat'].shape == (2, 8 + 16, 8, 12)
    assert outputs['logits'].shape == (2, 3, 32, 48)


def test_a_wholly_global_node_is_spread_over_the_map():
    grid = Grid(1, ((STEM, (0, 0)),), base_channels=8)
    network = randomise(build_dnas(Encoding(grid, {(0, 0): (9,)}), classes=2, bands=3))
    with torch.no_grad():
        concat = network.named_outputs(torch.rand(1, 3, 16, 16))['concat']
    assert concat.shape == (1, 8, 4, 4)
    assert torch.equal(concat, concat[:, :, :1, :1].expand_as(concat))


@pytest.mark.parametrize(
    ('connections', 'fragment'),
    [
        ([[[1, 0], [1, 1]]], r'\(1, 0\) -> \(1, 1\) is not allowed'),
        ([[[-1, 0], [0, 4]]], r'\(0, 4\) is not allowed'),
        ([[[-1, 1], [0, 0]]], r'the stem \(-1, 0\) or a node of an earlier layer'),
        ([[[-1, 0], [0, 0]]], r'no connection ends in the last layer \(1\)'),
        ([[[0, 0], [1, 0]]], r'node \(1, 0\) of the last layer has connections, but none from'),
        ([[[-1, 0], [1, 0]], [[-1, 0], [1, 0]]], 'listed twice'),
        ([[[-1, 0]]], r'not of shape \(n, 2, 2\)'),
    ],
)
def test_encodings_that_are_no_network_are_refused(connections, fragment):
    code = [[[1] * 3 + [0] * 7] * 4] * 2
    with pytest.raises(ZooError, match=fragment):
        encoding_from_code(connections, code)


def test_a_node_without_operators_and_a_foreign_file_are_refused(tmp_path):
    with pytest.raises(ZooError, match=r'node \(0, 0\) has the operators \[\]'):
        Encoding(Grid(1, ((STEM, (0, 0)),)), {})
    with pytest.raises(ZooError, match=r'not of shape \(layers, 4, 10\)'):
        encoding_from_code([[[-1, 0], [0, 0]]], [[[1, 0]] * 4])
    path = tmp_path / 'x.json'
    path.write_text('{"layers": 3}')
    with pytest.raises(ZooError, match=r'x\.json: not a DNAS encoding \(KeyError'):
        read_encoding(path)


@pytest.mark.parametrize(('name', 'size'), [('dnas_l12', (48, 64)), ('dnas_l14', (96, 64))])
def test_sizes_at_which_summands_differ_are_refused_by_name(name, size):
    network = NETWORKS[name].build(classes=5, bands=3)
    with pytest.raises(InputSizeError, match=f'dnas: input of {size[0]}x{size[1]} pixels'):
        network(torch.zeros(1, 3, *size))


def test_export_is_right_at_sizes_it_was_not_traced_at():
    network = randomise(NETWORKS['dnas_l12'].build(classes=5, bands=3))
    assert_one_graph_serves(network, [(1, 64, 96), (2, 96, 32), (1, 32, 32)])
