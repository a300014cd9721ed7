# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A finished run read from its folder: facts, records, durations, masks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.replay.errors import RunError
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.run_facts import RunFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# Of masks of change: not seen in both images; as probable as not.
UNSEEN, CHANGED = 255, 128

# Topic of the mask of a task, and whether it is one of probabilities (0 to 255) of two classes.
MASK_TOPICS = {'segmentation': ('/segmentation', False), 'change': ('/change/mask', True)}


class RecordedRun:
    """A run in a folder, as `rs_onboard replay` and `rs_onboard demo` leave it.

    Args:
        folder: The folder.

    Attributes:
        facts: What is known of it.
        records: Records of the frames, without durations.
        timings: Durations of the frames.

    Raises:
        RunError: The run is not complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = RunFacts.read(folder)
        self.records = read_lines(folder / 'results.jsonl')
        self.timings = read_lines(folder / 'timings.jsonl')

    def masks(self) -> Iterator[tuple[str, int, NDArray[np.uint8]]]:
        """Yield (task, stamp (ns), labels (H, W) uint8) of every mask; change as 0, 1, 255.

        Raises:
            CorruptBagError: The recorded results are damaged.
        """
        path = self.folder / 'results'
        if not path.is_dir():
            return
        with Bag(path) as bag:
            tasks = {topic: task for task, (topic, _) in MASK_TOPICS.items() if topic in bag.topics}
            if not tasks:
                return
            for message in bag.messages(tuple(tasks)):
                task = tasks[message.topic]
                image: Any = bag.decode(message)
                mask: NDArray[np.uint8] = np.asarray(image.data, np.uint8)
                mask = mask.reshape(image.height, image.width)
                if MASK_TOPICS[task][1]:
                    mask = np.where(mask == UNSEEN, mask, mask >= CHANGED).astype(np.uint8)
                if mask.size and message.stamp_ns is not None:
                    yield task, message.stamp_ns, mask

    def classes(self) -> dict[str, list[str]]:
        """Return the names of the classes of masks in order of their ids, by task."""
        path = self.folder / 'results'
        found: dict[str, list[str]] = {}
        if not path.is_dir():
            return found
        with Bag(path) as bag:
            for task in MASK_TOPICS:
                topic = f'/{task}/label_info'
                if topic in bag.topics:
                    info: Any = bag.decode(next(bag.messages((topic,))))
                    found[task] = [item.class_name for item in info.class_map]
        return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines.

    Raises:
        RunError: It is missing, or a line is no JSON object.
    """
    try:
        found = [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]
    except FileNotFoundError:
        msg = f'{path}: no such file; the run is not complete. Run it again.'
        raise RunError(msg) from None
    except ValueError as exc:
        msg = f'{path}: {exc}; expected a JSON object a line. Write it again.'
        raise RunError(msg) from None
    return found
