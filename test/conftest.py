# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Property tests ask for no speed, and in continuous integration for the same examples always."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile('rs_onboard', deadline=None, derandomize='CI' in os.environ)
settings.load_profile('rs_onboard')
