# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Make .venv: everything `make demo` and `make test` need, with or without ROS."""
