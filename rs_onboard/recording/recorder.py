# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept: everything, or the seconds around a trigger, from a ring of chunks.

All of it runs in one thread, that of the intake. Chunks wait in the ring until they are too old to
be wanted; while a recording is open they are written from there, so that a disk that refuses for a
while loses only what the ring cannot hold.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.recording.chunks import Chunk, ChunkBuilder
from rs_onboard.recording.disk_budget import free_path, protected_path
from rs_onboard.recording.mcap_file import McapFile
from rs_onboard.recording.memory import Memory
from rs_onboard.recording.terms import RecorderStatus, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rs_onboard.recording.disk_budget import DiskBudget
    from rs_onboard.recording.ledger import Ledger
    from rs_onboard.recording.records import Topic
    from rs_onboard.recording.terms import RecordOptions

# A disk that refused is asked again after this time.
RETRY_S = 2.0
# A clock that goes back by more was set, or a bag began anew; the ring is of another time then.
TIME_JUMP_NS = 1_000_000_000
# An event ends when nothing arrives for this long after its time [s].
SILENCE_S = 5.0
# Index and footer of a file, with room to spare.
RESERVE_BYTES = 256 * 1024
EXPIRY_PERIOD_S = 600.0
OUTLOOK_PERIOD_S = 5.0
FOREVER_NS = 2**63 - 1


@dataclass
class _Held:
    """A chunk in the ring.

    Attributes:
        chunk: The chunk.
        before: What a recording that begins with it has to know, by channel.
        number: Its number.
        written: Whether it is in a file.
        lacking: Whether a recording lacks it.
    """

    chunk: Chunk
    before: Mapping[int, bytes]
    number: int
    written: bool = False
    lacking: bool = False


@dataclass
class _Job:
    """A recording under way; the first chunk it still wants, its file once it has one."""

    trigger: Trigger
    start_ns: int
    until_ns: int
    next: int
    keep_until_ns: int = -1
    file: McapFile | None = None
    last: Path | None = None


class Recorder:
    """Keeps what arrives as the options say.

    Args:
        options: How much.
        topics: Channel n + 1 is topic n.
        disk: Where, and how much of it.
        ledger: Accounts for every message.
        compress: Makes one zstd frame of bytes; None stores chunks as they are.
        note: Told what a user should read in the log.
        complain: Told of messages that are not what they should be.
    """

    def __init__(
        self,
        options: RecordOptions,
        topics: Sequence[Topic],
        disk: DiskBudget,
        ledger: Ledger,
        *,
        compress: Callable[[bytes], bytes] | None = None,
        note: Callable[[str], object] = str,
        complain: Callable[[str], object] = str,
    ) -> None:
        self._options = options
        self._topics = topics
        self._disk = disk
        self._ledger = ledger
        self._note = note
        self._builder = ChunkBuilder(compress)
        self._compress = compress
        self._ring: deque[_Held] = deque()
        self._ring_bytes = 0
        self._closed_chunks = 0
        self._memory = Memory(topics, complain)
        self._before: Mapping[int, bytes] = {}
        self._last_ns = 0
        self._heard_s = 0.0
        self._job: _Job | None = None
        self._trouble = ''
        self._retry_s = 0.0
        self._outlook = ''
        self._outlook_s = self._expiry_s = 0.0
        self._triggers = self._files = self._written = 0
        self.status = RecorderStatus('armed')

    def take(self, channel: int, time_ns: int, cdr: bytes, now_s: float) -> None:
        """Take a message.

        Args:
            channel: Its channel.
            time_ns: Node clock at its arrival; 0 while it is not known.
            cdr: The message, serialised.
            now_s: Steady clock.
        """
        if not time_ns:
            # Nobody publishes the clock yet.
            if self._memory.take(channel, cdr):
                self._ledger.done(1)
            else:
                self._ledger.drop('no_clock')
            return
        if time_ns < self._last_ns - TIME_JUMP_NS:
            self._begin_anew(now_s)
        self._last_ns, self._heard_s = time_ns, now_s
        if self._options.always and self._job is None:
            job = Trigger('flight', 'record.mode always')
            self._job = _Job(job, time_ns, FOREVER_NS, self._closed_chunks)
        if self._builder.opened_s is None:
            self._before = self._memory.held()
        self._memory.take(channel, cdr)
        if self._builder.add(channel, time_ns, cdr, now_s):
            self._close_chunk(now_s)

    def trigger(self, trigger: Trigger, time_ns: int, now_s: float) -> None:
        """Record the seconds around a moment, or go on doing so."""
        self._triggers += 1
        options, job = self._options, self._job
        until = time_ns + round(options.after_s * 1e9)
        self._heard_s = max(self._heard_s, now_s)
        if options.always:
            if job is not None:
                self._protect(job, until if trigger.keep else -1)
        elif job is not None:
            job.until_ns = min(until, job.start_ns + round(options.longest_s * 1e9))
            if trigger.keep:
                self._protect(job, FOREVER_NS)
        else:
            self._close_chunk(now_s)
            first = self._ring[0].number if self._ring else self._closed_chunks
            keep = FOREVER_NS if trigger.keep else -1
            self._job = _Job(trigger, time_ns, until, first, keep)
            self._note(
                f'recording {options.before_s:g} s before to {options.after_s:g} s after: '
                f'{trigger.reason}'
            )
            self._write(now_s)
        self._describe()

    def tick(self, now_s: float) -> None:
        """Do what is due: close chunks, ask a disk again, end events, remove what is too old."""
        if self._builder.due(now_s):
            self._close_chunk(now_s)
        elif self._trouble and now_s >= self._retry_s:
            self._write(now_s)
        job = self._job
        if job is not None and not self._options.always:
            silent = now_s - self._heard_s > self._options.after_s + SILENCE_S
            if silent or self._last_ns > job.until_ns:
                self._close_chunk(now_s)
                self._finish()
        self._look_at_disk(now_s)
        self._describe()

    def close(self, now_s: float) -> None:
        """Write what is wanted and end; a disk that refuses now is not asked again."""
        self._close_chunk(now_s)
        self._write(now_s, last=True)
        self._finish()
        while self._ring:
            self._forget('')
        self._describe()

    def abandon(self) -> None:
        """Forget everything after an error."""
        self._builder = ChunkBuilder(self._compress)
        self._ring.clear()
        self._ring_bytes = 0
        self._finish()
        self._describe()

    def _look_at_disk(self, now_s: float) -> None:
        """Remove what is too old; while nothing is written, see whether something could be."""
        try:
            if now_s >= self._expiry_s:
                self._expiry_s = now_s + EXPIRY_PERIOD_S
                self._disk.expire(time.time(), self._busy())
            if now_s >= self._outlook_s:
                self._outlook_s = now_s + OUTLOOK_PERIOD_S
                self._outlook = ''
                if self._job is None:
                    self._outlook = self._disk.trouble(RESERVE_BYTES)
        except OSError as exc:
            self._outlook = f'{self._disk.folder}: {exc}'

    def _begin_anew(self, now_s: float) -> None:
        self._note('the clock went back; recording begins anew')
        self._close_chunk(now_s)
        self._finish()
        while self._ring:
            self._forget('time_jump')

    def _close_chunk(self, now_s: float) -> None:
        chunk = self._builder.close()
        if chunk is None:
            return
        self._ring.append(_Held(chunk, self._before, self._closed_chunks))
        self._ring_bytes += chunk.size
        self._closed_chunks += 1
        self._write(now_s)
        job = self._job
        horizon = chunk.end_ns - round(self._options.before_s * 1e9)
        while self._ring:
            first = self._ring[0]
            wanted = job is not None and first.number >= job.next
            old = self._options.always or first.chunk.end_ns < horizon
            if self._ring_bytes > self._options.ring_bytes:
                self._forget('not_written' if wanted else '' if old else 'ring_full')
            elif old and not wanted:
                self._forget('')
            else:
                break

    def _forget(self, drop: str) -> None:
        """Let the oldest chunk go; `drop` is the name of the loss where it is one."""
        held = self._ring.popleft()
        self._ring_bytes -= held.chunk.size
        if held.written or not (drop or held.lacking):
            self._ledger.done(held.chunk.messages)
        else:
            self._ledger.drop('not_written' if held.lacking else drop, held.chunk.messages)

    def _write(self, now_s: float, *, last: bool = False) -> None:
        """Write what the recording under way wants, as far as the disk takes it."""
        job = self._job
        if job is None or (self._trouble and now_s < self._retry_s and not last):
            return
        for held in self._ring:
            if held.number < job.next:
                continue
            try:
                trouble = self._append(job, held)
            except OSError as exc:
                trouble = f'{self._disk.folder}: {exc}'
            if trouble:
                self._pause(job, trouble, now_s)
                return
            held.written = True
            job.next = held.number + 1
        if self._trouble:
            self._note(f'recording goes on after: {self._trouble}')
            self._trouble = ''

    def _append(self, job: _Job, held: _Held) -> str:
        """Write a chunk; says why it is not written, empty if it is."""
        chunk = held.chunk
        if trouble := self._disk.make_room(chunk.size + RESERVE_BYTES, self._busy()):
            return trouble
        if job.file is None:
            keep = chunk.start_ns <= job.keep_until_ns
            path = free_path(self._disk.folder, chunk.start_ns, job.trigger.kind, keep=keep)
            about = {'trigger': job.trigger.kind, 'reason': job.trigger.reason}
            job.file = McapFile(path, self._topics, about)
            self._files += 1
            if preamble := self._preamble(held):
                job.file.write(preamble)
        before = job.file.size
        job.file.write(chunk)
        self._written += job.file.size - before
        if job.file.size >= self._options.segment_bytes:
            self._end_file(job)
        return ''

    def _preamble(self, first: _Held) -> Chunk | None:
        """Put together what was known before a chunk, which readers need and nobody repeats."""
        builder = ChunkBuilder(self._compress)
        for channel, cdr in first.before.items():
            builder.add(channel, first.chunk.start_ns, cdr)
        return builder.close()

    def _pause(self, job: _Job, trouble: str, now_s: float) -> None:
        if not self._trouble:
            self._note(f'recording is paused, perception goes on: {trouble}')
        self._trouble = trouble
        self._retry_s = now_s + RETRY_S
        # What comes later goes into a file of its own: this one may be on a disk that is gone.
        self._end_file(job)

    def _end_file(self, job: _Job) -> None:
        if job.file is None:
            return
        file, job.file = job.file, None
        job.last = file.path
        try:
            file.close()
        except OSError as exc:
            self._note(f'{file.path} has no index, its chunks can be read: {exc}')

    def _protect(self, job: _Job, until_ns: int) -> None:
        """Protect the file being written, that before it, and those that begin until a moment."""
        if until_ns < 0:
            return
        job.keep_until_ns = max(job.keep_until_ns, until_ns)
        try:
            if job.file is not None:
                job.file.rename(protected_path(job.file.path))
            if job.last is not None and job.last.exists():
                job.last = job.last.rename(protected_path(job.last))
        except OSError as exc:
            self._note(f'a recording is not protected: {exc}')

    def _finish(self) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        self._end_file(job)
        for held in self._ring:
            if held.number >= job.next:
                # It may still serve the next event.
                held.lacking = True
        if self._trouble:
            self._note(f'a recording ({job.trigger.reason}) is incomplete: {self._trouble}')
            self._trouble = ''

    def _busy(self) -> tuple[Path, ...]:
        job = self._job
        return (job.file.path,) if job is not None and job.file is not None else ()

    def _describe(self) -> None:
        job = self._job
        state = 'paused' if self._trouble else 'armed' if job is None else 'recording'
        ring_ns = self._ring[-1].chunk.end_ns - self._ring[0].chunk.start_ns if self._ring else 0
        self.status = RecorderStatus(
            state=state,
            trouble=self._trouble or self._outlook,
            path=None if job is None or job.file is None else job.file.path,
            ring_s=ring_ns / 1e9,
            ring_bytes=self._ring_bytes,
            triggers=self._triggers,
            files=self._files,
            written_bytes=self._written,
            removed=self._disk.removed,
        )
