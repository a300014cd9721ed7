# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a run besides its results: inputs, counts, alarms. The same for the same inputs.

`run.json` is the last file that a run writes, so its presence says that the run is complete.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rs_onboard import __version__
from rs_onboard.inference.file_hash import file_hash
from rs_onboard.replay.alarms import Alarm
from rs_onboard.replay.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rs_onboard.inference.card import ModelCard, TaskName

RUN_FILE = 'run.json'

# How a result is computed or kept, not what it is.
WITHOUT_EFFECT = frozenset(
    {
        'threads',
        'spinning',
        'arena',
        'memory_pattern',
        'engine_cache',
        'results_dir',
        'diagnostics_period_s',
        'autostart',
        'use_sim_time',
    }
)


@dataclass(frozen=True)
class RunFacts:
    """A finished run, as `run.json` has it.

    Attributes:
        bag: Name of the bag.
        inputs_sha256: Hash of everything the results depend on; see `inputs_hash`.
        models: Name, variant, sha256 and provider of the model, by task.
        parameters: Parameters that were given and have an effect.
        images: Images met.
        results: Frames with results.
        drops: Images without results, by node and reason.
        statuses: Frames by task and status.
        alarms: What somebody should look at.
        notes: What readers must know.
        damage: What is wrong with the bag, empty if nothing is.
        version: Version of rs_onboard.
    """

    bag: str
    inputs_sha256: str
    models: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any]
    images: int
    results: int
    drops: Mapping[str, Mapping[str, int]]
    statuses: Mapping[str, Mapping[str, int]]
    alarms: tuple[Alarm, ...] = ()
    notes: tuple[str, ...] = ()
    damage: str = ''
    version: str = field(default=__version__)

    def write(self, folder: Path) -> None:
        """Write `run.json`.

        Raises:
            OSError: It cannot be written.
        """
        record = {**vars(self), 'alarms': [alarm.record() for alarm in self.alarms]}
        text = json.dumps(record, indent=2, sort_keys=True)
        (folder / RUN_FILE).write_text(text + '\n', encoding='utf-8')

    @classmethod
    def read(cls, folder: Path) -> RunFacts:
        """Read the `run.json` of a folder.

        Raises:
            RunError: It is missing or not what `write` writes.
        """
        path = folder / RUN_FILE
        try:
            record = json.loads(path.read_text(encoding='utf-8'))
            alarms = tuple(Alarm.from_record(item) for item in record.pop('alarms'))
            notes = tuple(record.pop('notes'))
            return cls(**record, alarms=alarms, notes=notes)
        except FileNotFoundError:
            raise RunError(
                f'{path}: no such file; the run is not complete. Run it again.'
            ) from None
        except (KeyError, TypeError, ValueError) as exc:
            raise RunError(
                f'{path}: {exc!r}; expected what a replay of this release writes. Run it again.'
            ) from None


def inputs_hash(bag_sha256: str, parameters: Mapping[str, Any], models: Mapping[str, str]) -> str:
    """Return the hash of what results depend on.

    Args:
        bag_sha256: Hash of the bag, see `bag_hash`.
        parameters: Parameters that were given.
        models: Hash of the model that ran, by task.
    """
    # A model counts by its hash, wherever it lies.
    told = {k: v for k, v in with_effect(parameters).items() if not k.endswith('.model')}
    inputs = [__version__, bag_sha256, told, dict(models)]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def with_effect(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that can change results."""
    return {name: value for name, value in parameters.items() if name not in WITHOUT_EFFECT}


def bag_hash(path: Path) -> str:
    """Return the sha256 of the files of a bag and their names in it, wherever it lies."""
    whole = hashlib.sha256()
    files = [path] if path.is_file() else sorted(x for x in path.rglob('*') if x.is_file())
    for file in files:
        name = '' if path.is_file() else file.relative_to(path).as_posix()
        whole.update(f'{name}\0{file_hash(file)}\n'.encode())
    return whole.hexdigest()


def model_facts(cards: Mapping[TaskName, ModelCard], records: list[Any]) -> dict[str, Any]:
    """Return the models of a run: what its results say ran, else what the cards name."""
    found: dict[str, Any] = {}
    for task, card in cards.items():
        said = next((r[task]['model'] for r in records if 'model' in r.get(task, {})), None)
        found[task] = said or {'name': card.name}
    return found
