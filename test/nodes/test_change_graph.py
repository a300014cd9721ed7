# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The change node in the graph: by reference and by topic, late, counted, and never in the way."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from geotiffs import north_up, write_geotiff

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from flown_maps import CAMERA, LATITUDE, LONGITUDE, fly, offset_to_wgs84, photograph, pose_above
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
from std_msgs.msg import Float64, String
from test_graph import balance, results_of
from vision_msgs.msg import Detection2DArray
from visualization_msgs.msg import ImageMarker

from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.nodes.change import ChangeNode
from rs_onboard.nodes.image_messages import ns_to_stamp, rgb8_message, stamp_to_ns
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.tiler import TilerNode
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.records import without_timing

HEIGHT_M = 60.0
STEP_NS = 500_000_000


def changed_ground():
    """Return the ground of the map with a building that it does not show."""
    ground = photograph()
    ground[410:460, 520:600] = (250, 40, 40)
    return ground


@pytest.fixture
def settings(colours):
    return {
        **colours,
        'tasks': ['segmentation', 'change'],
        'pose_max_gap_s': 60.0,
        'change.every': 1,
        'change.threshold': 0.4,
        'change.min_area_m2': 40.0,
    }


def separate_nodes(settings):
    parameters = [Parameter(name, value=value) for name, value in settings.items()]
    kinds = (TilerNode, SegmentationNode, ChangeNode, PublisherNode)
    return [kind(parameter_overrides=parameters) for kind in kinds]


def send_view(graph, stamp_ns, east_m, message):
    """Send camera and pose of a frame."""
    stamp = ns_to_stamp(stamp_ns)
    longitude, latitude = offset_to_wgs84(np.array([[east_m, 0.0]]), LATITUDE, LONGITUDE)[0]
    fix = NavSatFix(latitude=float(latitude), longitude=float(longitude), altitude=500.0)
    fix.header.stamp = stamp
    fix.status.status = 0
    imu = Imu()
    imu.header.stamp = stamp
    imu.orientation.w = 1.0
    info = CameraInfo(header=message.header, height=CAMERA.height, width=CAMERA.width)
    info.k = [CAMERA.fx, 0.0, CAMERA.cx, 0.0, CAMERA.fy, CAMERA.cy, 0.0, 0.0, 1.0]
    graph.publish('camera_info', info)
    graph.publish('mavros/global_position/raw/fix', fix)
    graph.publish('mavros/imu/data', imu)
    graph.publish('mavros/global_position/rel_alt', Float64(data=HEIGHT_M))


def posed(graph, stamp_ns):
    sources = [getattr(node, '_source', None) for node in graph.nodes]
    makers = [source.maker for source in sources if source is not None]
    poses = [maker.poses.at(stamp_ns) for maker in makers]
    there = [getattr(p, 'height_m', None) and getattr(p, 'orientation', None) for p in poses]
    return all(there) and all(maker.camera for maker in makers)


def fly_over(graph, stamps, ground, *, takers, wait=True):
    """Send a frame a stamp, a metre further east each, and wait for its changes."""
    results = results_of(graph)
    base = Pose(0, LATITUDE, LONGITUDE, 500.0, HEIGHT_M, NADIR_MOUNT)
    for number, stamp_ns in enumerate(stamps):
        frame = fly(ground, pose_above(base, east_m=float(number)))
        header = FrameHeader(stamp_ns, 'camera_optical', 0, CAMERA.height, CAMERA.width)
        message = rgb8_message(header, frame.image)
        end = time.monotonic() + 20.0
        while not posed(graph, stamp_ns):
            assert time.monotonic() < end, 'the pose does not arrive'
            send_view(graph, stamp_ns, float(number), message)
            time.sleep(0.05)
        graph.publish('image_raw', message, takers)
        # A frame that comes before the tiler is done with the last would replace it.
        graph.wait(lambda n=number + 1: graph['tiler'].counts().done >= n, f'frame {number}')
        if wait:
            graph.wait(lambda n=number + 1: len(of(results, 'change')) >= n, f'changes {number}')
            graph.wait(lambda n=number + 1: len(of(results, 'segmentation')) >= n, 'the others')
    return results


def of(results, task):
    return [item for item in results if task in item.results]


def test_changes_are_the_same_by_reference_and_by_topic(graph, settings):
    composed = graph(make_nodes(settings))
    assert bring_up(composed.nodes)
    now = composed.peer.get_clock().now().nanoseconds
    stamps = [now + n * STEP_NS for n in range(3)]
    by_reference = fly_over(composed, stamps, changed_ground(), takers=1)
    composed.__exit__()
    composed.nodes = []

    separate = graph(separate_nodes(settings))
    assert bring_up(separate.nodes)
    by_topic = fly_over(separate, stamps, changed_ground(), takers=3)

    pairs = list(zip(of(by_reference, 'change'), of(by_topic, 'change'), strict=True))
    assert len(pairs) == 3
    for first, second in pairs:
        records = [without_timing(r.record) for r in (first, second)]
        assert json.dumps(records[0]) == json.dumps(records[1])
        masks = [r.results['change'].probability for r in (first, second)]
        np.testing.assert_array_equal(*masks)
    counts = [len(first.results['change'].regions) for first, _ in pairs]
    # The second look confirms what the first one found.
    assert counts == [0, 1, 1]
    record = pairs[-1][1].record
    assert record['change']['registration']['state'] == 'registered'
    assert 'corners' in record['footprint']


def test_every_topic_of_a_change_carries_its_image_also_when_nothing_changed(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    topics = {
        'change/mask': Image,
        'change/regions': Detection2DArray,
        'change/outlines': ImageMarker,
        'change/registration': DiagnosticArray,
        'change/fix': NavSatFix,
        'change/report': DiagnosticArray,
        'change/overlay/compressed': CompressedImage,
    }
    boxes = {topic: flown.collect(topic, kind) for topic, kind in topics.items()}
    geojson = flown.collect('geojson', String)
    now = flown.peer.get_clock().now().nanoseconds
    stamps = [now, now + STEP_NS]
    fly_over(flown, stamps, photograph(), takers=1)
    flown.wait(lambda: all(len(m) == 2 for m in boxes.values()), 'every topic')
    flown.wait(lambda: len(geojson) == 4, 'features of frames and changes')
    for topic, messages in boxes.items():
        assert [stamp_to_ns(m.header.stamp) for m in messages] == stamps, topic
        assert messages[0].header.frame_id == 'camera_optical', topic
    assert boxes['change/regions'][1].detections == []
    assert (boxes['change/mask'][1].height, boxes['change/mask'][1].width) == (240, 320)
    fix = boxes['change/fix'][0]
    assert (fix.latitude, fix.longitude) == pytest.approx((LATITUDE, LONGITUDE), abs=2e-5)
    assert fix.status.status == 0
    assert 0 < fix.position_covariance[0] < 25
    registration = boxes['change/registration'][0].status[0]
    assert (registration.level, registration.message) == (DiagnosticStatus.OK, 'registered')
    values = {item.key: item.value for item in registration.values}
    assert float(values['residual_px']) < 2
    assert np.array(json.loads(values['homography'])).shape == (3, 3)


def test_regions_are_features_with_area_score_date_and_quality(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    regions = flown.collect('change/regions', Detection2DArray)
    now = flown.peer.get_clock().now().nanoseconds
    results = fly_over(flown, [now, now + STEP_NS], changed_ground(), takers=1)
    flown.wait(lambda: len(regions) == 2, 'the regions')
    (box,) = regions[1].detections
    assert (box.id, box.results[0].hypothesis.class_id) == ('1', 'changed')
    frame, feature = of(results, 'change')[1].collection['features']
    assert frame['properties']['change']['regions'] == 1
    assert feature['geometry']['type'] == 'Polygon'
    told = feature['properties']
    assert told['area_m2'] == pytest.approx(50 * 80 * 0.2025**2, rel=0.1)
    assert (told['confirmed'], told['finds'], told['looks']) == (True, 2, 2)
    assert (told['kind'], told['map_date']) == ('change', '2021-07-14')
    assert told['registration']['state'] == 'registered'
    ring = np.array(feature['geometry']['coordinates'][0])
    (x, y), (next_x, next_y) = ring[:-1].T, ring[1:].T
    signed = (x * next_y - next_x * y).sum()
    assert signed > 0, 'RFC 7946 wants rings counter-clockwise'


def test_without_a_pose_the_topics_say_so_and_the_mask_is_empty(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    masks = flown.collect('change/mask', Image)
    registrations = flown.collect('change/registration', DiagnosticArray)
    reports = flown.collect('change/report', DiagnosticArray)
    fixes = flown.collect('change/fix', NavSatFix)
    header = FrameHeader(flown.peer.get_clock().now().nanoseconds, 'camera_optical', 0, 240, 320)
    flown.publish('image_raw', rgb8_message(header, photograph(240, 320)))
    flown.wait(lambda: masks and registrations and reports and fixes, 'the status')
    assert (fixes[0].status.status, np.isnan(fixes[0].latitude)) == (-1, True)
    assert len(masks[0].data) == 0
    status = registrations[0].status[0]
    assert status.level == DiagnosticStatus.WARN
    assert {v.key: v.value for v in status.values}['state'] == 'no_camera'
    assert reports[0].status[0].message == 'camera intrinsics unknown: publish or calibrate them'
    assert 'camera intrinsics unknown' in flown['change'].diagnostic().message


def test_only_every_kth_frame_is_compared_and_the_others_are_counted(graph, settings):
    flown = graph(make_nodes({**settings, 'change.every': 3}))
    assert bring_up(flown.nodes)
    now = flown.peer.get_clock().now().nanoseconds
    stamps = [now + n * STEP_NS for n in range(5)]
    results = fly_over(flown, stamps, photograph(), takers=1, wait=False)
    flown.wait(lambda: len(of(results, 'change')) == 2, 'two comparisons')
    flown.wait(lambda: flown['change'].counts().received == 5, 'the last frame')
    flown.wait(lambda: not any(node.counts().waiting for node in flown.nodes), 'the workers')
    counts = flown['change'].counts()
    assert (counts.received, counts.done, counts.dropped) == (5, 2, {'not_its_turn': 3})
    assert [item.header.stamp_ns for item in of(results, 'change')] == [stamps[0], stamps[3]]


def test_a_slow_comparison_holds_nobody_up_and_every_frame_is_accounted_for(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    released = threading.Event()
    task = flown['change']._task
    run = task.run

    def slow(frame):
        released.wait(20.0)
        return run(frame)

    task.run = slow
    now = flown.peer.get_clock().now().nanoseconds
    stamps = [now + n * STEP_NS for n in range(4)]
    results = fly_over(flown, stamps, photograph(), takers=1, wait=False)
    flown.wait(lambda: len(of(results, 'segmentation')) == 4, 'the results of the others')
    assert not of(results, 'change')
    released.set()
    flown.wait(lambda: len(of(results, 'change')) == 2, 'the first and the last comparison')
    flown.wait(lambda: not any(node.counts().waiting for node in flown.nodes), 'the workers')
    assert flown['change'].counts().dropped == {'replaced_by_newer': 2}
    assert all(balance(node) == 0 for node in flown.nodes)


def test_a_failing_model_is_a_failed_result_with_the_reason(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    task = flown['change']._task

    def fail(frame):
        raise MemoryError('no memory for this frame')

    task.run = fail
    now = flown.peer.get_clock().now().nanoseconds
    (result,) = of(fly_over(flown, [now], photograph(), takers=1), 'change')
    report = result.results['change'].report
    assert (report.status, report.reason) == (
        'failed',
        'unexpected MemoryError: no memory for this frame',
    )
    assert flown['change'].counts().dropped == {'failed': 1}


@pytest.mark.parametrize(
    ('reference', 'message'),
    [
        ('', "parameter change.reference: found ''; expected the reference map"),
        ('/no/such/map.mbtiles', '/no/such/map.mbtiles: no such map; expected an .mbtiles'),
        (__file__, 'found a file named *.py; expected .mbtiles, .tif or .tiff'),
    ],
)
def test_a_map_that_is_not_there_is_refused_in_configure(ros, settings, reference, message):
    overrides = {**settings, 'change.reference': reference}
    node = ChangeNode(parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()])
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert message in node.fault
    node.destroy_node()


def test_a_truncated_map_is_refused_in_configure(ros, settings, tmp_path):
    whole = open(settings['change.reference'], 'rb').read()  # noqa: PTH123, SIM115
    cut = tmp_path / 'cut.mbtiles'
    cut.write_bytes(whole[:3000])
    overrides = {**settings, 'change.reference': str(cut)}
    node = ChangeNode(parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()])
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert 'cut.mbtiles' in node.fault
    node.destroy_node()


@pytest.mark.parametrize('crs', [None, 'EPSG:4326'])
def test_a_map_without_a_place_is_refused_in_configure(ros, settings, tmp_path, crs):
    """No georeference, and metres that are said to be degrees."""
    image = np.random.default_rng(0).integers(0, 256, (3, 40, 40), np.uint8)
    place = north_up(485900, 5209245, 5)
    path = write_geotiff(tmp_path / 'lost.tif', image, transform=place, crs=crs)
    overrides = {**settings, 'change.reference': str(path)}
    node = ChangeNode(parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()])
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert ('found no georeference' if crs is None else 'nowhere on the globe') in node.fault
    node.destroy_node()


def test_the_change_node_goes_down_and_comes_up_again(graph, settings):
    flown = graph(make_nodes(settings))
    assert bring_up(flown.nodes)
    node = flown['change']
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.state == 'unconfigured'
    assert bring_up([node])
    now = flown.peer.get_clock().now().nanoseconds
    (result,) = of(fly_over(flown, [now], photograph(), takers=1), 'change')
    assert result.results['change'].match.state == 'registered'
