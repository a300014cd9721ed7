# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong while the environment is made."""

from __future__ import annotations


class SetupError(RuntimeError):
    """The environment cannot be made; the message is one line with what to do next."""
