# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Find out which provider runs each node of a graph, from ONNX Runtime's own profile of one call.

The list of active providers says only which of them started. The profile is there in every version
since 1.16; the setting that forbids the CPU altogether would refuse every graph with a dynamic
size, since shape arithmetic is put on the CPU on purpose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.runtime_settings import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Results up to this size [bytes] are shapes and scalars, which belong on the CPU.
SMALL_RESULT = 1024


@dataclass(frozen=True)
class Placement:
    """Where the nodes of a graph run.

    Attributes:
        nodes: Number of nodes by provider, a key of `PROVIDERS` where it is one.
        heavy_on_cpu: Operators of the nodes on the CPU that are more than shape arithmetic.
    """

    nodes: Mapping[str, int]
    heavy_on_cpu: Sequence[str]

    def __str__(self) -> str:
        """Write it as in "cuda 118, cpu 12"."""
        return ', '.join(f'{name} {count}' for name, count in self.nodes.items())


def read_placement(profile: Path) -> Placement:
    """Read a profile that ONNX Runtime wrote.

    Args:
        profile: The JSON file that `InferenceSession.end_profiling` names.
    """
    short = {full: name for name, full in PROVIDERS.items()}
    nodes: dict[str, int] = {}
    heavy: list[str] = []
    for event in node_events(profile):
        provider = short.get(event['provider'], event['provider'])
        nodes[provider] = nodes.get(provider, 0) + 1
        if provider == 'cpu' and int(event.get('output_size') or 0) > SMALL_RESULT:
            heavy.append(event['op_name'])
    return Placement(nodes, heavy)


def node_events(profile: Path) -> list[dict[str, Any]]:
    """List what a profile says of each node that ran."""
    events = json.loads(profile.read_text(encoding='utf-8'))
    details = [event['args'] for event in events if event.get('cat') == 'Node']
    return [detail for detail in details if detail.get('provider')]
