# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change by difference of colour: a formula as a graph, with nothing trained and nobody's terms.

Change vector analysis (Malila, Change vector analysis: an approach for detecting forest changes
with Landsat, 1980) on local means, tolerant to a pixel of misregistration: a colour counts as
changed by what it lies outside the range of colours around the same place at the other date. It
tells that ground looks different, not what became of it.

`python -m rs_onboard.zoo.colour_difference OUT` writes the model folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rs_onboard.inference.bench import PLAIN
from rs_onboard.inference.card import ClassInfo, DataSource, GsdSpec, InputSpec, Weights
from rs_onboard.zoo.make_folder import time_files
from rs_onboard.zoo.model_folder import CardText, Measured, latencies_of, write_model_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = 'colour_difference'
# Side of the window over which colours are averaged [px]; half of it is mirrored at the borders.
WINDOW = 5
# Pixels to every side among which the other date may have the same colour.
REACH = 1
# The difference, of 1, at which change is as probable as none, and what makes it 73 %.
MIDDLE, SLOPE = 0.13, 0.02
SIDE = 256

TEXT = CardText(
    name='change-colour-difference',
    task='change',
    network=NAME,
    summary='Finds ground whose colour differs between two aligned images; a formula, not trained.',
    input=InputSpec(('red', 'green', 'blue'), SIDE, SIDE, multiple=1, minimum=16, dynamic=True),
    gsd=GsdSpec(trained_m=2.0, low_m=0.25, high_m=8.0),
    classes=(ClassInfo('unchanged', (40, 40, 40)), ClassInfo('changed', (230, 57, 70))),
    weights=Weights(
        origin='a formula of rs_onboard (change vector analysis), nothing is trained',
        licence='Apache-2.0',
        restrictions='',
        data=(DataSource('none', 'none', 'none', ''),),
    ),
    evaluation=(
        '193 tiles of LEVIR-CD at image scale (new buildings among all that differs), by '
        '`rs_onboard evaluate`: it says how little a difference of colour knows of buildings. '
        'Constants were set by hand on two dates of NAIP over North Dakota, which have no labels.'
    ),
    limits=(
        'Tells that ground looks different, not why: a crop or a shadow is a change like a house.',
        'Light must be alike, or made alike as the change node does; a cloud is a change.',
        'Changes narrower than some 5 px are averaged away.',
    ),
)

# What `rs_onboard evaluate` said.
QUALITY = {'f1': 0.0851, 'precision': 0.0471, 'recall': 0.4434, 'iou': 0.0444}


def graph() -> onnx.ModelProto:
    """Build the graph: `before` and `after` uint8 [N, H, W, 3] to `probability` uint8 [N, H, W]."""
    nodes = []
    constants = {
        'pads': np.array((0, 0, WINDOW // 2, WINDOW // 2) * 2, np.int64),
        'unit': np.float32(1 / 255),
        'middle': np.float32(MIDDLE),
        'steepness': np.float32(1 / SLOPE),
        'full': np.float32(255),
    }

    def add(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    window = {'kernel_shape': [2 * REACH + 1] * 2, 'pads': [REACH] * 4, 'strides': [1, 1]}
    for date in ('before', 'after'):
        value = add('Cast', [date], f'{date}_float', to=TensorProto.FLOAT)
        value = add('Transpose', [value], f'{date}_planes', perm=[0, 3, 1, 2])
        value = add('Mul', [value, 'unit'], f'{date}_unit')
        value = add('Pad', [value, 'pads'], f'{date}_padded', mode='reflect')
        value = add('AveragePool', [value], f'{date}_mean', kernel_shape=[WINDOW] * 2)
        add('MaxPool', [value], f'{date}_high', **window)
        value = add('MaxPool', [add('Neg', [value], f'{date}_neg')], f'{date}_neg_low', **window)
        add('Neg', [value], f'{date}_low')
    for date, other in (('before', 'after'), ('after', 'before')):
        above = add(
            'Relu', [add('Sub', [f'{date}_mean', f'{other}_high'], f'{date}_over')], f'{date}_above'
        )
        below = add(
            'Relu', [add('Sub', [f'{other}_low', f'{date}_mean'], f'{date}_under')], f'{date}_below'
        )
        add('Add', [above, below], f'{date}_outside')
    value = add('Min', ['before_outside', 'after_outside'], 'outside')
    value = add('Mul', [value, value], 'square')
    value = add('ReduceMean', [value], 'mean_square', axes=[1], keepdims=0)
    value = add('Sqrt', [value], 'difference')
    value = add('Mul', [add('Sub', [value, 'middle'], 'beyond'), 'steepness'], 'logit')
    value = add('Mul', [add('Sigmoid', [value], 'chance'), 'full'], 'scaled')
    add('Cast', [add('Round', [value], 'rounded')], 'probability', to=TensorProto.UINT8)
    size = ['N', 'H', 'W']
    model = helper.make_model(
        helper.make_graph(
            nodes,
            NAME,
            [
                helper.make_tensor_value_info(date, TensorProto.UINT8, [*size, 3])
                for date in ('before', 'after')
            ],
            [helper.make_tensor_value_info('probability', TensorProto.UINT8, size)],
            [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def reference(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the probability slowly, from the description alone.

    Args:
        before: (H, W, 3) uint8.
        after: (H, W, 3) uint8.

    Returns:
        (H, W) float64, 0 to 1.
    """
    half = WINDOW // 2
    means = []
    for image in (before, after):
        padded = np.pad(image / 255.0, ((half, half), (half, half), (0, 0)), mode='reflect')
        means.append(_windows(padded, WINDOW).mean(axis=(-2, -1)))
    outside = []
    for mine, other in (means, means[::-1]):
        edges = np.pad(other, ((REACH, REACH), (REACH, REACH), (0, 0)), mode='edge')
        around = _windows(edges, 2 * REACH + 1)
        low, high = around.min(axis=(-2, -1)), around.max(axis=(-2, -1))
        outside.append(np.maximum(mine - high, 0) + np.maximum(low - mine, 0))
    difference = np.sqrt((np.minimum(*outside) ** 2).mean(axis=2))
    return np.asarray(1 / (1 + np.exp(-(difference - MIDDLE) / SLOPE)), np.float64)


def _windows(image: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the squares around the pixels of (H, W, C): (H', W', C, side, side)."""
    views = np.lib.stride_tricks.sliding_window_view
    rows: NDArray[np.float64] = views(image, side, 0)
    both: NDArray[np.float64] = views(rows, side, 1)
    return both


def write(folder: Path) -> None:
    """Write the model folder."""
    model = graph()
    data = model.SerializeToString()
    timings = time_files(TEXT.name, (SIDE, SIDE), {'fp32': data, PLAIN: data})
    measured = Measured(model, QUALITY, latencies_of(timings, 'fp32'), 'written from its formula')
    write_model_folder(folder, TEXT, {'fp32': measured})


if __name__ == '__main__':
    write(Path(sys.argv[1]))
