# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ground: network architectures, checkpoint import, ONNX export, quantisation."""
