# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Small float graphs with what the networks of the zoo are made of."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

SIDE = 32


class Builder:
    """Collects nodes and constants; every method gives the name of the tensor it made."""

    def __init__(self, seed=5):
        self.rng = np.random.default_rng(seed)
        self.nodes = []
        self.constants = []

    def node(self, operator, *inputs, **attributes):
        name = f'{operator.lower()}_{len(self.nodes)}'
        self.nodes.append(
            helper.make_node(operator, list(inputs), [f'{name}_out'], name=name, **attributes)
        )
        return f'{name}_out'

    def constant(self, value, dtype=np.float32):
        name = f'constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def image(self, name='tiles'):
        moved = self.node('Transpose', self.node('Cast', name, to=1), perm=[0, 3, 1, 2])
        return self.node('Mul', moved, self.constant(1 / 64))

    def conv(self, x, cin, cout, kernel=1, groups=1, dilation=1):
        shape = (cout, cin // groups, kernel, kernel)
        weight = self.rng.normal(size=shape) * (cin // groups * kernel * kernel) ** -0.5
        pad = dilation * (kernel // 2)
        return self.node(
            'Conv',
            x,
            self.constant(weight),
            self.constant(self.rng.normal(size=cout) * 0.1),
            pads=[pad] * 4,
            dilations=[dilation] * 2,
            group=groups,
            kernel_shape=[kernel, kernel],
        )

    def norm(self, x, channels):
        values = [self.rng.uniform(0.5, 1.5, channels), self.rng.normal(size=channels) * 0.1]
        values += [self.rng.normal(size=channels) * 0.1, self.rng.uniform(0.5, 1.5, channels)]
        return self.node('BatchNormalization', x, *(self.constant(v) for v in values), epsilon=1e-2)

    def slope(self, x, slopes):
        """The exact form in which graphs are exported."""
        slopes = np.asarray(slopes).reshape(-1, 1, 1)
        straight = self.node('Mul', x, self.constant(slopes))
        bent = self.node('Mul', self.node('Relu', x), self.constant(1 - slopes))
        return self.node('Add', straight, bent)

    def model(self, outputs, inputs=('tiles',)):
        """Close the graph; `outputs` maps names to tensor, element type and rank (else 4)."""
        ends = [
            helper.make_node('Identity', [tensor], [name], name=f'end_{name}')
            for name, (tensor, *_) in outputs.items()
        ]
        graph = helper.make_graph(
            [*self.nodes, *ends],
            'small',
            [
                helper.make_tensor_value_info(name, TensorProto.UINT8, ['N', 'H', 'W', 3])
                for name in inputs
            ],
            [
                helper.make_tensor_value_info(
                    name, kind, [f'{name}_{axis}' for axis in range((*rank, 4)[0])]
                )
                for name, (_, kind, *rank) in outputs.items()
            ],
            self.constants,
        )
        opsets = [helper.make_opsetid('', 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        checker.check_model(model)
        return model


def gated_network():
    """A stem, a context-guided block with norm, slopes and gate, a shortcut and a head."""
    build = Builder()
    x = build.slope(build.conv(build.image(), 3, 16, 3), build.rng.uniform(0, 0.5, 16))
    parts = [build.conv(x, 16, 16, 3, groups=16, dilation=d) for d in (1, 2)]
    joined = build.norm(build.node('Concat', *parts, axis=1), 32)
    sloped = build.slope(joined, build.rng.uniform(0, 0.5, 32))
    mean = build.node('ReduceMean', sloped, axes=[2, 3], keepdims=1)
    gate = build.node('Sigmoid', build.conv(mean, 32, 32))
    gated = build.node('Mul', sloped, gate)
    inner = build.node('Relu', build.conv(gated, 32, 32, 3))
    logits = build.conv(build.node('Add', gated, inner), 32, 3)
    labels = build.node('Cast', build.node('ArgMax', logits, axis=1, keepdims=0), to=2)
    return build.model({'labels': (labels, TensorProto.UINT8, 3), 'logits': (logits, 1)})


def sloped_network(slopes):
    """Convolution, slopes, two convolutions, of which the last makes an output."""
    build = Builder()
    count = len(slopes)
    x = build.slope(build.conv(build.image(), 3, count, 3), slopes)
    x = build.conv(build.conv(x, count, count), count, count)
    return build.model({'labels': (x, TensorProto.FLOAT)})


def tiles(count, side=SIDE, seed=2):
    """Blocks of 4 x 4 pixels of random colours."""
    rng = np.random.default_rng(seed)
    coarse = [rng.integers(0, 256, (1, side // 4, side // 4, 3), np.uint8) for _ in range(count)]
    return [{'tiles': np.kron(tile, np.ones((1, 4, 4, 1), np.uint8))} for tile in coarse]
