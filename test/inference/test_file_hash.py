# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The hash of a file is that of its bytes, read in blocks."""

from __future__ import annotations

import hashlib

import pytest

from rs_onboard.inference.file_hash import BLOCK_BYTES, file_hash


@pytest.mark.parametrize('size', [0, 5, BLOCK_BYTES, 2 * BLOCK_BYTES + 3])
def test_the_hash_of_a_file_is_that_of_all_its_bytes(tmp_path, size):
    content = bytes(index % 251 for index in range(size))
    (tmp_path / 'file').write_bytes(content)
    assert file_hash(tmp_path / 'file') == hashlib.sha256(content).hexdigest()
