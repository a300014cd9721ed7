# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Calls of a model, watched from outside: since when one runs, and whether anybody still waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rs_onboard.inference.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.inference.runtime import Runtime


class CallWatch:
    """Makes the calls of one task, one at a time, and can be asked about them by another thread.

    A native call cannot be ended from outside. What can be done is to go on without it: the thread
    that made it is given up, and once it comes back it finds that nobody waits.
    """

    def __init__(self) -> None:
        self._since_ns = 0
        self._given_up = ''

    def run(
        self, runtime: Runtime, feeds: Mapping[str, NDArray[np.uint8]]
    ) -> dict[str, NDArray[np.generic]]:
        """Run a graph once; see `Runtime.run`.

        Raises:
            AbandonedError: The calls of this task were given up, before or meanwhile.
            ModelError: As in `Runtime.run`.
        """
        self._refuse_late()
        self._since_ns = time.perf_counter_ns()
        try:
            return runtime.run(feeds)
        finally:
            self._since_ns = 0
            self._refuse_late()

    def since_ns(self) -> int:
        """Return when the call that runs began on the steady clock [ns], 0 while none does."""
        return self._since_ns

    def give_up(self, reason: str) -> None:
        """Want no answer any more, of this call or of later ones.

        Args:
            reason: What `AbandonedError` says.
        """
        self._given_up = reason

    def _refuse_late(self) -> None:
        if self._given_up:
            raise AbandonedError(self._given_up)
