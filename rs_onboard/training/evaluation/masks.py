# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read masks and class lists as sets write them: indices, palettes, colours."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.training.data.sample import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
PALETTE_KIND = 3
UNCHANGED, CHANGED = 0, 1


def read_index_mask(path: Path, colours: Sequence[tuple[int, int, int]]) -> Image | str:
    """Read a mask of class numbers, or say what is wrong with it.

    A PNG with a palette gives its indices. Three equal bands are one; three others are looked up
    among the colours of the classes.

    Args:
        path: The file.
        colours: Colours of the classes, empty where the set names none.

    Returns:
        (H, W) uint8.
    """
    data = path.read_bytes()
    mask = decode(data)
    if mask is None:
        return 'not a readable mask'
    if mask.ndim == 2:
        if int(mask.max(initial=0)) > 255 or not np.issubdtype(mask.dtype, np.integer):
            return f'values up to {mask.max()} of type {mask.dtype}; expected 0 to 255'
        return np.asarray(mask, np.uint8)
    if mask.dtype != np.uint8:
        return f'{mask.shape[2]} bands of type {mask.dtype}; expected one of class numbers'
    rgb = np.ascontiguousarray(mask[:, :, 2::-1])
    if palette := png_palette(data):
        return look_up(rgb, palette)
    if (rgb == rgb[:, :, :1]).all():
        return np.ascontiguousarray(rgb[:, :, 0])
    if not colours:
        return 'three bands of colours; expected class numbers, or colours in classes.json'
    return look_up(rgb, colours)


def read_change_mask(path: Path) -> Image | str:
    """Read a mask of changes, 0 and 255 or 0 and 1, or say what is wrong with it.

    Returns:
        (H, W) uint8: 1 where changed, 0 elsewhere.
    """
    mask = read_index_mask(path, ())
    if isinstance(mask, str):
        return mask
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist()
    if not {*values} <= {0, 255} and not {*values} <= {0, 1}:
        return f'values {shown(values)}; expected 0 (unchanged) and 255 (changed), or 0 and 1'
    return np.asarray(mask > 0).view(np.uint8)


def png_palette(data: bytes) -> list[tuple[int, int, int]]:
    """Read the palette of a PNG file; empty where it has none.

    OpenCV decodes such a file to colours, from which its indices are found again.
    """
    if not data.startswith(PNG_MAGIC) or data[25:26] != bytes([PALETTE_KIND]):
        return []
    start = len(PNG_MAGIC)
    while start + 8 <= len(data):
        size, kind = int.from_bytes(data[start : start + 4], 'big'), data[start + 4 : start + 8]
        if kind == b'PLTE':
            body = data[start + 8 : start + 8 + size]
            return [(body[i], body[i + 1], body[i + 2]) for i in range(0, len(body) - 2, 3)]
        start += size + 12
    return []


def look_up(rgb: Image, colours: Sequence[tuple[int, int, int]]) -> Image | str:
    """Turn colours (H, W, 3) into their position in a list, the first where two are equal."""
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    codes = np.array([r << 16 | g << 8 | b for r, g, b in colours], np.uint32)
    unique, first = np.unique(codes, return_index=True)
    place = np.minimum(np.searchsorted(unique, packed), len(unique) - 1)
    if (strange := packed[unique[place] != packed]).size:
        names = [f'#{int(code):06x}' for code in np.unique(strange)[:4]]
        return f'colours {", ".join(names)}; expected those of the classes'
    return np.asarray(first[place], np.uint8)


def shown(values: Sequence[int]) -> str:
    """List the first few values."""
    head = ', '.join(str(value) for value in values[:6])
    return f'{head}, ...' if len(values) > 6 else head


def read_classes(root: Path) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Read names and colours of the classes of a set, both empty where it names none.

    `classes.json` holds a list of names (or of objects with a `name`), or an object with such a
    list or a mapping from numbers under `classes`, and may hold colours under any name that says
    so, as `#rrggbb` or three numbers. `classes.txt` has a name a line.

    Raises:
        ValueError: The file cannot be understood.
    """
    path = root / 'classes.json'
    if not path.is_file():
        path = root / 'classes.txt'
        return (_lines(path) if path.is_file() else ()), ()
    try:
        content: Any = json.loads(path.read_text(encoding='utf-8-sig'))
        listed = content.get('classes', content) if isinstance(content, dict) else content
        if isinstance(listed, dict):
            listed = [listed[key] for key in sorted(listed, key=int)]
        names = tuple(str(x['name'] if isinstance(x, dict) else x) for x in listed)
        return names, _colours(content, names)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise ValueError(
            f'{path}: not understood ({exc}); expected {{"classes": [names]}}.'
        ) from None


def _lines(path: Path) -> tuple[str, ...]:
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _colours(content: object, names: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Find the colours of all classes, empty where there is none for each."""
    fields: Mapping[str, Any] = content if isinstance(content, dict) else {}
    for key, table in fields.items():
        if re.search('colou?r|palette', key, re.IGNORECASE) and isinstance(table, dict | list):
            chosen = [table[n] for n in names] if isinstance(table, dict) else table[: len(names)]
            return tuple(_colour(colour) for colour in chosen)
    return ()


def _colour(value: object) -> tuple[int, int, int]:
    if isinstance(value, str):
        code = int(value.removeprefix('#'), 16)
        return code >> 16 & 255, code >> 8 & 255, code & 255
    red, green, blue = (int(part) for part in value)  # type: ignore[attr-defined]
    return red, green, blue
