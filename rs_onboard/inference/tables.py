# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown, and their place in a README, for what is measured or read from cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Lay out a table.

    Args:
        header: Names of the columns.
        rows: Cells.
        left: Columns of text; those after them are numbers and stand to the right.
    """
    lines = [
        f'| {" | ".join(header)} |',
        f'|{"---|" * left}{"--:|" * (len(header) - left)}',
        *(f'| {" | ".join(cell.replace("|", "/") for cell in row)} |' for row in rows),
    ]
    return '\n'.join(lines) + '\n'


def write_between_markers(path: Path, name: str, content: str) -> None:
    """Put content between the lines `<!-- NAME -->` and `<!-- /NAME -->` of a file.

    Raises:
        ValueError: The file has no such lines.
        OSError: The file cannot be read or written.
    """
    first, last = f'<!-- {name} -->\n', f'<!-- /{name} -->\n'
    text = path.read_text(encoding='utf-8')
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(
            f'{path}: found no lines {first.strip()} and, after it, {last.strip()}. Add them where '
            'the table shall stand.'
        )
    path.write_text(f'{before}{begin}{content}{end}{after}', encoding='utf-8')
