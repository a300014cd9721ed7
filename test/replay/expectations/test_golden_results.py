# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Golden results: small files, written and read back."""

from __future__ import annotations

import numpy as np
import pytest

from rs_onboard.replay.errors import RunError
from rs_onboard.replay.expectations.golden import MASK_SIDE, Golden, thinned
from rs_onboard.replay.expectations.recorded import RecordedRun, read_lines
from rs_onboard.replay.run_facts import RUN_FILE


def test_masks_are_thinned_to_a_size_and_keep_their_labels():
    mask = np.random.default_rng(0).choice([0, 3, 255], (1300, 700)).astype(np.uint8)
    small = thinned(mask)
    assert small.shape == (434, 234)
    assert (small == mask[::3, ::3]).all()
    assert thinned(small) is not None
    assert (thinned(mask[:MASK_SIDE, :5]) == mask[:MASK_SIDE, :5]).all()


def test_what_is_missing_or_damaged_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r'no golden results\. Write them with --update'):
        Golden(tmp_path / 'none')
    with pytest.raises(RunError, match=r'run.json: no such file; the run is not complete'):
        RecordedRun(tmp_path)
    (tmp_path / RUN_FILE).write_text('{"alarms": 3}', encoding='utf-8')
    with pytest.raises(RunError, match='expected what a replay of this release writes'):
        RecordedRun(tmp_path)
    (tmp_path / 'lines').write_text('{"a": 1}\nnot json\n', encoding='utf-8')
    with pytest.raises(RunError, match='expected a JSON object a line'):
        read_lines(tmp_path / 'lines')
