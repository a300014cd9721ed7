# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Golden files: drawing, naming, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rs_onboard.zoo.deviation import GoldenOutput
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.golden import check_golden, compare, draw_weight, read_golden

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


def rewritten(source: str, target: Path, **changes) -> Path:
    with np.load(GOLDEN / source) as npz:
        arrays = {name: npz[name] for name in npz.files} | changes
    np.savez_compressed(target, **{k: v for k, v in arrays.items() if v is not None})
    return target


def test_weights_depend_on_name_shape_and_seed_alone():
    first = draw_weight('stages.0.weight', (4, 3), 0)
    assert np.array_equal(first, draw_weight('stages.0.weight', (4, 3), 0))
    assert not np.array_equal(first, draw_weight('stages.1.weight', (4, 3), 0))
    assert not np.array_equal(first, draw_weight('stages.0.weight', (4, 3), 1))
    assert draw_weight('bn.running_var', (1000,), 0).min() >= 0.5
    assert abs(draw_weight('bn.bias', (1000,), 0).std() - 0.1) < 0.01
    assert draw_weight('bn.weight', (1000,), 0).max() <= 1.5


def test_a_gain_applies_to_matrices_only_and_may_be_given_by_key(tmp_path):
    keys = {'a.weight': [2, 2], 'b.weight': [2, 2], 'c.bias': [2]}
    meta = {'weight_gain': {'a.weight': 3.0, 'default': 0.5}}
    path = rewritten(
        'segghostnet_ued.npz',
        tmp_path / 'x.npz',
        keys=np.array(json.dumps(keys)),
        meta=np.array(json.dumps(meta)),
    )
    golden = read_golden(path)
    for key, gain in (('a.weight', 3.0), ('b.weight', 0.5), ('c.bias', 1.0)):
        assert np.allclose(golden.weight(key), gain * draw_weight(key, tuple(keys[key]), 0))


def test_agreement_is_relative_to_the_largest_value_but_never_below_one():
    golden = GoldenOutput((2,), 1, np.array([0.0, 10.0], np.float32))
    near = compare('n', 'o', np.array([0.0009, 10.0], np.float32), golden)
    assert near.passed
    assert near.deviation == pytest.approx(9e-5, rel=1e-3)
    assert not compare('n', 'o', np.array([0.002, 10.0], np.float32), golden).passed
    assert 'shape (1,), expected (2,)' in compare('n', 'o', np.ones(1, np.float32), golden).problem
    assert not compare('n', 'o', None, golden).passed


def test_a_file_without_a_network_is_refused(tmp_path):
    path = tmp_path / 'a.npz'
    path.write_bytes(b'no zip')
    with pytest.raises(ZooError, match=r'a\.npz: not the golden file of a network'):
        read_golden(path)
    with pytest.raises(ZooError, match='not the golden file'):
        read_golden(rewritten('segghostnet_ued.npz', tmp_path / 'b.npz', keys=None))


def test_suffixes_of_the_name_do_not_matter_and_an_unknown_network_is_named(tmp_path):
    pytest.importorskip('torch')
    meta = np.array(json.dumps({'weight_seed': 0}))
    renamed = rewritten(
        'segghostnet_ued.npz', tmp_path / 'segghostnet_ued_s256_rect.npz', meta=meta
    )
    assert [check.network for check in check_golden(renamed)] == ['segghostnet_ued']
    unknown = rewritten('segghostnet_ued.npz', tmp_path / 'unet_s256.npz', meta=meta)
    with pytest.raises(ZooError, match="file name 'unet_s256'"):
        check_golden(unknown)


def test_a_deviating_output_fails_and_another_network_is_refused(tmp_path):
    pytest.importorskip('torch')
    with np.load(GOLDEN / 'segghostnet_ued.npz') as npz:
        sample = npz['out_lbl_sample'].copy()
    sample[7] += 1e-3 * max(1.0, float(np.abs(sample).max()))
    path = rewritten('segghostnet_ued.npz', tmp_path / 'a.npz', out_lbl_sample=sample)
    assert [check.passed for check in check_golden(path)] == [False]
    meta = np.array(json.dumps({'model': 'decouplenet_d0'}))
    wrong = rewritten('segghostnet_ued.npz', tmp_path / 'b.npz', meta=meta)
    with pytest.raises(ZooError, match='belongs to another network'):
        check_golden(wrong)


def test_an_output_of_another_name_is_recognised_by_its_values(tmp_path):
    pytest.importorskip('torch')
    with np.load(GOLDEN / 'a2net_lwganet_l0.npz') as npz:
        arrays = {name: npz[name] for name in npz.files if not name.startswith('out_')}
        for part in ('shape', 'step', 'sample'):
            arrays[f'out_change_map_{part}'] = npz[f'out_mask_p2_{part}']
            arrays[f'out_strange_{part}'] = npz[f'out_mask_p2_{part}']
    arrays['out_strange_sample'] = arrays['out_strange_sample'] + 0.01
    path = tmp_path / 'a2net_lwganet_l0.npz'
    np.savez(path, **arrays)
    assert {check.output: check.passed for check in check_golden(path)} == {
        'change_map': True,
        'strange': False,
    }
