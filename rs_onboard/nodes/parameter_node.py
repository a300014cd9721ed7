# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes that declare the parameters of their settings and take changes all or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.lifecycle import LifecycleNode

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.node_settings import NodeSettings
from rs_onboard.nodes.parameters import ParameterSpec, specs, unknown_parameter
from rs_onboard.nodes.settings import NODE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rclpy.parameter import Parameter


class ParameterNode(LifecycleNode):
    """A lifecycle node with settings.

    Args:
        name: Node name.
        arguments: Passed to rclpy's Node (namespace, parameter_overrides, ...).

    Attributes:
        settings: The parameters.
        state: State of the lifecycle; those not read again are refused unless it is unconfigured.
    """

    settings_type: ClassVar[type[NodeSettings]] = NodeSettings

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name, **arguments)
        self.state = 'unconfigured'
        self._bad_parameters: list[str] = []
        self._specs: Mapping[str, ParameterSpec] = {
            spec.name: spec for spec in specs(self.settings_type)
        }
        self.settings = self._declare()
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def check_parameters(self) -> None:
        """Complain about what was given at the start.

        Raises:
            FieldError: A name is unknown or a value is not allowed.
        """
        if self._bad_parameters:
            raise FieldError(' '.join(self._bad_parameters))

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
