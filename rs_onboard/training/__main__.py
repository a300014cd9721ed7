# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Command line of a training run: `python -m rs_onboard.training RECIPE --data DIR --out DIR`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from pathlib import Path

from rs_onboard.inference.errors import FieldError
from rs_onboard.training.data.load import load_for
from rs_onboard.training.errors import DataError
from rs_onboard.training.progress import ProgressLine
from rs_onboard.training.recipe import find_recipe, load_recipe
from rs_onboard.zoo.errors import TorchMissingError, ZooError


def parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(
        prog='python -m rs_onboard.training', description='Train a network by a recipe.'
    )
    parser.add_argument('recipe', help='path of a YAML recipe, or name of one of the package')
    parser.add_argument('--data', type=Path, required=True, help='folder that holds the data sets')
    parser.add_argument('--out', type=Path, required=True, help='folder of checkpoints and log')
    parser.add_argument(
        '--weights',
        type=Path,
        help='best.pt of an earlier run to start from; a shared backbone is enough',
    )
    parser.add_argument(
        '--teacher',
        type=Path,
        action='append',
        default=[],
        help='best.pt of a run to learn from, where the recipe distils (repeatable)',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N (default: cpu)')
    parser.add_argument(
        '--precision',
        choices=('float32', 'bfloat16', 'float16'),
        default='float32',
        help='of convolutions and products, by autocast (default: float32)',
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument('--minutes', type=float, help='time the run may take')
    limit.add_argument('--stop-at', metavar='HH:MM', help='local time at which the run ends')
    return parser


def seconds_left(minutes: float | None, stop_at: str | None) -> float | None:
    """Turn the time limit into seconds from now.

    Raises:
        ValueError: The limit is no time of day or not positive.
    """
    if minutes is not None:
        if minutes <= 0:
            raise ValueError(f'--minutes: found {minutes}; expected a number above 0')
        return minutes * 60
    if stop_at is None:
        return None
    now = datetime.now().astimezone()
    try:
        clock = datetime.strptime(stop_at, '%H:%M')  # noqa: DTZ007  (joined with the local date)
    except ValueError:
        raise ValueError(f'--stop-at: found {stop_at!r}; expected HH:MM') from None
    end = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    if end <= now:
        end += timedelta(days=1)
    return (end - now).total_seconds()


def main(argv: list[str] | None = None) -> int:
    """Train and say what was reached; 2 on a mistake of the user."""
    arguments = parser().parse_args(argv)
    try:
        seconds = seconds_left(arguments.minutes, arguments.stop_at)
        recipe = load_recipe(find_recipe(arguments.recipe))
        data = load_for(recipe, arguments.data)
        # The catalogue comes first: it says what to install where torch is missing.
        from rs_onboard.zoo import catalogue  # noqa: PLC0415, F401, I001
        from rs_onboard.training.device import Device  # noqa: PLC0415
        from rs_onboard.training.trainer import Trainer  # noqa: PLC0415

        device = Device(arguments.device, arguments.precision)
        device.check()
        line = ProgressLine()
        trainer = Trainer(
            recipe,
            data,
            arguments.out,
            seconds=seconds,
            teachers=arguments.teacher,
            device=device,
            report=line.report,
            progress=line.show,
        )
        if arguments.weights and not trainer.state.epoch:
            trainer.start_from(arguments.weights)
        state = trainer.run()
    except (FieldError, DataError, ZooError, TorchMissingError, ValueError) as exc:
        sys.stderr.write(f'error: {exc}\n')
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f'stopped; resume with the same command ({arguments.out})\n')
        return 130
    sys.stdout.write(
        f'best validation figure {state.best:.4f} at epoch {state.best_epoch} '
        f'of {state.epoch}: {arguments.out / "best.pt"}\n'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
