# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Reference maps: georeferenced images of the ground, read as tiles, offline."""
