# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets in memory, checked completely before anything is trained or measured."""
