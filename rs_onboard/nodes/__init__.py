# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2: one thin node a module, message conversions, in-process hand-over."""
