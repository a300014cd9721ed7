# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of messages as text, from their Python classes: what a recording must carry along.

Not from `.msg` files, which an installation may lack and whose search depends on the environment;
the classes are what serialised the messages. Constants and comments are not part of the result.
"""

from __future__ import annotations

import re
from typing import Any

from rs_onboard.nodes.playback import message_class

SEPARATOR = '=' * 80

# Names in the Python classes (IDL) and in `.msg` files, where they differ.
PRIMITIVES = {'boolean': 'bool', 'octet': 'byte', 'float': 'float32', 'double': 'float64'}
_SEQUENCE = re.compile(r'sequence<(.+?)(?:, (\d+))?>')
_ARRAY = re.compile(r'(.+)\[(\d+)\]')
_BOUNDED = re.compile(r'(w?string)<(\d+)>')


def message_definition(type_name: str) -> str:
    """Write the definition of a type, followed by those it is made of (encoding `ros2msg`).

    Args:
        type_name: Such as sensor_msgs/msg/Image.

    Raises:
        ValueError: The type is not installed.
    """
    parts: dict[str, str] = {}
    _collect(type_name, parts)
    first, *others = parts.items()
    texts = [first[1]]
    for name, body in others:
        texts.append(f'{SEPARATOR}\nMSG: {name.replace("/msg/", "/")}\n{body}')
    return ''.join(texts)


def _collect(type_name: str, parts: dict[str, str]) -> None:
    if type_name in parts:
        return
    kind: Any = message_class(type_name)
    lines, nested = [], []
    for name, idl in kind.get_fields_and_field_types().items():
        written, inner = _written(idl)
        lines.append(f'{written} {name}\n')
        if '/' in inner:
            package, _, base = inner.partition('/')
            nested.append(f'{package}/msg/{base}')
    parts[type_name] = ''.join(lines)
    for inner in nested:
        _collect(inner, parts)


def _written(idl: str) -> tuple[str, str]:
    """Return a type as `.msg` files have it, and the type of its elements."""
    if found := _SEQUENCE.fullmatch(idl):
        element, bound = found.groups()
        suffix = f'[<={bound}]' if bound else '[]'
    elif found := _ARRAY.fullmatch(idl):
        element, count = found.groups()
        suffix = f'[{count}]'
    else:
        element, suffix = idl, ''
    if found := _BOUNDED.fullmatch(element):
        return f'{found[1]}<={found[2]}{suffix}', found[1]
    element = PRIMITIVES.get(element, element)
    return element + suffix, element
