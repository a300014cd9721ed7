# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Flights in folders and lists: where they are and what they are called."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import BagError
from rs_onboard.replay.run_facts import RUN_FILE
from rs_onboard.replay.sources import STORAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FILES = (*STORAGE_SUFFIXES, '.bag')
LIST = '.txt'


def flight_name(bag: Path) -> str:
    """Return a name for a flight and the folder of its results: that of its bag."""
    path = bag.resolve()
    return path.stem if path.is_file() else path.name


def is_bag(path: Path) -> bool:
    """Whether a path is one recording: a file, or a folder with the files of one."""
    if not path.is_dir():
        return path.suffix in FILES
    if (path / 'metadata.yaml').is_file():
        return True
    # A recorder that lost power leaves its files, named like the folder, without metadata.
    return any(x.suffix in STORAGE_SUFFIXES and x.stem.startswith(path.name) for x in _files(path))


def find_flights(paths: Sequence[Path]) -> list[Path]:
    """Return the flights that paths name, each once, in order.

    Args:
        paths: Bags; folders, which are searched; lists (`.txt`) with a path a line, as seen from
            the list, empty lines and those after # left out.

    Raises:
        BagError: A path is none of these, or names no flight.
        OSError: A list cannot be read.
    """
    found: dict[Path, None] = {}
    for path in paths:
        flights = list(_flights(path))
        if not flights:
            msg = (
                f'{path}: holds no flight; expected a bag ({", ".join(FILES)}, or a folder with '
                f'metadata.yaml), a folder of bags, or a list of them ({LIST}).'
            )
            raise BagError(msg)
        found.update(dict.fromkeys(flights))
    return list(found)


def names_of(bags: Sequence[Path]) -> list[str]:
    """Return a name for each flight, different for all."""
    names = [flight_name(bag) for bag in bags]
    twice = {name for name, count in Counter(names).items() if count > 1}
    names = [
        f'{bag.resolve().parent.name}-{name}' if name in twice else name
        for bag, name in zip(bags, names, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f'{name}-{seen[name]}')
    return unique


def _flights(path: Path) -> Iterator[Path]:
    if path.is_file() and path.suffix == LIST:
        for line in path.read_text(encoding='utf-8').splitlines():
            if text := line.partition('#')[0].strip():
                yield from find_flights([path.parent / text])
    elif is_bag(path):
        yield path
    elif path.is_dir():
        yield from _in_folder(path)


def _in_folder(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if is_bag(path):
            yield path
        elif path.is_dir() and not path.is_symlink() and not (path / RUN_FILE).exists():
            # The results of a run are a bag too, but no flight.
            yield from _in_folder(path)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file())
