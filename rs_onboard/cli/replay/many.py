# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Many flights: jobs, who runs them, one table."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.replay.conclusion import BAD_INPUT, DIFFERS, OK
from rs_onboard.cli.replay.engines import run_cluster, run_here
from rs_onboard.cli.replay.job import FlightJob
from rs_onboard.cli.replay.table import write_tables
from rs_onboard.replay.errors import RunError
from rs_onboard.replay.expectations import EXPECT_SUFFIX
from rs_onboard.replay.flights import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.cli.replay.job import FlightOutcome


@dataclass(frozen=True)
class ManyOptions:
    """What is replayed and how.

    Attributes:
        bags: The flights.
        out: Folder for the results, one folder a flight in it.
        values: Parameters of the nodes.
        jobs: Flights at once.
        retries: How often a flight is tried again when its process dies or the disk fails.
        cluster: Address of a Dask scheduler, `local` for one of this machine, empty for none.
        expect: Folder of expectations, NAME.expect.yaml each; None for none.
        update: Whether to make the results the golden ones.
    """

    bags: Sequence[Path]
    out: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1
    retries: int = 1
    cluster: str = ''
    expect: Path | None = None
    update: bool = False


def replay_many(options: ManyOptions) -> int:
    """Replay flights, print and write the table; returns the exit status.

    Returns:
        0; 1 where a flight differs or gave no results; 2 where one is damaged or failed.

    Raises:
        RunError: The options make no sense.
        ImportError: A cluster is asked for, and Dask is not installed.
        OSError: The table cannot be written.
    """
    if options.expect is not None and options.expect.is_file():
        raise RunError(
            f'--expect: found the file {options.expect} for {len(options.bags)} flights; expected '
            f'a folder with a NAME{EXPECT_SUFFIX} for each.'
        )
    jobs = jobs_of(options)
    if options.cluster:
        coming = run_cluster(jobs, options.cluster, options.jobs, options.retries)
    else:
        coming = run_here(jobs, options.jobs, options.retries)
    outcomes: list[FlightOutcome] = []
    for outcome in coming:
        outcomes.append(outcome)
        about = outcome.reason or f'{outcome.results} of {outcome.images} images'
        text = f'[{len(outcomes)}/{len(jobs)}] {outcome.name}: {outcome.state}, {about}'
        print(text, file=sys.stderr, flush=True)
    place = {job.name: number for number, job in enumerate(jobs)}
    outcomes.sort(key=lambda outcome: place[outcome.name])
    print(write_tables(options.out, outcomes))
    print(f'  {options.out / "index.html"}')
    states = {outcome.state for outcome in outcomes}
    if states & {'failed', 'damaged'}:
        return BAD_INPUT
    return DIFFERS if states - {'ok'} else OK


def jobs_of(options: ManyOptions) -> list[FlightJob]:
    """Return a job a flight, with paths that hold wherever it is run."""
    values = dict(options.values)
    # Threads do not change results, and as many flights as cores need no more.
    values.setdefault('threads', max(1, (os.cpu_count() or 1) // options.jobs))
    for name, value in values.items():
        if name.endswith('.model') and Path(value).is_dir():
            values[name] = str(Path(value).resolve())
    jobs = []
    for name, bag in zip(names_of(options.bags), options.bags, strict=True):
        expect = options.expect and options.expect / f'{name}{EXPECT_SUFFIX}'
        wanted = expect is not None and (options.update or expect.is_file())
        jobs.append(
            FlightJob(
                name=name,
                bag=str(bag.resolve()),
                out=str((options.out / name).resolve()),
                values=values,
                expect=str(expect.resolve()) if expect is not None and wanted else '',
                update=options.update,
            )
        )
    return jobs
