# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a flight is expected to give: golden results, tolerances, latencies, drops and alarms."""

# What a file of expectations is called, behind the name of its flight. Here, because to load what
# reads such files takes longer than every start of pytest may.
EXPECT_SUFFIX = '.expect.yaml'
