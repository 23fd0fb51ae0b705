"""Reports of shifts: a page, a sheet and figures that say the same, whatever names there are."""

import csv
import io
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from inspection.api.installation import Installation
from inspection.domain.access import Role
from inspection.domain.inspection import Verdict
from inspection.store import ledger
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client

DAY = {"day": NOON.date().isoformat()}
EVIL = "=cmd|'<script>alert(1)</script>"


class Seen(HTMLParser):
    """What a browser would find on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data + " "


@pytest.fixture
def shift(installation: Installation, clock: Clock) -> None:
    """A day with an NG part of a product with an evil name and a kept picture, and an OK one."""
    picture = installation.pictures.put(factories.jpeg(64, 48), "image/jpeg")
    ng = factories.inspected(
        captured_at=NOON,
        score=0.9,
        verdict=Verdict.NG,
        product=EVIL,
        frame=factories.frame(captured_at=NOON, product=EVIL, part_serial=EVIL),
        picture=picture,
    )
    ok = factories.inspected(sequence_number=2, captured_at=NOON + timedelta(seconds=1), score=0.1)
    with installation.database.write() as connection:
        ledger.record(connection, [ng, ok], at=NOON + timedelta(minutes=1))
    clock.advance(timedelta(days=2).total_seconds())


@pytest.mark.usefixtures("shift")
def test_page_shows_the_figures_and_the_worst_part_and_runs_nothing(client: Client) -> None:
    answer = client(Role.VIEWER).get("/api/v1/reports/shift", params={"format": "html"} | DAY)

    page = Seen(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script" not in page.tags
    assert EVIL in page.words
    assert "Shift day of 2026-03-02" in page.words
    assert "unknown (0 of 1 NG inspections reviewed)" in page.words
    assert "score 0.900 at cam-1" in page.words
    assert [address[:23] for address in page.addresses] == ["data:image/jpeg;base64,"]


@pytest.mark.usefixtures("shift")
def test_sheet_has_no_formula_and_says_the_same(client: Client) -> None:
    viewer = client(Role.VIEWER)

    sheet = viewer.get("/api/v1/reports/shift", params=DAY, headers={"Accept": "text/csv"})
    figures = viewer.get("/api/v1/reports/shift", params=DAY).json()

    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert "attachment" in sheet.headers["Content-Disposition"]
    assert [(row["line"], row["product"], row["parts"]) for row in rows] == [
        ("line-1", f"'{EVIL}", "1"),
        ("line-1", "washer", "1"),
        ("line-1", "", "2"),
        ("line-2", "", "0"),
    ]
    assert [row["product"] for row in figures] == [EVIL, "washer", None, None]
    assert [row["ng_rate"] for row in figures] == [1.0, 0.0, 0.5, None]
    assert figures[0]["false_rejects_share"] is None


@pytest.mark.usefixtures("shift")
def test_picture_that_is_away_is_shown_as_its_map(
    client: Client, installation: Installation
) -> None:
    viewer = client(Role.VIEWER)
    folder = installation.pictures.folder
    assert folder is not None
    for path in folder.rglob("*.jp*g"):
        path.unlink()

    answer = viewer.get("/api/v1/reports/shift", params={"format": "html"} | DAY)

    assert answer.status_code == 200
    assert len(Seen(answer.text).addresses) == 1


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"line": "line-9"}, 404),
        ({"shift": "nobody's"}, 422),
        ({"day": "2026-02-30"}, 422),
        ({"day": "0001-01-01"}, 422),
        ({"day": "9999-12-31"}, 422),
        ({"day": "yesterday"}, 422),
        ({"format": "pdf"}, 422),
        ({"product": "nothing"}, 200),
    ],
)
def test_report_of_what_is_not_there_is_refused(
    client: Client, params: dict[str, str], status: int
) -> None:
    answer = client(Role.VIEWER).get("/api/v1/reports/shift", params=params)

    assert answer.status_code == status
