# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The service manager is told what it asks for, and nobody else is told anything."""

from __future__ import annotations

import os
import select
import socket

import pytest

from rs_onboard.health.systemd import Notifier


@pytest.fixture
def manager(tmp_path):
    """Listen as systemd does; returns the environment of a service and what it was told."""
    path = str(tmp_path / 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)

        def told():
            heard = []
            while select.select([listener], [], [], 0)[0]:
                heard.append(listener.recv(4096).decode())
            return heard

        yield {'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '6000000'}, told


def test_without_a_manager_no_socket_is_opened(monkeypatch):
    monkeypatch.setattr(socket, 'socket', lambda *_: pytest.fail('a socket was opened'))
    for environment in ({}, {'NOTIFY_SOCKET': ''}, {'NOTIFY_SOCKET': 'example.org:80'}):
        notifier = Notifier(environment)
        notifier.ready()
        notifier.status('fine')
        notifier.stopping()
        assert not notifier.ping(0.0)


def test_a_manager_is_told_the_start_the_state_and_the_end(manager):
    environment, told = manager
    notifier = Notifier(environment)
    notifier.ready()
    notifier.status('all\nis fine')
    notifier.status('all\nis fine')
    notifier.stopping()
    assert told() == ['READY=1', 'STATUS=all is fine', 'STOPPING=1']


def test_it_is_told_that_the_process_lives_three_times_in_the_time_allowed(manager):
    environment, told = manager
    notifier = Notifier(environment)
    assert [notifier.ping(0.5 * tick) for tick in range(13)].count(True) == 4
    assert told() == ['WATCHDOG=1'] * 4


@pytest.mark.parametrize(
    'change',
    [{'WATCHDOG_USEC': ''}, {'WATCHDOG_USEC': 'soon'}, {'WATCHDOG_PID': str(os.getpid() + 1)}],
)
def test_without_a_watchdog_for_this_process_it_is_not_pinged(manager, change):
    environment, told = manager
    notifier = Notifier({**environment, **change})
    assert not notifier.ping(0.0)
    assert told() == []


def test_an_abstract_address_is_one_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f'\0rs_onboard_test_{os.getpid()}')
        listener.settimeout(5.0)
        Notifier({'NOTIFY_SOCKET': f'@rs_onboard_test_{os.getpid()}'}).ready()
        assert listener.recv(64) == b'READY=1'


def test_a_manager_that_went_away_disturbs_nothing(tmp_path):
    notifier = Notifier({'NOTIFY_SOCKET': str(tmp_path / 'gone'), 'WATCHDOG_USEC': '1000000'})
    notifier.ready()
    assert not notifier.ping(0.0)
