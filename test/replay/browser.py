# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A real browser for tests: a Chromium that is there, spoken to over a pipe (DevTools protocol)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time

import cv2
import numpy as np

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
PATIENCE_S = 60.0
ARGUMENTS = (
    '--headless=new',
    '--remote-debugging-pipe',
    '--no-first-run',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--hide-scrollbars',
    '--force-color-profile=srgb',
    # Nothing on the network can be reached, whatever a page asks for.
    '--host-resolver-rules=MAP * ~NOTFOUND',
    # Tests may run as root, where the sandbox refuses; the pages are our own.
    '--no-sandbox',
)


def find_browser():
    """Return the path of a Chromium, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a browser.

    Attributes:
        requests: URLs that the page asked for.
        complaints: What the browser wrote on its console.
    """

    def __init__(self, path, profile):
        to_browser, ours_out = os.pipe()
        ours_in, from_browser = os.pipe()

        def arrange():
            # The browser reads commands from descriptor 3 and answers on 4.
            os.dup2(to_browser, 1000)
            os.dup2(from_browser, 1001)
            os.dup2(1000, 3)
            os.dup2(1001, 4)

        self._process = subprocess.Popen(
            [path, *ARGUMENTS, f'--user-data-dir={profile}', 'about:blank'],
            preexec_fn=arrange,  # noqa: PLW1509  (dup2 alone is safe after a fork)
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._out, self._in = ours_out, ours_in
        self._pending = b''
        self._numbers = itertools.count(1)
        self._session = None
        self._loaded = False
        self.requests = []
        self.complaints = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Network', 'Log', 'Runtime'):
            self.call(f'{domain}.enable')

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call('Browser.close', session=None)
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def call(self, method, session='own', **params):
        """Send a command and return its result."""
        number = next(self._numbers)
        message = {'id': number, 'method': method, 'params': params}
        if session == 'own' and self._session is not None:
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive()
            if answer.get('id') == number:
                assert 'error' not in answer, answer
                return answer['result']

    def open(self, url, width=1200, height=900, scheme='light'):
        """Show a page in a window of a size."""
        media = [
            {'name': 'prefers-color-scheme', 'value': scheme},
            # Places are where they are at once.
            {'name': 'prefers-reduced-motion', 'value': 'reduce'},
        ]
        self.call('Emulation.setEmulatedMedia', features=media)
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # A change of the fragment alone loads nothing.
        for place in ('about:blank', url):
            self._loaded = False
            self.call('Page.navigate', url=place)
            while not self._loaded:
                self._receive()

    def ask(self, expression):
        """Return the value of an expression of JavaScript."""
        found = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        assert 'exceptionDetails' not in found, found
        return found['result'].get('value')

    def click(self, selector):
        """Click the middle of an element as a user would."""
        self.ask(f'document.querySelector({selector!r}).scrollIntoView({{block: "center"}})')
        x, y = self.ask(
            f'(r => [r.x + r.width / 2, r.y + r.height / 2])'
            f'(document.querySelector({selector!r}).getBoundingClientRect())'
        )
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def picture(self):
        """Return what the window shows, (H, W, 3) uint8 RGB."""
        data = base64.b64decode(self.call('Page.captureScreenshot', format='png')['data'])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    def _receive(self):
        end = time.monotonic() + PATIENCE_S
        while b'\0' not in self._pending:
            left = end - time.monotonic()
            assert left > 0, 'the browser does not answer'
            ready, _, _ = select.select([self._in], [], [], left)
            if ready:
                data = os.read(self._in, 1 << 20)
                assert data, 'the browser ended'
                self._pending += data
        text, _, self._pending = self._pending.partition(b'\0')
        message = json.loads(text)
        match message.get('method'):
            case 'Page.loadEventFired':
                self._loaded = True
            case 'Network.requestWillBeSent':
                self.requests.append(message['params']['request']['url'])
            case 'Log.entryAdded':
                self.complaints.append(message['params']['entry']['text'])
            case 'Runtime.consoleAPICalled' | 'Runtime.exceptionThrown':
                self.complaints.append(str(message['params']))
        return message
