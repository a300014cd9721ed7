# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What segmentation adds to training: pasted windows, extra heads, sizes a network refuses."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from small_sets import index_masks, recipe_file  # noqa: E402

from rs_onboard.training.data.load import load_for  # noqa: E402
from rs_onboard.training.recipe import load_recipe  # noqa: E402
from rs_onboard.training.tasks.segmentation import (  # noqa: E402
    AUXILIARY_SHARE,
    SegmentationTask,
    padded,
    paste_windows,
    training_outputs,
)
from rs_onboard.training.trainer import build_network  # noqa: E402
from rs_onboard.zoo.network import InputRule  # noqa: E402


def test_pasted_windows_bring_their_labels_and_come_from_unmixed_samples():
    count, size = 6, 40
    values = np.arange(count, dtype=np.uint8)
    images = np.repeat(values, size * size * 3).reshape(count, size, size, 3)
    masks = images[..., 0].copy()
    mixed, mixed_masks = paste_windows(images, masks, 1.0, np.random.default_rng(0))
    assert np.array_equal(mixed[..., 0], mixed_masks)
    assert all(len(np.unique(mask)) <= 2 for mask in mixed_masks)
    shares = (mixed_masks == values[:, None, None]).mean((1, 2))
    assert shares.min() > 0.3
    assert (shares < 1).sum() >= 3
    assert np.array_equal(images[..., 0], masks)


def test_nothing_is_pasted_unless_asked_for():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    masks = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    same = paste_windows(images, masks, 0.0, np.random.default_rng(0))
    assert np.array_equal(same[1], masks)


@pytest.mark.parametrize('side', [(33, 50), (64, 64), (10, 200)])
def test_an_image_is_mirrored_up_to_a_size_the_network_accepts(side):
    image = np.random.default_rng(1).integers(0, 255, (*side, 3)).astype(np.uint8)
    rule = InputRule(multiple=32, minimum=64)
    grown = padded(image, rule)
    rule.check('any', *grown.shape[:2])
    assert np.array_equal(grown[: side[0], : side[1]], image)
    assert all(new - old < 64 for new, old in zip(grown.shape, side, strict=False))


def test_the_auxiliary_head_of_unetformer_adds_its_share_to_the_loss(tmp_path):
    index_masks(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'segmentation', network='lwganet_l0_seg'))
    data = load_for(recipe, tmp_path)
    network = build_network(recipe, data).eval()
    task = SegmentationTask(recipe, data)
    samples = data.splits['train'][:2]

    def loss():
        with torch.no_grad():
            return float(task.loss(network, samples, 160, np.random.default_rng(5)))

    outputs = training_outputs(network, torch.zeros(1, 3, 160, 160))
    assert outputs['lbl'].shape == outputs['aux'].shape == (1, 2, 160, 160)
    weight = network.decoder.aux_head.conv_out.weight.detach()
    weight.zero_()
    # Equal logits of two classes cost log 2 a labelled pixel, times a weight of 1 to 2.
    undecided = loss()
    weight.fill_(-1e3)[1].fill_(1e3)
    assert loss() > undecided + AUXILIARY_SHARE
    weight.zero_()
    assert loss() == pytest.approx(undecided)


def test_networks_that_accept_certain_sizes_alone_validate_on_any_image(tmp_path):
    index_masks(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'segmentation', network='lwganet_l0_seg'))
    data = load_for(recipe, tmp_path)
    network = build_network(recipe, data).eval()
    scores = SegmentationTask(recipe, data).validate(network, data.splits['val'])
    assert 0 <= scores.main <= 1
    assert scores.figures['miou'] == scores.main


def test_logits_by_the_other_name_are_found(tmp_path):
    index_masks(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'segmentation', network='dnas_l12'))
    network = build_network(recipe, load_for(recipe, tmp_path)).eval()
    with torch.no_grad():
        outputs = training_outputs(network, torch.zeros(1, 3, 64, 64))
    assert outputs['lbl'] is outputs['logits']
