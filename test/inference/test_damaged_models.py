# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile model folders are refused; nothing else ever happens."""

from __future__ import annotations

import hashlib
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rs_onboard.inference.card import load_card, parse_card
from rs_onboard.inference.contract import check_class_count, check_contract
from rs_onboard.inference.errors import CardError, ModelError
from rs_onboard.inference.graph_check import check_graph
from rs_onboard.inference.graph_file import read_graph
from rs_onboard.inference.model import load_graph
from rs_onboard.inference.runtime import runtime_version

MODELS = Path(__file__).parents[1] / 'data' / 'models'
SCENE, MASK = MODELS / 'colour-scene', MODELS / 'colour-segmentation'
CARDS = {folder: load_card(folder) for folder in (SCENE, MASK)}
BROKEN = sorted((MODELS / 'broken').glob('*.onnx'))
GRAPHS = [
    *((folder / 'fp32.onnx', CARDS[folder]) for folder in (SCENE, MASK)),
    *((path, CARDS[MASK if 'labels' in path.name else SCENE]) for path in BROKEN),
]

# Loads graphs in a process of its own, whose end the test sees; memory is bounded, since a graph
# may ask for any amount once it runs.
LOADER = """
import pickle, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
import numpy as np
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.runtime import OnnxRuntime
from rs_onboard.inference.runtime_settings import RuntimeSettings
count = 0
for data in pickle.load(sys.stdin.buffer):
    try:
        runtime = OnnxRuntime(data, RuntimeSettings(provider='cpu', threads=1), what='m.onnx')
        runtime.run({'tiles': np.zeros((1, 16, 16, 3), np.uint8)})
    except ModelError:
        pass
    count += 1
print(count)
"""


def check(data, card):
    graph = read_graph(data, what='m.onnx')
    check_graph(graph, what='m.onnx', runtime_version=runtime_version())
    check_contract(card, 'm.onnx', graph.inputs, graph.outputs)
    check_class_count(card, 'm.onnx', graph)


def survives(data, card):
    """Say whether a graph passes, having seen that it is refused in no other way than by name."""
    try:
        check(data, card)
    except ModelError as exc:
        assert str(exc).startswith('m.onnx: ')  # noqa: PT017  (either may be)
        return False
    return True


def damaged(data, rnd):
    """Flip, set, cut, insert and repeat bytes, as damage and malice do."""
    found = bytearray(data)
    for _ in range(rnd.choice((1, 1, 1, 2, 3, 8))):
        place, kind = rnd.randrange(len(found) or 1), rnd.randrange(6)
        if kind == 0 and found:
            found[place] ^= 1 << rnd.randrange(8)
        elif kind == 1 and found:
            found[place] = rnd.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del found[place : place + rnd.randrange(1, 9)]
        elif kind == 3:
            found[place:place] = rnd.randbytes(rnd.randrange(1, 9))
        elif kind == 4:
            found[place:place] = found[place : place + rnd.randrange(1, 40)]
        elif kind == 5 and rnd.randrange(3) == 0:
            del found[place:]
    return bytes(found)


@pytest.mark.parametrize('name', ['weights-outside-in-a-branch', 'huge-initialiser', 'four-labels'])
def test_a_file_cut_short_never_passes(name):
    data = (MODELS / 'broken' / f'{name}.onnx').read_bytes()
    for size in range(len(data) + 1):
        assert not survives(data[:size], CARDS[MASK if 'labels' in name else SCENE])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GRAPHS), st.randoms(use_true_random=False))
def test_a_damaged_file_is_refused_by_name_or_passes(graph, rnd):
    path, card = graph
    survives(damaged(path.read_bytes(), rnd), card)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_do_more_than_be_refused(data):
    assert not survives(data, CARDS[SCENE])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(CARDS)), st.randoms(use_true_random=False))
def test_a_damaged_card_is_refused_by_name_or_passes(folder, rnd):
    content = damaged((folder / 'card.yaml').read_bytes(), rnd)
    try:
        parse_card(folder, content)
    except CardError as exc:
        assert str(exc).startswith(str(folder / 'card.yaml'))  # noqa: PT017  (either may be)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.randoms(use_true_random=False))
def test_a_damaged_folder_is_refused_by_name_or_is_whole(tmp_path, rnd):
    card = yaml.safe_load((SCENE / 'card.yaml').read_text())
    graph = damaged((SCENE / 'fp32.onnx').read_bytes(), rnd) or b'\0'
    card['variants']['fp32'].update(sha256=hashlib.sha256(graph).hexdigest(), bytes=len(graph))
    (tmp_path / 'card.yaml').write_text(yaml.safe_dump(card))
    (tmp_path / 'fp32.onnx').write_bytes(graph)
    try:
        load_graph(tmp_path)
    except ModelError as exc:
        assert str(exc).startswith(str(tmp_path))  # noqa: PT017  (either may be)


def test_what_passes_never_kills_the_process_that_loads_it():
    rnd = random.Random(20)
    passed: list[bytes] = []
    while len(passed) < 60:
        path, card = rnd.choice(GRAPHS)
        data = damaged(path.read_bytes(), rnd)
        if survives(data, card):
            passed.append(data)
    ended = subprocess.run(
        [sys.executable, '-c', LOADER],
        input=pickle.dumps(passed),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
    assert ended.stdout.split()[-1] == b'60'
