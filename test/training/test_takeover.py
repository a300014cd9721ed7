# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Networks start with what they share with trained ones."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from rs_onboard.training.takeover import take_over  # noqa: E402
from rs_onboard.zoo.catalogue import network  # noqa: E402
from rs_onboard.zoo.errors import CheckpointError  # noqa: E402

PATH = Path('best.pt')


def trained(name, classes=3):
    torch.manual_seed(1)
    built = network(name).build(classes=classes)
    return {key: torch.rand_like(value.float()) for key, value in built.state_dict().items()}


@pytest.mark.parametrize(
    'name', ['lwganet_l0_seg', 'a2net_lwganet_l0', 'clafa_lwganet_l0', 'lwganet_l0_backbone']
)
def test_the_backbone_of_a_classifier_starts_other_networks(name):
    weights = trained('lwganet_l0')
    built = network(name).build(classes=2)
    taken = take_over(built, weights, PATH)
    own = built.state_dict()
    prefix = '' if name.endswith('_backbone') else 'backbone.'
    stages = [key for key in weights if key.startswith(('stem.', 'stages.'))]
    assert set(taken.taken) == {prefix + key for key in stages}
    assert all(
        torch.equal(own[prefix + key].float(), weights[key].to(own[prefix + key].dtype).float())
        for key in stages
    )
    assert {key.partition('.')[0] for key in taken.unused} == {'pre_head', 'head'}
    assert not {key for key in taken.fresh if key.startswith((f'{prefix}stem', f'{prefix}stages'))}


def test_a_classifier_starts_with_the_backbone_of_another_task():
    built = network('lwganet_l0').build(classes=2)
    taken = take_over(built, trained('lwganet_l0_seg'), PATH)
    assert (taken.source, taken.target) == ('backbone', '')
    assert {key.partition('.')[0] for key in taken.fresh} == {'pre_head', 'head'}


def test_other_classes_leave_the_head_alone_and_that_is_said():
    built = network('decouplenet_d0').build(classes=5)
    head = built.head.weight.detach().clone()
    taken = take_over(built, trained('decouplenet_d0'), PATH)
    assert torch.equal(built.head.weight, head)
    text = str(taken)
    assert text.startswith(
        f'took over {len(built.state_dict()) - 2} tensors; head (2) start afresh'
    )
    assert text.endswith('head (2) of the checkpoint not used')


def test_a_full_match_leaves_nothing():
    built = network('plain_mobilenet').build(classes=3)
    taken = take_over(built, trained('plain_mobilenet'), PATH)
    assert not taken.fresh
    assert not taken.unused
    assert 'none start afresh; none of the checkpoint not used' in str(taken)


def test_a_stranger_is_refused():
    built = network('decouplenet_d0').build(classes=3)
    with pytest.raises(
        CheckpointError, match=r'best\.pt: .* values fit DecoupleNet.*same backbone'
    ):
        take_over(built, trained('lwganet_l0'), PATH)
