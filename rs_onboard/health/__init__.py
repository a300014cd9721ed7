# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How the machine and the parts of the graph are doing. Standard library alone."""
