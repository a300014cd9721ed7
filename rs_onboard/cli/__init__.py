# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The rs_onboard command."""
