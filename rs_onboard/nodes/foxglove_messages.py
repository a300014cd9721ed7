# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as Foxglove's own messages, where `foxglove_msgs` is installed: nothing depends on it.

Its Image panel draws annotations over any picture of the camera, its Map panel draws GeoJSON; it
knows neither vision_msgs nor GeoJSON in a string. Coordinates of annotations have their origin at
the outer corner of the first pixel, ours at its centre.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rs_onboard.nodes.exchange import Writer
from rs_onboard.nodes.image_messages import ns_to_stamp
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.draw import contrast
from rs_onboard.perception.draw_change import CANDIDATE as CANDIDATE_COLOUR
from rs_onboard.perception.draw_change import CONFIRMED as CONFIRMED_COLOUR
from rs_onboard.perception.draw_change import label_of, region_colour
from rs_onboard.perception.overlay import drawing_of
from rs_onboard.perception.results import ChangeResult, DetectionResult, SegmentationResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.lettering import Colour

ANNOTATIONS = 'foxglove/annotations'
GEOJSON = 'foxglove/geojson'

LINE_PX, FONT_PX = 2.0, 14.0
FILL = 0.12
# Pixel centres are whole numbers with us, half ones there.
HALF_PX = 0.5
# Fields are drawn in the order of their messages: more than this nobody can tell apart.
MAX_SHAPES = 500


class Shape(NamedTuple):
    """An outline with its label.

    Attributes:
        points: (K, 2) float64, x and y [px, the first pixel reaches from 0 to 1].
        colour: RGB.
        label: Empty for none.
    """

    points: NDArray[np.float64]
    colour: Colour
    label: str


def foxglove_writers() -> tuple[Writer[FrameResults], ...]:
    """Return the topics for Foxglove; none where its messages are not installed."""
    try:
        kinds: Any = importlib.import_module('foxglove_msgs.msg')
    except ImportError:
        return ()
    return (
        Writer(ANNOTATIONS, kinds.ImageAnnotations, lambda r: annotations_message(r, kinds)),
        Writer(GEOJSON, kinds.GeoJSON, lambda r: geojson_message(r, kinds)),
    )


def geojson_message(results: FrameResults, kinds: Any) -> Any:
    """Write the frame's GeoJSON for the Map panel, named and coloured as the panel wants it.

    What has no place on the ground is left out.

    Args:
        results: The results.
        kinds: The module `foxglove_msgs.msg`.
    """
    collection = results.collection
    colours = class_colours(results)
    placed = [
        {**item, 'properties': _for_map(item['properties'], colours)}
        for item in collection['features']
        if item['geometry'] is not None
    ]
    return kinds.GeoJSON(geojson=json.dumps({**collection, 'features': placed}))


def class_colours(results: FrameResults) -> dict[str, str]:
    """Return the colours of all classes by name, as CSS."""
    found: dict[str, str] = {}
    for result in results.results.values():
        if isinstance(result, DetectionResult | SegmentationResult):
            colours = result.palette.tolist()
            found |= {name: _css(rgb) for name, rgb in zip(result.classes, colours, strict=True)}
    return found


def _for_map(properties: Mapping[str, Any], colours: Mapping[str, str]) -> dict[str, Any]:
    """Return what the Map panel reads of a feature: the text on hover, and Leaflet's style."""
    kind = properties['kind']
    if kind == 'frame':
        return {'name': 'footprint', 'style': {'color': '#2c6e8f', 'weight': 1, 'fill': False}}
    if kind == 'change':
        sure = properties.get('confirmed', False)
        name = f'change {properties.get("number", "")}'.strip()
        name += f' {properties["score"]:.0%}' + ('' if sure else ', not confirmed')
        colour = _css(CONFIRMED_COLOUR if sure else CANDIDATE_COLOUR)
        return {'name': name, 'style': {'color': colour, 'weight': 2, 'fillOpacity': 0.3}}
    name = str(properties.get('class', kind))
    style = {'color': colours.get(name, '#8a8f94'), 'weight': 2, 'fillOpacity': 0.2}
    if 'score' in properties:
        name += f' {properties["score"]:.0%}'
    return {'name': name, 'style': style}


def _css(rgb: Sequence[int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*rgb)


def annotations_message(results: FrameResults, kinds: Any) -> Any:
    """Write the outlines and labels of objects and changes for the Image panel.

    Args:
        results: The results.
        kinds: The module `foxglove_msgs.msg`.
    """
    stamp = ns_to_stamp(results.header.stamp_ns)

    def colour(rgb: Colour, alpha: float = 1.0) -> Any:
        red, green, blue = (value / 255.0 for value in rgb)
        return kinds.Color(r=red, g=green, b=blue, a=alpha)

    points, texts = [], []
    for _, shape in zip(range(MAX_SHAPES), shapes_of(results), strict=False):
        places = [kinds.Point2(x=x, y=y) for x, y in shape.points.tolist()]
        points.append(
            kinds.PointsAnnotation(
                timestamp=stamp,
                type=kinds.PointsAnnotation.LINE_LOOP,
                points=places,
                outline_color=colour(shape.colour),
                fill_color=colour(shape.colour, FILL),
                thickness=LINE_PX,
            )
        )
        if shape.label:
            left, top = shape.points.min(axis=0).tolist()
            texts.append(
                kinds.TextAnnotation(
                    timestamp=stamp,
                    position=kinds.Point2(x=left, y=top),
                    text=shape.label,
                    font_size=FONT_PX,
                    text_color=colour(contrast(shape.colour)),
                    background_color=colour(shape.colour, 0.9),
                )
            )
    return kinds.ImageAnnotations(points=points, texts=texts)


def shapes_of(results: FrameResults) -> Iterator[Shape]:
    """Yield what has a place in the image: objects, best first, then changes, largest first."""
    for result in results.results.values():
        if isinstance(result, DetectionResult):
            drawing = drawing_of(result)
            quads = corners(drawing.boxes) + HALF_PX
            for quad, rgb, label in zip(
                quads, drawing.colours.tolist(), drawing.labels, strict=True
            ):
                yield Shape(quad, (rgb[0], rgb[1], rgb[2]), label)
        elif isinstance(result, ChangeResult):
            for region in result.regions:
                outline = np.asarray(region.outline, np.float64)
                yield Shape(outline, region_colour(region), label_of(region))
