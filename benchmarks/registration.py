# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Measure registration on real flights and maps: how often, how well, how fast, and never falsely.

    python benchmarks/registration.py --flight flights/brighton_beach --dates OLD.tif NEW.tif

`--flight` takes a bag: every second shot becomes a map, on which the others are registered.
`--dates` takes two orthophotos of one place: a simulated camera flies over the later one, the
earlier is the map. `--photographs` takes a folder of images with telemetry.csv, map.json,
map_tiles.csv and derived_registration.csv, a flight over a satellite map whose offset is known.
Frames are also laid on views of other places, where nothing may fit. Times are of the processor,
one thread, for a frame of 1920 pixels a row: reduced, map seen, registered.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.correlation import project
from rs_onboard.geo.errors import MapError, RegistrationError
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.position import Uncertainty, position_from
from rs_onboard.geo.reference.build import MapText, MapWriter
from rs_onboard.geo.reference.flight import survey_flight, write_flight
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.picture import PictureMap
from rs_onboard.geo.reference.survey import Survey
from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap
from rs_onboard.geo.registration import LONG_SIDE, MATCHERS, Registrar, RegistrationLimits
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset
from rs_onboard.replay.attitude import enu_from_camera

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from rs_onboard.geo.position import PositionFix

LONG_PX = 1920
REDUCED_PX = 960
ELSEWHERE = 3


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame with its pose, and the truth as far as known: a pose, or its middle on the ground."""

    name: str
    image: NDArray[np.uint8]
    camera: CameraModel
    pose: Pose
    truth: Pose | None = None
    middle: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """Frames and the map they are laid on."""

    name: str
    shots: list[Shot]
    reference: ReferenceMap
    limits: RegistrationLimits = dataclasses.field(default_factory=RegistrationLimits)
    known: Uncertainty = dataclasses.field(default_factory=Uncertainty)


def of_photographs(folder: Path) -> Case:
    """Read photographs over a satellite map, with the offset that others found by correlation."""
    about = json.loads((folder / 'map.json').read_text())
    width, height = about['valid_map_size_px']
    sheet = np.zeros((height + 600, width + 600, 3), np.uint8)
    for row in csv.DictReader((folder / 'map_tiles.csv').open()):
        tile = cv2.imread(str(folder / row['file']))
        x, y = int(row['x0_px']), int(row['y0_px'])
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    corners = np.array([about['corners_lon_lat'][name] for name in ('TL', 'TR', 'BR', 'BL')])
    picture = PictureMap(
        np.ascontiguousarray(sheet[:height, :width, ::-1]), corners, name='satellite'
    )
    found = {
        row['file']: row for row in csv.DictReader((folder / 'derived_registration.csv').open())
    }
    shots = []
    for row in csv.DictReader((folder / 'telemetry.csv').open()):
        if float(row['rel_alt_m']) < 50:
            continue
        image = cv2.imread(str(folder / 'images' / row['file']))[:, :, ::-1]
        high, wide = image.shape[:2]
        focal = float(row['focal35_mm']) / 43.267 * wide * 1.25
        camera = CameraModel(wide, high, focal, focal, (wide - 1) / 2, (high - 1) / 2)
        values = [float(row[name]) for name in ('lat_deg', 'lon_deg', 'alt_msl_m', 'rel_alt_m')]
        pose = Pose(0, *values, enu_from_camera(float(row['yaw_deg']), -90.0, 0.0))
        offset = [
            float(found[row['file']][f'map_centre_minus_gps_{name}_m'])
            for name in ('east', 'north')
        ]
        middle = offset_to_wgs84(np.array([offset]), values[0], values[1])[0]
        shots.append(Shot(row['file'], np.ascontiguousarray(image), camera, pose, middle=middle))
    return Case('photographs over a satellite map', shots, ReferenceMap(picture))


def of_flight(bag: Path) -> Case:
    """Make a map of every second shot of a flight; the others are laid on it."""
    from rs_onboard.cli.reference.build import takes_of  # noqa: PLC0415 needs rosbags

    takes = list(takes_of(bag, {}))
    survey = survey_flight(takes[::2], Survey(('gradient', 'sift')))
    path = Path(tempfile.mkdtemp()) / 'half.mbtiles'
    write_flight(survey, takes[::2], MapWriter(path, MapText('half')), beside=path)
    shots = [
        Shot(str(take.sequence), take.image, take.camera, take.pose)
        for take in takes[1::2]
        if take.camera is not None and take.pose is not None
    ]
    return Case('half of a flight over the other', shots, ReferenceMap(open_map(path)))


def of_dates(old: Path, new: Path) -> Case:
    """Fly over the later of two orthophotos by simulation, with the earlier as the map."""
    import rasterio  # noqa: PLC0415 not everywhere
    from rasterio.warp import transform  # noqa: PLC0415

    from rs_onboard.training.evaluation.simulated_flight import (  # noqa: PLC0415
        Disturbance,
        fly,
        lawnmower,
        survey_camera,
    )

    with rasterio.open(new) as file:
        image = np.ascontiguousarray(np.moveaxis(file.read((1, 2, 3)), 0, -1))
        left, bottom, right, top = file.bounds
        x, y = transform(
            file.crs, 'EPSG:4326', [left, right, right, left], [top, top, bottom, bottom]
        )
        gsd = abs(file.transform.a)
    ground = PictureMap(image, np.stack((x, y), axis=1), name=new.stem)
    middle = np.stack((y, x), axis=1).mean(axis=0)
    camera = survey_camera(640, 360)
    reach = 640 * gsd / 2, 360 * gsd / 2
    extent = (right - left, top - bottom)
    plan = lawnmower(extent, reach, ahead=0.8, beside=0.6)
    noise = Disturbance(position_m=3 * gsd, tilt_deg=0.7)
    shots = [
        Shot(str(one.number), one.image, one.camera, one.believed, truth=one.truth)
        for one in fly(
            ground, camera, camera.fx * gsd / 2, plan, (float(middle[0]), float(middle[1])), noise
        )
    ]
    return Case(
        'simulated flight over two dates',
        shots,
        ReferenceMap(open_map(old)),
        RegistrationLimits(shift_m=30 * gsd),
        Uncertainty(tilt_deg=0.7, yaw_deg=2.0, height=0.02, focal=0.002, map_m=gsd / 2),
    )


def registrar_for(name: str, limits: RegistrationLimits) -> Registrar:
    """Make a registrar; AKAZE is known here only, since OpenCV 5 has it no more."""
    if name != 'akaze':
        return Registrar(name, limits)  # type: ignore[arg-type]
    made = Registrar('orb', limits)
    features = made._features  # noqa: SLF001
    features._detector = cv2.AKAZE_create(threshold=5e-4)  # noqa: SLF001
    return made


def seen(shot: Shot, pose: Pose, reference: ReferenceMap, side: int) -> tuple[Any, ...]:
    """Return the frame reduced, the map as the pose predicts it, where it shows, and the scale."""
    height, width = shot.image.shape[:2]
    share = min(1.0, side / max(height, width))
    size = round(width * share), round(height * share)
    camera = shot.camera.scaled_to(*size)
    grid = GroundGrid.of(camera, pose)
    view = reference.view(grid)
    small = cv2.resize(shot.image, size, interpolation=cv2.INTER_AREA)
    assert pose.height_m is not None
    return small, view.image, view.seen, pose.height_m / camera.fx, camera


def error_m(shot: Shot, camera: CameraModel, motion: NDArray[np.float64]) -> float | None:
    """Return how far the frame lies from where it should on the ground [m]."""
    if shot.truth is None and shot.middle is None:
        return None
    middle = np.array([[(camera.width - 1) / 2, (camera.height - 1) / 2]])
    if shot.truth is not None:
        x, y = np.meshgrid(
            np.linspace(0, camera.width - 1, 7), np.linspace(0, camera.height - 1, 5)
        )
        middle = np.stack((x, y), axis=-1).reshape(-1, 2)
    places = locate(project(np.linalg.inv(motion), middle), camera, shot.pose).wgs84
    here = shot.pose.latitude_deg, shot.pose.longitude_deg
    assert places is not None
    if shot.truth is None:
        assert shot.middle is not None
        wanted = shot.middle[np.newaxis]
    else:
        truth = locate(middle, camera, shot.truth).wgs84
        assert truth is not None
        wanted = truth
    gaps = wgs84_to_offset(places, *here) - wgs84_to_offset(wanted.copy(), *here)
    return float(np.median(np.linalg.norm(gaps, axis=1)))


def elsewhere(case: Case, rng: np.random.Generator) -> Iterator[tuple[Shot, Pose]]:
    """Yield frames with poses of other places, further off than the gate lets through."""
    west, south, east, north = case.reference.info.bounds
    for shot in case.shots:
        for _ in range(20 * ELSEWHERE):
            place = rng.uniform((west, south), (east, north))
            here = wgs84_to_offset(
                place[np.newaxis].copy(), shot.pose.latitude_deg, shot.pose.longitude_deg
            )
            if float(np.linalg.norm(here)) < 3 * case.limits.shift_m:
                continue
            yield (
                shot,
                dataclasses.replace(
                    shot.pose, latitude_deg=float(place[1]), longitude_deg=float(place[0])
                ),
            )


def measure(case: Case, matcher: str) -> dict[str, Any]:
    """Register all frames of a case with one matcher."""
    registrar = registrar_for(matcher, case.limits)
    side = max(REDUCED_PX, LONG_SIDE[registrar.matcher])
    figures: dict[str, list[float]] = {
        name: [] for name in ('residual_px', 'error_m', 'position_mahalanobis2')
    }
    times, alone = [], []
    for shot in case.shots:
        if (error := error_m(shot, shot.camera, np.eye(3))) is not None:
            alone.append(error)
        scale = LONG_PX / max(shot.image.shape)
        size = round(shot.image.shape[1] * scale), round(shot.image.shape[0] * scale)
        large = dataclasses.replace(
            shot, image=cv2.resize(shot.image, size), camera=shot.camera.scaled_to(*size)
        )
        started = time.process_time()
        try:
            small, view, shown, gsd, camera = seen(large, shot.pose, case.reference, side)
            found = registrar.register(small, view, shown, gsd)
        except (MapError, RegistrationError):
            found = None
        times.append(1e3 * (time.process_time() - started))
        if found is not None:
            figures['residual_px'].append(
                found.residual_px * max(shot.image.shape) / max(small.shape)
            )
            if (error := error_m(shot, camera, found.homography)) is not None:
                figures['error_m'].append(error)
            if shot.truth is not None:
                fix = position_from(found, camera, shot.pose, case.known)
                figures['position_mahalanobis2'].append(distance(fix, shot.truth))
    tried, false = falsely(case, registrar, side)
    return {
        'case': case.name,
        'matcher': matcher,
        'frames': len(case.shots),
        'registered': len(figures['residual_px']),
        'error_m_by_pose': quantiles(alone),
        'cpu_ms': quantiles(times),
        'elsewhere': tried,
        'false': false,
        **{name: quantiles(values) for name, values in figures.items()},
    }


def distance(fix: PositionFix, truth: Pose) -> float:
    """Return the squared distance of a fix from the truth, by its covariance (chi-squared, 2)."""
    here = np.array([[fix.longitude_deg, fix.latitude_deg]])
    gap = wgs84_to_offset(here, truth.latitude_deg, truth.longitude_deg)[0]
    return float(gap @ np.linalg.inv(fix.covariance[:2, :2]) @ gap)


def falsely(case: Case, registrar: Registrar, side: int) -> tuple[int, int]:
    """Lay frames on views of other places; return how many, and how many were believed."""
    tried = false = 0
    for shot, pose in elsewhere(case, np.random.default_rng(1)):
        if tried >= ELSEWHERE * len(case.shots):
            break
        try:
            small, view, shown, gsd, _ = seen(shot, pose, case.reference, side)
            if float(shown.mean()) < 0.7:
                continue
            tried += 1
            registrar.register(small, view, shown, gsd)
            false += 1
        except (MapError, RegistrationError):
            continue
    return tried, false


def quantiles(values: list[float]) -> dict[str, float] | None:
    """Return median and 95th percentile, None of nothing."""
    if not values:
        return None
    return {
        name: round(float(np.quantile(values, q)), 2) for name, q in (('p50', 0.5), ('p95', 0.95))
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a table of Markdown."""
    heads = ('case', 'matcher', 'registered', 'residual [px] p50, p95', 'error [m] p50, p95')
    more = ('by the pose alone [m]', 'falsely elsewhere', 'CPU [ms] p50, p95')
    lines = [
        f'| {" | ".join((*heads, *more))} |',
        '|---|---|--:|--:|--:|--:|--:|--:|',
    ]

    def pair(value: dict[str, float] | None) -> str:
        return f'{value["p50"]:.3g}, {value["p95"]:.3g}' if value else '-'

    for row in rows:
        share = row['registered'] / max(1, row['frames'])
        elsewhere_text = f'{row["false"]} of {row["elsewhere"]}' if row['elsewhere'] else '-'
        lines.append(
            f'| {row["case"]} | {row["matcher"]} | {row["registered"]} of {row["frames"]} '
            f'({share:.0%}) | {pair(row["residual_px"])} | {pair(row["error_m"])} | '
            f'{pair(row["error_m_by_pose"])} | {elsewhere_text} | {pair(row["cpu_ms"])} |'
        )
    return '\n'.join(lines)


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--photographs', type=Path, metavar='FOLDER')
    parser.add_argument('--flight', type=Path, metavar='BAG')
    parser.add_argument('--dates', type=Path, nargs=2, metavar=('OLD', 'NEW'))
    parser.add_argument('--matchers', nargs='+', default=[*MATCHERS], metavar='NAME')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    makers: list[tuple[object, Callable[[], Case]]] = [
        (args.photographs, lambda: of_photographs(args.photographs)),
        (args.flight, lambda: of_flight(args.flight)),
        (args.dates, lambda: of_dates(*args.dates)),
    ]
    rows = []
    for given, make in makers:
        if given is None:
            continue
        case = make()
        for matcher in args.matchers:
            if matcher == 'akaze' and not hasattr(cv2, 'AKAZE_create'):
                continue
            rows.append(measure(case, matcher))
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if args.json:
        about = {'machine': platform.processor() or platform.machine(), 'opencv': cv2.__version__}
        args.json.write_text(json.dumps({**about, 'rows': rows}, indent=1) + '\n')


if __name__ == '__main__':
    main()
