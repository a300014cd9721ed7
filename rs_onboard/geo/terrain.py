# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The relief of the ground: a grid of heights, and where rays meet it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.hits import GroundHits
from rs_onboard.geo.wgs84 import radii_at

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Nothing is looked for further away: the camera sees no detail there, and the ground curves away by
# 8 m, which is left out of account.
MAX_RANGE_M = 10_000.0

# A ray moves on by this share of a cell at least, so that it ends; a corner that reaches less far
# into its way may be passed through.
LEAST_STEP = 0.1
MAX_STEPS = 20_000
# Halvings of the last step: from ten metres to a hundredth of a micrometre.
HALVINGS = 30


class _Place(NamedTuple):
    """The camera over the grid.

    Attributes:
        column: Its column, whole numbers at the centres of cells.
        row: Its row.
        columns_per_m: Columns a metre to the east.
        rows_per_m: Rows a metre to the north.
        altitude: Of the camera above the zero of the model [m].
    """

    column: float
    row: float
    columns_per_m: float
    rows_per_m: float
    altitude: float


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights of the ground at the centres of the cells of a grid, linear in between.

    Attributes:
        name: For messages.
        heights: (H, W) float32, rows from the north, height above the zero of the model [m]; NaN
            where nobody knows it.
        west: Longitude of the centre of the first column [deg].
        north: Latitude of the centre of the first row [deg].
        step_deg: Longitude a column and latitude a row [deg], both positive.
        zero_m: Height of the zero of the model above that of the fix [m].
        sigma_m: Standard deviation of the heights [m].
    """

    name: str
    heights: NDArray[np.float32]
    west: float
    north: float
    step_deg: tuple[float, float]
    zero_m: float = 0.0
    sigma_m: float = 0.0

    def below(self, latitude_deg: float, longitude_deg: float, altitude_m: float) -> float:
        """Return the height of a place above the terrain [m]; NaN where that is not known."""
        place = self._place(latitude_deg, longitude_deg, altitude_m)
        ground = float(self._at(np.array([place.column]), np.array([place.row]))[0])
        return place.altitude - ground

    def meet(
        self,
        rays: NDArray[np.float64],
        latitude_deg: float,
        longitude_deg: float,
        altitude_m: float,
    ) -> GroundHits:
        """Let rays (N, 3) float64, directions in ENU, meet the terrain for the first time.

        A ray goes as far as the steepest slope of the terrain lets it be sure to hit nothing, or by
        a tenth of a cell, until it is below ground; the last step is then halved. One that passes
        over unknown ground, lower than the highest, may have hit something there: it meets nothing.
        """
        place = self._place(latitude_deg, longitude_deg, altitude_m)
        low, high = self._bracket(rays, place)
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            below = self._gap(rays, middle, place) <= 0.0
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        points = rays * high[:, np.newaxis]
        return GroundHits(rays, points, self._normals(points, place)).without_grazing()

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        """Lowest and highest of all heights."""
        return float(np.nanmin(self.heights)), float(np.nanmax(self.heights))

    @cached_property
    def _steepest(self) -> tuple[float, float]:
        """The greatest difference of neighbours in a row, and in a column [m]."""
        steps = [np.abs(np.diff(self.heights, axis=axis)) for axis in (1, 0)]
        east, north = (float(np.nan_to_num(step).max(initial=0.0)) for step in steps)
        return east, north

    def _place(self, latitude_deg: float, longitude_deg: float, altitude_m: float) -> _Place:
        east, north = radii_at(latitude_deg).tolist()
        turn = (longitude_deg - self.west + 180.0) % 360.0 - 180.0
        return _Place(
            column=turn / self.step_deg[0],
            row=(self.north - latitude_deg) / self.step_deg[1],
            columns_per_m=float(np.degrees(1.0 / east)) / self.step_deg[0],
            rows_per_m=float(np.degrees(1.0 / north)) / self.step_deg[1],
            altitude=altitude_m - self.zero_m,
        )

    def _bracket(
        self, rays: NDArray[np.float64], place: _Place
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the last length of each ray above ground and the first below it, else NaN."""
        lowest, highest = self._extremes
        level, down = np.linalg.norm(rays[:, :2], axis=1), -rays[:, 2]
        cell = min(1.0 / place.columns_per_m, 1.0 / place.rows_per_m)
        slope = float(
            np.hypot(self._steepest[0] * place.columns_per_m, self._steepest[1] * place.rows_per_m)
        )
        with np.errstate(divide='ignore', invalid='ignore'):
            end = MAX_RANGE_M / np.linalg.norm(rays, axis=1)
            # A little further, so that the deepest valley is below the end.
            end = np.where(down > 0.0, np.minimum(end, (place.altitude - lowest + 1.0) / down), end)
            # From a little above the highest ground, since a start below ground meets nothing.
            start = np.maximum(0.0, (place.altitude - highest - 1.0) / down)
            start[down <= 0.0] = 0.0
            closing = down + slope * level
            least = LEAST_STEP * cell / level
        low, high, here = start.copy(), np.full(len(rays), np.nan), start.copy()
        going = np.flatnonzero(start < end)
        if place.altitude > highest:
            going = going[down[going] > 0.0]
        for _ in range(MAX_STEPS):
            if not len(going):
                break
            gap = self._gap(rays[going], here[going], place)
            below = gap <= 0.0
            high[going[below]] = here[going[below]]
            beyond = here[going] >= end[going]
            low[going[gap > 0.0]] = here[going[gap > 0.0]]
            stay = (gap > 0.0) & ~beyond
            going, gap = going[stay], gap[stay]
            with np.errstate(divide='ignore'):
                sure = np.where(closing[going] > 0.0, gap / closing[going], np.inf)
            step = np.maximum(sure, np.where(level[going] > 0.0, least[going], 0.0))
            # Straight down, the way to the ground is the gap; a little more is below it.
            step = np.maximum(step, 1e-3)
            here[going] = np.minimum(here[going] + step, end[going])
        # One that starts below ground has not met it.
        high[high <= start] = np.nan
        return low, high

    def _gap(
        self, rays: NDArray[np.float64], lengths: NDArray[np.float64], place: _Place
    ) -> NDArray[np.float64]:
        """Return how high above the ground the ends of rays are, (N,) float64 [m], or NaN."""
        columns = place.column + rays[:, 0] * lengths * place.columns_per_m
        rows = place.row - rays[:, 1] * lengths * place.rows_per_m
        return place.altitude + rays[:, 2] * lengths - self._at(columns, rows)

    def _at(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the heights (N,) float64 at places of the grid, NaN beyond it."""
        (a, b, c, d), x, y = self._cells(columns, rows)
        return np.asarray(a + (b - a) * x + (c - a) * y + (a - b - c + d) * x * y)

    def _cells(
        self, columns: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64], NDArray[np.float64]]:
        """Return the four heights around places of the grid, and where the places are between."""
        height, width = self.heights.shape
        with np.errstate(invalid='ignore'):
            inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
        left = np.where(inside, columns, 0.0).astype(np.int64).clip(0, width - 2)
        top = np.where(inside, rows, 0.0).astype(np.int64).clip(0, height - 2)
        corners = tuple(
            np.where(inside, self.heights[top + i, left + j], np.nan).astype(np.float64)
            for i in (0, 1)
            for j in (0, 1)
        )
        return corners, columns - left, rows - top

    def _normals(self, points: NDArray[np.float64], place: _Place) -> NDArray[np.float64]:
        """Return the upward normals (N, 3) float64 of the ground at points (N, 3)."""
        columns = place.column + points[:, 0] * place.columns_per_m
        rows = place.row - points[:, 1] * place.rows_per_m
        (a, b, c, d), x, y = self._cells(columns, rows)
        east = (b - a + (a - b - c + d) * y) * place.columns_per_m
        north = -(c - a + (a - b - c + d) * x) * place.rows_per_m
        normals = np.stack([-east, -north, np.ones(len(points))], axis=1)
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))
