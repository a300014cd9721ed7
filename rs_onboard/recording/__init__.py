# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Recording in flight: MCAP, a ring of the last seconds, a disk budget. No ROS, no dependency."""
