# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a flight is expected to give: golden results, tolerances, latencies, drops and alarms."""
