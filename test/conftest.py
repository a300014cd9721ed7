# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tests compute on one thread; property tests ask for no speed, and in CI for the same examples."""

from __future__ import annotations

import os

from hypothesis import settings

# The networks of the tests are small: on a busy machine a second thread waits more than it works.
os.environ.setdefault('OMP_NUM_THREADS', '1')
settings.register_profile('rs_onboard', deadline=None, derandomize='CI' in os.environ)
settings.load_profile('rs_onboard')
