# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Find the state dict in a checkpoint, whatever its authors wrapped around it."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.pickle_names import Record, TensorView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# Where training programs put the weights, in the order in which the authors' loaders look.
WRAPPERS = ('state_dict', 'model', 'model_state_dict', 'network')
# What wrappers of the network put before every key.
PREFIXES = ('module.', 'net.', 'backbone.')
# Parts of a network that are published alone: SegGhostNet's encoder, backbones.
PART_PREFIXES = ('', 'base_network.', 'backbone.')
# Buffers that the thop profiler leaves in every module.
PROFILER_LEFTOVERS = ('total_ops', 'total_params')
# No network of the zoo has more modules, or deeper ones.
MODULE_LIMIT = 20_000
DEPTH_LIMIT = 64


def find_state_dict(content: object) -> dict[str, TensorView]:
    """Find the tensors by key, in the order of the file, without profiler leftovers.

    Accepted are a state dict, a mapping with one under a name of `WRAPPERS`, and a whole pickled
    module, wrapped or not.

    Raises:
        CheckpointError: There is none.
    """
    for _ in range(DEPTH_LIMIT):
        if isinstance(content, Record):
            if not isinstance(content.state.get('_modules'), dict):
                break
            found = dict(module_entries(content))
        elif isinstance(content, dict):
            found = {
                key: value
                for key, value in content.items()
                if isinstance(key, str) and isinstance(value, TensorView)
            }
            wrapped = [name for name in WRAPPERS if isinstance(content.get(name), (dict, Record))]
            if wrapped and len(found) < len(content):
                content = content[wrapped[0]]
                continue
        else:
            break
        if found:
            return {
                key: view
                for key, view in found.items()
                if key.rpartition('.')[2] not in PROFILER_LEFTOVERS
            }
        break
    held = f'the keys {list(content)[:5]}' if isinstance(content, dict) else type(content).__name__
    raise CheckpointError(
        f'there is no state dict in it (found {held}); expected tensors by name, alone or under '
        f'one of {list(WRAPPERS)}, or a whole pickled module'
    )


def module_entries(module: Record) -> Iterator[tuple[str, TensorView]]:
    """Walk a pickled module: parameters, buffers, then its modules, depth first.

    Raises:
        CheckpointError: The modules contain one another, or are too many.
    """
    stack, seen = [('', module, 0)], 0
    while stack:
        prefix, record, depth = stack.pop()
        seen += 1
        if seen > MODULE_LIMIT or depth > DEPTH_LIMIT:
            raise CheckpointError('its modules contain one another or are too many')
        hidden = record.state.get('_non_persistent_buffers_set', ())
        for group in ('_parameters', '_buffers'):
            for name, view in mapping_of(record, group).items():
                shown = isinstance(hidden, set) and name in hidden and group == '_buffers'
                if isinstance(view, TensorView) and not shown:
                    yield f'{prefix}{name}', view
        children = [
            (f'{prefix}{name}.', child, depth + 1)
            for name, child in mapping_of(record, '_modules').items()
            if isinstance(child, Record)
        ]
        stack.extend(reversed(children))


def mapping_of(record: Record, name: str) -> dict[object, object]:
    """Give an attribute of a module that should be a mapping."""
    value = record.state.get(name)
    return value if isinstance(value, dict) else {}


def strip(key: str, prefixes: tuple[str, ...]) -> str:
    """Remove prefixes one after the other where they are there."""
    for prefix in prefixes:
        key = key.removeprefix(prefix)
    return key


def prefix_chains(keys: list[str]) -> list[tuple[tuple[str, ...], str]]:
    """List what may be removed from keys and what put before them, the simplest first."""
    there = [prefix for prefix in PREFIXES if any(prefix in key for key in keys)]
    removed = [(), *((prefix,) for prefix in there), *permutations(there, 2)]
    return [(chain, part) for part in PART_PREFIXES for chain in removed]


def best_renaming(
    keys: list[str], our_key: Callable[[str], str | None], ours: Collection[str]
) -> Callable[[str], str]:
    """Choose the prefixes with which most keys of a file are keys of the network."""

    def fitting(renaming: tuple[tuple[str, ...], str]) -> int:
        chain, part = renaming
        return sum(our_key(part + strip(key, chain)) in ours for key in keys)

    chain, part = max(prefix_chains(keys), key=fitting)
    return lambda key: part + strip(key, chain)
