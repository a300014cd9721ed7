# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A scene model whose answer is the strongest colour, and images that it knows."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import yaml
from onnx import TensorProto, helper, numpy_helper

COLOURS = {'red': (200, 40, 40), 'green': (40, 200, 40), 'blue': (40, 40, 200)}
SCENE = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene'


def convolving_scene(channels=8):
    """A scene model with two convolutions whose answer is the strongest colour."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.02, (channels, 3, 3, 3)).astype(np.float32)
    first[:3, :, 1, 1] += np.eye(3, dtype=np.float32)
    second = np.zeros((3, channels, 1, 1), np.float32)
    second[:, :3, 0, 0] = np.eye(3)
    nodes = [
        helper.make_node('Cast', ['tiles'], ['float'], name='cast', to=TensorProto.FLOAT),
        helper.make_node('Mul', ['float', 'scale'], ['scaled'], name='mul'),
        helper.make_node('Transpose', ['scaled'], ['x'], name='t', perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['x', 'first'], ['a'], name='conv1', pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['a'], ['b'], name='relu'),
        helper.make_node('Conv', ['b', 'second'], ['c'], name='conv2'),
        helper.make_node('ReduceMean', ['c'], ['mean'], name='mean', axes=[2, 3], keepdims=0),
        helper.make_node('Softmax', ['mean'], ['probabilities'], name='softmax', axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        'scene',
        [helper.make_tensor_value_info('tiles', TensorProto.UINT8, ['N', 'H', 'W', 3])],
        [helper.make_tensor_value_info('probabilities', TensorProto.FLOAT, ['N', 3])],
        [
            numpy_helper.from_array(np.float32(1 / 16), 'scale'),
            numpy_helper.from_array(first, 'first'),
            numpy_helper.from_array(second, 'second'),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def write_scene_folder(place, model):
    """Write a model folder with one variant, and give its path."""
    shutil.copytree(SCENE, place)
    data = model.SerializeToString()
    (place / 'fp32.onnx').write_bytes(data)
    card = yaml.safe_load((place / 'card.yaml').read_text())
    card['input'] |= {'height': 64, 'width': 64}
    card['variants'] = {
        'fp32': {
            'file': 'fp32.onnx',
            'sha256': hashlib.sha256(data).hexdigest(),
            'bytes': len(data),
            'note': 'the first',
        }
    }
    (place / 'card.yaml').write_text(yaml.safe_dump(card))
    return place


def write_colour_images(root):
    """Write four images of each colour as a labelled set, and give its path."""
    rng = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        (root / 'images' / name).mkdir(parents=True)
        for index in range(4):
            noise = rng.normal(0, 20, (64, 64, 3))
            image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            path = root / 'images' / name / f'{index}.png'
            cv2.imwrite(str(path), image[:, :, ::-1])
    return root
