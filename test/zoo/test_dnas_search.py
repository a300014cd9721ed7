# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS search networks and decoders: the authors' numbers and their defects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rs_onboard.zoo.dnas_decode import (
    cell_level_connections,
    cell_operators,
    connection_level_connections,
    core_path,
    path_level_connections,
    transition_table,
)
from rs_onboard.zoo.errors import ZooError

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'
STEM = (-1, 0)
L12_PATH = (0, 0, 1, 1, 1, 0, 1, 0, 1, 2, 2, 2)
L14_PATH = (0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 2, 2, 3)


def golden_case(stage: int) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f'dnas_decode{stage}.npz') as npz:
        return {name[2:]: npz[name] for name in npz.files if name.startswith('0_')}


def test_first_decoder_agrees_with_the_authors():
    case = golden_case(1)
    table = transition_table(case['betas'])
    assert np.abs(table - case['transition']).max() < 1e-6
    path = core_path(table)
    assert path.dtype == np.uint8
    assert np.array_equal(path, case['path'])
    assert np.array_equal(connection_level_connections(path), case['second_connections'])


def test_second_decoder_agrees_with_the_authors():
    case = golden_case(2)
    connections, used = cell_level_connections(case['betas'], case['core_path'])
    assert np.array_equal(connections, case['third_connections'])
    assert np.array_equal(used, case['used'])


def test_third_decoder_agrees_with_the_authors():
    case = golden_case(3)
    assert np.array_equal(cell_operators(case['alphas']), case['cell_ops'])


def test_connection_counts_are_those_of_the_spec():
    assert [len(path_level_connections(layers)) for layers in (6, 12, 14)] == [36, 96, 116]
    assert len(connection_level_connections(L12_PATH)) == 137
    assert len(connection_level_connections(L14_PATH)) == 167


def test_level_zero_reads_the_slots_of_the_original_unless_corrected():
    betas = np.zeros((4, 4, 3), np.float32)
    betas[3, 0] = (5, 0, -5)
    original = transition_table(betas)[3, :2, :]
    corrected = transition_table(betas, corrected=True)[3, :2, :]
    high, low = 1 / (1 + np.exp(-5)), 1 / (1 + np.exp(5))
    assert original[0, 1] == pytest.approx(high * 2 / 3, rel=1e-6)
    assert original[1, 0] == pytest.approx(low * 2 / 3, rel=1e-5)
    betas[3, 0] = (5, 0, 9)
    assert np.array_equal(corrected, transition_table(betas, corrected=True)[3, :2, :])
    assert corrected[0, 1] == pytest.approx(high * 2 / 3, rel=1e-6)


def test_of_equal_paths_the_one_from_the_deeper_level_wins():
    table = np.zeros((3, 4, 3))
    table[0, 0, 1] = table[1, 0, 1] = table[1, 0, 2] = 1 / 3
    table[2, 0, 1] = table[2, 1, 0] = 1 / 3
    assert core_path(table).tolist() == [0, 1, 0]


def test_node_one_after_a_core_at_level_three_has_no_source_but_its_slots_are_read():
    path = [0, 1, 2, 3, 2]
    listed = connection_level_connections(path)
    assert not [edge for edge in listed if edge[1] == (4, 1)]
    connections, used = cell_level_connections(np.ones((5, 4, 11), np.float32), path)
    assert used[4, 1].tolist() == [1, 1, 1] + [-1] * 8
    assert [edge[0] for edge in connections if edge[1] == (4, 1)] == [(3, 0), (3, 1), (3, 2)]


def test_connections_without_a_positive_parameter_go_but_the_core_path_stays():
    connections, used = cell_level_connections(np.zeros((3, 4, 4), np.float32), [0, 1, 1])
    assert connections == ((STEM, (0, 0)), ((0, 0), (1, 1)), ((1, 1), (2, 1)))
    assert used[2, 1].tolist() == [0, 0, 0, -1]


@pytest.mark.parametrize(
    ('call', 'fragment'),
    [
        (lambda: transition_table(np.zeros((3, 4, 2))), r'\(3, 4, 2\); expected \(layers, 4, 3\)'),
        (lambda: cell_operators(np.zeros((3, 4, 9))), r'\(3, 4, 9\); expected \(layers, 4, 10\)'),
        (lambda: cell_level_connections(np.zeros((2, 4, 1)), [0, 1, 1]), 'path of 3 layers'),
    ],
)
def test_parameters_of_another_shape_are_refused(call, fragment):
    with pytest.raises(ZooError, match=fragment):
        call()


@pytest.mark.parametrize('name', ['dnas_stage1_small', 'dnas_stage3_small'])
def test_search_networks_compute_what_the_authors_compute(name):
    pytest.importorskip('torch')
    from rs_onboard.zoo.dnas_golden import check_network

    checks = check_network(GOLDEN / f'{name}.npz')
    assert {check.output for check in checks} == {'stem', 'concat', 'logits'}
    assert [check for check in checks if not check.passed] == []


def test_second_search_weighs_the_core_connection_with_one():
    torch = pytest.importorskip('torch')
    from rs_onboard.zoo.dnas_search import ConnectionSearch

    network = ConnectionSearch([0, 1], classes=2, bands=3, base_channels=4)
    network.betas.data[1, 1] = torch.log(torch.tensor([3.0, 1.0]))
    edges = [(torch.nn.Identity(), torch.tensor(10.0)), (torch.nn.Identity(), torch.tensor(1.0))]
    assert network.node_value((1, 1), edges).item() == pytest.approx(0.75 * 10 + 1)
    network.betas.data[1, 0] = 0
    assert network.node_value((1, 0), edges).item() == pytest.approx(0.5 * 10 + 0.5)


def test_first_search_scales_by_the_share_of_the_slots():
    torch = pytest.importorskip('torch')
    from rs_onboard.zoo.dnas_search import PathSearch

    network = PathSearch(5, classes=2, bands=3, base_channels=4)
    assert network.betas.shape == (5, 4, 3)
    network.betas.data[4, 3] = 0
    edges = [(torch.nn.Identity(), torch.tensor(1.0))] * 2
    assert network.node_value((4, 3), edges).item() == pytest.approx(2 / 3)


def test_a_core_path_that_leaves_a_node_without_value_is_refused():
    pytest.importorskip('torch')
    from rs_onboard.zoo.dnas_search import ConnectionSearch

    with pytest.raises(ZooError, match=r'node \(4, 1\) has no connections but \(5, \d\) reads it'):
        ConnectionSearch([0, 1, 2, 3, 2, 2], classes=2, bands=3, base_channels=4)
