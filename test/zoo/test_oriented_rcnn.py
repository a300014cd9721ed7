# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented R-CNN: the authors' operators, slow references of the steps, keys, ONNX."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from random_network import randomise  # noqa: E402

from rs_onboard.perception.overlap import iou_matrix  # noqa: E402
from rs_onboard.perception.suppression import suppress  # noqa: E402
from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.errors import ExportError, InputSizeError  # noqa: E402
from rs_onboard.zoo.export import compare_with_torch, deploy, session, to_onnx  # noqa: E402
from rs_onboard.zoo.oriented_rcnn import NETWORKS, Detections, rescale, roi_head, rpn  # noqa: E402
from rs_onboard.zoo.oriented_rcnn.anchors import base_anchors  # noqa: E402
from rs_onboard.zoo.oriented_rcnn.coders import (  # noqa: E402
    DeltaCoder,
    MidpointOffsetCoder,
    circumscribed,
)
from rs_onboard.zoo.oriented_rcnn.golden_ops import check_operators, read_operators  # noqa: E402
from rs_onboard.zoo.oriented_rcnn.roi_align import level_of, rotated_roi_align  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'orcnn_ops.npz'


@pytest.fixture(scope='module')
def golden():
    arrays = read_operators(GOLDEN)
    return lambda name: torch.from_numpy(arrays[name].copy())


def deviation(ours, expected):
    """Largest difference of boxes as a share of the largest value; angles modulo half a turn."""
    apart = (ours - expected).abs()
    apart[:, 4] = torch.minimum(apart[:, 4], (apart[:, 4] - math.pi).abs())
    return float(apart.max() / expected.abs().max().clamp(min=1))


def random_boxes(count, seed, size=100.0):
    rng = torch.Generator().manual_seed(seed)
    share = torch.rand((count, 5), generator=rng)
    low = torch.tensor([-20.0, -20.0, 1.0, 1.0, -math.pi / 2])
    high = torch.tensor([size + 20, size + 20, size, size / 3, math.pi / 2])
    return low + share * (high - low)


def test_every_operator_is_that_of_the_authors():
    checks = check_operators(GOLDEN)
    assert [check.output for check in checks if not check.deviation < 1e-5] == []
    assert len(checks) == 20


def test_final_detections_are_those_of_the_authors(golden):
    found = roi_head.detections(golden('nms_boxes'), golden('nms_class_scores'))
    expected = golden('nms_multiclass_detections')
    assert torch.equal(found.rows(), expected)
    grouped = found.by_class()
    assert (grouped[1:, 6] >= grouped[:-1, 6]).all()
    same = grouped[1:, 6] == grouped[:-1, 6]
    assert (grouped[1:, 5] <= grouped[:-1, 5])[same].all()


def slow_sample(plane, y, x):
    """Sample one plane as the description says it, case by case."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = int(y), int(x)
    if top >= height - 1:
        top, y = height - 1, float(height - 1)
    if left >= width - 1:
        left, x = width - 1, float(width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = y - top, x - left
    return (
        plane[top, left] * (1 - fy) * (1 - fx)
        + plane[top, right] * (1 - fy) * fx
        + plane[bottom, left] * fy * (1 - fx)
        + plane[bottom, right] * fy * fx
    )


def slow_align(features, strides, roi, image):
    """Align one region, sample by sample."""
    cx, cy, w, h, theta = (float(v) for v in roi)
    level = min(max(math.floor(math.log2(math.sqrt(w * h) / 56 + 1e-6)), 0), len(features) - 1)
    plane, s = features[level][image, 0].numpy(), 1 / strides[level]
    out = np.zeros((7, 7))
    for i, j, k, m in np.ndindex(7, 7, 2, 2):
        yy = -h * s / 2 + (i + (k + 0.5) / 2) * h * s / 7
        xx = -w * s / 2 + (j + (m + 0.5) / 2) * w * s / 7
        x = cx * s - 0.5 + xx * math.cos(theta) - yy * math.sin(theta)
        y = cy * s - 0.5 + xx * math.sin(theta) + yy * math.cos(theta)
        out[i, j] += slow_sample(plane, y, x) / 4
    return out


def test_regions_of_all_levels_and_images_are_aligned_as_described():
    rng = torch.Generator().manual_seed(1)
    strides = (4, 8, 16, 32)
    shapes = [(2, 1, 256 // s, 384 // s) for s in strides]
    features = [torch.randn(shape, generator=rng).double() for shape in shapes]
    rois, images = random_boxes(40, 2, size=900.0).double(), torch.arange(40) % 2
    assert set(level_of(rois, 4).tolist()) == {0, 1, 2, 3}
    found = rotated_roi_align(features, strides, rois, images)
    for roi, image, ours in zip(rois, images, found, strict=True):
        assert np.allclose(ours[0], slow_align(features, strides, roi, int(image)), atol=1e-9)


@pytest.mark.parametrize(
    ('side', 'level'), [(1, 0), (111.9, 0), (112, 1), (223.9, 1), (224, 2), (448, 3), (5000, 3)]
)
def test_large_regions_use_coarse_levels(side, level):
    assert level_of(torch.tensor([[0.0, 0.0, side, side, 0.3]]), 4).tolist() == [level]


@pytest.mark.parametrize('coder', [MidpointOffsetCoder(), DeltaCoder()])
def test_decoding_undoes_encoding(coder):
    targets = random_boxes(200, 3)
    # A corner within 0.1 pixels of an edge counts as lying on it: the authors' offsets of small
    # and of nearly upright boxes are those of another box.
    targets[:, 3] += 5
    targets[:, 2] = targets[:, 2].maximum(targets[:, 3] + 1)
    targets[:, 4] = targets[:, 4].sign() * targets[:, 4].abs().clamp(0.1, 1.4)
    near = targets + torch.tensor([3.0, -2.0, 4.0, 1.0, 0.2])
    start = circumscribed(near) if isinstance(coder, MidpointOffsetCoder) else near
    decoded = coder.decode(start, coder.encode(start, targets))
    overlap = np.diag(iou_matrix(decoded.numpy(), targets.numpy()))
    assert overlap.min() > 0.999


def test_proposals_are_those_of_a_slow_loop():
    rng = torch.Generator().manual_seed(4)
    sizes = [(16, 12), (8, 6), (4, 3), (2, 2), (1, 1)]
    maps = rpn.RpnMaps(
        [torch.randn((2, 3, *size), generator=rng) * 2 for size in sizes],
        [torch.randn((2, 18, *size), generator=rng) * 0.2 for size in sizes],
    )
    found = rpn.propose(maps)
    for image in range(2):
        rows = []
        for level, (height, width) in enumerate(sizes):
            boxes = []
            for y, x, ratio in np.ndindex(height, width, 3):
                anchor = base_anchors(4 * 2**level)[ratio]
                anchor = anchor + torch.tensor([x, y, x, y]) * 4.0 * 2**level
                delta = maps.deltas[level][image, 6 * ratio : 6 * ratio + 6, y, x]
                score = maps.logits[level][image, ratio, y, x].sigmoid()
                boxes.append([*MidpointOffsetCoder().decode(anchor, delta).tolist(), float(score)])
            around = circumscribed(torch.tensor(boxes)[:, :5]).double().numpy()
            flat = np.column_stack(
                (
                    (around[:, :2] + around[:, 2:]) / 2,
                    around[:, 2:] - around[:, :2],
                    around[:, 0] * 0,
                )
            )
            overlap = iou_matrix(flat, flat)
            kept = []
            for i in sorted(range(len(boxes)), key=lambda i: -boxes[i][5]):
                if not any(overlap[i, k] > 0.8 for k in kept):
                    kept.append(i)
            rows += [boxes[i] for i in kept]
        rows.sort(key=lambda row: -row[5])
        ours = found[image][found[image, :, 5] >= 0]
        assert 100 < len(rows) < found.shape[1]
        assert len(ours) == len(rows)
        assert deviation(ours, torch.tensor(rows)) < 1e-5


def test_proposals_are_cut_to_the_number_asked_for():
    logits = [torch.arange(48.0).reshape(1, 3, 4, 4) / 10 + 0.01 * i for i in range(5)]
    maps = rpn.RpnMaps(logits, [torch.zeros((1, 18, 4, 4))] * 5)
    whole = rpn.propose(maps)
    assert torch.equal(rpn.propose(maps, 7), whole[:, :7])
    assert (whole[0, 1:, 5] <= whole[0, :-1, 5]).all()


@pytest.mark.parametrize(
    ('name', 'parameters'),
    [('orcnn_decouplenet_d0', 18_568_766), ('orcnn_decouplenet_d2', 23_340_946)],
)
def test_parameters_are_as_many_as_in_the_authors_program(name, parameters):
    network = build_on_meta(NETWORKS[name], classes=15, bands=3)
    assert count_parameters(network) == parameters
    # The second stage alone is 2000 regions through 12544 x 1024 weights.
    assert count_macs(network, (1, 3, 512, 512)) > 2000 * 12544 * 1024


def test_every_key_of_the_authors_checkpoint_has_its_place():
    entry = NETWORKS['orcnn_lwganet_l2_v1']
    theirs = {
        f'neck.{part}.{i}.conv.{kind}': None
        for part in ('lateral_convs', 'fpn_convs')
        for i in range(4)
        for kind in ('weight', 'bias')
    }
    for part in ('rpn_conv', 'rpn_cls', 'rpn_reg'):
        theirs |= {f'rpn_head.{part}.{kind}': None for kind in ('weight', 'bias')}
    for part in ('fc_cls', 'fc_reg', 'shared_fcs.0', 'shared_fcs.1'):
        theirs |= {f'roi_head.bbox_head.{part}.{kind}': None for kind in ('weight', 'bias')}
    state = build_on_meta(entry, classes=16, bands=3).state_dict()
    ours = [entry.our_key(key) for key in theirs]
    assert sorted(ours) == sorted(key for key in state if not key.startswith('backbone.'))
    assert state[entry.our_key('roi_head.bbox_head.fc_cls.weight')].shape == (17, 1024)
    assert entry.our_key('backbone.patch_embed.proj.weight') in state
    assert entry.our_key('backbone.norm6.running_var') in state


@pytest.fixture(scope='module')
def network():
    """Detector with drawn weights whose boxes stay near the image."""
    drawn = randomise(NETWORKS['orcnn_decouplenet_d0'].build(classes=4))
    for layer in (drawn.rpn.deltas, drawn.head.deltas):
        layer.weight.data *= 0.3
    drawn.head.logits.weight.data *= 4
    return drawn


@pytest.fixture(scope='module')
def images():
    return torch.randn((2, 3, 64, 96), generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope='module')
def found(network, images):
    with torch.no_grad():
        return network(images)


def test_named_outputs_show_the_steps_of_the_prediction(network, images, found):
    with torch.no_grad():
        named = network.named_outputs(images)
    assert named['fpn4'].shape == (2, 256, 1, 2)
    assert named['rpn_reg1'].shape == (2, 18, 8, 12)
    assert named['roi_features'].shape[1:] == (256, 7, 7)
    assert len(named['rois']) == len(named['proposals0']) + len(named['proposals1'])
    for image, result in enumerate(found):
        assert 5 < len(result.boxes) < len(named[f'proposals{image}'])
        assert torch.equal(named[f'detections{image}'], result.rows())
        assert len(result.labels.unique()) > 1


def test_suppressing_the_exported_candidates_gives_the_detections(network, images, found):
    with torch.no_grad():
        boxes, scores, labels, owners = network.candidates(images)
    assert len(boxes) > len(found[0].boxes) + len(found[1].boxes)
    for image, result in enumerate(found):
        mine = owners == image
        rows = torch.cat((boxes, scores[:, None], labels[:, None].float()), dim=1)[mine]
        kept = suppress(
            boxes[mine].numpy(), scores[mine].numpy(), labels[mine].numpy(), threshold=0.1
        )
        assert torch.allclose(rows[torch.from_numpy(kept)], result.rows(), atol=1e-4)


def test_images_do_not_see_each_other(network, images, found):
    with torch.no_grad():
        alone = network(images[1:])[0]
    assert deviation(alone.rows(), found[1].rows()) < 1e-4


def test_centres_stay_within_the_image_before_padding(network, images):
    with torch.no_grad():
        results = network(images, sizes=[(40, 50), (64, 96)])
    assert results[0].boxes[:, 0].max() <= 49
    assert results[0].boxes[:, 1].max() <= 39
    assert results[1].boxes[:, 0].max() > 49


def test_an_image_of_nothing_and_one_of_nan_give_no_detection(network):
    silent = [torch.zeros((1, 5)), torch.tensor([[0.01, 0.01, 0.01, 0.01, 0.96]])]
    assert roi_head.detections(*silent).rows().shape == (0, 7)
    with torch.no_grad():
        results = network(torch.full((1, 3, 64, 64), math.nan))
    assert results[0].rows().shape == (0, 7)


def test_detections_return_to_the_image_before_resizing():
    found = Detections(
        torch.tensor([[20.0, 30.0, 8.0, 4.0, 0.5]]), torch.tensor([0.9]), torch.tensor([1])
    )
    expected = torch.tensor([[10.0, 10.0, 4.0, 4 / 3, 0.5]])
    assert torch.allclose(rescale(found, (2.0, 3.0)).boxes, expected)


def test_both_stages_pass_gradients(network, images):
    network.zero_grad()
    pyramid = network.pyramid(images[:1])
    maps = network.rpn(pyramid)
    rois, owners = random_boxes(6, 6), torch.zeros(6, dtype=torch.long)
    regions = network.refine(pyramid, rois, owners)
    loss = regions.logits.square().sum() + regions.deltas.square().sum()
    (loss + sum(x.square().sum() for x in (*maps.logits, *maps.deltas))).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_sizes_the_backbone_cannot_take_are_refused(network):
    with pytest.raises(InputSizeError, match='Pad or resize to 64x64'):
        network(torch.zeros((1, 3, 60, 60)))


def test_the_detector_exports_to_standard_operators_at_any_size_and_batch(network, monkeypatch):
    monkeypatch.setattr(network, 'exported_proposals', 60)
    graph = deploy(NETWORKS['orcnn_decouplenet_d0'], network)
    model = to_onnx(graph, bands=3, size=(64, 96))
    rng = np.random.default_rng(7)
    shapes = [(1, 64, 96, 3), (2, 96, 64, 3), (3, 64, 64, 3)]
    batches = [{'tiles': rng.integers(0, 256, shape, dtype=np.uint8)} for shape in shapes]
    compare_with_torch(graph, model, batches)
    found = session(model).run(None, batches[2])
    assert [array.dtype for array in found] == [np.float32, np.float32, np.int64, np.int64]
    assert set(found[3].tolist()) == {0, 1, 2}
    operators = {node.op_type for node in model.graph.node}
    assert 'NonMaxSuppression' in operators
    assert 'Loop' not in operators
    network.head.deltas.bias.data += 0.5
    with pytest.raises(ExportError, match=r'detections of ONNX at \(1, 64, 96, 3\): .* are not'):
        compare_with_torch(graph, model, batches[:1])
    network.head.deltas.bias.data -= 0.5
