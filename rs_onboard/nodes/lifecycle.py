# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The base of all nodes: lifecycle that never raises, parameters, counters, diagnostics."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Exchange
from rs_onboard.nodes.parameters import ParameterSpec, specs, unknown_parameter
from rs_onboard.nodes.settings import NODE_SETTINGS, NodeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rclpy.parameter import Parameter

    from rs_onboard.perception.worker import Counts

# What a callback complains about is logged at most this often, counted always.
LOG_PERIOD_S = 5.0

# Matters of complaint that are remembered.
MAX_MATTERS = 64

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE


class PerceptionNode(LifecycleNode):
    """A lifecycle node of rs_onboard.

    Subclasses fill `setup` (load and verify; may raise with a clear message), `start` (subscribe),
    `halt` (drop work) and `release` (free). What `setup` or `start` raise becomes FAILURE of the
    transition, one log line and a diagnostic.

    Args:
        name: Node name.
        exchange: Channels of this process; a node alone in its process gets its own.
        arguments: Passed to rclpy's Node (namespace, parameter_overrides, ...).
    """

    settings_type: ClassVar[type[NodeSettings]] = NodeSettings

    def __init__(self, name: str, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(name, **arguments)
        self.exchange = exchange or Exchange()
        self.fault = ''
        self.state = 'unconfigured'
        # Durations and watchdogs must not stand still or jump with the time of day or a bag.
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._complained: dict[str, float] = {}
        self._bad_parameters: list[str] = []
        self._specs: Mapping[str, ParameterSpec] = {
            spec.name: spec for spec in specs(self.settings_type)
        }
        self.settings = self._declare()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._guard_transitions()
        self._diagnostics = self.create_publisher(DiagnosticArray, names.DIAGNOSTICS, 10)
        self._timer = self.create_timer(
            self.settings.diagnostics_period_s,
            self.guarded(self._publish_diagnostics),
            clock=self.steady_clock,
        )

    # What subclasses fill.

    def setup(self) -> None:
        """Load and verify what the node needs."""

    def start(self) -> None:
        """Begin to take items."""

    def halt(self) -> None:
        """Stop taking items."""

    def release(self) -> None:
        """Free what `setup` made."""

    def counts(self) -> Counts | None:
        """Return the counters of the node's mailbox."""
        return None

    def health(self) -> tuple[str, dict[str, str]]:
        """Return a warning (empty if there is none) and values for the diagnostics."""
        return '', {}

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and verify; see the class."""
        del state
        return self._transition('configure', 'inactive', self._checked_setup, self.release)

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

    def _transition(
        self,
        name: str,
        reached: str,
        action: Callable[[], None],
        undo: Callable[[], None] | None,
    ) -> TransitionCallbackReturn:
        try:
            action()
        except (ValueError, OSError, RuntimeError) as exc:
            self._fail(name, str(exc))
        except Exception as exc:  # noqa: BLE001  (a transition must not raise into the executor)
            self.get_logger().debug(traceback.format_exc())
            self._fail(name, f'unexpected {type(exc).__name__}: {exc}')
        else:
            self.fault = ''
            self.state = reached
            self.get_logger().debug(f'{reached} after {name}')
            return _SUCCESS
        if undo is not None:
            self.guarded(undo)()
        return _FAILURE

    def _fail(self, name: str, reason: str) -> None:
        self.fault = reason
        self.get_logger().error(f'cannot {name}: {reason}')
        self.guarded(self._publish_diagnostics)()

    def _checked_setup(self) -> None:
        if self._bad_parameters:
            raise FieldError(' '.join(self._bad_parameters))
        self.setup()

    # Parameters.

    def given(self, name: str) -> object:
        """Return what the command line or parameter file gives for a name, of any node."""
        override = self._overrides().get(name)
        return None if override is None else _plain(override.value)

    def _overrides(self) -> dict[str, Parameter]:
        # rclpy keeps them to itself; without the attribute all parameters are taken for unset.
        return dict(getattr(self, '_parameter_overrides', {}))

    def _declare(self) -> NodeSettings:
        """Declare every parameter; wrong overrides are kept for `configure` to complain about."""
        overrides = self._overrides()
        known = {name for kind in NODE_SETTINGS.values() for name in _names(kind)}
        for name in overrides:
            # Parameter files address all nodes at once, so another node's parameter is no mistake.
            if name not in known and name not in {'use_sim_time', 'start_type_description_service'}:
                self._bad_parameters.append(str(unknown_parameter(name, self._specs)))
        values: dict[str, Any] = {}
        for spec in self._specs.values():
            values[spec.field] = spec.default
            if name_override := overrides.get(spec.name):
                try:
                    values[spec.field] = spec.check(_plain(name_override.value))
                except FieldError as exc:
                    self._bad_parameters.append(str(exc))
            self.declare_parameter(
                spec.name,
                values[spec.field],
                _descriptor(spec),
                ignore_override=True,
            )
        return self.settings_type(**values)

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Check all changes, then take all or none of them."""
        changes: dict[str, Any] = {}
        for item in parameters:
            spec = self._specs.get(item.name)
            if spec is None:
                if item.name == 'use_sim_time':
                    continue
                reason = str(unknown_parameter(item.name, self._specs))
                return SetParametersResult(successful=False, reason=reason)
            if not spec.live and self.state != 'unconfigured':
                return SetParametersResult(
                    successful=False,
                    reason=f'parameter {item.name}: the node is {self.state}; it is read when the '
                    'node is configured. Deactivate and clean up the node first.',
                )
            try:
                changes[spec.field] = spec.check(_plain(item.value))
            except FieldError as exc:
                return SetParametersResult(successful=False, reason=str(exc))
        self.settings = replace(self.settings, **changes)
        if self.state == 'unconfigured':
            self._bad_parameters = []
        return SetParametersResult(successful=True)

    # Callbacks and diagnostics.

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback so that what it raises is logged and nothing reaches the executor."""

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as exc:  # noqa: BLE001  (a raised callback would end the executor)
                self.complain(f'{type(exc).__name__}: {exc}')

        return call

    def complain(self, reason: str) -> None:
        """Log a warning; on one matter, named before the colon, one every few seconds."""
        # The throttle of rclpy goes by the line that logs, so that all matters would share one.
        matter, now = reason.partition(':')[0], time.monotonic()
        if now - self._complained.get(matter, -LOG_PERIOD_S) < LOG_PERIOD_S:
            return
        if len(self._complained) >= MAX_MATTERS:
            self._complained.clear()
        self._complained[matter] = now
        self.get_logger().warning(reason)

    def _publish_diagnostics(self) -> None:
        array = DiagnosticArray(status=[self.diagnostic()])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def diagnostic(self) -> DiagnosticStatus:
        """Return the state, warning and counters of the node."""
        warning, values = self.health()
        if not warning and self._waits_for_clock():
            warning = 'use_sim_time is set and nobody publishes /clock yet'
        level = DiagnosticStatus.OK
        message = self.state
        if self.fault:
            level, message = DiagnosticStatus.ERROR, self.fault
        elif warning:
            level, message = DiagnosticStatus.WARN, warning
        values = {'state': self.state, **values}
        if counts := self.counts():
            values['received'] = str(counts.received)
            values['done'] = str(counts.done)
            values['waiting'] = str(counts.waiting)
            for name, number in sorted(counts.dropped.items()):
                values[f'dropped.{name}'] = str(number)
        return DiagnosticStatus(
            level=level,
            name=f'{self.get_fully_qualified_name().lstrip("/")}: perception',
            message=message,
            hardware_id='rs_onboard',
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )

    def _waits_for_clock(self) -> bool:
        clock = self.get_clock()
        return bool(clock.ros_time_is_active) and clock.now().nanoseconds == 0


def _names(settings: type) -> list[str]:
    return [spec.name for spec in specs(settings)]


def _plain(value: object) -> object:
    """Return a parameter value as Python holds it; rclpy hands arrays over in several types."""
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    return list(value) if hasattr(value, '__iter__') else value


def _descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=spec.description,
        additional_constraints='' if spec.low is not None else f'{spec.allowed()}',
    )
    if spec.low is not None and spec.high is not None:
        if spec.kind is int:
            span = IntegerRange(from_value=int(spec.low), to_value=int(spec.high))
            descriptor.integer_range = [span]
        else:
            limits = FloatingPointRange(from_value=spec.low, to_value=spec.high)
            descriptor.floating_point_range = [limits]
    return descriptor
