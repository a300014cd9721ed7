# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Runtimes that hang while they are told to, in place of those of GPUs."""

from __future__ import annotations

import dataclasses
import threading

from rs_onboard.inference import failover
from rs_onboard.inference.runtime_settings import PROVIDERS
from rs_onboard.nodes import model_node

PATIENCE_S = 20.0


class HangingRuntime:
    """A runtime that passes for one on a provider, and hangs while that one is said to hang."""

    def __init__(self, runtime, provider, bench):
        self._runtime = runtime
        self._bench = bench
        self.provider = provider
        self.notice = self.placement = ''
        self.inputs, self.outputs = runtime.inputs, runtime.outputs

    def run(self, feeds):
        self._bench.calls.append(self.provider)
        if self.provider in self._bench.hanging:
            self._bench.entered.release()
            assert self._bench.released.wait(PATIENCE_S)
        return self._runtime.run(feeds)


class Bench:
    """Providers for tests.

    Attributes:
        hanging: Those whose calls hang.
        refusing: Those that cannot be loaded.
        released: Lets all calls that hang come back.
        entered: Released at every call that hangs.
        loads: The providers that models were loaded on.
        calls: The providers that calls were made on.
    """

    def __init__(self, monkeypatch, preferred='cuda', available=('cuda', 'cpu')):
        self.hanging, self.refusing = set(), set()
        self.released = threading.Event()
        self.entered = threading.Semaphore(0)
        self.loads, self.calls = [], []
        load = model_node.load_task_model

        def load_on_bench(settings, task, progress, *arguments, **options):
            wanted = preferred if settings.provider == 'auto' else settings.provider
            self.loads.append(wanted)
            if wanted in self.refusing:
                raise RuntimeError(f'{wanted}: no device')
            settings = dataclasses.replace(settings, provider='cpu')
            model = load(settings, task, progress, *arguments, **options)
            return dataclasses.replace(model, runtime=HangingRuntime(model.runtime, wanted, self))

        monkeypatch.setattr(model_node, 'load_task_model', load_on_bench)
        names = [PROVIDERS[name] for name in available]
        monkeypatch.setattr(model_node, 'available_providers', lambda: names)
        monkeypatch.setattr(failover, 'BACKOFF_S', (0.3, 0.6))
