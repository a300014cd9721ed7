# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation of nadir images: no direction is up, and light, haze and compression vary."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.training.data.sample import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.training.recipe import AugmentRecipe

    Image = NDArray[np.uint8]

HAZE_COLOUR = 225.0


@dataclass(frozen=True)
class Window:
    """A square part of an image, in any direction.

    Attributes:
        x: Column of its centre [px].
        y: Row of its centre [px].
        side: Length of a side [px].
        angle: Rotation against the image [rad].
        turns: Quarter turns of what was cut.
        flip: Whether it is mirrored after that.
    """

    x: float
    y: float
    side: float
    angle: float
    turns: int
    flip: bool

    @classmethod
    def draw(
        cls,
        height: int,
        width: int,
        size: int,
        recipe: AugmentRecipe,
        rng: np.random.Generator,
        point: tuple[float, float] | None = None,
    ) -> Window:
        """Choose a window of an image (height, width) for a tile of `size`.

        It holds `point` (x, y) where one is given and the image is large enough.
        """
        base = min(height, width) if recipe.base == 'image' else size
        side = math.exp(rng.uniform(math.log(recipe.low), math.log(recipe.high))) * base
        angle = rng.uniform(-math.pi, math.pi) if rng.random() < recipe.rotate else 0.0
        # A window that leaves the image in one direction is centred, so that mirrors stay small.
        reach = side / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))
        reach = min(reach, side * 0.6)
        centre = []
        for index, length in enumerate((width, height)):
            low, high = min(reach, length / 2), max(length - reach, length / 2)
            if point:
                near = point[index] - 0.4 * side, point[index] + 0.4 * side
                low, high = (float(np.clip(v, low, high)) for v in near)
            centre.append(rng.uniform(low, high))
        turns, flip = int(rng.integers(4)), rng.random() < 0.5
        return cls(centre[0], centre[1], side, angle, turns, flip)

    def moved(self, x: float, y: float, angle: float, scale: float) -> Window:
        """Misplace the window by (x, y) px of the image, a rotation [rad] and a factor."""
        return replace(
            self,
            x=self.x + x,
            y=self.y + y,
            side=self.side * scale,
            angle=self.angle + angle,
        )

    def cut(self, image: Image, size: int) -> Image:
        """Cut from (H, W, 3) and resize to (size, size, 3); beyond the border it is mirrored."""
        method = cv2.INTER_AREA if self._pixels() > size else cv2.INTER_LINEAR
        return self._warped(image, size, cv2.INTER_LINEAR, method, cv2.BORDER_REFLECT_101)

    def cut_mask(self, mask: Image, size: int) -> Image:
        """Cut from (H, W) and resize to (size, size); beyond the border it is ignored."""
        nearest = cv2.INTER_NEAREST
        return self._warped(mask, size, nearest, nearest, cv2.BORDER_CONSTANT)

    def _warped(self, image: Image, size: int, cut_by: int, resize_by: int, border: int) -> Image:
        pixels, inverse = self._grid()
        cut = cv2.warpAffine(
            image,
            inverse,
            (pixels, pixels),
            flags=cv2.WARP_INVERSE_MAP | cut_by,
            borderMode=border,
            borderValue=(IGNORE,),
        )
        cut = cv2.resize(cut, (size, size), interpolation=resize_by)
        return orient(np.asarray(cut, np.uint8), self.turns, flip=self.flip)

    def move(self, points: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """Bring points (N, 2) x, y [px, centres at whole numbers] of the image into the tile."""
        pixels, inverse = self._grid()
        forward = np.linalg.inv(np.vstack([inverse, (0.0, 0.0, 1.0)]))
        cut = points @ forward[:2, :2].T + forward[:2, 2]
        x, y = ((cut + 0.5) * size / pixels - 0.5).T
        for _ in range(self.turns):
            x, y = y, size - 1 - x
        return np.stack([size - 1 - x if self.flip else x, y], axis=1)

    def _pixels(self) -> int:
        """Give the side in whole pixels."""
        return max(round(self.side), 1)

    def _grid(self) -> tuple[int, NDArray[np.float64]]:
        """Give the side in whole pixels and the matrix from those to the image."""
        pixels = self._pixels()
        step = self.side / pixels
        cos, sin = math.cos(self.angle) * step, math.sin(self.angle) * step
        half = (pixels - 1) / 2
        inverse = np.array(
            [
                [cos, -sin, self.x - 0.5 - cos * half + sin * half],
                [sin, cos, self.y - 0.5 - sin * half - cos * half],
            ]
        )
        return pixels, inverse


def orient(array: Image, turns: int, *, flip: bool) -> Image:
    """Turn by quarter turns and mirror."""
    turned = np.rot90(array, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)


@dataclass(frozen=True)
class Tone:
    """Colour statistics of an image.

    Attributes:
        mean: (3,) mean of each band, 0 to 255.
        spread: (3,) standard deviation of each band.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, image: Image) -> Tone:
        """Measure an image (H, W, 3)."""
        return cls(image.mean((0, 1)), image.std((0, 1)) + 1.0)


def retone(image: Image, own: Tone, other: Tone, share: float) -> Image:
    """Move the colour statistics `own` of the image a share of the way to `other`."""
    mean = own.mean + share * (other.mean - own.mean)
    spread = own.spread * np.power(other.spread / own.spread, share)
    levels = np.arange(256, dtype=np.float64)[:, None]
    table = (levels - own.mean) / own.spread * spread + mean
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)), np.uint8)


def recolour(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Vary brightness, contrast, gamma, colour cast and saturation."""
    levels = np.arange(256, dtype=np.float64) / 255
    gain = 1 + strength * rng.uniform(-1, 1)
    offset = 0.5 * strength * rng.uniform(-1, 1)
    gamma = math.exp(strength * rng.uniform(-1, 1))
    cast = 1 + 0.4 * strength * rng.uniform(-1, 1, 3)
    curve = (np.power(levels, gamma) - 0.5)[:, None] * gain + 0.5 + offset
    table = np.clip(curve * cast * 255, 0, 255).astype(np.uint8)
    out = cv2.LUT(image, table.reshape(256, 1, 3))
    grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    saturation = 1 + 1.5 * strength * rng.uniform(-1, 1)
    return np.asarray(cv2.addWeighted(out, saturation, grey, 1 - saturation, 0), np.uint8)


def blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur as out of focus, or along a line as by motion."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    length = int(rng.integers(3, 8))
    angle = rng.uniform(0, math.pi)
    kernel = np.zeros((length, length), np.float32)
    centre = (length - 1) / 2
    dx, dy = math.cos(angle) * centre, math.sin(angle) * centre
    start = (round(centre - dx), round(centre - dy))
    end = (round(centre + dx), round(centre + dy))
    cv2.line(kernel, start, end, (1.0,))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def haze(image: Image, rng: np.random.Generator) -> Image:
    """Blend with bright air, thicker towards one side."""
    height, width = image.shape[:2]
    ends = rng.uniform(0.0, 0.45, 2)
    density = np.linspace(ends[0], ends[1], width)[None, :, None]
    if rng.random() < 0.5:
        density = np.linspace(ends[0], ends[1], height)[:, None, None]
    return np.asarray(image * (1 - density) + HAZE_COLOUR * density, np.uint8)


def compress(image: Image, rng: np.random.Generator) -> Image:
    """Pass through JPEG."""
    quality = int(rng.integers(30, 95))
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def degrade(
    image: Image,
    recipe: AugmentRecipe,
    rng: np.random.Generator,
    tones: tuple[Tone, Tone] | None = None,
) -> Image:
    """Vary what light, air and camera do to an image (H, W, 3).

    `tones` are those of the whole image and of another one, which it may take on.
    """
    if tones and rng.random() < recipe.tone:
        image = retone(image, *tones, share=rng.uniform(0.3, 1.0))
    if recipe.colour and rng.random() < 0.8:
        image = recolour(image, recipe.colour, rng)
    if rng.random() < recipe.blur:
        image = blur(image, rng)
    if rng.random() < recipe.haze:
        image = haze(image, rng)
    if rng.random() < recipe.jpeg:
        image = compress(image, rng)
    return image


def augment(
    image: Image,
    mask: Image | None,
    size: int,
    recipe: AugmentRecipe,
    rng: np.random.Generator,
    tones: tuple[Tone, Tone] | None = None,
) -> tuple[Image, Image | None]:
    """Make a sample of (size, size) from an image (H, W, 3) and its mask (H, W), if any."""
    place = Window.draw(image.shape[0], image.shape[1], size, recipe, rng)
    cut = degrade(place.cut(image, size), recipe, rng, tones)
    return cut, None if mask is None else place.cut_mask(mask, size)
