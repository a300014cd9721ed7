# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of model folders: exported graphs through the flight code, on labelled images."""
