# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Zstandard, by whichever module of it this Python has: none is required in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The fastest level that still halves masks a hundred times over.
LEVEL = 1


def zstd_compressor() -> Callable[[bytes], bytes] | None:
    """Return a function that compresses to one zstd frame; None where no module can."""
    try:
        from compression import zstd  # type: ignore[import-not-found]  # noqa: PLC0415  (3.14)
    except ImportError:
        zstd = None
    if zstd is None:
        try:
            from backports import zstd  # noqa: PLC0415  (comes with rosbags)
        except ImportError:
            zstd = None
    if zstd is not None:
        return lambda data: bytes(zstd.compress(data, LEVEL))
    try:
        import zstandard  # noqa: PLC0415  (python3-zstandard of Ubuntu and Debian)
    except ImportError:
        return None
    return lambda data: bytes(zstandard.ZstdCompressor(level=LEVEL).compress(data))
