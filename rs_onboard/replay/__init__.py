# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Flights as bags: made from geotagged images, read, played and written, without ROS."""
