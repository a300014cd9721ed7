# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ground: data sets, augmentation, losses, metrics, recipes and the training loop."""
