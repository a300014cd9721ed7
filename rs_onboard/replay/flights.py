# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The flights that come with rs_onboard."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rs_onboard.replay.errors import BagError

BRIGHTON_BEACH = 'brighton_beach'


def bundled_flight(name: str = BRIGHTON_BEACH) -> Path:
    """Find the bag folder of a bundled flight: in a source tree or where rs_onboard is installed.

    Raises:
        BagError: There is none of this name.
    """
    prefixes = [x for x in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if x]
    roots = [
        Path(__file__).parents[2],
        *(Path(x, 'share', 'rs_onboard') for x in (*prefixes, sys.prefix)),
    ]
    for root in roots:
        if (root / 'flights' / name / 'metadata.yaml').is_file():
            return root / 'flights' / name
    looked = ', '.join(str(x / 'flights') for x in roots)
    msg = f'no bundled flight {name!r} in {looked}. Install rs_onboard with its data files.'
    raise BagError(msg)
