# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Run one node, or the whole graph, by name: `python -m rs_onboard.nodes tiler --ros-args ...`."""

from __future__ import annotations

import importlib
import sys

from rs_onboard.nodes.settings import NODE_SETTINGS

MODULES = {**{name: name for name in NODE_SETTINGS}, 'perception': 'process'}


def main() -> None:
    """Run what the first argument names."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ''
    if name not in MODULES:
        sys.exit(f'rs_onboard: error: node {name!r}; expected one of {", ".join(MODULES)}')
    importlib.import_module(f'rs_onboard.nodes.{MODULES[name]}').main()


if __name__ == '__main__':
    main()
