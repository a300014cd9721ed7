# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Make a virtual environment an ament prefix without sourcing anything.

The set-up copies this module into the environment, where a .pth file runs it at every start of the
interpreter, ahead of the one of the ROS wheels.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

# The ROS wheels restart the interpreter once with LD_LIBRARY_PATH set, and leave this marker.
RESTARTED = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'


def enter(prefix: str, environment: MutableMapping[str, str]) -> None:
    """Put an environment's prefix first on the ament search path.

    Args:
        prefix: Root of the virtual environment.
        environment: Environment variables, changed in place.
    """
    places = environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    others = [place for place in places if place not in ('', prefix)]
    environment['AMENT_PREFIX_PATH'] = os.pathsep.join([prefix, *others])
    libraries = environment.get('LD_LIBRARY_PATH', '').split(os.pathsep)
    if os.path.join(prefix, 'lib') not in libraries:  # noqa: PTH118 - pathlib slows every start
        # A marker inherited from another environment's process would keep the wheels from
        # finding this environment's libraries.
        environment.pop(RESTARTED, None)


if sys.prefix != sys.base_prefix:
    enter(sys.prefix, os.environ)
