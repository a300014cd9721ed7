# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a camera source in a thread of its own: pacing, re-opening, watching.

The thread reads as fast as the source gives, so that nothing old waits in a driver's queue, and
hands each image to a callback, which should only fill a mailbox. A source that fails is closed and
opened again with growing pauses. How it is doing is asked from outside, by `status()`, which looks
at the steady clock and so also sees a thread that hangs in a driver.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rs_onboard.perception.errors import SourceError
from rs_onboard.perception.source import End, Failure, Shot

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.perception.source import Reading, Source

CaptureState = Literal['stopped', 'opening', 'streaming', 'frozen', 'stalled', 'reopening', 'ended']

# Samples a side of the grid that is hashed: 0.03 ms at any image size, and sensor noise alone
# changes some of 2304 samples from frame to frame.
HASH_GRID = 48

# A paced source is late only after this many of its own periods.
STALLED_PERIODS = 3.0


@dataclass(frozen=True)
class CaptureStatus:
    """How the capture is doing.

    Attributes:
        state: `streaming`; `frozen` (the same image again and again); `stalled` (no image for too
            long); `reopening` (waiting to try again); `opening`; `ended`; `stopped`.
        reason: Why it is not streaming; empty while it is.
        last_frame_age_s: Time since the last image [s], None before the first.
        failed_in_a_row: Failed openings and reads since the last image.
        reads: Reads asked of the source: frames + failures + ends, and one that a stop overtook.
        frames: Images handed to the callback.
        failures: Reads that gave no image.
        open_failures: Openings that failed.
        reopenings: Openings after the first that succeeded.
        repeated: Images equal to the one before.
        skipped: Images that the source passed over as unreadable.
        callback_errors: Images whose callback raised; the last of its errors is `callback_error`.
        callback_error: See above; empty without one.
    """

    state: CaptureState
    reason: str
    last_frame_age_s: float | None
    failed_in_a_row: int
    reads: int
    frames: int
    failures: int
    open_failures: int
    reopenings: int
    repeated: int
    skipped: int
    callback_errors: int
    callback_error: str


class Grabber:
    """Owns the thread that reads a source.

    Args:
        source: Read, opened and closed by the thread alone once started. May be open already.
        on_frame: Called in the thread with an (H, W, 3) uint8 RGB image, not written to again, and
            its capture time on `clock_ns` [ns]. What it raises is counted.
        clock_ns: The clock of capture times, a node's for example.
        no_frame_s: Time without an image after which the state is `stalled` [s].
        frozen_after: Equal images in a row after which a live source is `frozen`, 0 for never.
        backoff_s: First and longest pause before a source is opened again [s]; doubles in between.
    """

    def __init__(
        self,
        source: Source,
        on_frame: Callable[[NDArray[np.uint8], int], None],
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        no_frame_s: float = 2.0,
        frozen_after: int = 30,
        backoff_s: tuple[float, float] = (0.5, 10.0),
    ) -> None:
        if not 0 < backoff_s[0] <= backoff_s[1]:
            raise SourceError(f'backoff_s: {backoff_s}, must be two rising times above 0')
        self._source = source
        self._on_frame = on_frame
        self._clock_ns = clock_ns
        self._no_frame_s = no_frame_s
        self._frozen_after = frozen_after
        self._backoff_s = backoff_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._count: Counter[str] = Counter()
        self._state: CaptureState = 'stopped'
        self._reason = ''
        self._callback_error = ''
        self._failed_in_a_row = 0
        self._repeats = 0
        self._hash: int | None = None
        self._since = time.monotonic()
        self._last_frame: float | None = None

    def start(self) -> None:
        """Start reading; returns at once.

        Raises:
            SourceError: If an earlier thread still hangs in the source.
        """
        if self._thread is not None:
            if self._thread.is_alive():
                raise SourceError(f'{self._source.name}: the capture still runs; stop it first')
            self._thread.join()
        # An event for each run: a hanging thread that comes back must still find its own set.
        self._stop = threading.Event()
        self._set('opening')
        self._repeats, self._hash = 0, None
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name=f'capture {self._source.name}', daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Stop reading and close the source.

        Returns:
            False if the thread hangs in the source: it is left alone, and ends when the call does.
        """
        self._stop.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> CaptureStatus:
        """Tell how the capture is doing, now; never waits for the source."""
        with self._lock:
            now = time.monotonic()
            state, reason = self._state, self._reason
            silent_s = now - max(self._since, self._last_frame or 0.0)
            limit_s = max(self._no_frame_s, STALLED_PERIODS * (self._source.period_s or 0.0))
            if state in {'opening', 'streaming'} and silent_s > limit_s:
                state, reason = 'stalled', f'{self._source.name}: no image for {silent_s:.1f} s'
            elif state == 'streaming' and self._is_frozen():
                state = 'frozen'
                reason = f'{self._source.name}: the same image {self._repeats + 1} times in a row'
            return CaptureStatus(
                state=state,
                reason=reason,
                last_frame_age_s=None if self._last_frame is None else now - self._last_frame,
                failed_in_a_row=self._failed_in_a_row,
                reads=self._count['reads'],
                frames=self._count['frames'],
                failures=self._count['failures'],
                open_failures=self._count['open_failures'],
                reopenings=self._count['reopenings'],
                repeated=self._count['repeated'],
                skipped=self._source.skipped,
                callback_errors=self._count['callback_errors'],
                callback_error=self._callback_error,
            )

    def _run(self, stop: threading.Event) -> None:
        """Open, read until it fails, pause, again; until stopped or at the end."""
        pause_s, opened_before = self._backoff_s[0], False
        try:
            while not stop.is_set():
                failure = self._open()
                if failure is None:
                    self._count['reopenings'] += opened_before
                    opened_before = True
                    frames = self._count['frames']
                    outcome = self._read_on(stop)
                    self._source.close()
                    if outcome is None:
                        break
                    if isinstance(outcome, End):
                        self._set('ended', outcome.reason)
                        return
                    failure = outcome
                    if self._count['frames'] > frames:
                        pause_s = self._backoff_s[0]
                self._set('reopening', f'{failure.reason}; trying again in {pause_s:g} s')
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, self._backoff_s[1])
            self._set('stopped')
        finally:
            self._source.close()

    def _open(self) -> Failure | None:
        """Open the source; return what went wrong."""
        self._set('opening')
        try:
            self._source.open()
        except Exception as exc:  # noqa: BLE001  whatever a backend raises, the thread lives on
            self._source.close()
            with self._lock:
                self._count['open_failures'] += 1
                self._failed_in_a_row += 1
            return Failure(str(exc) or repr(exc))
        return None

    def _read_on(self, stop: threading.Event) -> End | Failure | None:
        """Read and hand on until there is no image; None when stopped."""
        due = time.monotonic()
        while not stop.is_set():
            reading = self._read()
            if not isinstance(reading, Shot):
                return reading
            if self._source.period_s is not None:
                # After a hold-up the pace starts anew; a burst of late frames helps nobody.
                due = max(due, time.monotonic() - self._source.period_s)
                if stop.wait(max(0.0, due - time.monotonic())):
                    return None
                due += self._source.period_s
            if not stop.is_set():
                self._hand_on(reading)
        return None

    def _read(self) -> Reading:
        """Read once and count."""
        try:
            reading = self._source.read()
        except Exception as exc:  # noqa: BLE001  whatever a backend raises, the thread lives on
            reading = Failure(f'{self._source.name}: {exc or repr(exc)}')
        with self._lock:
            self._count['reads'] += 1
            if isinstance(reading, Failure):
                self._count['failures'] += 1
                self._failed_in_a_row += 1
        return reading

    def _hand_on(self, shot: Shot) -> None:
        """Stamp, watch for a frozen picture, call back."""
        stamp_ns = self._clock_ns() - shot.age_ns
        frame_hash = hash_image(shot.image)
        with self._lock:
            same = frame_hash == self._hash
            self._hash = frame_hash
            self._repeats = self._repeats + 1 if same else 0
            self._count['repeated'] += same
            self._count['frames'] += 1
            self._last_frame = time.monotonic()
            self._failed_in_a_row = 0
            self._state, self._reason = 'streaming', ''
        try:
            self._on_frame(shot.image, stamp_ns)
        except Exception as exc:  # noqa: BLE001  a broken callback must not stop the camera
            with self._lock:
                self._count['callback_errors'] += 1
                self._callback_error = f'{type(exc).__name__}: {exc}'

    def _is_frozen(self) -> bool:
        return self._source.live and 0 < self._frozen_after <= self._repeats

    def _set(self, state: CaptureState, reason: str = '') -> None:
        with self._lock:
            self._state, self._reason = state, reason
            self._since = time.monotonic()


def hash_image(image: NDArray[np.uint8]) -> int:
    """Hash a grid of samples of an (H, W, 3) uint8 image, to tell whether the next is the same."""
    height, width = image.shape[:2]
    samples = image[:: max(1, height // HASH_GRID), :: max(1, width // HASH_GRID)]
    return zlib.crc32(samples.tobytes())
