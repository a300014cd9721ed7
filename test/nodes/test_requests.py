# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests from outside while frames fly: none ends the graph, whatever it asks for."""

from __future__ import annotations

import random
import threading
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from test_graph import SECOND, balance, image_message

from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import bring_up

STEPS = 40
CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = 1, 2, 3, 4
NO_SUCH_TYPE = 200


def ask(graph, kind, service, request):
    """Send a request; returns the future of its answer."""
    client = graph.peer.create_client(kind, service)
    graph.wait(client.service_is_ready, service)
    return client.call_async(request)


def change(graph, node, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    future = ask(graph, ChangeState, f'/{node}/change_state', request)
    graph.wait(future.done, f'the answer of {node}')
    return future.result().success


def flies(graph, stamp_ns):
    """Return whether an image still becomes a frame."""
    done = graph['tiler'].counts().done
    graph.publish('image_raw', image_message(0, stamp_ns))
    graph.wait(lambda: graph['tiler'].counts().done > done, 'the frame')
    return True


def test_a_transition_the_state_does_not_have_is_refused_and_the_graph_flies_on(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    # As a lifecycle manager does with nodes that have started by themselves.
    assert not change(flown, 'tiler', CONFIGURE)
    assert not change(flown, 'tiler', ACTIVATE)
    assert not change(flown, 'scene', 99)
    assert all(node.state == 'active' for node in flown.nodes)
    assert flies(flown, time.time_ns())


def test_a_request_that_rclpy_itself_cannot_serve_does_not_end_the_graph(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    value = ParameterValue(type=NO_SUCH_TYPE)
    request = SetParametersAtomically.Request()
    request.parameters = [Parameter(name='max_age_s', value=value)]
    ask(flown, SetParametersAtomically, '/tiler/set_parameters_atomically', request)
    assert flies(flown, time.time_ns())


def test_transitions_in_any_order_under_traffic_leave_nothing_behind(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    now = time.time_ns()
    assert flies(flown, now)
    landed = threading.Event()

    def traffic():
        for number in range(1, 100_000):
            flown.publish('image_raw', image_message(number % 4, now + number * SECOND // 100))
            if landed.wait(0.01):
                return

    threads = threading.active_count()
    sender = threading.Thread(target=traffic)
    sender.start()
    rng = random.Random(7)
    try:
        for _ in range(STEPS):
            node = rng.choice(flown.nodes).get_name()
            change(flown, node, rng.choice([CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE]))
            assert not any(node.fault for node in flown.nodes)
        for wanted, transition in (('unconfigured', CONFIGURE), ('inactive', ACTIVATE)):
            for node in flown.nodes:
                if node.state == wanted:
                    assert change(flown, node.get_name(), transition)
        done = flown['publisher'].counts().done
        flown.wait(lambda: flown['publisher'].counts().done > done, 'results after all')
    finally:
        landed.set()
        sender.join()
    flown.wait(lambda: not any(node.counts().waiting for node in flown.nodes), 'the workers')
    assert all(balance(node) == 0 for node in flown.nodes)
    assert all('error' not in node.counts().dropped for node in flown.nodes)
    assert threading.active_count() == threads
