# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The hash of a file that may be larger than the memory that is left."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 1 << 20


def file_hash(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
