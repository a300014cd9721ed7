# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pages written and read back."""

from __future__ import annotations

import pytest
from pages import Page

from rs_onboard.replay.report import write_report


@pytest.fixture
def read(tmp_path):
    def write_and_read(run):
        path = write_report(tmp_path / 'index.html', run)
        text = path.read_text(encoding='utf-8')
        assert text.startswith('<!doctype html>')
        return Page(text).root

    return write_and_read
