# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""From a text that the user gives to the source that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.perception.errors import SourceError
from rs_onboard.perception.folder_source import IMAGE_SUFFIXES, Folder, image_files
from rs_onboard.perception.source import Source, SourceOptions
from rs_onboard.perception.video_source import (
    Device,
    Pipeline,
    Stream,
    VideoFile,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STREAM_SCHEMES = ('rtsp', 'rtsps', 'http', 'https', 'udp', 'tcp')

KINDS: dict[str, Callable[[str, SourceOptions], Source]] = {
    'device': Device,
    'stream': Stream,
    'pipeline': Pipeline,
    'video': VideoFile,
    'folder': Folder,
}


def open_source(uri: str, options: SourceOptions | None = None) -> Source:
    """Choose the source for a text; its `open()` is left to the caller.

    Raises:
        SourceError: If the text names nothing that images can be read from. A device that is
            not there yet, or a stream, is found out by `open()` only.
    """
    kind, target = source_kind(uri)
    source = KINDS[kind](target, options or SourceOptions())
    if kind == 'folder':
        image_files(Path(target))
    return source


def source_kind(uri: str) -> tuple[str, str]:
    """Tell the kind (of KINDS) and the target that a text names. Raises SourceError."""
    text = uri.strip()
    if not text:
        raise SourceError(
            "source: '' names nothing; give a device (/dev/video0 or 0), a URL, a GStreamer "
            'pipeline, a video file or a folder of images'
        )
    if text.isdecimal() or text.startswith('/dev/'):
        return 'device', text
    if text.startswith('gst:') or ' ! ' in text:
        return 'pipeline', text
    scheme, separator, rest = text.partition('://')
    if separator and scheme.lower() in STREAM_SCHEMES:
        return 'stream', text
    if separator and scheme.lower() != 'file':
        raise SourceError(
            f'source: {without_password(text)!r} has the scheme {scheme!r}; allowed are '
            f'{", ".join(STREAM_SCHEMES)} and file'
        )
    path = Path(rest if separator else text).expanduser()
    if path.is_dir():
        return 'folder', str(path)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        raise SourceError(f'source: {path} is one image; give its folder, {path.parent}')
    if path.is_file():
        return 'video', str(path)
    raise SourceError(f'source: {path}: no such file or folder (looked from {Path.cwd()})')
