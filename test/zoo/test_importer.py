# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Import of checkpoints in every shape that the authors publish, and of those that do not fit."""

from __future__ import annotations

import hashlib
import os
import warnings

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from checkpoints import authors_state, legacy, module_of, pretend_cuda, zipped  # noqa: E402

from rs_onboard.zoo.catalogue import NETWORKS  # noqa: E402
from rs_onboard.zoo.checkpoint import load_network, read_checkpoint  # noqa: E402
from rs_onboard.zoo.errors import CheckpointError, ZooError  # noqa: E402
from rs_onboard.zoo.importer import import_checkpoint  # noqa: E402
from rs_onboard.zoo.key_match import MisfitError  # noqa: E402

torch.set_num_threads(1)

OPTIMIZER = {'state': {0: {'momentum_buffer': torch.ones(2)}}, 'param_groups': [{'lr': 0.1}]}


def without(state, *prefixes):
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def imported(tmp_path, content, name, **options):
    source, target = tmp_path / 'theirs.pth', tmp_path / 'ours.safetensors'
    torch.save(content, source, **options.pop('save', {}))
    report = import_checkpoint(source, target, name, **options)
    return report, target


def assert_taken_over(target, name, state):
    """Require every entry of the authors' state that our network has in our checkpoint."""
    ours, info = read_checkpoint(target)
    assert info.network == name
    expected = {NETWORKS[name].our_key(key): value for key, value in state.items()}
    for key, value in ours.items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=0)
    load_network(target)


# The drawn states hold drawn constants too.
@pytest.mark.filterwarnings('ignore:.*not the constant it should be')
@pytest.mark.parametrize(
    ('name', 'golden', 'leave_out', 'wrap'),
    [
        (
            'decouplenet_d0',
            'decouplenet_d0',
            ('norm',),
            lambda state: {'model': state, 'optimizer': OPTIMIZER, 'epoch': 299},
        ),
        (
            'decouplenet_d0_backbone',
            'decouplenet_d0',
            ('avgpool_pre_head', 'head'),
            lambda state: {'meta': {'epoch': 36}, 'state_dict': prefixed(state, 'backbone.')},
        ),
        (
            'decouplenet_d0_backbone',
            'decouplenet_d0',
            ('avgpool_pre_head', 'head'),
            lambda state: {'state_dict': prefixed(state, 'net.backbone.'), 'callbacks': {}},
        ),
        ('lwganet_l0', 'lwganet_l0', ('norm',), lambda state: prefixed(state, 'module.')),
        ('a2net_lwganet_l0', 'a2net_lwganet_l0', ('-',), lambda state: state),
        (
            'a2net_lwganet_l0',
            'a2net_lwganet_l0',
            ('-',),
            lambda state: {'network': state, 'optimizer': OPTIMIZER},
        ),
        (
            'lwganet_l2_seg',
            'lwganet_l2_seg',
            ('-',),
            lambda state: {'state_dict': prefixed(state, 'net.'), 'epoch': 3},
        ),
        (
            'segghostnet_ued_bes_sfm',
            'segghostnet_ued_bes_sfm',
            ('-',),
            lambda state: {
                'epoch': 419,
                'model_state_dict': state,
                'optimizer_state_dict': OPTIMIZER,
            },
        ),
        (
            'dnas_l12',
            'dnas_l12_4band',
            ('-',),
            lambda state: {
                'epoch': 200,
                'state_dict': state,
                'optimizer': OPTIMIZER,
                'best_pred': np.float64(0.89),
            },
        ),
        ('lsnet_difffpn', 'lsnet_difffpn', ('-',), module_of),
        ('lsnet_difffpn', 'lsnet_difffpn', ('-',), lambda state: {'model': module_of(state)}),
    ],
)
def test_every_container_of_the_authors_is_read(name, golden, leave_out, wrap, tmp_path):
    state = without(authors_state(golden), *leave_out)
    report, target = imported(tmp_path, wrap(state), name)
    assert report.complete
    assert not report.reshaped
    assert_taken_over(target, name, state)


@pytest.mark.parametrize('wrap', [lambda state: state, module_of])
def test_files_from_before_the_zip_format_and_from_a_gpu_are_read(wrap, tmp_path):
    state = authors_state('lsnet_difffpn')
    old = {'save': {'_use_new_zipfile_serialization': False}}
    _, target = imported(tmp_path, wrap(state), 'lsnet_difffpn', **old)
    assert_taken_over(target, 'lsnet_difffpn', state)
    torch.save(wrap(state), tmp_path / 'cpu.pth')
    pretend_cuda(tmp_path / 'cpu.pth', tmp_path / 'gpu.pth')
    import_checkpoint(tmp_path / 'gpu.pth', target, 'lsnet_difffpn')
    assert_taken_over(target, 'lsnet_difffpn', state)


def detector_state(classes):
    """Draw the state dict of a detector on DecoupleNet D0 by the authors' key table."""
    backbone = without(authors_state('decouplenet_d0'), 'avgpool_pre_head', 'head')
    state = prefixed(backbone, 'backbone.')
    shapes = {
        'rpn_head.rpn_conv': (256, 256, 3, 3),
        'rpn_head.rpn_cls': (3, 256, 1, 1),
        'rpn_head.rpn_reg': (18, 256, 1, 1),
        'roi_head.bbox_head.fc_cls': (classes + 1, 1024),
        'roi_head.bbox_head.fc_reg': (5, 1024),
        'roi_head.bbox_head.shared_fcs.0': (1024, 12544),
        'roi_head.bbox_head.shared_fcs.1': (1024, 1024),
    }
    for level in range(4):
        shapes[f'neck.lateral_convs.{level}.conv'] = (256, 32 << level, 1, 1)
        shapes[f'neck.fpn_convs.{level}.conv'] = (256, 256, 3, 3)
    for name, shape in shapes.items():
        state[f'{name}.weight'], state[f'{name}.bias'] = torch.rand(shape), torch.rand(shape[0])
    return state


@pytest.mark.filterwarnings('ignore:.*not the constant it should be')
def test_a_detector_s_file_gives_the_detector_and_if_allowed_its_backbone(tmp_path):
    meta = {'CLASSES': ('plane', 'ship'), 'seed': np.int64(3), 'PALETTE': np.zeros((2, 3))}
    content = {'meta': meta, 'state_dict': detector_state(10), 'optimizer': OPTIMIZER}
    report, _ = imported(tmp_path, content, 'orcnn_decouplenet_d0')
    assert (report.complete, report.classes, len(report.matched)) == (True, 10, 616)
    source, target = tmp_path / 'theirs.pth', tmp_path / 'ours.safetensors'
    with pytest.raises(MisfitError, match='it fits orcnn_decouplenet_d0: use --network'):
        import_checkpoint(source, target, 'decouplenet_d0_backbone')
    with pytest.raises(MisfitError, match='the file has 10 classes, but 15 were asked for'):
        import_checkpoint(source, target, 'orcnn_decouplenet_d0', classes=15)
    report = import_checkpoint(source, target, 'decouplenet_d0_backbone', allow_partial=True)
    assert (len(report.missing), len(report.unexpected)) == (0, 30)


def test_the_published_l12_file_may_lack_edges_without_effect(tmp_path):
    state = without(authors_state('dnas_l12_4band'), 'cells.8.0.[-1  0].')
    report, target = imported(tmp_path, {'state_dict': state}, 'dnas_l12')
    assert report.complete
    assert len(report.idle) == 20
    assert all(key.startswith('cells.8.0.stem.') for key in report.idle)
    assert read_checkpoint(target)[1].missing == ()
    state = without(state, 'cells.9.2.[0 0].')
    with pytest.raises(MisfitError, match=r'missing \(cells\.9\.2\.0_0\.ops\.0\.0\.weight'):
        imported(tmp_path, {'state_dict': state}, 'dnas_l12')


def test_the_checkpoint_says_where_it_comes_from(tmp_path):
    state = authors_state('dnas_l12_4band')
    names = ['built-up', 'farmland', 'forest', 'meadow', 'water']
    report, target = imported(
        tmp_path, state, 'dnas_l12', classes=names, origin='a page', licence='none'
    )
    info = read_checkpoint(target)[1]
    assert (report.classes, report.bands) == (5, 4)
    assert info.classes == tuple(names)
    assert (info.bands, info.origin, info.licence) == (4, 'a page', 'none')
    theirs = (tmp_path / 'theirs.pth').read_bytes()
    assert info.source_sha256 == hashlib.sha256(theirs).hexdigest()
    assert not (tmp_path / 'ours.safetensors.part').exists()


def test_class_and_band_counts_come_from_the_file_and_half_precision_is_widened(tmp_path):
    state = NETWORKS['segghostnet_ued'].build(classes=9, bands=5).state_dict()
    theirs = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    report, target = imported(tmp_path, theirs, 'segghostnet_ued')
    assert (report.classes, report.bands) == (9, 5)
    network, info = load_network(target)
    assert len(info.classes) == 9
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ('options', 'fragment'),
    [
        ({'classes': 7}, r'the file has 5 classes, but 7 were asked for \(--classes\)'),
        ({'classes': ['a', 'b']}, 'the file has 5 classes, but 2 were asked for'),
        ({'bands': 3}, r'the file has 4 bands, but 3 were asked for \(--bands\)'),
    ],
)
def test_a_wrong_count_is_refused_with_that_of_the_file(tmp_path, options, fragment):
    with pytest.raises(MisfitError, match=fragment):
        imported(tmp_path, authors_state('dnas_l12_4band'), 'dnas_l12', **options)
    assert not (tmp_path / 'ours.safetensors').exists()


def test_a_wrong_network_is_refused_with_the_one_that_fits(tmp_path):
    state = authors_state('lsnet_difffpn')
    with pytest.raises(MisfitError, match=r'it fits lsnet_difffpn: use --network') as caught:
        imported(tmp_path, state, 'lsnet_thin_difffpn')
    assert len(caught.value.report.unexpected) == 60
    with pytest.raises(MisfitError, match=r'0 entries match, .*; it fits lsnet_difffpn') as caught:
        imported(tmp_path, state, 'dnas_l12', allow_partial=True)
    assert '--allow-partial' not in str(caught.value)
    with pytest.raises(MisfitError, match='belongs to a network that is not in the zoo'):
        imported(tmp_path, {'conv.weight': torch.ones(1)}, 'dnas_l12')
    with pytest.raises(ZooError, match="network 'lsnet' is not in the zoo; expected one of"):
        imported(tmp_path, state, 'lsnet')


@pytest.mark.filterwarnings('ignore:.*not the constant it should be')
def test_a_partial_match_is_refused_unless_allowed(tmp_path):
    state = without(authors_state('decouplenet_d0'), 'norm')
    name = 'decouplenet_d0_backbone'
    with pytest.raises(MisfitError, match='pass --allow-partial to take over what matches'):
        imported(tmp_path, {'model': state}, name)
    report, target = imported(tmp_path, {'model': state}, name, allow_partial=True)
    assert len(report.missing) == 16
    assert set(report.unexpected) == {'avgpool_pre_head.1.weight', 'head.weight', 'head.bias'}
    assert len(read_checkpoint(target)[1].missing) == 16


def test_axes_of_length_one_are_reshaped_and_reported(tmp_path):
    state = authors_state('lsnet_difffpn')
    state['head.conv_final.weight'] = state['head.conv_final.weight'].reshape(2, 128)
    report, target = imported(tmp_path, state, 'lsnet_difffpn')
    assert [(r.theirs, r.ours) for r in report.reshaped] == [((2, 128), (2, 128, 1, 1))]
    assert read_checkpoint(target)[0]['head.conv_final.weight'].shape == (2, 128, 1, 1)
    state['head.ca.conv1.bias'] = torch.ones(9)
    with pytest.raises(MisfitError, match=r'head\.ca\.conv1\.bias: \(9,\), expected \(8,\)'):
        imported(tmp_path, state, 'lsnet_difffpn')


def test_stored_constants_are_not_taken_over_but_compared(tmp_path):
    state = without(authors_state('decouplenet_d0'), 'norm')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        report, target = imported(tmp_path, state, 'decouplenet_d0')
    assert len(caught) == len(report.constants) == 3
    assert 'stages.1.max_m2.filt is not the constant it should be' in str(caught[0].message)
    buffers = dict(load_network(target)[0].named_buffers())
    for key, our in report.constants.items():
        state[key] = buffers[our]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        imported(tmp_path, state, 'decouplenet_d0')


def test_counters_of_old_files_and_unused_layers_do_not_matter(tmp_path):
    state = authors_state('segghostnet_ued')
    old = {k: v for k, v in state.items() if not k.endswith('num_batches_tracked')}
    report, _ = imported(tmp_path, old, 'segghostnet_ued')
    assert report.complete
    assert {key.rpartition('.')[2] for key in report.idle} == {'num_batches_tracked'}
    assert {key.split('.')[1] for key in report.dropped} == {'blocks', 'conv_head', 'classifier'}


def test_the_pretrained_encoder_of_segghostnet_is_found_without_its_prefix(tmp_path):
    state = authors_state('segghostnet_ued')
    encoder = {
        key.removeprefix('base_network.'): value
        for key, value in state.items()
        if key.startswith('base_network.')
    }
    report, _ = imported(tmp_path, encoder, 'segghostnet_ued', allow_partial=True)
    assert not report.unexpected
    assert not [key for key in report.missing if key.startswith('base_network.')]


def test_values_that_are_not_finite_are_refused(tmp_path):
    state = authors_state('lsnet_difffpn')
    state['head.ca.conv1.bias'][3] = float('nan')
    with pytest.raises(CheckpointError, match=r'head\.ca\.conv1\.bias holds values that are not'):
        imported(tmp_path, state, 'lsnet_difffpn')


@pytest.mark.parametrize(
    ('content', 'fragment'),
    [
        ({'epoch': 3, 'optimizer': OPTIMIZER}, r"no state dict in it \(found the keys \['epoch'"),
        ([1, 2], r'no state dict in it \(found list\)'),
        ({'state_dict': {}}, r'no state dict in it \(found the keys \[\]\)'),
    ],
)
def test_files_without_weights_are_refused(tmp_path, content, fragment):
    with pytest.raises(CheckpointError, match=fragment):
        imported(tmp_path, content, 'dnas_l12')


def test_modules_that_contain_themselves_are_refused(tmp_path):
    module = torch.nn.Module()
    module._modules['self'] = module
    with pytest.raises(CheckpointError, match='its modules contain one another'):
        imported(tmp_path, module, 'lsnet_difffpn')


class Malicious:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f'touch {self.mark}',)


def test_a_malicious_file_is_refused_and_nothing_of_it_runs(tmp_path):
    mark = tmp_path / 'mark'
    state = authors_state('lsnet_difffpn')
    for content in (
        {**state, 'extra': Malicious(mark)},
        {'state_dict': state, 'hook': Malicious(mark)},
    ):
        for zip_file in (True, False):
            save = {'_use_new_zipfile_serialization': zip_file}
            with pytest.raises(CheckpointError, match=r'names posix\.system.*nothing was run'):
                imported(tmp_path, content, 'lsnet_difffpn', save=save)
    assert not mark.exists()
    assert not (tmp_path / 'ours.safetensors').exists()
    for write in (zipped, legacy):
        path = write(tmp_path / 'raw.pth', b'\x80\x02csubprocess\ncall\nX\x01\x00\x00\x00x\x85R.')
        with pytest.raises(CheckpointError, match=r'raw\.pth: refused: it names subprocess\.call'):
            import_checkpoint(path, tmp_path / 'x.safetensors', 'lsnet_difffpn')


def test_a_file_that_is_no_checkpoint_of_ours_is_not_loaded(tmp_path):
    path = tmp_path / 'x.safetensors'
    path.write_bytes(b'nothing')
    with pytest.raises(CheckpointError, match=r'x\.safetensors: '):
        load_network(path)
    from safetensors.torch import save_file

    save_file({'a': torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match=r'metadata of format None; expected .* zoo import'):
        load_network(path)
