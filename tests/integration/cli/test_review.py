"""`inspection review`, `inspection shift` and `inspection report` as an operator uses them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from inspection.domain.inspection import Verdict
from inspection.domain.review import Decision, NewReview
from inspection.store import ledger, reviews, shifts, tables
from inspection.store.database import Database
from tests import factories
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


def record(database: Database, *scores: float) -> list[int]:
    """Record frames that were taken a moment ago; their ids."""
    now = datetime.now(UTC)
    entries = [
        factories.inspected(
            sequence_number=number,
            captured_at=now - timedelta(seconds=len(scores) - number + 1),
            score=score,
            verdict=Verdict.NG if score > 0.5 else Verdict.OK,
        )
        for number, score in enumerate(scores, start=1)
    ]
    with database.write() as connection:
        ledger.record(connection, entries, at=now)
        return list(connection.scalars(select(tables.ledger.c.id).order_by(tables.ledger.c.id)))


def test_review_is_written_down_listed_and_measured(
    site_console: Console, site_database: Database
) -> None:
    ng, hard, _ = record(site_database, 0.9, 0.45, 0.1)

    following = site_console.run("review", "next", "line-1", "--json")
    by_chance = site_console.run("review", "next", "line-1", "--random", "NG", "--json")
    decided = site_console.run("review", ng, "OK", "--note", "only dust")
    listed, rates, rates_json, proposal = together(
        [
            (site_console, ["review", "list", "--overrides", "--json"]),
            (site_console, ["review", "rates", "line-1"]),
            (site_console, ["review", "rates", "line-1", "--json"]),
            (site_console, ["review", "propose", "line-1", "--json"]),
        ]
    )

    assert following.json["inspection"] == hard
    assert by_chance.json["inspection"] == ng
    assert decided.sentence == "1 reviewed as OK, 1 against the verdict"
    (row,) = listed.json
    assert (row["inspection"], row["decision"], row["note"]) == (ng, "OK", "only dust")
    assert "100.00% (100.00% to 100.00%)" in rates.out
    assert "unknown (0 of 2 OK inspections reviewed)" in rates.out
    assert rates_json.json["false_rejects"]["wrong_count"] == 1
    assert (proposal.code, proposal.json["value"]) == (0, None)
    assert "at least two people" in proposal.json["reason"]


def test_several_are_decided_at_once_and_what_is_no_inspection_is_refused(
    site_console: Console, site_database: Database
) -> None:
    ids = record(site_database, 0.9, 0.8)

    decided, unknown, nonsense = together(
        [
            (site_console, ["review", "decide", *map(str, ids), "NG"]),
            (site_console, ["review", "999", "OK"]),
            (site_console, ["review", "1", "maybe"]),
        ]
    )

    assert decided.sentence == "2 reviewed as NG, 0 against the verdict"
    assert unknown.code == 1
    assert "no inspection 999" in unknown.sentence
    assert nonsense.code == 2


def test_shifts_are_set_and_listed(site_console: Console, site_database: Database) -> None:
    before = site_console.run("shift", "now", "--json")
    done = site_console.run(
        "shift", "set", "early=06:00-14:00@mon-fri", "rest=14:00-06:00", "--time-zone",
        "Europe/Berlin", "--holiday", "2026-12-25", "--reason", "two shifts",
    )  # fmt: skip
    listed, unset, overlap = together(
        [
            (site_console, ["shift", "list", "--days", "1", "--json"]),
            (site_console, ["shift", "set", "early", "--time-zone", "UTC"]),
            (
                site_console,
                ["shift", "set", "a=06:00-14:00", "b=13:00-15:00", "--time-zone", "UTC"],
            ),
        ]
    )

    assert before.json["shift"] == "day"
    assert before.json["hours"] == 24
    assert done.sentence == "shifts: version 1"
    assert {row["shift"] for row in listed.json} <= {"early", "rest"}
    assert (unset.code, overlap.code) == (2, 2)
    assert "HH:MM" in unset.sentence
    assert "overlap" in overlap.sentence
    with site_database.read() as connection:
        kept = shifts.shift_calendar(connection)
    assert kept.calendar.shifts[0].days == ("mon", "tue", "wed", "thu", "fri")


def test_first_calendar_comes_from_the_configuration_file(
    site_console: Console, site_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "lines: [{name: line-1, stations: [{name: s, cameras: [{name: cam-1, usb: 0}]}]}]\n"
        "shifts: {time_zone: UTC, named: [{name: all, begins: '06:00', ends: '06:00'}]}\n"
    )

    for _ in range(2):
        assert site_console.run("line", "add", "--config", file).code == 0

    with site_database.read() as connection:
        kept = shifts.shift_calendar(connection)
    assert (kept.version, kept.calendar.shifts[0].name) == (1, "all")


def test_report_is_written_as_page_and_sheet(
    site_console: Console, site_database: Database, tmp_path: Path
) -> None:
    (ng,) = record(site_database, 0.9)
    with site_database.write() as connection:
        new = NewReview(decision=Decision.NG, at=datetime.now(UTC), by="anna")
        reviews.add_reviews(connection, [ng], new)
        captured_at = connection.scalar(select(tables.ledger.c.captured_at))
    assert captured_at is not None
    today = captured_at.date().isoformat()
    page = tmp_path / "shift.html"

    written, sheet, figures, wrong = together(
        [
            (site_console, ["report", "shift", "--date", today, "--out", str(page)]),
            (site_console, ["report", "shift", "--date", today, "--format", "csv"]),
            (site_console, ["report", "shift", "--date", today, "--format", "json"]),
            (site_console, ["report", "shift", "--date", "today"]),
        ]
    )

    assert written.sentence == f"shift day of {today}: {page}"
    assert "Not over yet" in page.read_text()
    assert f"inspection {ng}" in page.read_text()
    assert sheet.out.startswith("shift,day,start_at")
    total = next(row for row in figures.json if row["line"] == "line-1" and row["is_total"])
    assert (total["parts_ng"], total["false_rejects_share"]) == (1, 0.0)
    assert wrong.code == 2
