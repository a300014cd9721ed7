# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The groups of params/analyzers.yaml, matched as diagnostic_aggregator's GenericAnalyzer does."""

from __future__ import annotations

from pathlib import Path

import yaml

PATH = Path(__file__).resolve().parents[2] / 'params' / 'analyzers.yaml'


def analyzers():
    """Return the groups by name."""
    content = yaml.safe_load(PATH.read_text(encoding='utf-8'))['analyzers']['ros__parameters']
    return {name: value for name, value in content.items() if isinstance(value, dict)}


def groups_of(name):
    """Return the groups that an entry of /diagnostics falls into."""
    return [
        group
        for group, settings in analyzers().items()
        if any(part in name for part in settings['contains'])
    ]
