# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which class of a model a class of a data set is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rs_onboard.inference.card import ClassInfo

# Names under which sets keep what nobody labelled, without blanks and in small letters.
UNLABELLED = frozenset({'unlabeled', 'unlabelled', 'ignore', 'ignored', 'void', 'nodata'})


@dataclass(frozen=True)
class Matching:
    """Where the classes of a data set go.

    Attributes:
        classes: The classes of the model, then those of the data that it does not know.
        ids: For each class of the data its position in `classes`; None where it has no say.
        unknown: Classes of the data that the model does not know.
        ignored: Classes of the data that have no say.
        renamed: Name in the data and in the model where they differ.
    """

    classes: tuple[str, ...]
    ids: tuple[int | None, ...]
    unknown: tuple[str, ...]
    ignored: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]


def plain(name: str) -> str:
    """Reduce a name to small letters and digits."""
    return re.sub(r'[\W_]+', '', name).casefold()


def match_classes(
    known: Sequence[ClassInfo],
    found: Sequence[str],
    *,
    ignored: Collection[str] = (),
    known_only: bool = False,
) -> Matching:
    """Match the classes of a data set to those of a model.

    A name is looked for among the names of the card, then its aliases, as it is written and then
    without regard to case, blanks, hyphens and underscores.

    Args:
        known: Classes of the card.
        found: Classes of the data.
        ignored: Further names of the data that have no say.
        known_only: Leave what the model does not know out instead of counting it as wrong.

    Raises:
        ValueError: A name to be ignored is not among those of the data.
    """
    if strange := sorted(set(ignored) - set(found)):
        raise ValueError(
            f'--ignore {", ".join(strange)}: no such class in the data; expected some of '
            f'{", ".join(found)}.'
        )
    names = tuple(info.name for info in known)
    tables: list[dict[str, int]] = [{}, {}, {}, {}]
    for index, info in enumerate(known):
        tables[0].setdefault(info.name, index)
        tables[1].setdefault(plain(info.name), index)
        for alias in info.aliases:
            tables[2].setdefault(alias, index)
            tables[3].setdefault(plain(alias), index)
    ids: list[int | None] = []
    classes, unknown, silent = list(names), [], []
    for name in found:
        keys = (name, plain(name), name, plain(name))
        hits = [table[key] for table, key in zip(tables, keys, strict=True) if key in table]
        if name in ignored or (not hits and plain(name) in UNLABELLED):
            ids.append(None)
            silent.append(name)
        elif hits:
            ids.append(hits[0])
        else:
            unknown.append(name)
            ids.append(None if known_only else len(classes))
            if not known_only:
                classes.append(name)
    renamed = tuple(
        (name, names[index])
        for name, index in zip(found, ids, strict=True)
        if index is not None and index < len(names) and names[index] != name
    )
    return Matching(tuple(classes), tuple(ids), tuple(unknown), tuple(silent), renamed)
