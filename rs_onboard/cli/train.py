# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `rs_onboard train`: train a network by a recipe (ground)."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Train a network by a recipe. The whole data set is read and checked first; exit status 2 lists what
is wrong by file name. The same command resumes a run that was broken off. `rs_onboard publish`
makes a model folder of the result."""

INTERRUPTED = 130


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `train` command to those of `rs_onboard`."""
    parser = subparsers.add_parser(
        'train', help='train a network by a recipe (ground)', description=DESCRIPTION
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
        help='best.pt of a run to learn from, where the recipe distils; may be repeated',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N; default: %(default)s')
    parser.add_argument(
        '--precision',
        choices=('float32', 'bfloat16', 'float16'),
        default='float32',
        help='of convolutions and products, by autocast; default: %(default)s',
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument('--minutes', type=float, help='time the run may take')
    limit.add_argument('--stop-at', metavar='HH:MM', help='local time at which the run ends')


def seconds_left(minutes: float | None, stop_at: str | None) -> float | None:
    """Turn the time limit into seconds from now.

    Raises:
        ValueError: The limit is no time of day or not positive.
    """
    if minutes is not None:
        if not minutes > 0:
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


def run(args: argparse.Namespace) -> int:
    """Train and say what was reached."""
    from rs_onboard.training.data.load import load_for  # noqa: PLC0415
    from rs_onboard.training.progress import ProgressLine  # noqa: PLC0415
    from rs_onboard.training.recipe import find_recipe, load_recipe  # noqa: PLC0415

    seconds = seconds_left(args.minutes, args.stop_at)
    recipe = load_recipe(find_recipe(args.recipe))
    data = load_for(recipe, args.data)
    # The catalogue comes first: it says what to install where torch is missing.
    from rs_onboard.zoo import catalogue  # noqa: F401, I001, PLC0415
    from rs_onboard.training.device import Device  # noqa: PLC0415
    from rs_onboard.training.trainer import Trainer  # noqa: PLC0415

    device = Device(args.device, args.precision)
    device.check()
    line = ProgressLine(sys.stderr)
    try:
        trainer = Trainer(
            recipe,
            data,
            args.out,
            seconds=seconds,
            teachers=args.teacher,
            device=device,
            report=line.report,
            progress=line.show,
        )
        if args.weights and not trainer.state.epoch:
            trainer.start_from(args.weights)
        state = trainer.run()
    except KeyboardInterrupt:
        print(f'stopped; resume with the same command ({args.out})', file=sys.stderr)
        return INTERRUPTED
    print(
        f'best validation figure {state.best:.4f} at epoch {state.best_epoch} of {state.epoch}: '
        f'{args.out / "best.pt"}'
    )
    return 0
