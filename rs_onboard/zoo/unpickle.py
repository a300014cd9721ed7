# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A pickle machine that builds plain values and runs nothing of what a file asks for.

Python's own unpickler imports and calls whatever a file names; even a restricted `find_class` lets
a file set attributes of what it returns. This machine only knows `pickle_names`.
"""

from __future__ import annotations

import pickletools
from typing import IO, TYPE_CHECKING, Any

from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.pickle_names import Record, call, collection, hashable, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

LITERALS = frozenset(
    (
        'BINBYTES',
        'BINBYTES8',
        'BINFLOAT',
        'BININT',
        'BININT1',
        'BININT2',
        'BINSTRING',
        'BINUNICODE',
        'BINUNICODE8',
        'BYTEARRAY8',
        'FLOAT',
        'INT',
        'LONG',
        'LONG1',
        'LONG4',
        'SHORT_BINBYTES',
        'SHORT_BINSTRING',
        'SHORT_BINUNICODE',
        'STRING',
        'UNICODE',
    )
)
CONSTANTS: dict[str, Callable[[], object]] = {
    'NONE': lambda: None,
    'NEWTRUE': lambda: True,
    'NEWFALSE': lambda: False,
    'EMPTY_LIST': list,
    'EMPTY_DICT': dict,
    'EMPTY_TUPLE': tuple,
    'EMPTY_SET': set,
}
TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


# What the instructions of a broken file run into.
MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class PickleMachine:
    """Run one pickle from a stream, leaving the stream behind its end.

    Args:
        stream: Bytes, positioned at the pickle.
        storage: Makes a value of a persistent id (torch's reference to a storage).
    """

    def __init__(self, stream: IO[bytes], storage: Callable[[object], object]) -> None:
        self.stream = stream
        self.storage = storage
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> object:
        """Run the pickle.

        Raises:
            CheckpointError: It is cut off, malformed, or wants something that is not allowed.
        """
        try:
            for opcode, arg, _ in pickletools.genops(self.stream):
                if opcode.name == 'STOP':
                    return self.stack.pop()
                self.step(opcode.name, arg)
        except CheckpointError:
            raise
        except MALFORMED as exc:
            raise CheckpointError(f'truncated or malformed pickle ({exc})') from exc
        raise CheckpointError('truncated pickle: it has no end')

    def step(self, name: str, arg: Any) -> None:
        """Do one instruction."""
        if name in LITERALS:
            self.stack.append(arg)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            self.stack.append(tuple(self.take(TUPLES[name])))
        elif name in ('GET', 'BINGET', 'LONG_BINGET'):
            self.stack.append(self.memo[int(arg)])
        elif name in ('PUT', 'BINPUT', 'LONG_BINPUT'):
            self.memo[int(arg)] = self.stack[-1]
        elif name == 'PERSID':
            self.stack.append(self.storage(arg))
        elif name in ('GLOBAL', 'INST'):
            module, _, attribute = arg.partition(' ')
            self.stack.append(resolve(module, attribute))
            if name == 'INST':
                kind = self.stack.pop()
                self.push(call(kind, tuple(self.marked())))
        elif handler := HANDLERS.get(name):
            handler(self)
        else:
            raise CheckpointError(f'pickle instruction {name}, which no checkpoint needs')

    def push(self, value: object) -> None:
        """Put a value on the stack, on the group that is open once the value exists."""
        self.stack.append(value)

    def take(self, count: int) -> list[Any]:
        """Pop `count` values, the deepest first."""
        if len(self.stack) < count:
            raise IndexError('stack underflow')
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def marked(self) -> list[Any]:
        """Pop everything down to the last mark."""
        values = self.stack
        self.stack = self.marks.pop()
        return values

    def mark(self) -> None:
        """Start a group of values."""
        self.marks.append(self.stack)
        self.stack = []

    def store(self, values: list[Any]) -> None:
        """Put keys and values, alternating, into the mapping on top of the stack."""
        target = self.stack[-1]
        items = target.entries if isinstance(target, Record) else target
        for key, value in zip(values[::2], values[1::2], strict=True):
            items[hashable(key)] = value

    def extend(self, values: list[Any]) -> None:
        """Append to the list or add to the set on top of the stack."""
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(hashable(value) for value in values)
        else:
            (target.elements if isinstance(target, Record) else target).extend(values)

    def build(self) -> None:
        """Give a record its state; plain containers need none."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record):
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    target.state.update(part)

    def instantiate(self, count: int) -> None:
        """Make an object of a class and its arguments."""
        kind, args = self.take(count)[:2]
        self.stack.append(call(kind, args, instance=True))

    def reduce(self) -> None:
        """Call a function of `CALLS`."""
        function, args = self.take(2)
        self.stack.append(call(function, args))

    def call_marked(self) -> None:
        """Call the first value of a group with the rest."""
        kind, *args = self.marked()
        self.stack.append(call(kind, tuple(args)))

    def make_dict(self) -> None:
        """Make a mapping of a group of keys and values."""
        pairs = self.marked()
        self.stack.append({})
        self.store(pairs)

    def pop(self) -> None:
        """Drop a value, or a mark where the group is empty."""
        if self.stack:
            self.stack.pop()
        else:
            self.marked()


HANDLERS: dict[str, Callable[[PickleMachine], object]] = {
    'PROTO': lambda _: None,
    'FRAME': lambda _: None,
    'MARK': PickleMachine.mark,
    'POP': PickleMachine.pop,
    'POP_MARK': PickleMachine.marked,
    'DUP': lambda m: m.push(m.stack[-1]),
    'MEMOIZE': lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    'LIST': lambda m: m.push(m.marked()),
    'TUPLE': lambda m: m.push(tuple(m.marked())),
    'DICT': PickleMachine.make_dict,
    'FROZENSET': lambda m: m.push(collection(m.marked())),
    'APPEND': lambda m: m.extend(m.take(1)),
    'APPENDS': lambda m: m.extend(m.marked()),
    'ADDITEMS': lambda m: m.extend(m.marked()),
    'SETITEM': lambda m: m.store(m.take(2)),
    'SETITEMS': lambda m: m.store(m.marked()),
    'BUILD': PickleMachine.build,
    'REDUCE': PickleMachine.reduce,
    'NEWOBJ': lambda m: m.instantiate(2),
    'NEWOBJ_EX': lambda m: m.instantiate(3),
    'OBJ': PickleMachine.call_marked,
    'STACK_GLOBAL': lambda m: m.push(resolve(*m.take(2))),
    'BINPERSID': lambda m: m.push(m.storage(m.stack.pop())),
}
