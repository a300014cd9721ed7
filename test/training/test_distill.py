# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Learning from teachers, and without labels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from small_sets import class_folders, pairs, recipe_file, write_image, write_split  # noqa: E402

from rs_onboard.training.data.images import FEATURES, load_images  # noqa: E402
from rs_onboard.training.data.load import load_for  # noqa: E402
from rs_onboard.training.distill import Teachers  # noqa: E402
from rs_onboard.training.errors import DataError, RecipeError  # noqa: E402
from rs_onboard.training.recipe import load_recipe  # noqa: E402
from rs_onboard.training.tasks.pretrain import contrast  # noqa: E402
from rs_onboard.training.trainer import Trainer  # noqa: E402
from rs_onboard.zoo.errors import CheckpointError  # noqa: E402


class Fixed(torch.nn.Module):
    """Answers every image with the same logits."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def quiet(recipe, data, out, **more):
    return Trainer(recipe, data, out, report=lambda _: None, **more)


def changed(path, *pairs):
    text = path.read_text(encoding='utf-8')
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding='utf-8')
    return load_recipe(path)


def test_teachers_give_their_mean_opinion_and_the_loss_is_least_at_it():
    teachers = Teachers([Fixed(2.0, 0.0, 0.0), Fixed(0.0, 0.0, 2.0)], temperature=2.0)
    answer = teachers.answer(torch.zeros(3, 3, 8, 8))
    e = float(np.e)
    assert answer[1].tolist() == pytest.approx(
        [(e + 1) / 2 / (e + 2), 1 / (e + 2), (e + 1) / 2 / (e + 2)]
    )
    perfect = teachers.loss(2.0 * answer.log(), answer)
    entropy = -(answer * answer.log()).sum(1).mean()
    assert float(perfect) == pytest.approx(4 * float(entropy))
    assert teachers.loss(torch.zeros(3, 3), answer) > perfect


def test_a_student_learns_from_a_run_and_from_images_without_labels(tmp_path):
    class_folders(tmp_path)
    path = recipe_file(tmp_path, 'scene', epochs=1, network='plain_mobilenet')
    recipe = load_recipe(path)
    quiet(recipe, load_for(recipe, tmp_path), tmp_path / 'teacher').run()
    best = tmp_path / 'teacher' / 'best.pt'
    write_image(tmp_path / 'other' / 'A' / 'x1.png', np.full((70, 70, 3), 9, np.uint8))
    write_split(tmp_path / 'other', 'train', ['x1'])
    path = recipe_file(tmp_path, 'scene', epochs=1)
    recipe = changed(
        path,
        ('path: scenes', 'path: scenes, unlabelled: [other]'),
        ('loss:', 'distil: {share: 1, temperature: 2}\nloss:'),
    )
    data = load_for(recipe, tmp_path)
    assert [s.label for s in data.splits['train']] == [0] * 4 + [1] * 4 + [-1]
    student = quiet(recipe, data, tmp_path / 'student', teachers=[best])
    student.run()
    assert np.isfinite(student.loss)
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    assert not any(p.requires_grad for p in student.task.teachers.networks[0].parameters())
    assert torch.allclose(student.task.teachers.answer(images).sum(1), torch.ones(2))


def test_labels_alone_count_where_the_share_of_teachers_is_zero(tmp_path):
    class_folders(tmp_path)
    path = recipe_file(tmp_path, 'scene', epochs=1, network='plain_mobilenet')
    plain = load_recipe(path)
    data = load_for(plain, tmp_path)
    first = quiet(plain, data, tmp_path / 'first')
    first.run()
    zero = changed(path, ('loss:', 'distil: {share: 0}\nloss:'))
    second = quiet(zero, data, tmp_path / 'second', teachers=[tmp_path / 'first' / 'best.pt'])
    second.run()
    assert second.loss == pytest.approx(first.loss, rel=1e-5)


def test_a_network_of_change_learns_from_the_answers_to_pairs(tmp_path):
    pairs(tmp_path)
    path = recipe_file(tmp_path, 'change', epochs=1)
    recipe = load_recipe(path)
    data = load_for(recipe, tmp_path)
    first = quiet(recipe, data, tmp_path / 'first')
    first.run()
    best = tmp_path / 'first' / 'best.pt'
    zero = changed(path, ('loss:', 'distil: {share: 0}\nloss:'))
    same = quiet(zero, data, tmp_path / 'zero', teachers=[best])
    same.run()
    assert same.loss == pytest.approx(first.loss, rel=1e-5)
    whole = changed(path, ('share: 0', 'share: 1'))
    student = quiet(whole, data, tmp_path / 'student', teachers=[best])
    teacher = student.task.teachers.networks[0]
    student.network.load_state_dict(teacher.state_dict())
    student.network.eval()
    tiles = data.splits['train'][:2]
    with torch.no_grad():
        at_teacher = student.task.loss(student.network, tiles, 96, np.random.default_rng(0))
        last = [p for p in student.network.parameters() if p.ndim == 1][-1]
        last += 3
        moved = student.task.loss(student.network, tiles, 96, np.random.default_rng(0))
    assert moved > at_teacher


def test_images_without_labels_are_for_scenes_alone(tmp_path):
    pairs(tmp_path)
    path = recipe_file(tmp_path, 'change', epochs=1)
    with pytest.raises(RecipeError, match='unlabelled'):
        changed(path, ('loss:', 'distil: {share: 1}\nloss:'), ('path:', 'unlabelled: [x], path:'))


def test_recipe_teachers_and_classes_must_fit(tmp_path):
    class_folders(tmp_path)
    path = recipe_file(tmp_path, 'scene', epochs=1, network='plain_mobilenet')
    recipe = load_recipe(path)
    data = load_for(recipe, tmp_path)
    quiet(recipe, data, tmp_path / 'run').run()
    best = tmp_path / 'run' / 'best.pt'
    with pytest.raises(RecipeError, match=r'1 teachers and no section `distil`'):
        quiet(recipe, data, tmp_path / 'a', teachers=[best])
    distils = changed(path, ('loss:', 'distil: {share: 0.5}\nloss:'))
    with pytest.raises(RecipeError, match=r'0 teachers and a section `distil`'):
        quiet(distils, data, tmp_path / 'b')
    saved = torch.load(best, weights_only=True)
    torch.save({**saved, 'classes': ['x', 'y']}, best)
    with pytest.raises(CheckpointError, match=r"a teacher for \['x', 'y'\]; expected one for"):
        quiet(distils, data, tmp_path / 'c', teachers=[best])
    torch.save({'model': {}}, best)
    with pytest.raises(CheckpointError, match=r'no selected weights of a run'):
        quiet(distils, data, tmp_path / 'd', teachers=[best])


def test_views_of_one_tile_must_be_alike_and_others_not():
    apart = torch.eye(4)
    alike = torch.cat((apart, apart))
    mixed = torch.cat((apart, apart.roll(1, 0)))
    assert contrast(alike) < contrast(torch.ones(8, 4)) < contrast(mixed)
    assert float(contrast(torch.ones(8, 4))) == pytest.approx(np.log(7), rel=1e-3)


def test_a_run_without_labels_starts_one_with_labels(tmp_path):
    class_folders(tmp_path)
    path = recipe_file(tmp_path, 'scene', epochs=1, network='plain_mobilenet')
    text = path.read_text(encoding='utf-8')
    (tmp_path / 'blind.yaml').write_text(
        text.replace('task: scene', 'task: pretrain').replace(
            'path: scenes', 'unlabelled: [scenes]'
        ),
        encoding='utf-8',
    )
    blind = load_recipe(tmp_path / 'blind.yaml')
    data = load_for(blind, tmp_path)
    assert data.classes == FEATURES
    assert len(data.splits['train']) == 8
    run = quiet(blind, data, tmp_path / 'blind')
    state = run.run()
    assert 0 <= state.best <= 1
    recipe = load_recipe(path)
    said = []
    second = Trainer(recipe, load_for(recipe, tmp_path), tmp_path / 'run', report=said.append)
    second.start_from(tmp_path / 'blind' / 'best.pt')
    assert 'start afresh' in said[0]
    own, theirs = second.network.state_dict(), run.average.network.state_dict()
    shared = [key for key in own if own[key].shape == theirs[key].shape]
    assert len(shared) > 0.9 * len(own)
    assert all(torch.equal(own[key], theirs[key]) for key in shared)


def test_images_of_any_layout_are_cut_and_missing_ones_listed(tmp_path):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 255, (600, 800, 3)).astype(np.uint8)
    write_image(tmp_path / 'A' / 'p.png', large)
    write_image(tmp_path / 'B' / 'p.png', large[:100, :90])
    write_image(tmp_path / 'label' / 'p.png', large[:, :, 0])
    write_split(tmp_path, 'train', ['p'])
    samples = load_images(tmp_path, 'train')
    assert [s.image.shape for s in samples] == [(256, 256, 3)] * 6 + [(100, 90, 3)]
    assert np.array_equal(samples[4].image[:, :, ::-1], large[256:512, 256:512])
    assert len({s.name for s in samples}) == 7
    write_split(tmp_path, 'train', ['p', 'q'])
    (tmp_path / 'A' / 'p.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'A/p\.png: not a readable image\n.*q: no image of that'):
        load_images(tmp_path, 'train')
    assert cv2.imread(str(tmp_path / 'B' / 'p.png')) is not None


@pytest.mark.parametrize(
    ('pairs', 'message'),
    [
        (
            [('path: scenes', 'path: scenes, unlabelled: [other]')],
            r'unlabelled: found .*on, else none',
        ),
        ([('task: scene', 'task: pretrain')], r'path: found .scenes.; expected none, but'),
        (
            [('task: scene', 'task: pretrain'), ('path: scenes, ', '')],
            r'unlabelled: found \(\); expected folders to pretrain on',
        ),
    ],
)
def test_a_recipe_says_where_images_without_labels_have_a_use(tmp_path, pairs, message):
    with pytest.raises(RecipeError, match=message):
        changed(recipe_file(tmp_path, 'scene'), *pairs)
