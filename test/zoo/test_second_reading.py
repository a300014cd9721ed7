# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Variants without a golden file of their authors, against an independent implementation."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from rs_onboard.zoo.check import check_file  # noqa: E402

torch.set_num_threads(1)

FILES = sorted((Path(__file__).parents[1] / 'data' / 'second_reading').glob('*.npz'))


@pytest.mark.parametrize('path', FILES, ids=[path.stem for path in FILES])
def test_a_variant_agrees_with_an_independent_implementation(path):
    check = check_file(path)
    assert check.network == path.stem.removesuffix('_4band')
    assert [output for output in check.outputs if not output.passed] == []
    assert check.passed, check.problem


def test_every_family_has_a_variant_in_the_second_reading():
    families = {path.stem.split('_')[0] for path in FILES}
    assert families == {
        'a2net',
        'clafa',
        'decouplenet',
        'dnas',
        'lsnet',
        'lwganet',
        'orcnn',
        'segghostnet',
    }
