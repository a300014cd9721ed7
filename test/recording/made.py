# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Topics, messages and recorders for tests."""

from __future__ import annotations

from rs_onboard.recording.disk_budget import DiskBudget, DiskLimits, DiskSpace
from rs_onboard.recording.ledger import Ledger
from rs_onboard.recording.memory import newest
from rs_onboard.recording.recorder import Recorder
from rs_onboard.recording.records import Topic
from rs_onboard.recording.terms import RecordOptions

S = 1_000_000_000
# 2026-11-20 06:15:30 UTC.
START_NS = 1_795_155_330 * S
TEXT = 'std_msgs/msg/String'
TOPICS = (
    Topic('/words', TEXT, 'string data\n'),
    Topic('/labels', TEXT, 'string data\n', latched=True, depth=1, remember=newest),
    Topic('/numbers', 'std_msgs/msg/Float64', 'float64 data\n'),
)
WORDS, LABELS, NUMBERS = 1, 2, 3


def word(value: str) -> bytes:
    """Serialise a string message."""
    data = value.encode() + b'\0'
    return b'\0\1\0\0' + len(data).to_bytes(4, 'little') + data


def spoken(cdr: bytes) -> str:
    """Read a string message."""
    return bytes(cdr[8:-1]).decode()


class Disk:
    """A disk whose size and free space a test says; what is in the folder counts as used."""

    def __init__(self, folder, total=10**9, others=0):
        self.folder, self.total, self.others = folder, total, others

    def __call__(self, _):
        held = sum(path.stat().st_size for path in self.folder.iterdir())
        return DiskSpace(self.total, max(0, self.total - self.others - held))


class Rig:
    """A recorder that hears a word a second and whose clock a test turns."""

    def __init__(self, folder, *, compress=None, limits=None, disk=None, topics=TOPICS, **options):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.notes = []
        self.complaints = []
        self.ledger = Ledger()
        limits = limits or DiskLimits(10**9, 0.0)
        self.budget = DiskBudget(folder, limits, space=disk or Disk(folder))
        self.recorder = Recorder(
            RecordOptions(**options),
            topics,
            self.budget,
            self.ledger,
            compress=compress,
            note=self.notes.append,
            complain=self.complaints.append,
        )
        self.second = 0

    @property
    def now_ns(self):
        return START_NS + self.second * S

    def hear(self, count, size=0):
        """Let some seconds pass, with a word in each; returns what was said."""
        said = []
        for _ in range(count):
            said.append(f'{self.second}')
            self.say(word(said[-1] + ' ' * size))
            self.second += 1
            self.recorder.tick(self.second)
        return said

    def say(self, cdr, channel=WORDS):
        self.ledger.receive()
        self.recorder.take(channel, self.now_ns, cdr, self.second)

    def trigger(self, trigger):
        self.recorder.trigger(trigger, self.now_ns, self.second)

    def close(self):
        self.recorder.close(self.second)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def balance(self):
        """Return what the account says waits, less what really waits."""
        held = sum(item.chunk.messages for item in self.recorder._ring)
        return self.ledger.account().waiting - held - self.recorder._builder.messages
