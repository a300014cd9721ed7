# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The two DNAS encodings published for GID-5, with 12 and 14 layers."""

from __future__ import annotations

from itertools import product

from rs_onboard.zoo.dnas_encoding import LEVELS, STEM, Encoding, Grid, Node

# A line a node, "layer,level: sources", in the order of the encoding.
L12_SOURCES = """
0,0: stem
1,0: 0,0
2,0: 1,0
2,1: 0,0 1,0
3,0: 2,0
3,1: stem 2,0 2,1
4,1: stem 0,0 3,0 3,1
5,0: 0,0 1,0 2,0 3,1 4,1
6,0: 5,0
6,1: stem 0,0 2,0 5,0
7,0: stem 1,0 2,0 4,1 5,0 6,0 6,1
8,0: stem
8,1: 0,0 2,0 2,1 4,1 5,0 7,0
9,1: 8,1
9,2: stem 0,0 1,0 2,0 2,1 3,0 8,1
10,2: stem 0,0 1,0 2,0 2,1 4,1 5,0 9,2
11,1: 10,2
11,2: stem 0,0 1,0 2,1 3,1 4,1 5,0 6,0 6,1 10,2
"""

# A line a layer, a group a level, a digit an operator; nodes that do not exist have a code as well.
L12_OPERATORS = """
248 157 268 036
178 023 789 256
478 178 169 167
347 057 157 137
017 028 268 245
013 345 178 189
235 789 012 056
089 259 259 015
569 789 189 347
248 028 127 167
138 359 147 067
478 456 012 567
"""

L14_SOURCES = """
0,0: stem
1,0: stem 0,0
2,0: 1,0
2,1: stem 1,0
3,0: stem 2,0 2,1
4,0: 1,0 2,0 2,1 3,0
5,0: 4,0
5,1: stem 0,0 3,0 4,0
6,0: 5,0
6,1: 2,0 2,1 5,1
7,0: 1,0 2,0 2,1 4,0 6,1
8,1: 2,0 3,0 4,0 5,1 7,0
9,0: stem 0,0 2,0 3,0 4,0 6,1 7,0 8,1
10,1: stem 1,0 2,0 4,0 6,1 8,0 9,0
11,0: 10,0
11,1: 10,1
11,2: stem 1,0 5,0 5,1 7,0 9,0 10,0 10,1
12,0: 11,1
12,1: 11,0 11,2
12,2: stem 0,0 1,0 2,0 3,0 4,0 5,1 6,1 7,0 11,2
13,0: 12,1
13,1: 12,1 12,2
13,2: 12,2
13,3: stem 0,0 3,0 4,0 5,1 6,0 6,1 7,0 12,2
"""

L14_OPERATORS = """
048 139 129 239
278 029 289 459
278 178 128 689
028 167 248 067
178 359 246 348
569 018 024 123
459 127 178 789
056 178 145 389
012 178 126 239
012 123 247 289
137 127 134 569
158 178 016 389
149 015 018 089
012 123 278 467
"""


def parse_node(text: str) -> Node:
    """Read `layer,level` or `stem`."""
    if text == 'stem':
        return STEM
    layer, level = text.split(',')
    return int(layer), int(level)


def parse_encoding(sources: str, operators: str) -> Encoding:
    """Read an encoding from the tables of this module."""
    listed = [line.split(': ') for line in sources.strip().splitlines()]
    code = [line.split() for line in operators.strip().splitlines()]
    connections = tuple(
        (parse_node(source), parse_node(target))
        for target, into in listed
        for source in into.split()
    )
    return Encoding(
        Grid(len(code), connections),
        {
            (layer, level): tuple(int(digit) for digit in code[layer][level])
            for layer, level in product(range(len(code)), range(LEVELS))
        },
    )


GID5_L12 = parse_encoding(L12_SOURCES, L12_OPERATORS)
GID5_L14 = parse_encoding(L14_SOURCES, L14_OPERATORS)
