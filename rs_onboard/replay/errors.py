# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of bags and geotagged images."""

from __future__ import annotations


class GeotagError(ValueError):
    """A geotag in an image or a track is malformed or out of range."""

    def __init__(
        self, source: str, field: str, found: object, allowed: str, next_step: str
    ) -> None:
        """Compose the message: where, which field, what was found, what is allowed, next step."""
        super().__init__(f'{source}: {field} is {found!r}; allowed: {allowed}. {next_step}')
        self.source = source
        self.field = field


class FlightImagesError(ValueError):
    """A folder of images cannot become a bag."""


class CalibrationError(ValueError):
    """The intrinsics of the camera are missing or contradict the images."""


class BagError(ValueError):
    """A bag cannot be opened or written."""


class MissingTopicError(BagError, LookupError):
    """A bag does not hold a topic that is needed."""


class UnknownTypeError(BagError, LookupError):
    """The definition of a message type is neither in the bag nor among the known ones."""


class CorruptBagError(BagError, EOFError):
    """A bag is truncated or damaged; everything readable before the damage has been yielded."""


class RunError(ValueError):
    """A flight cannot be run through the graph."""
