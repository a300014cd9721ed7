# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Message definitions: ROS 2's own, and those of vision_msgs, which rs_onboard's results use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict
    from rosbags.typesys.store import Typestore

_REPOSITORY = Path(__file__).parents[2]


def vision_msgs_folder() -> Path | None:
    """Find the `.msg` files of vision_msgs: beside the source, else in a sourced ROS workspace."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places = [
        _REPOSITORY / 'msgs' / 'vision_msgs' / 'msg',
        *(Path(x, 'share', 'vision_msgs', 'msg') for x in prefixes if x),
    ]
    return next((x for x in places if x.is_dir()), None)


def known_types() -> Typesdict:
    """Return the definitions of ROS 2 Jazzy and, where they are found, of vision_msgs."""
    types = dict(get_typestore(Stores.ROS2_JAZZY).fielddefs)
    if (folder := vision_msgs_folder()) is not None:
        for path in sorted(folder.glob('*.msg')):
            name = f'vision_msgs/msg/{path.stem}'
            types.update(get_types_from_msg(path.read_text('utf-8'), name))
    return types


def make_typestore(types: Typesdict | None = None) -> Typestore:
    """Return a store of the known types; given definitions go before known ones of the same name.

    Args:
        types: Definitions, for example those of a bag.
    """
    store = get_typestore(Stores.EMPTY)
    store.register({**known_types(), **(types or {})})
    return store
