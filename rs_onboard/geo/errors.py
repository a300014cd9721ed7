# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of geometry and position."""

from __future__ import annotations


class CameraError(ValueError):
    """Camera intrinsics that cannot be used."""


class PoseError(ValueError):
    """A pose sample that cannot be used."""


class MapError(ValueError):
    """A reference map that is missing, broken or not where the flight is."""


class TerrainError(ValueError):
    """A terrain model that is missing, broken or of another kind."""


class AreaError(ValueError):
    """An area of interest that is none."""


class RegistrationError(ValueError):
    """A frame that cannot be brought into register with the map."""
