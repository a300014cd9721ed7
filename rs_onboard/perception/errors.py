# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of frames, their sources and what is computed from them."""

from __future__ import annotations


class EncodingError(ValueError):
    """Image data that does not fit what its message says, or an encoding nobody here reads."""


class SourceError(OSError):
    """A camera, stream, video or folder that cannot be opened or is not what it was taken for."""


class FrameError(ValueError):
    """A frame whose image is not what its header says."""


class TileError(ValueError):
    """A tile size, overlap or grid that cannot be cut."""


class TaskError(ValueError):
    """A model that does not fit its task, or an output that no result can be made of."""
