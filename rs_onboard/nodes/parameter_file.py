# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files: checked before anything starts, and written from the settings."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from rs_onboard.inference.errors import FieldError
from rs_onboard.inference.fields import load_yaml
from rs_onboard.nodes.parameters import ParameterSpec, flatten, specs, unknown_parameter
from rs_onboard.nodes.settings import NODE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Parameters that every ROS node has and no settings of ours name.
ROS_PARAMETERS = frozenset({'use_sim_time', 'start_type_description_service'})

_KEY = 'ros__parameters'


def all_specs() -> dict[str, ParameterSpec]:
    """Return the parameters of all nodes by name; nodes share those of the same name."""
    return {spec.name: spec for kind in NODE_SETTINGS.values() for spec in specs(kind)}


def check_parameter_file(path: Path) -> dict[str, dict[str, Any]]:
    """Check a ROS parameter file against the settings of the nodes.

    ROS ignores what it does not know in such a file: a misspelt name would silently leave the
    default in force.

    Returns:
        The parameters by section (`/**`, `/**/scene`, ...), names dotted.

    Raises:
        FieldError: Names the file, the section, the parameter, what was found and what is allowed.
    """
    sections = {}
    for section, content in load_yaml(path, what='parameter file').items():
        known = _specs_of(section, path)
        body = content.get(_KEY) if isinstance(content, dict) else None
        if not isinstance(body, dict):
            raise FieldError(
                f'{path}: {section}: found {content!r}; expected the key {_KEY} with parameters '
                'below it.'
            )
        values = dict(flatten(body))
        for name, value in values.items():
            if name in ROS_PARAMETERS:
                continue
            try:
                if name not in known:
                    raise unknown_parameter(name, known)
                known[name].check(value)
            except FieldError as exc:
                raise FieldError(f'{path}: {section}: {exc}') from None
        sections[section] = values
    return sections


def lookup(sections: Mapping[str, Mapping[str, Any]], node: str, name: str) -> Any:
    """Return what a checked file says for a parameter of a node; None where it says nothing.

    A section of the node's own beats one for all nodes, as in ROS.
    """
    found = None
    for section in sorted(sections, key=lambda key: key.endswith(f'/{node}') or key == node):
        if section.endswith(('*', f'/{node}')) or section == node:
            found = sections[section].get(name, found)
    return found


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Read parameters from NAME=VALUE texts; values are YAML, texts need no quotes.

    Raises:
        FieldError: A name or value is not allowed.
    """
    known = all_specs()
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition('=')
        if not equals:
            raise FieldError(f'--set: found {text!r}; expected NAME=VALUE, as in scene.batch=4.')
        if name not in known:
            raise unknown_parameter(name, known)
        spec = known[name]
        try:
            values[name] = spec.check(value if spec.kind is str else yaml.safe_load(value))
        except yaml.YAMLError:
            raise FieldError(
                f'--set: found {text!r}; expected {name}=VALUE with {spec.allowed()}.'
            ) from None
    return values


def _specs_of(section: str, path: Path) -> Mapping[str, ParameterSpec]:
    """Return what a section may hold; its last part is a node name or a wildcard."""
    node = section.rstrip('/').rsplit('/', 1)[-1]
    if node in {'**', '*'}:
        return all_specs()
    if node in NODE_SETTINGS:
        return {spec.name: spec for spec in specs(NODE_SETTINGS[node])}
    raise FieldError(
        f'{path}: section {section!r} names no node; expected /** for all nodes or one of '
        f'{", ".join(NODE_SETTINGS)} (as in /**/scene). Correct the name.'
    )


def default_parameter_file() -> str:
    """Write the parameter file with every parameter at its default, commented."""
    lines = [
        '# All parameters of all nodes at their defaults; written by `rs_onboard params --yaml`.',
        '# A section /**/scene (for instance) would hold for that node alone.',
        '/**:',
        f'  {_KEY}:',
    ]
    group = ''
    specs_by_name = all_specs()
    for name in sorted(specs_by_name, key=lambda item: ('.' in item, item)):
        spec = specs_by_name[name]
        prefix, _, leaf = name.rpartition('.')
        if prefix != group:
            lines.append(f'    {prefix}:')
            group = prefix
        indent = '      ' if prefix else '    '
        comment = f'{spec.description} ({spec.allowed()})'
        width = 100 - len(indent) - 2
        lines += [f'{indent}# {line}' for line in textwrap.wrap(comment, width)]
        value = yaml.safe_dump(spec.default, default_flow_style=True).split('\n...')[0].strip()
        lines.append(f'{indent}{leaf}: {value}')
    return '\n'.join(lines) + '\n'


def parameter_table() -> str:
    """Write the parameters of every node as Markdown tables."""
    parts = []
    for node, kind in NODE_SETTINGS.items():
        parts += [
            f'### {node}',
            '',
            '| parameter | default | allowed | live | meaning |',
            '|---|---|---|---|---|',
        ]
        for spec in specs(kind):
            default = yaml.safe_dump(spec.default, default_flow_style=True).split('\n')[0]
            live = 'yes' if spec.live else ''
            parts.append(
                f'| `{spec.name}` | `{default}` | {spec.allowed()} | {live} | {spec.description} |'
            )
        parts.append('')
    return '\n'.join(parts)
