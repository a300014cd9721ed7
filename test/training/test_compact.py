# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Files become smaller, still fly, and their card says what is known of the new ones."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from colour_scenes import convolving_scene, write_colour_images, write_scene_folder  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from rs_onboard.cli.main import main  # noqa: E402
from rs_onboard.inference.card import load_card  # noqa: E402
from rs_onboard.inference.model import load_model  # noqa: E402
from rs_onboard.inference.signature import SIGNATURE_FILE  # noqa: E402

CHANNELS = 600


@pytest.fixture
def folder(tmp_path):
    place = write_scene_folder(tmp_path / 'model', convolving_scene(CHANNELS))
    card = yaml.safe_load((place / 'card.yaml').read_text())
    card['variants']['fp32']['quality'] = {'accuracy': 0.5}
    (place / 'card.yaml').write_text(yaml.safe_dump(card))
    return place


@pytest.fixture
def images(tmp_path):
    return write_colour_images(tmp_path / 'set')


def compact(folder, *options):
    return main(['models', 'compact', str(folder), *map(str, options)])


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answers(folder, tiles):
    return load_model(folder, task='scene').runtime.run({'tiles': tiles})['probabilities']


def test_a_file_becomes_smaller_and_answers_as_before(folder, images, capsys):
    tiles = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    size, before = (folder / 'fp32.onnx').stat().st_size, answers(folder, tiles)
    assert compact(folder, '--images', images) == 0
    out = capsys.readouterr().out
    card = load_card(folder)
    assert card.variants['fp32'].size == (folder / 'fp32.onnx').stat().st_size < 0.6 * size
    np.testing.assert_allclose(answers(folder, tiles), before, atol=1e-3)
    assert out.startswith('colour-scene fp32: 0.07 -> 0.04 MB; ')
    assert main(['models', 'verify', str(folder)]) == 0


def test_figures_that_are_kept_are_said_to_be_of_the_file_before(folder, images):
    assert compact(folder, '--images', images) == 0
    variant = load_card(folder).variants['fp32']
    assert variant.quality == {'accuracy': 0.5}
    assert variant.note.startswith('the first; weights stored in half precision: ')
    assert 'of the answers on 12 tiles as before, largest difference of a' in variant.note
    assert variant.note.endswith('; quality is that of the file before')


def test_with_labelled_images_the_figures_are_those_of_the_new_file(folder, images):
    assert compact(folder, '--images', images, '--data', images) == 0
    variant = load_card(folder).variants['fp32']
    assert variant.quality['accuracy'] == 1.0
    assert variant.note.endswith('; figures of 12 images of split val')
    assert 'file before' not in variant.note


def test_a_file_that_is_small_already_stays(folder, images, tmp_path, capsys):
    assert compact(folder, '--images', images) == 0
    done = content(folder)
    capsys.readouterr()
    assert compact(folder, '--images', images) == 0
    assert 'nothing written' in capsys.readouterr().out
    assert content(folder) == done
    little = write_scene_folder(tmp_path / 'little', convolving_scene())
    done = content(little)
    assert compact(little, '--images', images) == 0
    assert content(little) == done


def test_int8_is_made_of_a_compact_file(folder, images):
    assert compact(folder, '--images', images) == 0
    done = (folder / 'fp32.onnx').read_bytes()
    command = ['models', 'quantize', str(folder), '--calibration', str(images)]
    assert main([*command, '--variants', 'int8', 'fp16']) == 0
    assert set(load_card(folder).variants) == {'fp32', 'int8', 'fp16'}
    assert (folder / 'fp32.onnx').read_bytes() == done
    assert main(['models', 'verify', str(folder)]) == 0


def test_weights_that_int8_left_in_float_are_stored_too(folder, images, capsys):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    rows = card['variants']
    rows['int8'] = {**rows['fp32'], 'file': 'int8.onnx', 'quality': {}}
    (folder / 'card.yaml').write_text(yaml.safe_dump(card))
    (folder / 'int8.onnx').write_bytes((folder / 'fp32.onnx').read_bytes())
    assert compact(folder, '--images', images, '--variants', 'int8') == 0
    sizes = {name: variant.size for name, variant in load_card(folder).variants.items()}
    assert sizes['int8'] < 0.6 * sizes['fp32']
    assert 'fp32' not in capsys.readouterr().out


def test_a_signature_goes_and_it_is_said(folder, images, capsys):
    (folder / SIGNATURE_FILE).write_bytes(bytes(64))
    assert compact(folder, '--images', images) == 0
    assert 'no longer signed; sign it again' in capsys.readouterr().out
    assert not (folder / SIGNATURE_FILE).exists()


def sharp_scene():
    """A scene whose answers hang on digits that half precision has not."""
    model = convolving_scene(CHANNELS)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor).copy()
        if tensor.name == 'first':
            value[3:6] = 0.1 * (1 + 1e-5)
            value[6:9] = 0.1
        elif tensor.name == 'second':
            value[0, 3:6], value[0, 6:9] = 6e4, -6e4
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return model


def test_a_file_that_would_answer_otherwise_stays(tmp_path, images, capsys):
    folder = write_scene_folder(tmp_path / 'model', sharp_scene())
    before = content(folder)
    assert compact(folder, '--images', images) == 2
    error = capsys.readouterr().err
    assert 'fp32 with weights in half precision gives' in error
    assert 'expected at least 99.9%. Nothing was written' in error
    assert content(folder) == before


@pytest.mark.parametrize(
    ('options', 'fragment'),
    [
        (['--images', '{tmp}/none'], 'expected images'),
        (['--images', '{tmp}/set', '--data', '{tmp}/none'], 'no such folder'),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(
    folder, images, tmp_path, options, fragment, capsys
):
    before = content(folder)
    assert compact(folder, *(option.format(tmp=tmp_path) for option in options)) == 2
    assert fragment in capsys.readouterr().err
    assert content(folder) == before


def test_without_images_nothing_can_be_compared(folder, capsys):
    with pytest.raises(SystemExit):
        compact(folder)
    assert '--images' in capsys.readouterr().err


def test_a_changed_graph_is_not_made_smaller(folder, images, capsys):
    (folder / 'fp32.onnx').write_bytes((folder / 'fp32.onnx').read_bytes()[:-3])
    assert compact(folder, '--images', images) == 2
    assert 'the card says' in capsys.readouterr().err
