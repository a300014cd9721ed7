# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a source of images is, when no camera driver publishes them.

Every source has the same few members, blocks only in calls that time out, and says in its value
whether a read gave an image, the end or a failure. Threads, pacing and re-opening are the
Grabber's business (capture.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rs_onboard.perception.errors import SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Shot(NamedTuple):
    """One image: (H, W, 3) uint8 RGB, and how long before the read returned it was taken [ns].

    The age is 0 where the backend does not tell.
    """

    image: NDArray[np.uint8]
    age_ns: int = 0


class End(NamedTuple):
    """The source is finished; reading again would give nothing."""

    reason: str


class Failure(NamedTuple):
    """A read that gave no image though there should be one: the source wants to be re-opened."""

    reason: str


Reading = Shot | End | Failure


class Source(Protocol):
    """Something that images are read from.

    Attributes:
        name: What to call it in messages; without passwords.
        live: Whether it runs at its own pace and can freeze, as cameras do.
        period_s: Time between images that the reader keeps, None where the source itself paces.
        skipped: Images passed over because they could not be read.
    """

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def live(self) -> bool:
        """See the class."""

    @property
    def period_s(self) -> float | None:
        """See the class."""

    @property
    def skipped(self) -> int:
        """See the class."""

    def open(self) -> None:
        """Open it, or do nothing where it is open. Raises SourceError."""

    def read(self) -> Reading:
        """Read the next image."""

    def close(self) -> None:
        """Close it, or do nothing where it is closed."""


@dataclass(frozen=True)
class SourceOptions:
    """How a source is read; what does not apply to a kind is not looked at.

    Attributes:
        rate_hz: Images a second; 0 is the source's own (videos: as recorded; folders: 1 a second;
            devices: the driver's choice), infinite is as fast as it goes (videos and folders).
        loop: Begin again at the end of a video or folder.
        width: Image width asked of a device [px], 0 leaves it.
        height: Image height asked of a device [px], 0 leaves it.
        fourcc: Pixel format asked of a device; 'MJPG' is what USB cameras need for full rate.
        timeout_s: Time that opening or reading a stream may take [s].
    """

    rate_hz: float = 0.0
    loop: bool = False
    width: int = 0
    height: int = 0
    fourcc: str = ''
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Check the values. Raises SourceError."""
        for name, ok, allowed in (
            ('rate_hz', self.rate_hz >= 0, '0 (its own) or more'),
            ('width', self.width >= 0, '0 (its own) or more'),
            ('height', self.height >= 0, '0 (its own) or more'),
            ('fourcc', len(self.fourcc) in {0, 4}, 'empty or four characters such as MJPG'),
            ('timeout_s', 0 < self.timeout_s < math.inf, 'above 0'),
        ):
            if not ok:
                raise SourceError(f'{name}: {getattr(self, name)!r}, must be {allowed}')
