# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bound outputs are those of plain calls, and stay as they are however long they are held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from rs_onboard.inference.binding import BoundSession
from rs_onboard.inference.runtime import OnnxRuntime
from rs_onboard.inference.runtime_settings import RuntimeSettings, TensorInfo

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def opened(name):
    data = (MODELS / name / 'fp32.onnx').read_bytes()
    settings = RuntimeSettings(provider='cpu', threads=1)
    plain = OnnxRuntime(data, settings, what=name)
    session = ort.InferenceSession(data, providers=['CPUExecutionProvider'])
    return plain, BoundSession(session, plain.inputs, plain.outputs), session


def tiles(seed, shape=(2, 32, 48, 3)):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def address(array):
    return array.__array_interface__['data'][0]


@pytest.mark.parametrize('name', ['colour-scene', 'colour-segmentation'])
def test_bound_outputs_are_those_of_plain_calls(name):
    plain, bound, _ = opened(name)
    for seed, shape in enumerate([(2, 32, 48, 3), (2, 32, 48, 3), (1, 64, 16, 3), (2, 32, 48, 3)]):
        feeds = {'tiles': tiles(seed, shape)}
        expected = list(plain.run(feeds).values())
        found = bound.run(feeds)
        assert [array.dtype for array in found] == [array.dtype for array in expected]
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_part_of_an_array_is_taken_as_it_is_seen():
    plain, bound, _ = opened('colour-segmentation')
    whole = tiles(3, (2, 32, 96, 3))
    labels, _ = bound.run({'tiles': whole[:, :, ::2]})
    assert np.array_equal(labels, plain.run({'tiles': whole[:, :, ::2].copy()})['labels'])


def test_a_result_that_is_held_never_changes():
    _, bound, _ = opened('colour-segmentation')
    held = []
    for seed in range(12):
        labels, confidence = bound.run({'tiles': tiles(seed)})
        # A view holds its array as well as the array itself does.
        held.append((labels if seed % 2 else labels[:, 3:], confidence, labels[:, 3:].copy()))
        del labels, confidence
    for labels, _, copy in held:
        assert np.array_equal(labels[:, -copy.shape[1] :], copy)
    assert len({address(confidence) for _, confidence, _ in held}) == len(held)


def test_memory_is_used_again_once_nobody_holds_it():
    _, bound, _ = opened('colour-segmentation')
    first = address(bound.run({'tiles': tiles(0)})[0])
    assert address(bound.run({'tiles': tiles(1)})[0]) == first


def test_outputs_of_unknown_size_are_left_to_the_session():
    plain, _, session = opened('colour-segmentation')
    unknown = TensorInfo('labels', 'uint8', ('M', 'H', 'W'))
    other_type = TensorInfo('confidence', 'double', ('N', 'H', 'W'))
    for outputs in ((unknown, plain.outputs[1]), (unknown, other_type)):
        bound = BoundSession(session, plain.inputs, outputs)
        kept = bound.run({'tiles': tiles(5)})
        bound.run({'tiles': tiles(6)})
        expected = plain.run({'tiles': tiles(5)})
        assert np.array_equal(kept[0], expected['labels'])
        assert np.array_equal(kept[1], expected['confidence'])
