# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Write the tiny model folders that the tests run: graphs whose outputs are known exactly.

Run by hand where the `onnx` package is installed: `python test/data/models/make_models.py`.

- `colour-scene`: probabilities are softmax of the mean red, green and blue / 16.
- `colour-segmentation`: the label of a pixel is its strongest band, the confidence its value.
- `colour-change`: the probability of a pixel is the largest difference of its bands.
- `colour-detection`: a box of 8 x 8 pixels for every cell of that size, class and score by band.
- `broken`: graphs that a loader must refuse, each for one reason.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import yaml
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
BANDS = ('red', 'green', 'blue')


def scene_graph():
    nodes = [
        helper.make_node('Cast', ['tiles'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['float'], ['mean'], axes=[1, 2], keepdims=0),
        helper.make_node('Mul', ['mean', 'scale'], ['logits']),
        helper.make_node('Softmax', ['logits'], ['probabilities'], axis=1),
    ]
    outputs = [helper.make_tensor_value_info('probabilities', TensorProto.FLOAT, ['N', 3])]
    return nodes, outputs, [numpy_helper.from_array(np.float32(1 / 16), 'scale')]


def segmentation_graph():
    nodes = [
        helper.make_node('Cast', ['tiles'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('ArgMax', ['float'], ['index'], axis=3, keepdims=0),
        helper.make_node('Cast', ['index'], ['labels'], to=TensorProto.UINT8),
        helper.make_node('ReduceMax', ['float'], ['strongest'], axes=[3], keepdims=0),
        helper.make_node('Cast', ['strongest'], ['confidence'], to=TensorProto.UINT8),
    ]
    shape = ['N', 'H', 'W']
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, shape)
        for name in ('labels', 'confidence')
    ]
    return nodes, outputs, []


def detection_graph():
    """Find every cell of 8 x 8 pixels whose mean in a band is above 200, as a box of that class."""
    node, number = helper.make_node, TensorProto.FLOAT
    nodes = [
        node('Cast', ['tiles'], ['float'], to=number),
        node('Transpose', ['float'], ['bands'], perm=[0, 3, 1, 2]),
        node('AveragePool', ['bands'], ['cells'], kernel_shape=[8, 8], strides=[8, 8]),
        node('Greater', ['cells', 'least'], ['high']),
        node('NonZero', ['high'], ['places']),
        node('Transpose', ['places'], ['rows'], perm=[1, 0]),
        node('GatherND', ['cells', 'rows'], ['values']),
        node('Div', ['values', 'full'], ['scores']),
        node('Split', ['rows', 'ones'], ['n', 'c', 'y', 'x'], axis=1),
        node('Squeeze', ['n', 'second'], ['tile']),
        node('Squeeze', ['c', 'second'], ['classes']),
        node('Concat', ['x', 'y'], ['cell'], axis=1),
        node('Cast', ['cell'], ['corner'], to=number),
        node('Mul', ['corner', 'eight'], ['scaled']),
        node('Add', ['scaled', 'middle'], ['centre']),
        node('Shape', ['scores'], ['count']),
        node('Concat', ['count', 'three'], ['shape'], axis=0),
        node('Expand', ['size', 'shape'], ['sizes']),
        node('Concat', ['centre', 'sizes'], ['boxes'], axis=1),
    ]
    outputs = [
        tensor('boxes', number, ['M', 5]),
        tensor('scores', number, ['M']),
        tensor('classes', TensorProto.INT64, ['M']),
        tensor('tile', TensorProto.INT64, ['M']),
    ]
    constants = {
        'least': np.float32(200),
        'full': np.float32(255),
        'ones': np.ones(4, np.int64),
        'second': np.array([1]),
        'eight': np.float32(8),
        'middle': np.float32(3.5),
        'three': np.array([3]),
        'size': np.array([[8, 8, 0]], np.float32),
    }
    return nodes, outputs, [numpy_helper.from_array(v, name) for name, v in constants.items()]


def change_graph():
    nodes = [
        helper.make_node('Cast', ['before'], ['first'], to=TensorProto.INT32),
        helper.make_node('Cast', ['after'], ['second'], to=TensorProto.INT32),
        helper.make_node('Sub', ['first', 'second'], ['difference']),
        helper.make_node('Abs', ['difference'], ['size']),
        helper.make_node('ReduceMax', ['size'], ['largest'], axes=[3], keepdims=0),
        helper.make_node('Cast', ['largest'], ['probability'], to=TensorProto.UINT8),
    ]
    shape = ['N', 'H', 'W']
    return nodes, [helper.make_tensor_value_info('probability', TensorProto.UINT8, shape)], []


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def outside(count):
    """Numbers that lie in another file."""
    numbers = TensorProto(name='far', data_type=TensorProto.FLOAT, dims=[count])
    numbers.data_location = TensorProto.EXTERNAL
    numbers.external_data.add(key='location', value='outside.bin')
    return numbers


def broken_scenes():
    """Yield (name, nodes, inputs, outputs, constants) of scene graphs with one fault each."""
    uint8, number = TensorProto.UINT8, TensorProto.FLOAT
    nodes, outputs, constants = scene_graph()
    tiles = tensor('tiles', uint8, ['N', 'H', 'W', 3])
    yield 'four-bands', nodes, [tensor('tiles', uint8, ['N', 'H', 'W', 4])], outputs, constants
    yield 'one-tile', nodes, [tensor('tiles', uint8, [1, 'H', 'W', 3])], outputs, constants
    yield 'fixed-size', nodes, [tensor('tiles', uint8, ['N', 64, 64, 3])], outputs, constants
    yield 'float-tiles', nodes, [tensor('tiles', number, ['N', 'H', 'W', 3])], outputs, constants
    renamed = helper.make_node('Identity', ['probabilities'], ['scores'])
    scores = [tensor('scores', number, ['N', 3])]
    yield 'other-output', [*nodes, renamed], [tiles], scores, constants
    twice = helper.make_node('Concat', ['probabilities', 'probabilities'], ['scores'], axis=1)
    back = helper.make_node('Identity', ['scores'], ['both'])
    more = [tensor('both', number, ['N', 6])]
    yield 'two-outputs', [*nodes, twice, back], [tiles], [*outputs, *more], constants
    wide = [
        *nodes[:3],
        helper.make_node('Concat', ['logits', 'logits'], ['more'], axis=1),
        helper.make_node('Softmax', ['more'], ['probabilities'], axis=1),
    ]
    yield 'six-classes', wide, [tiles], [tensor('probabilities', number, ['N', 6])], constants
    deep = [*nodes[:3], helper.make_node('Softmax', ['lifted'], ['probabilities'], axis=1)]
    deep.insert(3, helper.make_node('Unsqueeze', ['logits', 'axis'], ['lifted']))
    axis = numpy_helper.from_array(np.array([2]), 'axis')
    third = [tensor('probabilities', number, ['N', 3, 1])]
    yield 'third-dimension', deep, [tiles], third, [*constants, axis]
    odd = [*nodes[:3], helper.make_node('Softmin', ['logits'], ['probabilities'], domain='odd')]
    yield 'custom-operator', odd, [tiles], outputs, constants
    # ONNX Runtime folds small constants while loading and then notices; it runs this size.
    far = helper.make_node('ReduceMax', ['far'], ['scale'], keepdims=0)
    yield 'weights-outside', [far, *nodes], [tiles], outputs, [outside(4096)]
    branch = helper.make_graph([], 'branch', [], [tensor('far', number, [4096])], [outside(4096)])
    chosen = helper.make_node('If', ['yes'], ['picked'], then_branch=branch, else_branch=branch)
    far = helper.make_node('ReduceMax', ['picked'], ['scale'], keepdims=0)
    yes = numpy_helper.from_array(np.array(True), 'yes')
    yield 'weights-outside-in-a-branch', [chosen, far, *nodes], [tiles], outputs, [yes]


def hostile_scenes():
    """Yield (name, nodes, inputs, outputs, constants) of graphs made to take all memory or time."""
    nodes, outputs, constants = scene_graph()
    tiles = [tensor('tiles', TensorProto.UINT8, ['N', 'H', 'W', 3])]
    huge = TensorProto(name='huge', data_type=TensorProto.FLOAT, dims=[1_000_000, 1_000_000])
    huge.raw_data = bytes(16)
    yield 'huge-initialiser', nodes, tiles, outputs, [*constants, huge]
    size = numpy_helper.from_array(np.array([1_000_000, 1_000_000]), 'size')
    grown = helper.make_node('Expand', ['logits', 'size'], ['grown'])
    shrunk = helper.make_node('ReduceMax', ['grown'], ['less'], axes=[0], keepdims=0)
    yield 'expands', [*nodes, grown, shrunk], tiles, outputs, [*constants, size]
    body = helper.make_graph(
        [
            helper.make_node('Identity', ['go'], ['on']),
            helper.make_node('Identity', ['before'], ['after']),
        ],
        'body',
        [
            tensor('turn', TensorProto.INT64, []),
            tensor('go', TensorProto.BOOL, []),
            tensor('before', TensorProto.FLOAT, ['N', 3]),
        ],
        [tensor('on', TensorProto.BOOL, []), tensor('after', TensorProto.FLOAT, ['N', 3])],
    )
    endless = helper.make_node('Loop', ['', 'yes', 'logits'], ['late'], body=body)
    last = helper.make_node('Softmax', ['late'], ['probabilities'], axis=1)
    yes = numpy_helper.from_array(np.array(True), 'yes')
    yield 'endless-loop', [*nodes[:3], endless, last], tiles, outputs, [*constants, yes]


def four_labels():
    """A segmentation graph whose last convolution makes four classes."""
    weight = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), 'weight')
    nodes = [
        helper.make_node('Cast', ['tiles'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['planes', 'weight'], ['logits']),
        helper.make_node('ArgMax', ['logits'], ['index'], axis=1, keepdims=0),
        helper.make_node('Cast', ['index'], ['labels'], to=TensorProto.UINT8),
        helper.make_node('Identity', ['labels'], ['confidence']),
    ]
    _, outputs, _ = segmentation_graph()
    return nodes, outputs, [weight]


def write_broken():
    folder = HERE / 'broken'
    folder.mkdir(exist_ok=True)
    tiles = [tensor('tiles', TensorProto.UINT8, ['N', 'H', 'W', 3])]
    plain, outputs, constants = scene_graph()
    labels = four_labels()
    graphs = [
        *((*graph, {'': 17}) for graph in broken_scenes()),
        *((*graph, {'': 17}) for graph in hostile_scenes()),
        ('newer-opset', plain, tiles, outputs, constants, {'': 99}),
        ('older-opset', plain, tiles, outputs, constants, {'': 9}),
        ('foreign-import', plain, tiles, outputs, constants, {'': 17, 'com.microsoft': 1}),
        ('four-labels', labels[0], tiles, labels[1], labels[2], {'': 17}),
    ]
    for name, nodes, inputs, results, numbers, opsets in graphs:
        if name == 'custom-operator':
            opsets = opsets | {'odd': 1}  # noqa: PLW2901
        model = helper.make_model(
            helper.make_graph(nodes, name, inputs, results, numbers),
            opset_imports=[helper.make_opsetid(*opset) for opset in opsets.items()],
            ir_version=8,
        )
        (folder / f'{name}.onnx').write_bytes(model.SerializeToString())


def write(name, task, graph, *, gsd_m, side, classes=BANDS, inputs=('tiles',)):
    nodes, outputs, constants = graph
    tiles = [tensor(name, TensorProto.UINT8, ['N', 'H', 'W', 3]) for name in inputs]
    model = helper.make_model(
        helper.make_graph(nodes, name, tiles, outputs, constants),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=8,
    )
    checker.check_model(model)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    data = model.SerializeToString()
    (folder / 'fp32.onnx').write_bytes(data)
    card = {
        'card': 1,
        'name': name,
        'task': task,
        'network': 'colour',
        'summary': 'Test model with exactly known outputs.',
        'trained': True,
        'input': {
            'bands': list(BANDS),
            'height': side,
            'width': side,
            'multiple': 16,
            'minimum': 16,
            'dynamic': True,
        },
        'gsd': {'trained_m': gsd_m, 'low_m': gsd_m / 2, 'high_m': gsd_m * 2},
        'classes': [
            {'name': known, 'color': [255 * (known == other) for other in BANDS]}
            for known in classes
        ],
        'weights': {
            'origin': 'Written by test/data/models/make_models.py; no training.',
            'licence': 'Apache-2.0',
            'data': [{'name': 'none', 'licence': 'none', 'origin': 'none'}],
        },
        'variants': {
            'fp32': {
                'file': 'fp32.onnx',
                'sha256': hashlib.sha256(data).hexdigest(),
                'bytes': len(data),
            }
        },
        'evaluation': 'Exact by construction.',
        'limits': ['Knows colours only.'],
    }
    (folder / 'card.yaml').write_text(yaml.safe_dump(card, sort_keys=False), encoding='utf-8')


if __name__ == '__main__':
    write('colour-scene', 'scene', scene_graph(), gsd_m=0.3, side=128)
    write('colour-segmentation', 'segmentation', segmentation_graph(), gsd_m=0.3, side=128)
    write('colour-detection', 'detection', detection_graph(), gsd_m=0.3, side=128)
    write(
        'colour-change',
        'change',
        change_graph(),
        gsd_m=0.5,
        side=128,
        classes=('unchanged', 'changed'),
        inputs=('before', 'after'),
    )
    write_broken()
