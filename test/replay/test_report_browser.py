# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: nothing from elsewhere, nothing cut off, links that lead there."""

from __future__ import annotations

import numpy as np
import pytest
from browser import Browser, find_browser
from known_runs import flight
from test_report_changes import flight_with_changes
from test_report_standouts import flight_with_standouts
from test_report_steps import flight_with_steps

from rs_onboard.replay.report.page import write_report

PATH = find_browser()
pytestmark = pytest.mark.skipif(
    PATH is None, reason='no Chromium or Chrome is installed (Debian: apt install chromium)'
)

SIZES = [(1440, 900), (820, 1180), (360, 740)]


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    opened = Browser(PATH, tmp_path_factory.mktemp('profile'))
    yield opened
    opened.close()


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Return pages of known runs by name."""
    folder = tmp_path_factory.mktemp('pages')
    runs = {
        'plain': flight(8),
        'long': flight(400, pictures={}),
        'changes': flight_with_changes(),
        'steps': flight_with_steps(),
        'standouts': flight_with_standouts(),
        'empty': flight(0),
    }
    return {name: write_report(folder / f'{name}.html', run) for name, run in runs.items()}


@pytest.mark.parametrize('name', ['plain', 'long', 'changes', 'steps', 'empty'])
def test_a_page_asks_for_nothing_and_complains_of_nothing(browser, pages, name):
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(pages[name].as_uri())
    asked = {url for url in browser.requests if not url.startswith(('data:', 'about:'))}
    assert asked == {pages[name].as_uri()}
    assert browser.complaints == []


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('name', ['plain', 'long', 'changes', 'steps', 'standouts'])
def test_nothing_is_wider_than_the_window(browser, pages, name, size):
    browser.open(pages[name].as_uri(), *size)
    assert browser.ask('document.documentElement.scrollWidth') <= size[0]
    # What scrolls by itself, as wide tables do, may be wider; nothing else sticks out.
    outside = browser.ask(
        '[...document.querySelectorAll("main *")].filter(e => !e.closest(".wide, svg, .shot") && '
        'e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)'
    )
    assert outside == []


def test_every_link_of_the_page_shows_its_place_below_the_bar_of_links(browser, pages):
    browser.open(pages['changes'].as_uri())
    links = browser.ask('[...document.querySelectorAll("nav a")].map(a => a.hash)')
    assert {'#map', '#latency', '#task-change', '#frames', '#models'} <= set(links)
    for link in links:
        browser.open(pages['changes'].as_uri() + link)
        top = browser.ask(f'document.querySelector({link!r}).getBoundingClientRect().top')
        bar = browser.ask('document.querySelector("nav").getBoundingClientRect().bottom')
        at_end = browser.ask('scrollY + innerHeight >= document.documentElement.scrollHeight - 2')
        assert at_end or -1 <= top - bar + 40 <= 60, (link, top, bar)


def test_a_click_on_a_picture_enlarges_it_and_another_leads_back(browser, pages):
    browser.open(pages['plain'].as_uri())
    small = browser.ask('document.querySelector("#view-2 img").getBoundingClientRect().width')
    browser.click('#view-2')
    assert browser.ask('location.hash') == '#view-2'
    shown = browser.picture()
    # The page behind is dark, the picture in the middle is not.
    assert shown[5, 5].max() < 40
    assert shown[430:470, 580:620].std() > 5
    assert browser.ask('getComputedStyle(document.querySelector("#view-2")).position') == 'fixed'
    browser.click('#view-2 ~ .after')
    assert browser.ask('location.hash') == '#view-3'
    browser.ask('document.elementFromPoint(5, 5).click()')
    assert browser.ask('location.hash') == '#frame-3'
    back = browser.ask('document.querySelector("#view-2 img").getBoundingClientRect().width')
    assert back == small


def test_the_map_takes_the_colours_of_the_task_that_is_chosen(browser, pages):
    browser.open(pages['plain'].as_uri())
    fill = 'getComputedStyle(document.querySelector(".footprints polygon")).fill'
    scene = browser.ask(fill)
    assert browser.ask('getComputedStyle(document.querySelector(".l0")).display') == 'flex'
    browser.click('label[for=by-1]')
    assert browser.ask('getComputedStyle(document.querySelector(".l0")).display') == 'none'
    assert browser.ask('getComputedStyle(document.querySelector(".l1")).display') == 'flex'
    assert {scene, browser.ask(fill)} <= {'rgb(200, 60, 60)', 'rgb(60, 200, 60)'}


def test_frames_that_stand_out_are_shown_alone_and_links_still_lead_to_the_others(browser, pages):
    shown = (
        '[...document.querySelectorAll(".frame")].filter(f => f.offsetParent !== null)'
        '.map(f => f.id)'
    )
    browser.open(pages['standouts'].as_uri())
    assert len(browser.ask(shown)) == 9
    browser.click('label[for=show-slow]')
    assert browser.ask(shown) == ['frame-6', 'frame-7', 'frame-8']
    browser.click('label[for=show-found]')
    assert browser.ask(shown) == ['frame-4']
    browser.ask('location.hash = "#frame-1"')
    assert browser.ask(shown) == ['frame-1', 'frame-4']
    browser.ask('location.hash = "#view-2"')
    assert 'frame-2' in browser.ask(shown)
    browser.ask('location.hash = "#frames"')
    browser.click('label[for=show-all]')
    assert len(browser.ask(shown)) == 9


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_text_stands_out_from_its_ground_by_day_and_by_night(browser, pages, scheme):
    browser.open(pages['steps'].as_uri(), scheme=scheme)
    colours = browser.ask(
        '["body", "nav a", ".quiet", "td", ".status", "svg text"].map(s => {'
        'const e = document.querySelector(s); const c = getComputedStyle(e);'
        'let g = e; while (g && getComputedStyle(g).backgroundColor === "rgba(0, 0, 0, 0)")'
        '  g = g.parentElement;'
        'return [s, s === "svg text" ? c.fill : c.color,'
        '  g ? getComputedStyle(g).backgroundColor : "rgb(255, 255, 255)"]})'
    )
    for what, ink, ground in colours:
        assert contrast(rgb(ink), rgb(ground)) >= 4.5, (what, ink, ground)
    luminance = browser.picture()[:, :20].mean()
    assert luminance > 200 if scheme == 'light' else luminance < 60


def test_the_bands_of_steps_are_as_long_as_their_frames(browser, pages):
    browser.open(pages['steps'].as_uri())
    widths = browser.ask(
        '[...document.querySelectorAll(".bands rect")].map(r => r.getBoundingClientRect().width)'
    )
    # Twelve frames: four with fp32, eight with int8; then those of the other task.
    assert widths[0] * 2 == pytest.approx(widths[1], rel=0.01)


def rgb(text):
    return np.array([float(v) for v in text[text.index('(') + 1 : -1].split(',')[:3]])


def contrast(one, other):
    """Contrast of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour):
        part = colour / 255.0
        linear = np.where(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)
