# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of training."""

from __future__ import annotations

from rs_onboard.inference.errors import FieldError

SHOWN_PROBLEMS = 20


class RecipeError(FieldError):
    """A recipe with a field that is missing, unknown or wrong."""


class DataError(ValueError):
    """A data set that cannot be trained on; every problem names its file."""

    def __init__(self, where: str, problems: list[str]) -> None:
        self.problems = tuple(problems)
        count = '1 problem' if len(problems) == 1 else f'{len(problems)} problems'
        lines = [f'{where}: {count}, found before anything ran:', *problems]
        if len(problems) > SHOWN_PROBLEMS:
            hidden = len(problems) - SHOWN_PROBLEMS
            lines = [*lines[: SHOWN_PROBLEMS + 1], f'... and {hidden} more']
        super().__init__('\n  '.join([*lines, 'Mend or remove these entries.']))
