# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded flights as regression tests: a plugin of pytest.

`pytest --flight BAG --flight-expect FILE` replays a flight and fails where it differs from its
expectations. A file `NAME.expect.yaml` that names its bag is a test by itself. In tests of your
own, the fixture `flight` is a replayed flight: the one that the marker names, or each `--flight`.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_onboard.replay.expectations import EXPECT_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rs_onboard.cli.replay.flown_flight import FlownFlight

# Other programs may have files of this ending.
OURS = re.compile(rb'^expectations:', re.MULTILINE)
MARKER = 'flight(bag, expect=None, parameters={}): the recorded flight of the fixture `flight`'


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup('recorded flights (rs_onboard)')
    group.addoption(
        '--flight', action='append', default=[], metavar='BAG', help='replay a flight as a test'
    )
    group.addoption(
        '--flight-expect',
        action='append',
        default=[],
        metavar='FILE',
        help='expectations of the flights, in their order',
    )
    group.addoption(
        '--flight-update', action='store_true', help='rewrite golden results, compare nothing'
    )
    group.addoption('--flight-params', metavar='FILE', help='parameter file for all flights')
    group.addoption(
        '--flight-set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a parameter for all flights, such as scene.variant=int8',
    )
    group.addoption('--flight-out', metavar='DIR', help='results go here; default: in the cache')


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker, and check the options.

    Raises:
        UsageError: There are more expectations than flights.
    """
    config.addinivalue_line('markers', MARKER)
    flights, expected = (config.getoption(name) for name in ('flight', 'flight_expect'))
    if len(expected) > len(flights):
        msg = (
            f'--flight-expect: found {len(expected)} files for {len(flights)} flights; expected '
            'at most one a flight. Give --flight BAG for each.'
        )
        raise pytest.UsageError(msg)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect files of expectations that name their bag."""
    if not file_path.name.endswith(EXPECT_SUFFIX) or not OURS.search(file_path.read_bytes()):
        return None
    return FlightFile.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add a test for each `--flight`."""
    config = session.config
    expected = config.getoption('flight_expect')
    for index, bag in enumerate(config.getoption('flight')):
        file = Path(expected[index]) if index < len(expected) else None
        items.append(
            FlightItem.from_parent(session, name=f'flight[{Path(bag).stem}]', bag=bag, expect=file)
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the fixture `flight` each `--flight` where no marker names one."""
    # A suite may have a fixture of this name that is not ours; pytest has no public way to tell.
    known = metafunc.definition._fixtureinfo.name2fixturedefs.get('flight')  # noqa: SLF001
    if not known or known[-1].func.__module__ != __name__:
        return
    if metafunc.definition.get_closest_marker('flight') is not None:
        return
    config = metafunc.config
    flights, expected = (config.getoption(name) for name in ('flight', 'flight_expect'))
    cases = [
        (bag, expected[index] if index < len(expected) else None)
        for index, bag in enumerate(flights)
    ]
    metafunc.parametrize(
        'flight', cases, indirect=True, ids=[Path(bag).stem for bag, _ in cases], scope='function'
    )


@pytest.fixture
def flight(request: pytest.FixtureRequest) -> FlownFlight:
    """Return a replayed flight: facts, records, masks, and `check()` against expectations."""
    marker = request.node.get_closest_marker('flight')
    if marker is None:
        bag, expect = request.param
        found = _fly(request.config, bag, Path(expect) if expect else None, {})
    else:
        folder = request.node.path.parent
        bag = folder / _marked_bag(marker)
        expect = marker.kwargs.get('expect')
        found = _fly(
            request.config,
            bag,
            folder / expect if expect else None,
            marker.kwargs.get('parameters', {}),
        )
    request.node.user_properties.extend(found.properties())
    return found


class FlightFile(pytest.File):
    """A file of expectations."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield its flight, if it names one."""
        from rs_onboard.replay.expectations.criteria import load_criteria  # noqa: PLC0415

        criteria = load_criteria(self.path)
        if criteria.bag is not None:
            name = self.path.name.removesuffix(EXPECT_SUFFIX)
            yield FlightItem.from_parent(
                self,
                name=name,
                bag=criteria.bag,
                expect=self.path,
                parameters=criteria.parameters,
            )


class FlightItem(pytest.Item):
    """A flight that is replayed and compared."""

    def __init__(
        self,
        *,
        bag: str | Path,
        expect: Path | None,
        parameters: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._bag = Path(bag)
        self._expect = expect
        self._parameters = parameters or {}

    def runtest(self) -> None:
        """Replay and compare."""
        flown = _fly(self.config, self._bag, self._expect, self._parameters)
        self.user_properties.extend(flown.properties())
        flown.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show differences and bad input as they are, without a traceback."""
        if isinstance(excinfo.value, (AssertionError, OSError, ValueError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the test is from."""
        return self._expect or self._bag, None, self.name


def _fly(
    config: pytest.Config, bag: str | Path, expect: Path | None, parameters: Mapping[str, Any]
) -> FlownFlight:
    from rs_onboard.cli.replay.flown_flight import fly  # noqa: PLC0415  (loads the runtime)

    params = config.getoption('flight_params')
    return fly(
        Path(bag),
        _out_folder(config),
        expect,
        parameters=parameters,
        params=Path(params) if params else None,
        assignments=config.getoption('flight_set'),
        update_golden=config.getoption('flight_update'),
    )


def _out_folder(config: pytest.Config) -> Path:
    if given := config.getoption('flight_out'):
        return Path(given)
    cache = getattr(config, 'cache', None)
    if cache is None:
        # Without its cache pytest has no folder of its own outside of fixtures.
        return Path(tempfile.mkdtemp(prefix='rs_onboard-flights-'))
    return Path(cache.mkdir('rs_onboard_flights'))


def _marked_bag(marker: pytest.Mark) -> str:
    if len(marker.args) != 1:
        msg = f'marker flight: found {marker.args!r}; expected one bag: {MARKER}.'
        raise pytest.UsageError(msg)
    return str(marker.args[0])
