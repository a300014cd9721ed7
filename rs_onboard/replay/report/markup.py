# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""HTML and SVG whose texts are escaped by construction."""

from __future__ import annotations

import math
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

# The browser itself then refuses scripts and everything from elsewhere, whatever a name in a bag or
# on a card contains.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"

# Elements without content.
_VOID = frozenset({'img', 'input', 'meta'})


class Html(str):
    """Markup; every other string is text, which `element` escapes."""

    __slots__ = ()


Child: TypeAlias = 'str | int | Iterable[Child] | None'
Attribute: TypeAlias = 'str | float | bool | None'


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Build an element.

    Args:
        name: Name of the element.
        children: Content: text, markup, numbers, or any nesting of these; None is left out.
        attributes: Attributes; `class_` means class, `aria_label` aria-label. None and False
            are left out, True stands alone.
    """
    opening = ''.join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f'<{name}{opening}>')
    return Html(f'<{name}{opening}>{join(*children)}</{name}>')


def join(*children: Child) -> Html:
    """Put content together."""
    return Html(''.join(_flat(children)))


def number(value: float) -> str:
    """Write a coordinate of a drawing: two decimals, no more than needed."""
    return f'{value:.2f}'.rstrip('0').rstrip('.')


def nice_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a value."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= least * 0.999)


def css_colour(color: tuple[int, int, int]) -> str:
    """Write a colour of a card."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], **attributes: Attribute) -> Html:
    """Build a table in a box that scrolls sideways where the page is too narrow.

    Columns are aligned by their class in the style sheet: the first one is text, the others are
    numbers, unless the table has the class `text`.
    """
    return element(
        'div',
        element(
            'table',
            element('thead', element('tr', [element('th', cell, scope='col') for cell in head])),
            element(
                'tbody',
                [element('tr', [element('td', cell) for cell in row]) for row in rows],
            ),
            **attributes,
        ),
        class_='wide',
    )


def swatch(colour: str) -> Html:
    """Build a little square of a colour."""
    return element('i', class_='swatch', style=f'background:{colour}')


def document(title: str, *body: Child) -> str:
    """Write a page that needs neither network nor script.

    Args:
        title: What it is of; the name of this program follows.
        body: Its content.
    """
    style = files(__package__).joinpath('page.css').read_text(encoding='utf-8')
    head = element(
        'head',
        element('meta', charset='utf-8'),
        element('meta', http_equiv='Content-Security-Policy', content=POLICY),
        element('meta', name='viewport', content='width=device-width, initial-scale=1'),
        element('meta', name='color-scheme', content='light dark'),
        element('title', f'{title} \u00b7 rs_onboard'),
        element('style', Html(style)),
    )
    return f'<!doctype html>\n{element("html", head, element("body", *body), lang="en")}\n'


def section(identity: str, title: str, *children: Child) -> Html:
    """Build a section of the page."""
    return element('section', element('h2', title), *children, id=identity)


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip('_').replace('_', '-')
    if value is None or value is False:
        return ''
    if value is True:
        return f' {name}'
    text = number(value) if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(child)
        elif isinstance(child, int):
            yield str(child)
        elif child is not None:
            yield from _flat(child)
