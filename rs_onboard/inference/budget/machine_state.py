# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the budget planner is told of the machine: its heat and power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Heat = Literal['unknown', 'normal', 'warm', 'hot', 'critical']


@dataclass(frozen=True)
class MachineState:
    """Heat and power of the machine, as bands with hysteresis already applied.

    Attributes:
        heat: Band of the hottest zone; `unknown` where the machine tells none.
        throttled: Whether the machine says that it has lowered its clocks (heat, voltage, current).
    """

    heat: Heat = 'unknown'
    throttled: bool = False
