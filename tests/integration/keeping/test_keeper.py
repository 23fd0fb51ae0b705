"""The keeper: what is old or too much goes, whoever is killed or works beside it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from inspection.alerting import worker
from inspection.domain.alert import Alert
from inspection.domain.evidence import Amount, Gone, KeepClass, Limits
from inspection.domain.inspection import Verdict
from inspection.keeping.keeper import Keeper, Report
from inspection.store import alerts, evidence, growth, removals
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests.conftest import Clock
from tests.integration.keeping.conftest import PICTURE_BYTES, Build, Plant, payload

DAY_S = 86_400.0
LIMITS = Limits()


def keeper(plant: Plant, limits: Limits = LIMITS) -> Keeper:
    return Keeper(plant.database, plant.pictures, limits, clock=plant.clock, stop=threading.Event())


def names(*numbers: object) -> set[str]:
    store = PictureStore("memory://names")
    return {store.put(payload(number), "image/jpeg").sha256 for number in numbers}


def test_evidence_goes_at_its_age_and_rows_of_every_verdict_at_theirs(plant: Plant) -> None:
    plant.record(1)
    plant.record(2, verdict=Verdict.NG)
    plant.clock.advance(20 * DAY_S)
    plant.record(3)
    seen: list[Any] = []

    for days in (0, 11, 20, 320, 20):
        plant.clock.advance(days * DAY_S)
        report = keeper(plant).round()
        seen.append((plant.whole, sorted(plant.numbers), report.row_count))

    assert seen == [
        ([1, 2, 3], [1, 2, 3], 0),
        ([2, 3], [1, 2, 3], 0),
        ([2], [1, 2, 3], 0),
        ([], [3], 2),
        ([], [], 1),
    ]
    assert plant.files == set()
    assert plant.kept == Amount()


def test_file_goes_with_the_last_row_that_keeps_its_bytes(plant: Plant) -> None:
    plant.record(1, content="same")
    plant.clock.advance(20 * DAY_S)
    plant.record(2, content="same")
    files = []

    for _ in range(2):
        plant.clock.advance(16 * DAY_S)
        report = keeper(plant).round()
        files.append((plant.whole, report.file_count, plant.files))

    assert files == [([2], 0, names("same")), ([], 1, set())]


def test_budget_takes_ok_first_then_pending_then_ng(plant: Plant) -> None:
    plant.record(1, verdict=Verdict.NG)
    plant.record(2, 3, 4)
    kept = []

    for share in (3.5, 2.5, 1.5, 0.5):
        limits = Limits(budget_bytes=int(share * PICTURE_BYTES))
        report = keeper(plant, limits).round()
        kept.append((plant.whole, report.amounts[Gone.BUDGET].picture_count))

    assert kept == [([1, 3, 4], 1), ([1, 4], 1), ([1], 1), ([], 1)]
    assert plant.kept == Amount()


def test_enough_room_and_budget_take_nothing(plant: Plant) -> None:
    plant.record(1)
    plant.age()

    report = keeper(plant, Limits(budget_bytes=2 * PICTURE_BYTES)).round()

    assert report.is_empty
    assert (plant.whole, plant.files) == ([1], names(1))


def test_picture_kept_again_before_its_row_is_there_is_not_removed(plant: Plant) -> None:
    plant.record(1)
    plant.age()
    tight = keeper(plant, Limits(budget_bytes=1))

    # An inspector keeps the same bytes, and has not written the row yet.
    plant.pictures.put(payload(1), "image/jpeg")
    tight.round()
    assert plant.files == names(1)
    plant.record(2, content=1)

    plant.clock.advance(removals.GRACE.total_seconds() + 1)
    keeper(plant).round()
    assert plant.whole == [2]


def test_picture_kept_again_for_a_row_that_never_comes_goes_later(plant: Plant) -> None:
    plant.record(1)
    plant.age()
    plant.pictures.put(payload(1), "image/jpeg")
    keeper(plant, Limits(budget_bytes=1)).round()

    plant.clock.advance(removals.GRACE.total_seconds() + 1)
    report = keeper(plant).round()

    assert (report.file_count, plant.files) == (1, set())


def test_sweep_removes_what_no_row_keeps_and_nothing_else(plant: Plant) -> None:
    plant.record(1)
    plant.pictures.put(b"orphan", "image/png")
    plant.age()
    plant.pictures.put(b"young", "image/png")

    report = keeper(plant).sweep()

    assert report.file_count == 1
    assert plant.whole == [1]
    assert len(plant.files) == 2


def test_keepers_at_once_remove_everything_once(plant: Plant) -> None:
    count = 400
    plant.record(*range(1, count + 1), content="same")
    plant.clock.advance(31 * DAY_S)
    reports: list[Report] = []

    def keep() -> None:
        reports.append(keeper(plant).round())

    for days, expected in ((0, (0, count)), (400, (count, 0))):
        plant.clock.advance(days * DAY_S)
        reports.clear()
        threads = [threading.Thread(target=keep) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        amounts = sum((r.amounts.get(Gone.AGE, Amount()) for r in reports), Amount())
        assert len(reports) == 3
        assert (sum(r.row_count for r in reports), amounts.map_count) == expected
        assert plant.kept == Amount()
    with plant.database.read() as connection:
        assert evidence.gone(connection)[Gone.AGE].map_count == count
    assert (plant.numbers, plant.files) == ([], set())


def test_alert_says_what_it_said_when_its_frames_are_gone_and_ends_as_any_other(
    plant: Plant,
) -> None:
    plant.record(1, verdict=Verdict.NG)
    worker.once(plant.database, plant.clock())
    (before,) = alerts_of(plant)

    plant.clock.advance(400 * DAY_S)
    report = keeper(plant).round()
    (unresolved,) = alerts_of(plant)
    worker.once(plant.database, plant.clock())

    (resolved,) = alerts_of(plant)
    assert (report.row_count, plant.numbers) == (1, [])
    assert unresolved == before
    assert (resolved.summary, resolved.frame_count) == (before.summary, 1)
    assert resolved.resolved_at == plant.clock()


def alerts_of(plant: Plant) -> list[Alert]:
    with plant.database.read() as connection:
        return alerts.list_alerts(connection)


class KilledError(BaseException):
    """The process ends here, with nothing done afterwards."""


class Fate:
    """Counts the steps that change something, and ends the process before one of them."""

    def __init__(self) -> None:
        self.step = 0
        self.last = 0

    def __call__(self) -> None:
        self.step += 1
        if self.step == self.last:
            raise KilledError


class MortalDatabase(Database):
    """A database whose process may be killed before and after every commit."""

    fate: Fate

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            self.fate()
        self.fate()

    @contextmanager
    def write_soon(self) -> Iterator[Connection]:
        with super().write_soon() as connection:
            yield connection
            self.fate()
        self.fate()


def killed_before(function: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    def killable(path: Path, *arguments: Any) -> Any:
        if ".jpg" in path.name:
            fate()
        return function(path, *arguments)

    return killable


@pytest.fixture
def begun(build: Build, sqlite_url: str, tmp_path: Path) -> Plant:
    """A row to go, two whose evidence is to go, and two that stay; two have the same bytes."""
    plant = build(sqlite_url, tmp_path / "begun")
    plant.record(1)
    plant.clock.advance(1.5 * DAY_S)
    plant.record(2)
    plant.record(3, content="same")
    plant.clock.advance(1.2 * DAY_S)
    plant.record(4)
    plant.record(5, content="same")
    plant.database.close()
    return plant


def run_until_killed(plant: Plant, limits: Limits, url: str) -> bool:
    """Run a round in a process that may be killed; say whether it came to its end."""
    with closing(MortalDatabase.open(url)) as database:
        mortal = Keeper(database, plant.pictures, limits, clock=plant.clock, stop=threading.Event())
        try:
            mortal.round()
        except KilledError:
            return False
    return True


def test_keeper_killed_at_any_step_loses_nothing_and_leaves_nothing(
    begun: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fate, is_whole = Fate(), False
    monkeypatch.setattr(MortalDatabase, "fate", fate, raising=False)
    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, killed_before(getattr(Path, name), fate))
    limits = Limits(ok_evidence=timedelta(days=1), rows=timedelta(days=2))

    while not is_whole:
        fate.step, fate.last = 0, fate.last + 1
        folder = tmp_path / str(fate.last)
        shutil.copytree(tmp_path / "begun", folder / "pictures")
        url = f"sqlite:///{shutil.copy(tmp_path / 'inspection.sqlite', folder)}"
        plant = Plant(
            database=Database.open(url),
            pictures=PictureStore(str(folder / "pictures")),
            clock=Clock(begun.clock()),
        )
        is_whole = run_until_killed(plant, limits, url)
        step_count, fate.step = fate.last, -1_000

        # What a row keeps is there at every moment.
        assert {4, 5} <= set(plant.whole)
        assert plant.kept.picture_count == len(plant.whole)

        plant.clock.advance(removals.GRACE.total_seconds() + 1)
        keeper(plant, limits).round()

        assert (plant.whole, sorted(plant.numbers)) == ([4, 5], [2, 3, 4, 5])
        assert plant.files == names(4, "same")
        assert plant.kept.picture_count == 2
        plant.database.close()
    # Two kinds of removal, two claims, three files, and the growth: before and after each.
    assert step_count > 15


def test_growth_is_written_down_once_an_hour_whoever_is_first(plant: Plant) -> None:
    begun_at = plant.clock()
    plant.record(1)
    moments = []

    for seconds in (0.0, 60.0, 3_600.0):
        plant.clock.advance(seconds)
        keeper(plant).round()
        with plant.database.read() as connection:
            moments.append(growth.remembered(connection, plant.clock() - timedelta(seconds=90)))

    assert moments[0] is not None
    assert moments[0].added_bytes == {KeepClass.OK: plant.kept.size_bytes}
    assert (moments[0].at, moments[0].row_count) == (begun_at, 1)
    assert moments[1] in (None, moments[0]) or moments[1].at > begun_at
    assert moments[2] is not None
    assert moments[2].at == plant.clock()


@pytest.mark.timeout(30)
def test_keeper_waits_for_the_tables_and_stops_when_asked(
    tmp_path: Path, build: Build, wait_until: Callable[..., Any]
) -> None:
    url, stop = f"sqlite:///{tmp_path}/inspection.sqlite", threading.Event()
    with closing(Database.open(url)) as database:
        clock = Clock(datetime(2040, 1, 1, tzinfo=UTC))
        pictures = PictureStore(str(tmp_path / "pictures"))
        waiting = Keeper(database, pictures, LIMITS, clock=clock, stop=stop)
        thread = threading.Thread(target=waiting.run, daemon=True)
        thread.start()
        wait_until((tmp_path / "inspection.sqlite").exists)
        database.migrate()

        plant = build(url, tmp_path / "pictures")
        plant.record(1)

        wait_until(lambda: not plant.files)
        stop.set()
        thread.join(timeout=5)

    assert not thread.is_alive()
    assert plant.numbers == []
