# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors: weights and inputs drawn from names, outputs compared with the authors' programs.

A golden file holds the authors' state-dict keys with shapes, the input shapes and samples of
every output. Weights and inputs are functions of names and seeds alone, so a network is checked
without the authors' code and without a checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.zoo.deviation import GoldenOutput, deviation, rows_of
from rs_onboard.zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rs_onboard.zoo.deviation import RowRule, Rows
    from rs_onboard.zoo.network import NetworkEntry

TOLERANCE = 1e-4
CONSTANT_PREFIXES = ('binomial_', 'fixed_buffers_')
PROBE_CLASSES = 7

# What reading a file that is no golden file may raise.
UNREADABLE = (
    AttributeError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class GoldenFile:
    """A golden file in memory.

    Attributes:
        path: Where it was read.
        keys: Authors' state-dict keys with their shapes, in order.
        inputs: Shapes of the network inputs.
        outputs: Output samples by name.
        meta: Model name, weight seed and gain, figures.
        input_seed: Seed of the inputs.
    """

    path: Path
    keys: Mapping[str, tuple[int, ...]]
    inputs: tuple[tuple[int, ...], ...]
    outputs: Mapping[str, GoldenOutput]
    meta: Mapping[str, Any]
    input_seed: int

    def gain(self, key: str) -> float:
        """Look up the factor on weights of two or more dimensions."""
        gain = self.meta.get('weight_gain', 1.0)
        if isinstance(gain, dict):
            gain = gain.get(key, gain.get('default', 1.0))
        return float(gain)

    def weight(self, key: str) -> NDArray[np.float32]:
        """Draw the value of the state-dict entry `key`."""
        value = draw_weight(key, self.keys[key], int(self.meta.get('weight_seed', 0)))
        return value * np.float32(self.gain(key)) if value.ndim >= 2 else value

    def draw_inputs(self) -> list[NDArray[np.float32]]:
        """Draw the network inputs."""
        return [
            generator(f'input{i}', self.input_seed).normal(0.0, 1.0, shape).astype(np.float32)
            for i, shape in enumerate(self.inputs)
        ]


@dataclass(frozen=True)
class OutputCheck:
    """How one output agrees.

    Attributes:
        network: Catalogue name.
        output: Name in the golden file.
        deviation: max |ours - golden| / max(1, max |golden|); NaN where we have no such output.
        problem: Why nothing could be compared, empty otherwise.
    """

    network: str
    output: str
    deviation: float
    problem: str = ''

    @property
    def passed(self) -> bool:
        """Agreement within the tolerance."""
        return not self.problem and self.deviation <= TOLERANCE


def generator(name: str, seed: int) -> np.random.Generator:
    """Make a generator that depends on `name` and `seed` alone."""
    digest = hashlib.sha256(f'{seed}:{name}'.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], 'big')))


def draw_weight(key: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Draw the state-dict entry `key` by the rule of the golden files."""
    rng = generator(key, seed)
    if key.endswith('running_mean'):
        value = rng.normal(0.0, 0.1, shape)
    elif key.endswith('running_var'):
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) >= 2:
        value = rng.normal(0.0, 1.0, shape) * np.sqrt(1.0 / np.prod(shape[1:]))
    elif key.endswith('bias'):
        value = rng.normal(0.0, 0.1, shape)
    else:
        value = rng.uniform(0.5, 1.5, shape)
    return np.asarray(value, dtype=np.float32)


def read_golden(path: Path) -> GoldenFile:
    """Read a golden file of a network.

    Raises:
        ZooError: The file is no golden file of a network.
    """
    try:
        with np.load(path, allow_pickle=False) as npz:
            arrays = {name: npz[name] for name in npz.files}
        keys = json.loads(str(arrays['keys']))
        names = [n[4:-7] for n in arrays if n.startswith('out_') and n.endswith('_sample')]
        outputs = {
            name: GoldenOutput(
                tuple(arrays[f'out_{name}_shape'].tolist()),
                int(arrays[f'out_{name}_step']),
                arrays[f'out_{name}_sample'],
            )
            for name in names
        }
        shapes = [arrays[n] for n in sorted(arrays) if n.startswith('input_shape')]
        meta = json.loads(str(arrays['meta']))
        if not (shapes and isinstance(meta, dict)):
            raise ValueError('no input shape, or meta that is no object')
        return GoldenFile(
            path=path,
            keys={key: tuple(shape) for key, shape in keys.items()},
            inputs=tuple(tuple(int(n) for n in shape) for shape in shapes),
            outputs=outputs,
            meta=meta,
            input_seed=int(arrays.get('input_seed', np.array(0))),
        )
    except UNREADABLE as exc:
        raise ZooError(
            f'{path}: not the golden file of a network ({exc}); expected an npz with keys, meta, '
            'input_shape and out_* arrays'
        ) from exc


def longest_start(text: str, names: Iterable[str]) -> str:
    """Find the longest of the names that a text starts with, up to a suffix; empty where none."""
    fitting = [name for name in names if text == name or text.startswith(f'{name}_')]
    return max(fitting, key=len, default='')


def network_name(golden: GoldenFile, names: Mapping[str, NetworkEntry]) -> str:
    """Find the network of a golden file: the longest name that its meta or file name starts with.

    Raises:
        ZooError: No network fits.
    """
    for text in (str(golden.meta.get('model', '')), golden.path.stem):
        if found := longest_start(text, names):
            return found
    raise ZooError(
        f'{golden.path}: no network for model {golden.meta.get("model")!r} or file name '
        f'{golden.path.stem!r}; expected one of {sorted(names)}'
    )


def has_every_entry(golden: GoldenFile, entry: NetworkEntry) -> bool:
    """Tell whether the file has a value for every entry of a network."""
    from rs_onboard.zoo.count import build_on_meta  # noqa: PLC0415 - needs torch

    network = build_on_meta(entry, classes=PROBE_CLASSES, bands=golden.inputs[0][1])
    return {entry.our_key(key) for key in golden.keys}.issuperset(network.state_dict())


def fitting_entries(
    name: str, golden: GoldenFile, names: Mapping[str, NetworkEntry]
) -> list[NetworkEntry]:
    """List the network and the backbone of a name as far as the file has their entries.

    Where it has neither, those of the network's first version (`_v1`) are tried; where that fails
    too, the network itself is listed.
    """
    for version in (name, f'{name}_v1'):
        entries = [names[n] for n in (version, f'{version}_backbone') if n in names]
        if fitting := [entry for entry in entries if has_every_entry(golden, entry)]:
            return fitting
    return [names[name]]


def build_matching(entry: NetworkEntry, golden: GoldenFile) -> nn.Module:
    """Build the network with the class and band counts that the golden shapes tell.

    Raises:
        ZooError: No class and band count gives the golden shapes.
    """
    from rs_onboard.zoo.key_match import without_ones  # noqa: PLC0415 - needs torch

    theirs = {entry.our_key(key): shape for key, shape in golden.keys.items()}

    def mismatches(network: nn.Module) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        state = network.state_dict()
        return [
            (key, tuple(value.shape), theirs[key])
            for key, value in state.items()
            if key in theirs and without_ones(value.shape) != without_ones(theirs[key])
        ]

    bands = golden.inputs[0][1]
    network = entry.build(classes=PROBE_CLASSES, bands=bands)
    if not (wrong := mismatches(network)):
        return network
    candidates = {
        PROBE_CLASSES + theirs_[0] - ours[0]
        for _, ours, theirs_ in wrong
        if ours and theirs_ and ours[0] != theirs_[0]
    }
    for classes in sorted(n for n in candidates if n > 0):
        network = entry.build(classes=classes, bands=bands)
        if not mismatches(network):
            return network
    key, ours, expected = wrong[0]
    raise ZooError(
        f'{golden.path}: {entry.name} has {key} of shape {ours}, the golden file {expected}, '
        'and no class count makes all shapes agree'
    )


def load_drawn(network: nn.Module, entry: NetworkEntry, golden: GoldenFile) -> dict[str, Tensor]:
    """Load the drawn weights; return the drawn values of constant buffers, which stay as they are.

    Raises:
        ZooError: The golden file lacks entries of the network.
    """
    import torch  # noqa: PLC0415 - drawing works without torch

    state = network.state_dict()
    buffers = dict(network.named_buffers())
    drawn, constants = {}, {}
    for key in golden.keys:
        ours = entry.our_key(key) or key
        if ours not in state and ours not in buffers:
            continue
        if ours not in state:
            constants[ours] = torch.from_numpy(golden.weight(key))
        elif state[ours].is_floating_point():
            drawn[ours] = torch.from_numpy(golden.weight(key)).reshape(state[ours].shape)
        else:
            drawn[ours] = state[ours]
    if missing := [key for key in state if key not in drawn]:
        raise ZooError(
            f'{golden.path}: no value for {len(missing)} entries of {entry.name}, first '
            f'{missing[:3]}; the file belongs to another network'
        )
    network.load_state_dict(drawn)
    return constants


def run(network: nn.Module, inputs: list[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Run the network once and collect its named outputs."""
    import torch  # noqa: PLC0415 - drawing works without torch

    with torch.no_grad():
        named = network.named_outputs(*(torch.from_numpy(array) for array in inputs))
    return {name: tensor.numpy() for name, tensor in named.items()}


def find_output(
    name: str,
    ours: Mapping[str, NDArray[np.float32]],
    golden: GoldenOutput,
    rules: Mapping[str, RowRule],
) -> str:
    """Find our output of a golden name; by its values where a file has names of its own.

    Returns:
        The best fitting of our outputs of that shape, else the name itself.
    """
    alike = [key for key, array in ours.items() if array.shape == golden.shape]
    return min(
        alike,
        key=lambda key: (deviation(ours[key], golden, rows_of(key, ours, rules)), key != name),
        default=name,
    )


def compare(
    network: str,
    output: str,
    ours: NDArray[np.float32] | None,
    golden: GoldenOutput,
    rows: Rows | None = None,
) -> OutputCheck:
    """Compare one output with its golden sample; see `deviation`."""
    if ours is None:
        return OutputCheck(network, output, float('nan'), 'the network has no such output')
    if ours.shape != golden.shape:
        return OutputCheck(
            network, output, float('nan'), f'shape {ours.shape}, expected {golden.shape}'
        )
    return OutputCheck(network, output, deviation(ours, golden, rows))


def check_golden(path: Path | str) -> list[OutputCheck]:
    """Compare every output of a golden file with our network.

    The network is taken from the file's meta or name (`lwganet_l2_s320` is `lwganet_l2`); where the
    catalogue has a backbone of that name and the file its entries, it is compared too. Outputs
    named `binomial_*` and `fixed_buffers_*` belong to the constant buffers as we keep them, the
    plain ones to drawn buffers; a plain output is left out where our network has no buffer to put
    the drawn value in.

    Raises:
        ZooError: The file cannot be read or belongs to no network of the zoo.
    """
    from rs_onboard.zoo.catalogue import NETWORKS  # noqa: PLC0415 - needs torch

    golden = read_golden(Path(path))
    entries = fitting_entries(network_name(golden, NETWORKS), golden, NETWORKS)
    inputs = golden.draw_inputs()
    constant: dict[str, NDArray[np.float32]] = {}
    plain: dict[str, NDArray[np.float32]] = {}
    rules: dict[str, RowRule] = {}
    fixed_here = any(out.startswith(CONSTANT_PREFIXES) for out in golden.outputs)
    for entry in entries:
        network = build_matching(entry, golden).eval()
        drawn = load_drawn(network, entry, golden)
        rules |= getattr(network, 'row_rules', {})
        constant |= run(network, inputs)
        buffers = dict(network.named_buffers())
        for key, value in drawn.items():
            buffers[key].copy_(value)
        if drawn or not fixed_here:
            plain |= run(network, inputs)
    checks = []
    for output, expected in golden.outputs.items():
        prefix = next((p for p in CONSTANT_PREFIXES if output.startswith(p)), '')
        if prefix or plain:
            named = constant if prefix else plain
            ours = find_output(output.removeprefix(prefix), named, expected, rules)
            rows = rows_of(ours, named, rules)
            checks.append(compare(entries[0].name, output, named.get(ours), expected, rows))
    return checks
