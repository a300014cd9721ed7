# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Onboard perception for aerial images."""

__version__ = '0.1.0'
