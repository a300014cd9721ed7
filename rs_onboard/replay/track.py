# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Flight tracks beside the images: by file name or by time, from CSV or DJI subtitles."""

from __future__ import annotations

import bisect
import csv
import io
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.geotag import Geotag, parse_number, parse_time
from rs_onboard.replay.srt import read_srt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# An hour at 50 Hz is some 30 MB of text.
MAX_TRACK_BYTES = 256 * 2**20
# Longest hole of a time track that is still bridged, as long as a drone needs for a survey's turn.
MAX_GAP_NS = 30_000_000_000

_FILE_COLUMNS = ('file', 'filename', 'file_name', 'image', 'image_name', 'name', 'label', 'photo')
_TIME_COLUMNS = ('datetime', 'date_time', 'time', 'timestamp', 'datetimeoriginal', 'utc', 'stamp')
# Field -> names of its column, lower case, everything but letters and digits written as _.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    'latitude_deg': ('lat_deg', 'lat', 'latitude', 'latitude_deg', 'gpslatitude', 'y_latitude'),
    'longitude_deg': ('lon_deg', 'lon', 'lng', 'longitude', 'longitude_deg', 'gpslongitude'),
    'altitude_m': ('alt_msl_m', 'alt', 'alt_m', 'altitude', 'altitude_m', 'abs_alt', 'gpsaltitude'),
    'rel_altitude_m': ('rel_alt_m', 'rel_alt', 'relative_altitude', 'height', 'height_m', 'agl_m'),
    'yaw_deg': ('yaw_deg', 'yaw', 'heading', 'heading_deg', 'flightyawdegree'),
    'pitch_deg': ('pitch_deg', 'pitch', 'flightpitchdegree'),
    'roll_deg': ('roll_deg', 'roll', 'flightrolldegree'),
    'gimbal_yaw_deg': ('gimbal_yaw_deg', 'gimbal_yaw', 'gb_yaw', 'gimbalyawdegree'),
    'gimbal_pitch_deg': ('gimbal_pitch_deg', 'gimbal_pitch', 'gb_pitch', 'gimbalpitchdegree'),
    'gimbal_roll_deg': ('gimbal_roll_deg', 'gimbal_roll', 'gb_roll', 'gimbalrolldegree'),
    'horizontal_sigma_m': ('horizontal_sigma_m', 'h_acc_m', 'hacc', 'horizontal_accuracy'),
    'vertical_sigma_m': ('vertical_sigma_m', 'v_acc_m', 'vacc', 'vertical_accuracy'),
    'focal_mm': ('focal_mm', 'focal_length', 'focal_length_mm', 'focallength'),
    'focal35_mm': ('focal35_mm', 'focal_length_35mm', 'focallengthin35mmfilm'),
    'focal_px': ('focal_px', 'focal_length_px', 'fx'),
    'full_width_px': ('full_width_px', 'orig_w', 'image_width', 'width_px'),
}


@dataclass(frozen=True)
class Track:
    """Geotags from a file beside the images.

    Attributes:
        source: File name for messages.
        by_file: Tag of each image, by file name in lower case; empty for a time track.
        samples: Tags with stamps in rising order; empty for a track by file name.
        fields: Names of the fields the track speaks about. It owns them: where it leaves one of
            them empty, the field is unknown, whatever the image says.
    """

    source: str
    by_file: Mapping[str, Geotag] = field(default_factory=dict)
    samples: tuple[Geotag, ...] = ()
    fields: frozenset[str] = frozenset()

    def merge(self, name: str, tag: Geotag) -> Geotag:
        """Return the tag of an image with the fields of this track taken from the track.

        Args:
            name: File name of the image.
            tag: What the image itself says; a time track is read at its stamp.
        """
        found = self.by_file.get(name.lower()) if self.by_file else self.at(tag.stamp_ns)
        if found is None:
            return tag
        own = self.fields if self.by_file else self.fields - {'stamp_ns'}
        values = {x.name: getattr(found if x.name in own else tag, x.name) for x in fields(tag)}
        return Geotag(**values)

    def at(self, stamp_ns: int | None) -> Geotag | None:
        """Interpolate a time track; None outside of it and in holes longer than `MAX_GAP_NS`."""
        if stamp_ns is None or not self.samples:
            return None
        index = bisect.bisect_left(self.samples, stamp_ns, key=lambda x: x.stamp_ns or 0)
        if index < len(self.samples) and self.samples[index].stamp_ns == stamp_ns:
            return self.samples[index]
        if index in {0, len(self.samples)}:
            return None
        first, second = self.samples[index - 1], self.samples[index]
        before, after = first.stamp_ns or 0, second.stamp_ns or 0
        if after - before > MAX_GAP_NS:
            return None
        return _between(first, second, (stamp_ns - before) / (after - before), stamp_ns)


def _between(first: Geotag, second: Geotag, weight: float, stamp_ns: int) -> Geotag:
    """Mix two tags; angles turn the short way, a field unknown in either is unknown."""
    values: dict[str, float] = {}
    for name in COLUMNS:
        low, high = getattr(first, name), getattr(second, name)
        if low is None or high is None:
            continue
        if name.endswith('_deg') and name != 'latitude_deg':
            turned = low + ((high - low + 180) % 360 - 180) * weight
            values[name] = (turned + 180) % 360 - 180
        else:
            values[name] = low + (high - low) * weight
    return Geotag(stamp_ns=stamp_ns, **values)


def read_track(path: Path) -> Track:
    """Read a track; the ending tells the format (.csv, .txt, .tsv or .srt).

    Raises:
        GeotagError: The file is of another kind, damaged, or a value is out of range.
    """
    source = path.name
    suffix = path.suffix.lower()
    if suffix not in {'.csv', '.txt', '.tsv', '.srt'}:
        raise GeotagError(
            source, 'the ending', path.suffix, '.csv, .tsv, .txt or .srt', 'Convert the track.'
        )
    if (size := path.stat().st_size) > MAX_TRACK_BYTES:
        raise GeotagError(
            source, 'the size', size, f'up to {MAX_TRACK_BYTES} bytes', 'Cut the track.'
        )
    try:
        text = path.read_text('utf-8-sig')
    except UnicodeDecodeError as exc:
        raise GeotagError(
            source, f'byte {exc.start}', exc.object[exc.start], 'UTF-8 text', 'Convert the file.'
        ) from None
    if suffix == '.srt':
        samples = read_srt(source, text)
        known = {x.name for y in samples for x in fields(y) if getattr(y, x.name) is not None}
        return Track(source, samples=samples, fields=frozenset(known))
    return _read_csv(source, text)


def _read_csv(source: str, text: str) -> Track:
    """Read a table with a header line; commas, semicolons or tabs between the columns."""
    header = text.split('\n', 1)[0]
    delimiter = max(',;\t', key=header.count)
    rows = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter)
    names = [re.sub(r'[^a-z0-9]+', '_', x.lower()).strip('_') for x in next(rows, [])]
    where = {x: names.index(z) for x, y in COLUMNS.items() if (z := _first(y, names))}
    file_column = _first(_FILE_COLUMNS, names)
    time_column = _first(_TIME_COLUMNS, names)
    if not {'latitude_deg', 'longitude_deg'} <= where.keys() or not (file_column or time_column):
        raise GeotagError(
            source,
            'the header line',
            header.strip()[:200],
            'columns for latitude and longitude (lat_deg, lon_deg) and for the file name (file) '
            'or the time (datetime)',
            'Rename the columns.',
        )
    by_file: dict[str, Geotag] = {}
    samples: list[Geotag] = []
    for line, row in enumerate(rows, 2):
        if not any(x.strip() for x in row):
            continue
        place = f'{source}, line {line}'
        if len(row) != len(names):
            raise GeotagError(
                place, 'the number of columns', len(row), str(len(names)), 'Correct the line.'
            )
        values = {
            x: number
            for x, column in where.items()
            if (number := parse_number(place, x, names[column], row[column])) is not None
        }
        stamp = None
        if time_column:
            stamp = parse_time(place, time_column, row[names.index(time_column)])
        tag = Geotag.from_values(values, stamp_ns=stamp)
        if file_column:
            name = row[names.index(file_column)].strip()
            if not name or name.lower() in by_file:
                raise GeotagError(
                    place, file_column, name, 'a file name, once each', 'Remove the line.'
                )
            by_file[name.lower()] = tag
        elif stamp is not None:
            samples.append(tag)
    owned = frozenset({*where, *(('stamp_ns',) if time_column else ())})
    if not by_file and not samples:
        raise GeotagError(source, 'the table', 'no rows', 'at least one row', 'Export it again.')
    samples.sort(key=lambda x: x.stamp_ns or 0)
    return Track(source, by_file, tuple(samples), owned)


def _first(candidates: Sequence[str], names: Sequence[str]) -> str:
    """Return the first candidate that is a column, or an empty string."""
    return next((x for x in candidates if x in names), '')
