# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Who runs the jobs: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.replay.job import FlightJob, FlightOutcome, run_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOG = 'replay.log'
LOCAL_CLUSTER = 'local'
LAST_LINES = 3


def run_here(jobs: Sequence[FlightJob], count: int, retries: int) -> Iterator[FlightOutcome]:
    """Run jobs in processes of their own, some at once; yield outcomes as they come.

    A flight that takes its process down takes nothing else along.

    Args:
        jobs: The jobs.
        count: Processes at once.
        retries: How often a job is tried again when its process dies or the disk fails.
    """
    with ThreadPoolExecutor(count, 'flight') as pool:
        stop = threading.Event()
        futures = [pool.submit(_in_process, job, retries, stop) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            # Whoever interrupts this interrupts the processes too, and wants none tried again.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _in_process(job: FlightJob, retries: int, stop: threading.Event) -> FlightOutcome:
    out = Path(job.out)
    reason = ''
    for attempt in range(1, retries + 2):
        out.mkdir(parents=True, exist_ok=True)
        # The command is our own interpreter and module.
        done = subprocess.run(
            [sys.executable, '-m', 'rs_onboard.cli.replay.job'],
            input=json.dumps(asdict(job)),
            capture_output=True,
            text=True,
            check=False,
        )
        (out / LOG).write_text(done.stderr, encoding='utf-8')
        if done.returncode == 0:
            found = json.loads(done.stdout.splitlines()[-1])
            return FlightOutcome(**{**found, 'attempts': attempt})
        reason = _why(done)
        if stop.is_set() or done.returncode == -signal.SIGINT:
            return FlightOutcome(job.name, job.bag, '', 'failed', reason, attempts=attempt)
    return FlightOutcome(job.name, job.bag, '', 'failed', reason, attempts=retries + 1)


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        hint = '; out of memory, perhaps: try fewer --jobs' if name == 'SIGKILL' else ''
        return f'its process was ended by {name}{hint}'
    return ' '.join(done.stderr.split('\n')[-LAST_LINES:]).strip()


def run_cluster(
    jobs: Sequence[FlightJob], address: str, count: int, retries: int
) -> Iterator[FlightOutcome]:
    """Run jobs on the workers of a Dask cluster; yield outcomes as they come.

    Workers need the same rs_onboard and see bags, models and results under the same paths.

    Args:
        jobs: The jobs.
        address: Address of the scheduler (`tcp://host:8786`), or `local` for a cluster of this
            machine.
        count: Workers of a local cluster.
        retries: How often a job is tried again.

    Raises:
        ImportError: Dask is not installed.
        OSError: No scheduler answers at the address.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415  (optional)
        from distributed import as_completed as as_finished  # noqa: PLC0415
    except ImportError:
        raise ImportError(
            '--cluster: found no package distributed; expected Dask. Install '
            "rs_onboard[cluster] (pip install 'distributed'), here and on the workers."
        ) from None
    with ExitStack() as stack:
        cluster: Any = address
        if address == LOCAL_CLUSTER:
            # A worker has one thread, so it has one flight at a time.
            local = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
            cluster = stack.enter_context(local)
        client = stack.enter_context(Client(cluster))
        futures = {client.submit(run_job, job, retries=retries, pure=False): job for job in jobs}
        for future in as_finished(list(futures)):
            yield _result(future, futures[future], retries)
            future.release()


def _result(future: Any, job: FlightJob, retries: int) -> FlightOutcome:
    fault = future.exception()
    if fault is None:
        outcome: FlightOutcome = future.result()
        return outcome
    reason = f'{type(fault).__name__}: {" ".join(str(fault).split())}'
    return FlightOutcome(job.name, job.bag, '', 'failed', reason, attempts=retries + 1)
