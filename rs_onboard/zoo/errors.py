# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of the zoo."""

from __future__ import annotations


class ZooError(ValueError):
    """A network, its input or its checkpoint is not what was asked for."""


class InputSizeError(ZooError):
    """An input size that the network is not exact for."""


class CheckpointError(ZooError):
    """A checkpoint that cannot be read safely or does not fit the network."""
