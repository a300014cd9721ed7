# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A composed graph that benchmarks send images to by reference."""

from __future__ import annotations

import contextlib
import threading

from rs_onboard.nodes.exchange import Outlet
from rs_onboard.nodes.start import bring_up, shut_down, spin


@contextlib.contextmanager
def running(nodes):
    """Bring a graph up with a sender of images, serve it in a thread, and shut it down."""
    tiler = next(node for node in nodes if node.get_name() == 'tiler')
    Outlet(tiler, tiler.exchange, 'image_raw')
    stop = threading.Event()
    spinner = threading.Thread(target=spin, args=(nodes,), kwargs={'until': stop})
    try:
        if not bring_up(nodes):
            raise SystemExit('the graph did not start')
        spinner.start()
        yield tiler
    finally:
        stop.set()
        if spinner.ident is not None:
            spinner.join()
        shut_down(nodes)
