# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Remember which stages of the set-up are done, and for which inputs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def digest_of(facts: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Condense what a stage depends on.

    Args:
        facts: Strings, in a fixed order.
        files: Files whose names and contents count, in any order.

    Returns:
        A hexadecimal SHA-256.
    """
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b'\0')
    for path in sorted(files):
        digest.update(path.as_posix().encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()


class Stages:
    """Digests of the finished stages, kept in a file inside the environment.

    A stage is recorded only after it ended well, so that an interrupted one is done again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_done(self, stage: str, digest: str) -> bool:
        """Tell whether a stage was finished with exactly these inputs."""
        return self._read().get(stage) == digest

    def record(self, stage: str, digest: str) -> None:
        """Write down that a stage is finished."""
        done = {**self._read(), stage: digest}
        scratch = self.path.with_suffix('.new')
        scratch.write_text(json.dumps(done, indent=2), encoding='utf-8')
        scratch.replace(self.path)

    def _read(self) -> dict[str, str]:
        try:
            done = json.loads(self.path.read_text(encoding='utf-8'))
        except (FileNotFoundError, ValueError):
            return {}
        return done if isinstance(done, dict) else {}
