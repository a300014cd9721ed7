# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What follows when a model hangs: another session, on another provider, in another thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rs_onboard.health.states import Finding, State
from rs_onboard.perception.task import ModelTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.inference.failover import Failover

K = TypeVar('K', bound=ModelTask[Any])

# Native calls cannot be ended. With so many of them hanging, each with the memory of its session,
# one more is not risked.
MAX_HANGING = 3

# Loading a model may take so long; a TensorRT engine is in its cache by then.
LOAD_TIMEOUT_S = 120.0


class _Loading(Generic[K]):
    """A model on its way, in a thread of its own."""

    def __init__(self, provider: str, load: Callable[[str], K], now_s: float) -> None:
        self.provider = provider
        self.since_s = now_s
        self.task: K | None = None
        self.fault = ''
        self.thread = threading.Thread(
            target=self._run, args=(load,), name=f'load on {provider}', daemon=True
        )
        self.thread.start()

    def _run(self, load: Callable[[str], K]) -> None:
        try:
            self.task = load(self.provider)
        except Exception as exc:  # noqa: BLE001  (whatever a provider raises, others are left)
            self.fault = f'{type(exc).__name__}: {exc}'


class Recovery(Generic[K]):
    """Brings a model back after its calls hung. Used by the watchdog alone.

    Args:
        failover: Chooses the provider.
        load: Loads the model on a provider and runs it once; called in a thread of its own.
    """

    def __init__(self, failover: Failover, load: Callable[[str], K]) -> None:
        self._failover = failover
        self._load = load
        self._loading: _Loading[K] | None = None
        self._left_behind: list[threading.Thread] = []
        self._reason = ''
        self.down = False

    def hung(self, provider: str, reason: str, now_s: float) -> None:
        """Take note that a call hung and was given up.

        Args:
            provider: Where it ran.
            reason: What to tell users.
            now_s: Time on the steady clock [s].
        """
        self._failover.hung(provider, now_s)
        self._reason = reason
        self.down = True

    def answered(self, provider: str, now_s: float) -> None:
        """Take note that a call ended."""
        self._failover.answered(provider, now_s)

    def step(self, running: str, hanging: int, now_s: float) -> K | None:
        """Go on; returns a task that is ready to replace the one that runs.

        Args:
            running: The provider in use.
            hanging: Threads of the node that hang in a call.
            now_s: Time on the steady clock [s].
        """
        loading = self._loading
        if loading is not None:
            if loading.thread.is_alive():
                if now_s - loading.since_s > LOAD_TIMEOUT_S:
                    self._left_behind.append(loading.thread)
                    self._failed(loading, f'loading took longer than {LOAD_TIMEOUT_S:g} s', now_s)
                return None
            if loading.task is None:
                self._failed(loading, loading.fault, now_s)
                return None
            self._loading = None
            self.down = False
            return loading.task
        if self.hanging(hanging) >= MAX_HANGING:
            return None
        failover = self._failover
        wanted = failover.choose(now_s) if self.down else failover.better(running, now_s)
        if wanted is not None:
            self._loading = _Loading(wanted, self._load, now_s)
        return None

    def hanging(self, hanging: int) -> int:
        """Return how many threads hang: those given, and those that load."""
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        return hanging + len(self._left_behind)

    def must_restart(self, hanging: int) -> str:
        """Say why only a new process can help, empty if nothing of the kind is wrong."""
        count = self.hanging(hanging)
        if not self.down or count < MAX_HANGING:
            return ''
        return (
            f'{count} inferences hang and keep their memory; they cannot be ended from here. '
            'Restart the process (end it: the launch file starts it again)'
        )

    def finding(self, running: str, hanging: int, now_s: float) -> Finding | None:
        """Return what is wrong, None if nothing is.

        Args:
            running: The provider in use.
            hanging: Threads of the node that hang in a call.
            now_s: Time on the steady clock [s].
        """
        if stuck := self.must_restart(hanging):
            return Finding('restart_needed', stuck, State.FAILED)
        if self.down:
            loading = self._loading
            if loading is not None:
                what = f'the model is loaded on {loading.provider}'
            else:
                again_s = self._failover.again_in_s(now_s)
                what = f'tried again in {again_s:.0f} s'
                if self._failover.refused:
                    what += "; provider_policy 'warn' would let another provider run meanwhile"
            return Finding('inference_hung', f'{self._reason}; {what}', State.FAILED)
        if running != self._failover.preferred:
            bad = self._failover.describe(now_s)
            return Finding('provider_fallback', f'running on {running}; {bad or "trying others"}')
        return None

    def _failed(self, loading: _Loading[K], reason: str, now_s: float) -> None:
        self._loading = None
        self._failover.hung(loading.provider, now_s)
        if self.down:
            self._reason = f'{loading.provider}: {reason}'
