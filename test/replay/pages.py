# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Reads pages and the drawings on them."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

VOID = {'img', 'input', 'meta'}


class Element:
    """An element of a page, with what the tests ask about it."""

    def __init__(self, tag, attributes, parent):
        self.tag = tag
        self.attributes = dict(attributes)
        self.parent = parent
        self.children = []

    def __getitem__(self, name):
        return self.attributes.get(name)

    @property
    def text(self):
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return ' '.join(' '.join(parts).split())

    def all(self, tag=None, **attributes):
        wanted = {name.rstrip('_'): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, str):
                continue
            if tag in {None, child.tag} and all(child[k] == v for k, v in wanted.items()):
                yield child
            yield from child.all(tag, **attributes)

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, by itself, in order."""

    def __init__(self, text):
        super().__init__()
        self.root = self.open = Element('page', (), None)
        self.feed(text)
        self.close()
        assert self.open is self.root, f'{self.open.tag} is not closed'

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f'{tag}: attribute twice'
        child = Element(tag, attrs, self.open)
        self.open.children.append(child)
        if tag not in VOID:
            self.open = child

    def handle_endtag(self, tag):
        assert tag == self.open.tag, f'{self.open.tag} is closed as {tag}'
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.children.append(data)


def rows(page, place):
    """Return the rows of the first table of a section as lists of texts."""
    body = next(page.one('section', id=place).all('tbody'))
    return [[cell.text for cell in row.all('td')] for row in body.all('tr')]


def charts(page, place):
    return list(page.one('section', id=place).all('svg'))


def heights(chart):
    """Return the heights of the parts of every column of a chart."""
    bars = [[r for r in bar.all('rect') if r['style']] for bar in chart.all('a')]
    return [[float(part['height']) for part in bar] for bar in bars]


def points(shape):
    return np.array([p.split(',') for p in shape['points'].split()], float)
