# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of folders of golden files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from rs_onboard.zoo.check import check_file, check_folder  # noqa: E402
from rs_onboard.zoo.dnas_encoding import OPERATOR_NAMES  # noqa: E402
from rs_onboard.zoo.dnas_gid5 import GID5_L12  # noqa: E402
from rs_onboard.zoo.errors import ZooError  # noqa: E402

torch.set_num_threads(1)

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


def altered(source: str, target: Path, **changes) -> Path:
    with np.load(GOLDEN / source) as npz:
        arrays = {name: npz[name] for name in npz.files} | changes
    np.savez_compressed(target, **arrays)
    return target


def test_networks_decoders_and_operators_of_a_folder_are_all_checked(tmp_path):
    names = ('segghostnet_ued', 'dnas_decode2', 'dnas_stage1_small', 'orcnn_ops')
    for name in names:
        shutil.copy(GOLDEN / f'{name}.npz', tmp_path)
    (tmp_path / 'notes.json').write_text('{}')
    checks = {check.path.stem: check for check in check_folder(tmp_path)}
    assert set(checks) == set(names)
    assert {check.verdict for check in checks.values()} == {'agrees'}
    assert checks['segghostnet_ued'].parameters == 2_767_252
    assert checks['segghostnet_ued'].published == 2.77


def test_a_suffix_of_the_name_does_not_hide_the_network(tmp_path):
    path = altered(
        'dnas_l12.npz', tmp_path / 'dnas_l12_s320.npz', meta=np.array('{"weight_gain": 0.5}')
    )
    check = check_file(path)
    assert (check.network, check.verdict) == ('dnas_l12', 'agrees')


def test_a_network_of_another_encoding_is_built_from_the_file_beside(tmp_path):
    path = altered(
        'dnas_l12.npz',
        tmp_path / 'dnas_mine.npz',
        meta=np.array('{"model": "dnas_mine", "encoding": "mine.json", "weight_gain": 0.5}'),
    )
    check = check_file(path)
    assert check.verdict == 'DIFFERS'
    grid = GID5_L12.grid
    code = [
        [
            [int(k in GID5_L12.operators[layer, level]) for k in range(len(OPERATOR_NAMES))]
            for level in range(4)
        ]
        for layer in range(grid.layers)
    ]
    encoding = {'connections': grid.connections, 'cell_ops': code}
    (tmp_path / 'mine.json').write_text(json.dumps(encoding))
    assert check_file(path).verdict == 'agrees'


def test_one_wrong_value_is_a_difference(tmp_path):
    with np.load(GOLDEN / 'segghostnet_ued.npz') as npz:
        sample = npz['out_lbl_sample'].copy()
    sample[17] += 0.01
    check = check_file(
        altered('segghostnet_ued.npz', tmp_path / 'segghostnet_ued.npz', out_lbl_sample=sample)
    )
    assert check.verdict == 'DIFFERS'
    assert check.outputs[0].deviation == pytest.approx(0.01 / max(1, np.abs(sample).max()), rel=0.1)
    with np.load(GOLDEN / 'dnas_decode3.npz') as npz:
        code = npz['0_cell_ops'].copy()
    code[3, 2] = code[3, 2][::-1]
    check = check_file(
        altered('dnas_decode3.npz', tmp_path / 'dnas_decode3.npz', **{'0_cell_ops': code})
    )
    assert check.verdict == 'DIFFERS'
    assert check.outputs[0].problem == 'deviates by more than 0'


def test_files_of_other_networks_are_unknown_but_broken_ones_of_ours_differ(tmp_path):
    (tmp_path / 'resnet50.npz').write_bytes(b'PK\x03\x04')
    assert check_file(tmp_path / 'resnet50.npz').verdict == 'unknown'
    assert (
        check_file(
            altered('dnas_l12.npz', tmp_path / 'unet.npz', meta=np.array('{"model": "unet"}'))
        ).verdict
        == 'unknown'
    )
    whole = (GOLDEN / 'dnas_l12.npz').read_bytes()
    for name in ('dnas_l12', 'dnas_decode1', 'lsnet_densefpn'):
        path = tmp_path / f'{name}.npz'
        path.write_bytes(whole[:2000])
        check = check_file(path)
        assert check.verdict == 'DIFFERS', name
        assert name in check.problem


def test_the_meta_tells_what_a_file_is_of_whatever_its_name(tmp_path):
    for number, name in enumerate(('dnas_stage1_small', 'dnas_decode3', 'segghostnet_ued')):
        path = tmp_path / f'{number}.npz'
        shutil.copy(GOLDEN / f'{name}.npz', path)
        check = check_file(path)
        assert check.verdict == 'agrees', name
        assert check.network in {name, path.stem}


@pytest.mark.parametrize(
    'changes',
    [
        {'meta': np.array('null')},
        {'meta': np.array('[1]')},
        {'keys': np.array('["final_out.2.weight"]')},
        {'keys': np.array('{"final_out.2.weight": 3}')},
        {'out_lbl_step': np.array([1, 2])},
        {'out_lbl_sample': np.zeros(5, np.float32)},
        {'input_shape_0': np.array([1, 3, 32])},
    ],
)
def test_a_file_of_odd_content_is_a_difference_and_does_not_end_the_table(tmp_path, changes):
    altered('segghostnet_ued.npz', tmp_path / 'segghostnet_ued.npz', **changes)
    altered('dnas_stage1_small.npz', tmp_path / 'dnas_stage1_small.npz', meta=np.array('{}'))
    altered('dnas_stage1_small.npz', tmp_path / 'a.npz', meta=np.array('null'))
    np.save(tmp_path / 'b.npy', np.ones(3))
    (tmp_path / 'b.npy').rename(tmp_path / 'b.npz')
    verdicts = {check.path.stem: check.verdict for check in check_folder(tmp_path)}
    assert verdicts == {
        'a': 'unknown',
        'b': 'unknown',
        'dnas_stage1_small': 'DIFFERS',
        'segghostnet_ued': 'DIFFERS',
    }


def test_axes_of_length_one_of_a_weight_make_no_difference(tmp_path):
    with np.load(GOLDEN / 'segghostnet_ued.npz') as npz:
        keys = json.loads(str(npz['keys']))
    assert keys['final_out.2.weight'] == [6, 24, 1, 1]
    keys['final_out.2.weight'] = [6, 24]
    path = tmp_path / 'segghostnet_ued.npz'
    altered('segghostnet_ued.npz', path, keys=np.array(json.dumps(keys)))
    assert check_file(path).verdict == 'agrees'


def test_a_folder_without_golden_files_is_refused(tmp_path):
    with pytest.raises(ZooError, match='no golden files there; expected a folder with'):
        list(check_folder(tmp_path))
    with pytest.raises(ZooError, match='absent: no golden files there'):
        list(check_folder(tmp_path / 'absent'))
