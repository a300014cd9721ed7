# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `rs_onboard evaluate`: figures of a model folder on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rs_onboard.inference.model import Model
    from rs_onboard.training.evaluation.reading import LabelledImages
    from rs_onboard.training.evaluation.summary import Evaluation

DESCRIPTION = """\
Measure a model folder on labelled images: the exported graph runs through the flight code, tiling
included. The layout of DATA follows from the task of the model: class folders (scene), images/ and
labels/ of index masks (segmentation), A/, B/ and label/ (change), images/ and labels_obb_dota/
(detection), with splits/SPLIT.txt or without. Everything is read and checked before anything is
measured; exit status 2 lists what is wrong by file name."""

PICTURE_HEIGHT = 360


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `evaluate` command to those of `rs_onboard`."""
    parser = subparsers.add_parser(
        'evaluate', help='measure a model folder on labelled images', description=DESCRIPTION
    )
    parser.add_argument('model', type=Path, metavar='MODEL_FOLDER')
    parser.add_argument('data', type=Path, metavar='DATA', help='folder of the data set')
    parser.add_argument('--split', default='test', metavar='NAME', help='default: %(default)s')
    parser.add_argument('--variant', default='fp32', choices=('fp32', 'fp16', 'int8'))
    parser.add_argument(
        '--gsd',
        type=float,
        metavar='M',
        help='ground sample distance of the images [m/px]: they are resampled to that of the card, '
        'as in flight; default: image scale',
    )
    parser.add_argument(
        '--side',
        type=int,
        metavar='PX',
        help='resize scenes to squares of this side, 0 to keep their size; default: to a tile of '
        'the model, or with --gsd to the scale of its card',
    )
    parser.add_argument(
        '--known-only',
        action='store_true',
        help='leave out classes that the model does not know instead of counting them as wrong',
    )
    parser.add_argument(
        '--ignore',
        action='append',
        default=[],
        metavar='CLASS',
        help='class of the data that has no say, besides those named unlabeled, ignore or void',
    )
    parser.add_argument('--json', metavar='FILE', help='also write the report as JSON; - prints it')
    parser.add_argument(
        '--worst', type=int, default=10, metavar='N', help='images to list; default: %(default)s'
    )
    parser.add_argument(
        '--pictures', type=Path, metavar='DIR', help='draw the listed images into this folder'
    )
    parser.add_argument(
        '--fly',
        action='store_true',
        help='change detection: lay the pairs out as ground and fly over it with a simulated '
        'camera, wrong poses, changing light and blur; needs --gsd',
    )
    parser.add_argument(
        '--pairs', type=int, default=0, metavar='N', help='with --fly: pairs to take; default: all'
    )
    parser.add_argument(
        '--frames', type=int, default=0, metavar='N', help='with --fly: frames; default: all'
    )
    parser.add_argument('--seed', type=int, default=0, help='with --fly; default: %(default)s')
    parser.add_argument('--provider', default='cpu', metavar='NAME', help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, metavar='N', help='default: all but one')


def run(args: argparse.Namespace) -> int:
    """Measure and report."""
    if args.gsd is not None and not 0.001 <= args.gsd <= 1000:
        raise ValueError(f'--gsd: found {args.gsd:g}; expected 0.001 to 1000 m/px.')
    if args.worst < 0 or args.threads < 0 or (args.side or 0) < 0:
        raise ValueError('--worst, --threads and --side: expected whole numbers from 0.')
    # Imported late: `--help` can do without OpenCV and ONNX Runtime.
    from rs_onboard.inference.card import load_card  # noqa: PLC0415
    from rs_onboard.inference.model import load_model  # noqa: PLC0415
    from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: PLC0415
    from rs_onboard.training.evaluation.layout import list_items  # noqa: PLC0415
    from rs_onboard.training.evaluation.measure import evaluate  # noqa: PLC0415
    from rs_onboard.training.evaluation.reading import LabelledImages, Options  # noqa: PLC0415
    from rs_onboard.training.evaluation.report import Report  # noqa: PLC0415

    task = load_card(args.model).task
    settings = RuntimeSettings(provider=args.provider, threads=args.threads)
    model = load_model(args.model, task=task, variant=args.variant, settings=settings)
    listing = list_items(args.data, task, args.split)
    # A known scale leaves nothing to be guessed about the size.
    side = 0 if args.side is None and args.gsd else args.side
    images = LabelledImages(listing, model.card, Options(args.ignore, args.known_only, side))
    if args.fly:
        return fly(args, model, images)
    evaluation = evaluate(model, images, classes=images.matching.classes, gsd_m=args.gsd)
    report = Report(
        model=model,
        folder=args.data,
        split=args.split,
        digest=listing.digest,
        gsd_m=args.gsd,
        notes=(*listing.notes, *images.notes),
        evaluation=evaluation,
        worst=args.worst,
    )
    if args.json != '-':
        print('\n'.join(report.lines()))
    if args.json:
        write_json(args.json, report.as_dict())
    if args.pictures:
        draw_worst(args, model, images, evaluation)
    return 0


def fly(args: argparse.Namespace, model: Model, images: LabelledImages) -> int:
    """Measure a change model on a simulated flight, and report."""
    from rs_onboard.training.evaluation.flown import (  # noqa: PLC0415
        fly_over,
        lay_out,
        summary_lines,
    )
    from rs_onboard.training.evaluation.simulated_flight import Disturbance  # noqa: PLC0415

    if model.card.task != 'change' or not args.gsd:
        raise ValueError(
            f'--fly: found a model for {model.card.task} and --gsd {args.gsd}; expected one for '
            'change, and the ground sample distance of the pairs [m/px].'
        )
    sheet = lay_out(images, args.gsd, most=args.pairs)
    disturbance = Disturbance()
    score = fly_over(sheet, model, disturbance, frames=args.frames, seed=args.seed)
    record = {
        'model': model.card.name,
        'sha256': model.variant.sha256,
        'variant': args.variant,
        'disturbance': vars(disturbance),
        **score.record(),
    }
    if args.json != '-':
        print('\n'.join(summary_lines(score)))
    if args.json:
        write_json(args.json, record)
    return 0


def write_json(target: str, report: Mapping[str, object]) -> None:
    """Write a report to a file, or print it for `-`."""
    text = json.dumps(report, indent=1, allow_nan=False)
    if target == '-':
        print(text)
    else:
        Path(target).write_text(text + '\n', encoding='utf-8')


def draw_worst(
    args: argparse.Namespace, model: Model, images: LabelledImages, evaluation: Evaluation
) -> None:
    """Draw the worst answers beside the truth, worst first."""
    from rs_onboard.perception.results import palette  # noqa: PLC0415
    from rs_onboard.training.evaluation.measure import Runner  # noqa: PLC0415
    from rs_onboard.training.evaluation.pictures import draw_failure, write_jpeg  # noqa: PLC0415

    args.pictures.mkdir(parents=True, exist_ok=True)
    runner = Runner(model, gsd_m=args.gsd)
    for rank, score in enumerate(evaluation.worst[: args.worst], 1):
        sample = images.sample(score.name)
        picture = draw_failure(
            sample, runner.run(sample), score, palette(model.card), height=PICTURE_HEIGHT
        )
        flat = score.name.replace('/', '_')
        write_jpeg(args.pictures / f'{rank:03}_{flat}.jpg', picture)
