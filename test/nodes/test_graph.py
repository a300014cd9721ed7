# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The whole graph: by reference and by topic, drops, bad input."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
from std_msgs.msg import Float64, String
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo
from visualization_msgs.msg import ImageMarker

from rs_onboard.geo.rotation import multiply
from rs_onboard.nodes.detection import DetectionNode
from rs_onboard.nodes.exchange import LATCHED_QOS
from rs_onboard.nodes.image_messages import ns_to_stamp, rgb8_message, stamp_to_ns
from rs_onboard.nodes.node_settings import TASKS
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.tiler import TilerNode
from rs_onboard.nodes.topics import all_topics
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.records import without_timing

SECOND = 1_000_000_000


def random_image(seed, height=150, width=210):
    """Make noise with two bright things in it."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image[height // 3 :, width // 4 : width // 3, 0] = 250
    image[: height // 5, width // 2 :, 1] = 240
    return image


def image_message(seed, stamp_ns, **size):
    image = random_image(seed, **size)
    header = FrameHeader(stamp_ns, 'camera_optical', 0, *image.shape[:2])
    return rgb8_message(header, image)


def separate_nodes(overrides):
    """Make nodes that share nothing, as if each had a process of its own."""
    parameters = [Parameter(name, value=value) for name, value in overrides.items()]
    kinds = (TilerNode, SceneNode, DetectionNode, SegmentationNode, PublisherNode)
    return [kind(parameter_overrides=parameters) for kind in kinds]


def results_of(graph):
    """Return a list that fills with the joined results."""
    results = []
    publisher = graph['publisher']
    publisher.exchange.connect(publisher.resolve_topic_name('results'), results.append)
    return results


def fly(graph, stamps, **size):
    """Send an image a stamp with full pose and wait for its results each time."""
    results = results_of(graph)
    takers = 2 if graph['publisher']._source else 1
    for number, stamp_ns in enumerate(stamps):
        message = image_message(number, stamp_ns, **size)
        # Sensor data may be lost on the way; poses are sent until they are there.
        end = time.monotonic() + 20.0
        while not posed(graph, stamp_ns):
            assert time.monotonic() < end, 'the pose does not arrive'
            send_pose(graph, stamp_ns)
            send_camera(graph, message)
            time.sleep(0.05)
        graph.publish('image_raw', message, takers)
        graph.wait(lambda count=number + 1: len(results) >= count, f'results of frame {number}')
    return results


def posed(graph, stamp_ns):
    """Return whether camera and pose have reached every node that puts frames together."""
    sources = [graph[name]._source for name in ('tiler', 'publisher')]
    poses = [source.maker.poses.at(stamp_ns) for source in sources if source is not None]
    cameras = [source.maker.camera for source in sources if source is not None]
    return all(getattr(p, 'height_m', None) and p.orientation for p in poses) and all(cameras)


def send_camera(graph, image):
    info = CameraInfo(header=image.header, height=image.height, width=image.width)
    info.k = [200.0, 0.0, image.width / 2, 0.0, 200.0, image.height / 2, 0.0, 0.0, 1.0]
    graph.publish('camera_info', info)


def send_pose(graph, stamp_ns, *, height_m=40.0, status=0):
    stamp = ns_to_stamp(stamp_ns)
    fix = NavSatFix(latitude=46.8, longitude=-92.0, altitude=200.0)
    fix.header.stamp = stamp
    fix.status.status = status
    imu = Imu()
    imu.header.stamp = stamp
    quarter = multiply((0.0, 0.0, 0.3, 0.9539392014169457), (0.0, 0.0, 0.0, 1.0))
    imu.orientation.x, imu.orientation.y, imu.orientation.z, imu.orientation.w = quarter
    graph.publish('mavros/global_position/raw/fix', fix)
    graph.publish('mavros/imu/data', imu)
    graph.publish('mavros/global_position/rel_alt', Float64(data=height_m))


def balance(node):
    counts = node.counts()
    return counts.received - counts.done - sum(counts.dropped.values()) - counts.waiting


def test_results_are_the_same_by_reference_and_by_topic(graph, colours):
    # Heights have the time of their arrival, which differs between the two flights.
    colours['pose_max_gap_s'] = 60.0
    colours['tasks'] = ['scene', 'detection', 'segmentation']
    composed = graph(make_nodes(colours))
    assert bring_up(composed.nodes)
    now = composed.peer.get_clock().now().nanoseconds
    stamps = [now + n * SECOND // 20 for n in range(4)]
    by_reference = fly(composed, stamps)
    composed.__exit__()
    composed.nodes = []

    separate = graph(separate_nodes(colours))
    assert bring_up(separate.nodes)
    by_topic = fly(separate, stamps)

    assert len(by_reference) == len(by_topic) == len(stamps)
    for first, second in zip(by_reference, by_topic, strict=True):
        records = [without_timing(r.record) for r in (first, second)]
        assert json.dumps(records[0]) == json.dumps(records[1])
        assert first.results['scene'].report.status == 'ok'
        for name in ('labels', 'confidence'):
            arrays = [getattr(r.results['segmentation'], name) for r in (first, second)]
            np.testing.assert_array_equal(*arrays)
        for name in ('boxes', 'scores', 'class_ids', 'numbers'):
            arrays = [getattr(r.results['detection'], name) for r in (first, second)]
            np.testing.assert_array_equal(*arrays)
        assert len(first.results['detection'].boxes) > 5
        for name in ('probabilities', 'tile_classes', 'tile_scores', 'boxes'):
            arrays = [getattr(r.results['scene'], name) for r in (first, second)]
            np.testing.assert_array_equal(*arrays)


def test_published_messages_carry_stamp_and_frame_of_their_image(graph, colours):
    flown = graph(make_nodes({**colours, 'tasks': ['scene', 'detection', 'segmentation']}))
    assert bring_up(flown.nodes)
    topics = {
        'scene': Classification,
        'detections': Detection2DArray,
        'detections/corners': ImageMarker,
        'detection/report': DiagnosticArray,
        'segmentation': Image,
        'segmentation/confidence': Image,
        'scene/report': DiagnosticArray,
        'segmentation/report': DiagnosticArray,
        'overlay/compressed': CompressedImage,
        'tiles/segmentation': Image,
    }
    boxes = {topic: flown.collect(topic, kind) for topic, kind in topics.items()}
    geojson = flown.collect('geojson', String)
    labels = flown.collect('segmentation/label_info', LabelInfo, LATCHED_QOS)
    stamp_ns = flown.peer.get_clock().now().nanoseconds
    fly(flown, [stamp_ns])
    flown.wait(lambda: all(boxes.values()) and geojson and labels, 'every topic')
    for topic, messages in boxes.items():
        assert stamp_to_ns(messages[0].header.stamp) == stamp_ns, topic
        assert messages[0].header.frame_id == 'camera_optical', topic
    mask = np.frombuffer(boxes['segmentation'][0].data, np.uint8).reshape(150, 210)
    assert set(np.unique(mask)) <= {0, 1, 2}
    report = {v.key: v.value for v in boxes['scene/report'][0].status[0].values}
    assert report['model'] == 'colour-scene'
    assert len(report['sha256']) == 64
    assert report['provider'] == 'cpu'
    assert [c.class_name for c in labels[0].class_map] == ['red', 'green', 'blue']
    feature, *things = json.loads(geojson[0].data)['features']
    objects = [item for item in things if item['properties']['kind'] == 'detection']
    assert len(objects) == len(boxes['detections'][0].detections) > 5
    assert objects[0]['geometry']['type'] == 'Polygon'
    assert feature['geometry']['type'] == 'Polygon'
    assert feature['properties']['stamp_ns'] == stamp_ns


def test_a_flood_of_frames_is_accounted_for_to_the_last(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    tiler = flown['tiler']
    now = flown.peer.get_clock().now().nanoseconds
    for number in range(40):
        flown.publish('image_raw', image_message(number, now + number * SECOND // 100))
    # The transport of sensor data may lose frames before the node; those are not received.
    flown.wait(lambda: tiler.counts().received >= 5, 'the tiler')
    flown.wait(lambda: not any(node.counts().waiting for node in flown.nodes), 'the workers')
    assert all(balance(node) == 0 for node in flown.nodes)
    assert tiler.counts().done == flown['scene'].counts().received


def test_lying_images_are_named_drops_and_the_next_good_one_is_processed(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    tiler = flown['tiler']
    results = results_of(flown)
    now = flown.peer.get_clock().now().nanoseconds

    def send(stamp_ns, **changes):
        message = image_message(1, stamp_ns)
        for name, value in changes.items():
            setattr(message, name, value)
        seen = tiler.counts().received
        flown.publish('image_raw', message)
        flown.wait(lambda: tiler.counts().received > seen and not tiler.counts().waiting)

    send(now, height=10_000)
    send(now + 1, step=3)
    send(now + 2, encoding='rgb9')
    send(now + 3)
    send(now + 3)
    send(now + 2)
    flown.wait(lambda: len(results) == 1, 'the good frame')
    assert tiler.counts().dropped == {'bad_image': 3, 'duplicate_stamp': 1, 'out_of_order': 1}
    assert tiler.counts().done == 1
    assert balance(tiler) == 0


def test_a_clock_that_jumps_back_is_counted_and_frames_go_on(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    now = flown.peer.get_clock().now().nanoseconds
    results = results_of(flown)
    for number, stamp_ns in enumerate([now, now - 100 * SECOND, now - 99 * SECOND]):
        flown.publish('image_raw', image_message(number, stamp_ns))
        flown.wait(lambda count=number + 1: len(results) >= count, f'results of frame {number}')
    values = {v.key: v.value for v in flown['tiler'].diagnostic().values}
    assert values['time_jumps'] == '1'


def test_without_pose_the_image_scale_is_used_and_the_report_says_why(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    flown.publish('image_raw', image_message(0, flown.peer.get_clock().now().nanoseconds))
    flown.wait(lambda: results, 'the result')
    report = results[0].results['scene'].report
    assert report.status == 'degraded'
    assert 'image scale used' in report.reason
    assert 'position never received' in report.reason


def test_a_missing_task_node_gives_a_skipped_result_that_says_so(graph, colours):
    nodes = make_nodes({**colours, 'join_timeout_s': 0.3})
    scene = next(node for node in nodes if node.get_name() == 'scene')
    flown = graph(nodes)
    bring_up([node for node in nodes if node is not scene])
    results = results_of(flown)
    flown.publish('image_raw', image_message(0, flown.peer.get_clock().now().nanoseconds))
    flown.wait(lambda: results, 'the result')
    assert results[0].results['scene'].report.status == 'skipped'
    assert 'scene node' in results[0].results['scene'].report.reason
    assert results[0].results['segmentation'].labels.shape == (150, 210)


def test_a_receiver_without_a_fix_gives_no_position_and_says_so(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    now = flown.peer.get_clock().now().nanoseconds
    send_pose(flown, now, status=-1)
    source = flown['tiler']._source
    flown.wait(lambda: source.maker.events['pose.no_fix'], 'the fix message')
    flown.publish('image_raw', image_message(0, now))
    flown.wait(lambda: results, 'the result')
    assert results[0].frame.pose is None
    assert 'reports no fix (status -1)' in results[0].frame.pose_reason


def test_every_publisher_is_in_the_table_of_topics(graph, colours):
    flown = graph(make_nodes({**colours, 'tasks': list(TASKS)}))
    assert bring_up(flown.nodes)
    table = {(t.topic.lstrip('/'), t.type_name) for t in all_topics() if t.direction == 'out'}
    found = set()
    for node in flown.nodes:
        for publisher in node.publishers:
            name = publisher.topic_name.lstrip('/')
            kind = type(publisher.msg_type()).__module__.split('.')[0]
            if name not in {'rosout', 'parameter_events'} and 'transition_event' not in name:
                found.add((name, f'{kind}/msg/{publisher.msg_type.__name__}'))
    assert found == table
