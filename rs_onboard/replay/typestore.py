# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Message definitions: ROS 2's own, and those of vision_msgs, which rs_onboard's results use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError

from rs_onboard.replay.errors import UnknownTypeError

if TYPE_CHECKING:
    from rosbags.interfaces import MessageDefinition
    from rosbags.interfaces.typing import Typesdict
    from rosbags.typesys.store import Typestore

_REPOSITORY = Path(__file__).parents[2]
_IDL_SEPARATOR = '=' * 80 + '\n'


def vision_msgs_folder() -> Path | None:
    """Find the `.msg` files of vision_msgs: beside the source, else in a sourced ROS workspace."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places = [
        _REPOSITORY / 'msgs' / 'vision_msgs' / 'msg',
        *(Path(x, 'share', 'vision_msgs', 'msg') for x in prefixes if x),
    ]
    return next((x for x in places if x.is_dir()), None)


def make_typestore(types: Typesdict | None = None) -> Typestore:
    """Return a store of ROS 2 Jazzy's types, vision_msgs where it is found, and given types.

    Args:
        types: Further definitions, for example those of a bag. One that differs from the known
            definition of its name replaces it; one that differs in the case of field names only,
            as ROS 1's CameraInfo does, does not.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    extra: Typesdict = {}
    if (folder := vision_msgs_folder()) is not None:
        for path in sorted(folder.glob('*.msg')):
            name = f'vision_msgs/msg/{path.stem}'
            extra.update(get_types_from_msg(path.read_text('utf-8'), name))
    known: Typesdict = {**store.fielddefs, **extra}
    different = {x: y for x, y in (types or {}).items() if not _same(known.get(x), y)}
    if different.keys() & store.fielddefs.keys():
        store, extra = get_typestore(Stores.EMPTY), known
    store.register({**extra, **different})
    return store


def _same(known: object, found: object) -> bool:
    """Compare two definitions by types and lower-case names of their fields."""
    if not isinstance(known, tuple) or not isinstance(found, tuple):
        return False
    first, second = ([(x.lower(), y) for x, y in z[1]] for z in (known, found))
    return first == second


def parse_definition(type_name: str, definition: MessageDefinition) -> Typesdict:
    """Parse the definition of a type, with those it is made of, as a bag holds it.

    Raises:
        UnknownTypeError: The text is no definition.
    """
    kind, text = definition.format.name, definition.data
    types: Typesdict = {}
    try:
        if kind == 'MSG':
            types.update(get_types_from_msg(text, type_name))
        elif kind == 'IDL' and text.startswith(f'{_IDL_SEPARATOR}IDL: '):
            for part in text.split(_IDL_SEPARATOR)[1:]:
                types.update(get_types_from_idl(part.split('\n', 1)[1]))
        elif kind == 'IDL':
            types.update(get_types_from_idl(text))
    except (TypesysError, IndexError, KeyError, ValueError, AssertionError) as exc:
        msg = f'{type_name}: its definition in the bag cannot be parsed ({exc}).'
        raise UnknownTypeError(msg) from None
    return types
