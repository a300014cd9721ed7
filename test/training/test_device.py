# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Devices and precisions."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip('torch')

from small_sets import class_folders, recipe_file  # noqa: E402

from rs_onboard.training.data.load import load_for  # noqa: E402
from rs_onboard.training.device import Device  # noqa: E402
from rs_onboard.training.recipe import load_recipe  # noqa: E402
from rs_onboard.training.trainer import Trainer  # noqa: E402


@pytest.mark.parametrize(
    ('device', 'message'),
    [
        (Device('gpu'), r"--device: found 'gpu'; expected cpu, cuda or cuda:N"),
        (Device('cuda:x'), r"--device: found 'cuda:x'"),
        (Device('cuda:99'), r"found 'cuda:99'; torch sees \d+ CUDA devices here"),
        (Device('cpu', 'float16'), r'float16 needs cuda; take bfloat16 or float32'),
    ],
)
def test_what_the_machine_cannot_do_is_refused(device, message):
    with pytest.raises(ValueError, match=message):
        device.check()


def test_products_run_in_the_precision_and_losses_do_not():
    device = Device('cpu', 'bfloat16')
    device.check()
    images, weight = torch.ones(1, 8), torch.ones(8, 8)
    with device.tensors(), device.autocast():
        product = images @ weight
        loss = torch.nn.functional.cross_entropy(product, torch.tensor([1]))
    assert product.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    with Device().autocast():
        assert (images @ weight).dtype == torch.float32


def test_a_bfloat16_step_stays_near_the_float32_one(tmp_path):
    class_folders(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'scene', network='plain_mobilenet'))
    recipe = dataclasses.replace(recipe, optimiser=dataclasses.replace(recipe.optimiser, clip=1.0))
    data = load_for(recipe, tmp_path)
    gradients = []
    for precision in ('float32', 'bfloat16'):
        trainer = Trainer(
            recipe,
            data,
            tmp_path / precision,
            device=Device('cpu', precision),
            report=lambda _: None,
        )
        trainer.train_epoch(0.0)
        assert all(p.dtype == torch.float32 for p in trainer.network.parameters())
        gradients.append((trainer.loss, list(trainer.network.parameters())[-2].detach().flatten()))
    (loss, weight), (rough_loss, rough_weight) = gradients
    assert rough_loss == pytest.approx(loss, rel=0.15)
    assert rough_loss != loss
    assert torch.nn.functional.cosine_similarity(weight, rough_weight, dim=0) > 0.99
