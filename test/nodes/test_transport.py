# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Who hears whom: qualities of service, namespaces, clocks, and no network beyond ROS."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from test_graph import image_message, results_of

from rs_onboard.nodes import watched_node
from rs_onboard.nodes.exchange import Exchange, Outlet, Writer
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import bring_up

# Modules with which a program reaches out. `socket` itself is loaded by asyncio, which rclpy needs.
OUTWARD = {'http.client', 'urllib.request', 'urllib3', 'requests', 'aiohttp', 'ftplib', 'smtplib'}


def test_images_of_every_quality_of_service_are_taken(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    pairs = itertools.product(
        (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
        (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
    )
    for reliability, durability in pairs:
        heard = len(results)
        qos = QoSProfile(depth=2, reliability=reliability, durability=durability)
        publisher = flown.peer.create_publisher(Image, 'image_raw', qos)
        flown.wait(publisher.get_subscription_count, f'the tiler to hear {reliability.name}')
        while len(results) == heard:
            # The first ones of a best-effort publisher may be lost.
            publisher.publish(image_message(0, time.time_ns()))
            time.sleep(0.1)
        flown.peer.destroy_publisher(publisher)
        flown.wait(lambda: not flown.peer.count_publishers('image_raw'))


def test_a_subscriber_that_asks_for_more_than_is_offered_is_warned_about(graph, colours, capfd):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    qos = QoSProfile(
        depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
    )
    flown.peer.create_subscription(String, 'geojson', lambda _: None, qos)
    text = ''

    def warned():
        nonlocal text
        text += capfd.readouterr().err
        return 'requesting incompatible QoS' in text

    flown.wait(warned, 'the warning')
    assert '[publisher]' in text
    assert 'DURABILITY' in text


def test_two_cameras_in_two_namespaces_do_not_mix(graph, colours):
    colours['scene.variant'] = 'fp32'
    front = make_nodes(colours, namespace='front')
    rear = make_nodes(colours, namespace='rear')
    flown = graph([*front, *rear])
    assert bring_up(flown.nodes)
    tilers = {node.get_namespace(): node for node in flown.nodes if node.get_name() == 'tiler'}
    for number in range(2):
        flown.publish('front/image_raw', image_message(number, time.time_ns()))
        flown.wait(lambda count=number + 1: tilers['/front'].counts().done == count)
    assert tilers['/rear'].counts().received == 0


def test_a_graph_that_waits_for_the_clock_of_a_bag_works_all_the_same(graph, colours, monkeypatch):
    monkeypatch.setattr(watched_node, 'CLOCK_GRACE_S', 0.0)
    flown = graph(make_nodes({**colours, 'use_sim_time': True, 'max_age_s': 1.0}))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    flown.publish('image_raw', image_message(0, time.time_ns()))
    flown.wait(lambda: results, 'the result')
    assert '/clock' in flown['tiler'].diagnostic().message


def test_a_topic_is_converted_only_while_somebody_subscribes(graph):
    flown = graph([])
    converted = []

    def convert(item):
        converted.append(item)
        return String(data=item)

    outlet = Outlet(flown.peer, Exchange(), 'words', [Writer('words', String, convert)])
    outlet.send('alone')
    assert converted == []
    subscription = flown.peer.create_subscription(String, 'words', lambda _: None, 1)
    flown.wait(lambda: flown.peer.count_subscribers('words'))
    flown.wait(lambda: outlet.send('heard') or converted)
    flown.peer.destroy_subscription(subscription)
    flown.wait(lambda: not flown.peer.count_subscribers('words'))
    time.sleep(0.1)
    converted.clear()
    outlet.send('alone again')
    assert converted == []
    outlet.close()


def test_a_conversion_that_fails_does_not_take_the_other_topics_along(graph):
    flown = graph([])
    converted = []

    def fail(item):
        raise ValueError(item)

    def convert(item):
        converted.append(item)
        return String(data=item)

    writers = [Writer('bad', String, fail), Writer('good', String, convert)]
    outlet = Outlet(flown.peer, Exchange(), 'items', writers)
    for topic in ('bad', 'good'):
        flown.collect(topic, String)
        flown.wait(lambda topic=topic: flown.peer.count_subscribers(topic))
    time.sleep(0.1)
    with pytest.raises(ValueError, match='item'):
        outlet.send('item')
    assert converted == ['item']
    outlet.close()


def test_nothing_that_flies_loads_a_module_that_reaches_out():
    code = (
        'import sys, rs_onboard.nodes.process, rs_onboard.cli.run\n'
        f'print(sorted({OUTWARD} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
