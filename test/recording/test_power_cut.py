# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorder that is killed leaves what it had finished, readable."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from made import spoken

from rs_onboard.replay.reader import Bag

# Records a word a second of its clock, as fast as the disk goes, and tells what is on the disk.
SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from made import Rig
rig = Rig(Path(sys.argv[1]), always=True, segment_bytes=100_000)
while True:
    rig.hear(1, size=500)
    print(rig.second, flush=True)
"""


def test_a_recorder_that_is_killed_has_lost_no_chunk_that_was_finished(tmp_path):
    here = Path(__file__).parent
    folder = tmp_path / 'r'
    process = subprocess.Popen(
        [sys.executable, '-c', SCRIPT, str(folder), str(here), str(here.parents[1])],
        stdout=subprocess.PIPE,
    )
    told = 0
    end = time.monotonic() + 60.0
    while told < 400 and time.monotonic() < end:
        told = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    told = int(rest[-1]) if rest else told
    files = sorted(folder.iterdir())
    assert len(files) > 2
    found = []
    for path in files:
        with Bag(path) as bag:
            assert bool(bag.report.damage) == (path == files[-1])
            found += [int(spoken(m.cdr)) for m in bag.messages(strict=False)]
    assert found == list(range(len(found)))
    # A chunk is finished by the tick after its second.
    assert len(found) >= told - 1
