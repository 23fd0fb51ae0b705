"""Figures of a shift: parts by their worst frame, exact, and what was wrong with them."""

from datetime import timedelta
from typing import Any

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.domain.part import PartVerdict
from inspection.domain.review import Decision, NewReview
from inspection.store import ledger, reviews
from inspection.store.database import Database
from inspection.store.shift_figures import LineFigures, Wanted, line_figures
from tests import factories
from tests.factories import NOON

NG, OK = PartVerdict.NG, PartVerdict.OK
PENDING, UNINSPECTED = PartVerdict.PENDING, PartVerdict.UNINSPECTED


def frame(number: int, score: float, serial: str | None, **changes: Any) -> Entry:
    captured_at = NOON + timedelta(seconds=number)
    identity = {"camera": "cam-1", "sequence_number": number, "captured_at": captured_at} | {
        key: changes.pop(key) for key in ("camera", "captured_at") if key in changes
    }
    verdict = Verdict.NG if score > 0.5 else Verdict.OK
    product = changes.pop("product", "washer")
    if changes.pop("is_pending", False):
        verdict = Verdict.PENDING
        changes["inspection"] = factories.inspection(
            **identity, score=score, verdict=verdict, threshold=None, product=product
        )
    return factories.inspected(
        **identity,
        score=score,
        verdict=verdict,
        product=product,
        frame=factories.frame(**identity, product=product, part_serial=serial),
        **changes,
    )


def record(database: Database, *entries: Entry) -> None:
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON + timedelta(hours=2))


def figures(database: Database, **changes: Any) -> LineFigures:
    wanted = Wanted(
        **{
            "line": "line-1",
            "from_at": NOON,
            "to_at": NOON + timedelta(hours=1),
        }
        | changes
    )
    with database.read() as connection:
        return line_figures(connection, wanted)


def uninspected(number: int, serial: str) -> Entry:
    identity = {
        "camera": "cam-2",
        "sequence_number": number,
        "captured_at": NOON + timedelta(seconds=number),
    }
    return factories.uninspected(
        **identity, frame=factories.frame(**identity, product="washer", part_serial=serial)
    )


def test_part_is_what_its_worst_frame_is(site_database: Database) -> None:
    record(
        site_database,
        frame(1, 0.9, "both"),
        frame(2, 0.1, "both"),
        frame(3, 0.1, "fine"),
        frame(4, 0.2, "fine"),
        frame(5, 0.2, "half"),
        uninspected(6, "half"),
        frame(7, 0.9, "worst"),
        uninspected(8, "worst"),
        frame(9, 0.3, "waits", is_pending=True),
        frame(10, 0.2, "waits"),
        frame(11, 0.1, None),
        frame(12, 0.8, None),
        factories.dropped(sequence_number=13, captured_at=NOON + timedelta(seconds=13)),
        frame(14, 0.8, "before", captured_at=NOON - timedelta(seconds=1)),
        frame(15, 0.8, "elsewhere", camera="cam-3"),
    )

    found = figures(site_database)

    assert {v: n for v, n in found.total.parts.items() if n} == {
        NG: 3,
        OK: 2,
        UNINSPECTED: 1,
        PENDING: 1,
    }
    assert found.total.part_count == 7
    assert found.total.ng_rate == 3 / 5
    assert found.total.frames == {
        "NG": 3,
        "OK": 6,
        "pending": 1,
        "uninspected": 2,
        "dropped": 1,
    }
    by_product = {one.product: one.part_count for one in found.products}
    assert by_product == {None: 0, "washer": 7}


def test_figures_of_one_product_leave_out_the_others(site_database: Database) -> None:
    record(site_database, frame(1, 0.9, "a"), frame(2, 0.9, "b", product="label"))

    found = figures(site_database, product="label")

    assert [one.product for one in found.products] == ["label"]
    assert found.total.part_count == 1
    assert [row.part_serial for row in found.worst] == ["b"]


def test_worst_parts_are_ng_and_not_found_good(site_database: Database) -> None:
    record(site_database, *(frame(n, 0.6 + n / 100, f"S-{n}") for n in range(1, 5)))
    (worst, *_) = figures(site_database).worst
    with site_database.write() as connection:
        new = NewReview(decision=Decision.OK, at=NOON, by="anna")
        reviews.add_reviews(connection, [worst.inspection_id], new)

    found = figures(site_database, worst_count=2)

    assert [row.part_serial for row in found.worst] == ["S-3", "S-2"]
    assert found.total.rates is not None
    assert found.total.rates.false_rejects.wrong_count == 1
    assert found.products[0].rates == found.total.rates


def test_shift_without_frames_has_figures_of_nothing(site_database: Database) -> None:
    found = figures(site_database)

    assert (found.total.part_count, found.total.ng_rate, found.products) == (0, None, ())
    assert [camera.camera for camera in found.cameras] == ["cam-1", "cam-2"]
