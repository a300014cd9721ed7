# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read what an ONNX file holds without running or allocating anything in it.

Flight code has no onnx package, so this walks the protobuf records itself. On the way it refuses
what has no place in flight whatever the graph computes: tensors in other files, tensors whose
declared size is not that of their data, functions, sparse tensors and nesting without end.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.protobuf import ProtobufError, Records, signed
from rs_onboard.inference.runtime_settings import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.protobuf import Field

# Branches nest; deeper than this is an attack.
MAX_DEPTH = 8
MAX_NODES = 20_000

MAX_RANK = 16

# All constants of a graph in memory: twice the largest file, for numbers stored in less room.
MAX_CONSTANT_BYTES = 1024 * 1024 * 1024

# Constants up to this many elements are kept for the checks that look at sizes and counts.
MAX_KEPT_ELEMENTS = 16

INT32, INT64, FLOAT = 6, 7, 1

# Element type of onnx.proto: its name and size [bytes].
ELEMENT_TYPES = {
    1: ('float', 4),
    2: ('uint8', 1),
    3: ('int8', 1),
    4: ('uint16', 2),
    5: ('int16', 2),
    6: ('int32', 4),
    7: ('int64', 8),
    9: ('bool', 1),
    10: ('float16', 2),
    11: ('double', 8),
    12: ('uint32', 4),
    13: ('uint64', 8),
    16: ('bfloat16', 2),
}

# Fields of a tensor that hold its data as a list: bytes of one entry, None where it varies.
TYPED_DATA = {4: 4, 5: None, 7: None, 10: 8, 11: None}
RAW_DATA = 9


class Tensor(NamedTuple):
    """A constant: element type of onnx.proto, shape, and its numbers where there are few."""

    kind: int
    shape: tuple[int, ...]
    values: tuple[float, ...] | None


class Node(NamedTuple):
    """A node: operator, names of inputs and outputs, whole-number lists and constant attributes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, tuple[int, ...]]
    constants: dict[str, Tensor]


@dataclass(frozen=True)
class GraphFile:
    """What an ONNX file holds.

    Attributes:
        ir_version: Version of the file format.
        opsets: Version of every operator set it imports, by domain ('' is ONNX's own).
        nodes: All nodes, those of branches included.
        domains: Domains of the nodes beside ONNX's own, each with an operator of it.
        constants: Initialisers by name.
        inputs: Inputs of the graph.
        outputs: Outputs of the graph.
    """

    ir_version: int
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    domains: Mapping[str, str]
    constants: Mapping[str, Tensor]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def read_graph(data: bytes, *, what: str) -> GraphFile:
    """Read an ONNX file.

    Args:
        data: Its bytes.
        what: The file, for messages.

    Raises:
        ModelError: It is no ONNX file or holds what has no place in flight.
    """
    try:
        return _Reader(data, what).model()
    except ProtobufError as exc:
        raise ModelError(
            f'{what}: found bytes that are no ONNX file ({exc}); expected one complete model. '
            'Copy the model folder again, or export the model again.'
        ) from None


class _Reader:
    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what
        self.records = Records(data)
        self.opsets: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.domains: dict[str, str] = {}
        self.constants: dict[str, Tensor] = {}
        self.constant_bytes = 0

    def refuse(self, found: str, expected: str, step: str) -> NoReturn:
        raise ModelError(f'{self.what}: found {found}; expected {expected}. {step}')

    def text(self, item: Field) -> str:
        # Fields with a length have a stop; like any parser, skip a number where a text belongs.
        if item[2] < 0:
            return ''
        try:
            return self.data[item[1] : item[2]].decode()
        except UnicodeDecodeError:
            raise ProtobufError(f'the name at byte {item[1]} is not UTF-8') from None

    def fields(self, item: Field) -> list[Field]:
        if item[2] < 0:
            raise ProtobufError(f'field {item[0]} is a number, not a record')
        return self.records.fields(item[1], item[2])

    def once(self, fields: list[Field], number: int) -> Field | None:
        """Return the field of a number; parsers would merge two into what neither was."""
        found = [item for item in fields if item[0] == number]
        if len(found) > 1:
            raise ProtobufError(f'field {number} appears {len(found)} times in one record')
        return found[0] if found else None

    def model(self) -> GraphFile:
        fields = self.records.fields(0, len(self.data))
        version = 0
        for item in fields:
            if item[0] == 1:
                version = signed(item[1])
            elif item[0] == 8:
                entry = self.fields(item)
                domain = ''.join(self.text(part) for part in entry if part[0] == 1)
                number = next((part[1] for part in entry if part[0] == 2), 0)
                self.opsets['' if domain == 'ai.onnx' else domain] = signed(number)
            elif item[0] in {20, 25}:
                part = 'a training graph' if item[0] == 20 else 'a function of its own'
                self.refuse(part, 'a graph of ONNX operators alone', 'Export it with rs_onboard.')
        graph = self.once(fields, 7)
        if graph is None:
            raise ProtobufError('it has no graph')
        inputs, outputs = self.graph(graph, 0)
        return GraphFile(
            version, self.opsets, tuple(self.nodes), self.domains, self.constants, inputs, outputs
        )

    def graph(
        self, item: Field, depth: int
    ) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        if depth > MAX_DEPTH:
            self.refuse(
                f'branches nested deeper than {MAX_DEPTH}',
                'a plain graph',
                'Export it with rs_onboard.',
            )
        inputs, outputs = [], []
        for part in self.fields(item):
            number = part[0]
            if number == 1:
                self.node(part, depth)
            elif number == 5:
                name, tensor = self.tensor(part)
                self.constants[name] = tensor
            elif number == 11:
                inputs.append(part)
            elif number == 12:
                outputs.append(part)
            elif number == 15:
                self.refuse_sparse()
        if depth:
            return (), ()
        return tuple(map(self.info, inputs)), tuple(map(self.info, outputs))

    def refuse_sparse(self) -> NoReturn:
        self.refuse(
            'a sparse tensor', 'dense ones, as long as their data', 'Export it with rs_onboard.'
        )

    def node(self, item: Field, depth: int) -> None:
        if len(self.nodes) >= MAX_NODES:
            self.refuse(
                f'more than {MAX_NODES} nodes', f'at most {MAX_NODES}', 'Is it the right file?'
            )
        operator = domain = ''
        inputs, outputs = [], []
        numbers: dict[str, tuple[int, ...]] = {}
        constants: dict[str, Tensor] = {}
        for part in self.fields(item):
            number = part[0]
            if number == 1:
                inputs.append(self.text(part))
            elif number == 2:
                outputs.append(self.text(part))
            elif number == 4:
                operator = self.text(part)
            elif number == 5:
                self.attribute(part, depth, numbers, constants)
            elif number == 7:
                domain = self.text(part)
        if domain not in {'', 'ai.onnx'}:
            self.domains.setdefault(domain, operator)
        self.nodes.append(Node(operator, tuple(inputs), tuple(outputs), numbers, constants))

    def attribute(  # noqa: C901  (a branch for each field)
        self,
        item: Field,
        depth: int,
        numbers: dict[str, tuple[int, ...]],
        constants: dict[str, Tensor],
    ) -> None:
        name = ''
        listed: list[int] = []
        fields = self.fields(item)
        for part in fields:
            number = part[0]
            if number == 1:
                name = self.text(part)
            elif number == 3:
                listed.append(signed(part[1]))
            elif number == 8:
                if part[2] < 0:
                    listed.append(signed(part[1]))
                elif part[2] - part[1] <= MAX_KEPT_ELEMENTS * 10:
                    listed.extend(self.records.whole_numbers(part[1], part[2]))
            elif number == 5:
                self.once(fields, 5)
                constants[name] = self.tensor(part)[1]
            elif number == 10:
                self.tensor(part)
            elif number in {6, 11}:
                if number == 6:
                    self.once(fields, 6)
                self.graph(part, depth + 1)
            elif number in {22, 23}:
                self.refuse_sparse()
        if listed:
            numbers[name] = tuple(listed)

    def tensor(self, item: Field) -> tuple[str, Tensor]:  # noqa: C901  (a branch for each field)
        shape: list[int] = []
        kind, name, outside = 0, '', False
        raw: Field | None = None
        typed: list[Field] = []
        for part in self.fields(item):
            number = part[0]
            if number == 1:
                if part[2] < 0:
                    shape.append(signed(part[1]))
                else:
                    shape.extend(self.records.whole_numbers(part[1], part[2]))
            elif number == 2:
                kind = part[1]
            elif number == 8:
                name = self.text(part)
            elif number == RAW_DATA:
                raw = part
            elif number in TYPED_DATA:
                typed.append(part)
            elif number == 13 or (number == 14 and part[1] != 0):
                outside = True
        if outside:
            self.refuse(
                f'tensor {name!r} in another file',
                'all weights in this one, which the hash covers',
                'Export the model again without external data.',
            )
        if len(shape) > MAX_RANK:
            self.refuse(
                f'tensor {name!r} of {len(shape)} dimensions',
                f'at most {MAX_RANK}',
                'Export it with rs_onboard.',
            )
        tensor = Tensor(kind, tuple(shape), None)
        elements = self.sizes(name, tensor, raw, typed)
        if elements <= MAX_KEPT_ELEMENTS:
            tensor = tensor._replace(values=self.values(kind, raw, typed))
        return name, tensor

    def sizes(self, name: str, tensor: Tensor, raw: Field | None, typed: list[Field]) -> int:
        """Return the elements of a tensor, refusing one that declares more or less than it has."""
        if tensor.kind not in ELEMENT_TYPES:
            allowed = ', '.join(known for known, _ in ELEMENT_TYPES.values())
            self.refuse(
                f'tensor {name!r} of element type {tensor.kind}',
                f'one of {allowed}',
                'Export it with rs_onboard.',
            )
        kind, size = ELEMENT_TYPES[tensor.kind]
        shape = tensor.shape
        elements = math.prod(shape)
        if raw is not None:
            present, over = divmod(max(0, raw[2] - raw[1]), size)
        else:
            present, over = sum(self.entries(part) for part in typed), 0
        if present != elements or over or min(shape, default=0) < 0:
            self.refuse(
                f'tensor {name!r} that declares {elements} elements of {kind} (shape '
                f'{list(shape)[:8]}) and holds {present}',
                'as many as it declares',
                'The file is damaged or made to exhaust memory: copy or export it again.',
            )
        self.constant_bytes += elements * size
        if self.constant_bytes > MAX_CONSTANT_BYTES:
            self.refuse(
                f'constants of more than {MAX_CONSTANT_BYTES} bytes',
                f'at most {MAX_CONSTANT_BYTES}',
                'Is it the right file?',
            )
        return elements

    def entries(self, part: Field) -> int:
        number, start, stop = part
        if stop < 0:
            return 1
        width = TYPED_DATA[number]
        return self.records.varints(start, stop) if width is None else (stop - start) // width

    def values(self, kind: int, raw: Field | None, typed: list[Field]) -> tuple[float, ...] | None:
        """Return the numbers of a small constant that may be a size or a count."""
        letter = {INT32: 'i', INT64: 'q', FLOAT: 'f'}.get(kind)
        if letter is None:
            return None
        if raw is not None:
            data = self.data[raw[1] : raw[2]]
            return struct.unpack(f'<{len(data) // struct.calcsize(letter)}{letter}', data)
        if kind == FLOAT:
            data = b''.join(self.data[part[1] : part[2]] for part in typed)
            return struct.unpack(f'<{len(data) // 4}f', data[: len(data) // 4 * 4])
        found: list[int] = []
        for _, start, stop in typed:
            found += [signed(start)] if stop < 0 else self.records.whole_numbers(start, stop)
        return tuple(found)

    def info(self, item: Field) -> TensorInfo:
        """Read name, element type and shape of an input or output."""
        fields = self.fields(item)
        name = ''.join(self.text(part) for part in fields if part[0] == 1)
        kind, shape = '', None
        if (outer := self.once(fields, 2)) is not None:
            inner = self.once(self.fields(outer), 1)
            if inner is None:
                self.refuse(f'{name!r}, no tensor', 'tensors', 'Export it with rs_onboard.')
            parts = self.fields(inner)
            number = next((part[1] for part in parts if part[0] == 1), 0)
            kind = ELEMENT_TYPES.get(number, (f'type {number}', 0))[0]
            shape = self.once(parts, 2)
        dimensions = [] if shape is None else [p for p in self.fields(shape) if p[0] == 1]
        return TensorInfo(name, kind, tuple(map(self.dimension, dimensions)))

    def dimension(self, item: Field) -> int | str | None:
        size: int | str | None = None
        for part in self.fields(item):
            if part[0] == 1:
                size = signed(part[1])
            elif part[0] == 2:
                size = self.text(part) or None
        return size
