# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The latency budget: what every task may cost on the next frame. Pure; knows no clock, no ROS."""
