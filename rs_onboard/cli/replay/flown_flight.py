# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A flight replayed for a test: what the plugin of pytest hands out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.options import parameter_overrides
from rs_onboard.cli.replay.conclusion import judge
from rs_onboard.replay.expectations.compare import update
from rs_onboard.replay.expectations.recorded import RecordedRun
from rs_onboard.replay.flights import flight_name
from rs_onboard.replay.message_classes import provide_messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.cli.replay.finish import Ended
    from rs_onboard.replay.alarms import Alarm
    from rs_onboard.replay.expectations.differences import Verdict
    from rs_onboard.replay.run_facts import RunFacts


class FlightDiffersError(AssertionError):
    """A flight is not as expected; the message says how."""


class FlownFlight:
    """A replayed flight.

    Attributes:
        out: Folder of its results; `index.html` is the page about it.
        facts: Counts, drops, alarms, models.
        records: The record of every frame, as in `results.jsonl`, durations included.
        expected: File of its expectations, None for none.
    """

    def __init__(self, ended: Ended, out: Path, expected: Path | None) -> None:
        self.out = out
        self.facts: RunFacts = ended.facts
        self.records: Sequence[Mapping[str, Any]] = ended.records
        self.expected = expected

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What somebody should look at."""
        return self.facts.alarms

    @cached_property
    def verdict(self) -> Verdict | None:
        """Comparison with the expectations, None where there are none."""
        return None if self.expected is None else judge(self.out, self.expected)

    def masks(self) -> Iterator[tuple[str, int, NDArray[np.uint8]]]:
        """Yield (task, stamp (ns), labels (H, W) uint8) of every mask."""
        return RecordedRun(self.out).masks()

    def check(self) -> None:
        """Compare with the expectations; without any, look for results and failures.

        Raises:
            FlightDiffersError: Says how the flight differs.
        """
        if self.verdict is not None:
            if self.verdict.differences:
                raise FlightDiffersError(f'{self.verdict.text()}\npage: {self.out / "index.html"}')
            return
        faults = [f'{x.source}: {x.first}' for x in self.alarms if x.level == 'error']
        if not self.records:
            faults.append('no image gave a result')
        if faults:
            lines = '\n  '.join(faults)
            page = self.out / 'index.html'
            raise FlightDiffersError(f'{self.facts.bag}:\n  {lines}\npage: {page}')

    def properties(self) -> list[tuple[str, object]]:
        """Return what a test report should have, for JUnit's properties."""
        found: list[tuple[str, object]] = [
            ('flight', self.facts.bag),
            ('images', self.facts.images),
            ('results', self.facts.results),
            ('drops', sum(n for reasons in self.facts.drops.values() for n in reasons.values())),
            ('alarms', len(self.facts.alarms)),
            ('page', str(self.out / 'index.html')),
        ]
        if self.verdict is not None:
            found += [
                ('differences', len(self.verdict.differences)),
                ('true_alarms', self.verdict.true_alarms),
                ('missed_alarms', self.verdict.missed_alarms),
                ('false_alarms', self.verdict.false_alarms),
            ]
        return found


def fly(
    bag: Path,
    out: Path,
    expected: Path | None,
    *,
    parameters: Mapping[str, Any],
    params: Path | None,
    assignments: Sequence[str],
    update_golden: bool,
) -> FlownFlight:
    """Replay a flight for a test.

    Args:
        bag: The flight.
        out: Folder for the results of all flights.
        expected: File of its expectations, None for none.
        parameters: Its parameters.
        params: Parameter file for all flights, which wins over them.
        assignments: NAME=VALUE texts for all flights, which win over both.
        update_golden: Whether to make the results the golden ones first.

    Raises:
        BagError, FieldError, CardError, ModelError: The flight cannot be replayed.
    """
    provide_messages()
    from rs_onboard.cli.replay.flight_run import ReplayOptions, replay_flight  # noqa: PLC0415

    values = {**parameters, **parameter_overrides(params, assignments)}
    folder = out / flight_name(bag)
    ended = replay_flight(ReplayOptions(bag, folder, values, quiet=True))
    if update_golden and expected is not None:
        update(folder, expected, bag)
    return FlownFlight(ended, folder, expected)
