# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The base of all nodes: a lifecycle that never raises."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from rs_onboard.inference.errors import ModelError, ProviderError
from rs_onboard.nodes.watched_node import WatchedNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.nodes.exchange import Exchange

# Why a node could not be configured or activated, by what was raised.
FAULTS = ((ProviderError, 'provider_refused'), (ModelError, 'model_refused'))

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE


class PerceptionNode(WatchedNode):
    """A lifecycle node of rs_onboard.

    Subclasses fill `setup` (load and verify; may raise with a clear message), `start` (subscribe),
    `halt` (drop work) and `release` (free). What `setup` or `start` raise becomes FAILURE of the
    transition, one log line and a diagnostic.

    Args:
        name: Node name.
        exchange: Channels of this process; a node alone in its process gets its own.
        arguments: Passed to rclpy's Node (namespace, parameter_overrides, ...).
    """

    def __init__(self, name: str, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(name, exchange, **arguments)
        self._guard_transitions()

    # What subclasses fill.

    def setup(self) -> None:
        """Load and verify what the node needs."""

    def start(self) -> None:
        """Begin to take items."""

    def halt(self) -> None:
        """Stop taking items."""

    def release(self) -> None:
        """Free what `setup` made."""

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and verify; see the class."""
        del state
        return self._transition('configure', 'inactive', self._setup_checked, self.release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work."""
        del state
        return self._transition('activate', 'active', self.start, self.halt)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop work."""
        del state
        return self._transition('deactivate', 'inactive', self.halt, None)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        del state
        return self._transition('clean up', 'unconfigured', self.release, None)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop work and free everything, from any state."""
        del state

        def stop() -> None:
            self.halt()
            self.release()

        return self._transition('shut down', 'finalized', stop, None)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a fault in a transition."""
        return self.on_cleanup(state)

    def _guard_transitions(self) -> None:
        """Answer a request for a transition that the state does not have; rclpy would raise."""
        service = self._service_change_state
        serve = service.callback

        def call(request: Any, response: Any) -> Any:
            try:
                return serve(request, response)
            except Exception as exc:  # noqa: BLE001  (as in `guarded`)
                wanted = request.transition.label or request.transition.id
                self.complain(f'transition {wanted}: not from {self.state}: {exc}')
                response.success = False
                return response

        service.callback = call

    def _setup_checked(self) -> None:
        self.check_parameters()
        self.setup()

    def _transition(
        self,
        name: str,
        reached: str,
        action: Callable[[], None],
        undo: Callable[[], None] | None,
    ) -> TransitionCallbackReturn:
        with self.in_transition(name):
            try:
                action()
            except (ValueError, OSError, RuntimeError) as exc:
                self._fail(name, str(exc), exc)
            except Exception as exc:  # noqa: BLE001  (it must not raise into the executor)
                self.get_logger().debug(traceback.format_exc())
                self._fail(name, f'unexpected {type(exc).__name__}: {exc}', exc)
            else:
                self.fault = ''
                self.state = reached
                self.component.forget()
                self.get_logger().debug(f'{reached} after {name}')
                return _SUCCESS
            if undo is not None:
                self.guarded(undo)()
            return _FAILURE

    def _fail(self, name: str, reason: str, exc: Exception) -> None:
        self.fault = reason
        causes = (cause for kind, cause in FAULTS if isinstance(exc, kind))
        self.fault_cause = next(causes, f'cannot_{name.replace(" ", "_")}')
        self.get_logger().error(f'cannot {name}: {reason}')
        self.guarded(self.publish_diagnostics)()
