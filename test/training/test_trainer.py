# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: learning, resuming, selecting, stopping in time."""

from __future__ import annotations

import csv
import dataclasses

import pytest

torch = pytest.importorskip('torch')

from small_sets import class_folders, index_masks, recipe_file  # noqa: E402

from rs_onboard.cli.main import main  # noqa: E402
from rs_onboard.cli.train import seconds_left  # noqa: E402
from rs_onboard.training.data.load import load_for  # noqa: E402
from rs_onboard.training.errors import RecipeError  # noqa: E402
from rs_onboard.training.optimise import MovingAverage, make_optimiser, rate_factor  # noqa: E402
from rs_onboard.training.recipe import load_recipe  # noqa: E402
from rs_onboard.training.trainer import Trainer  # noqa: E402
from rs_onboard.zoo.errors import CheckpointError  # noqa: E402


def test_rate_warms_up_and_falls_along_a_cosine():
    factors = [rate_factor(p, 0.1) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
    assert factors == pytest.approx([0.01, 0.5, 1.0, 0.505, 0.01])


def test_norms_and_biases_do_not_decay_and_the_average_trails(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    recipe = load_recipe(recipe_file(tmp_path, 'scene')).optimiser
    decayed, free = make_optimiser(network, recipe).param_groups
    assert [len(decayed['params']), len(free['params'])] == [1, 3]
    assert free['weight_decay'] == 0
    average = MovingAverage(network, 0.5)
    before = network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight += 1
    average.update(network)
    share = 1 - 2 / 11
    assert torch.allclose(average.network[0].weight, before + share, atol=1e-6)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    class_folders(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'scene', epochs=3))
    data = load_for(recipe, tmp_path)
    whole = Trainer(recipe, data, tmp_path / 'whole', report=lambda _: None)
    whole.run()
    first = Trainer(recipe, data, tmp_path / 'parts', report=lambda _: None)
    first.train_epoch(0.0)
    first.save(tmp_path / 'parts' / 'last.pt')
    said = []
    second = Trainer(recipe, data, tmp_path / 'parts', report=said.append)
    assert said == [f'resumed {tmp_path / "parts" / "last.pt"} at epoch 1']
    second.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    other = dataclasses.replace(recipe, seed=4)
    with pytest.raises(RecipeError, match='started with another recipe'):
        Trainer(other, data, tmp_path / 'parts')


@pytest.mark.parametrize('network', ['segghostnet_ued', 'segghostnet_ued_bes_sfm'])
def test_a_segmentation_run_lowers_the_loss_and_keeps_the_best_weights(tmp_path, network):
    index_masks(tmp_path)
    path = recipe_file(tmp_path, 'segmentation', epochs=6, network=network)
    recipe = load_recipe(path)
    trainer = Trainer(recipe, load_for(recipe, tmp_path), tmp_path / 'run', report=lambda _: None)
    state = trainer.run()
    assert state.epoch == 6
    rows = list(csv.DictReader((tmp_path / 'run' / 'log.csv').open(encoding='utf-8')))
    assert [row['size'] for row in rows] == ['64'] * 2 + ['96'] * 4
    assert float(rows[-1]['loss']) < float(rows[0]['loss'])
    best = torch.load(tmp_path / 'run' / 'best.pt', weights_only=True)
    assert best['epoch'] == state.best_epoch
    assert best['classes'] == ['dark', 'bright']
    assert best['figures']['miou'] == pytest.approx(state.best)


def test_a_run_out_of_time_ends_with_the_rate_at_its_end(tmp_path):
    class_folders(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'scene', epochs=100_000))
    trainer = Trainer(
        recipe, load_for(recipe, tmp_path), tmp_path / 'run', seconds=1.0, report=lambda _: None
    )
    state = trainer.run()
    assert state.progress == 1
    assert state.epoch < 100
    assert (tmp_path / 'run' / 'best.pt').is_file()


def test_a_network_for_another_task_is_refused(tmp_path):
    class_folders(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'scene', network='segghostnet_ued'))
    with pytest.raises(RecipeError, match="'segghostnet_ued' is for segmentation"):
        Trainer(recipe, load_for(recipe, tmp_path), tmp_path / 'run')


def test_mistakes_of_the_user_are_one_line_and_status_2(tmp_path, capsys):
    arguments = ['--data', str(tmp_path), '--out', str(tmp_path / 'run')]
    assert main(['train', 'nothing', *arguments]) == 2
    assert 'error: ' in capsys.readouterr().err
    recipe = str(recipe_file(tmp_path, 'scene'))
    assert main(['train', recipe, *arguments]) == 2
    assert 'classes.txt: missing' in capsys.readouterr().err
    assert main(['train', recipe, *arguments, '--stop-at', 'noon']) == 2
    assert "found 'noon'; expected HH:MM" in capsys.readouterr().err


def test_time_limits_are_seconds_from_now():
    assert seconds_left(2, None) == 120
    assert seconds_left(None, None) is None
    assert 0 < seconds_left(None, '00:00') <= 24 * 3600
    with pytest.raises(ValueError, match='expected a number above 0'):
        seconds_left(0, None)


def test_a_run_may_start_from_the_selected_weights_of_another(tmp_path):
    class_folders(tmp_path)
    recipe = load_recipe(recipe_file(tmp_path, 'scene', epochs=1))
    data = load_for(recipe, tmp_path)
    Trainer(recipe, data, tmp_path / 'first', report=lambda _: None).run()
    second = Trainer(recipe, data, tmp_path / 'second', report=lambda _: None)
    second.start_from(tmp_path / 'first' / 'best.pt')
    best = torch.load(tmp_path / 'first' / 'best.pt', weights_only=True)['model']
    for network in (second.network, second.average.network):
        assert all(torch.equal(best[name], value) for name, value in network.state_dict().items())
    with pytest.raises(CheckpointError, match=r'none\.pt: no such file'):
        second.start_from(tmp_path / 'none.pt')
