"""Genealogy: one part, all its frames."""

from datetime import timedelta
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Outcome
from inspection.domain.part import PartVerdict
from inspection.errors import NotFoundError
from inspection.store import ledger, parts
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON


def frame_of(serial: str, number: int, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "sequence_number": number,
        "captured_at": NOON + timedelta(seconds=number),
    } | changes
    return given | {"frame": factories.frame(**given, part_serial=serial)}


@pytest.fixture
def parts_made(site_database: Database) -> Database:
    """Part S-1 with an OK, an NG and an uninspected frame; S-2 with an OK and an uninspected."""
    with site_database.write() as connection:
        ledger.record(
            connection,
            [
                factories.inspected(**frame_of("S-1", 1), score=0.2, picture=factories.picture()),
                factories.inspected(
                    **frame_of("S-1", 2, camera="cam-2"), score=0.9, verdict=Verdict.NG
                ),
                factories.uninspected(**frame_of("S-1", 3)),
                factories.inspected(**frame_of("S-2", 4), score=0.2),
                factories.uninspected(**frame_of("S-2", 5)),
            ],
            at=NOON + timedelta(minutes=1),
        )
    return site_database


def test_part_shows_all_its_frames_and_is_as_bad_as_the_worst(parts_made: Database) -> None:
    with parts_made.read() as connection:
        part = parts.get_part(connection, "S-1")

    assert part.verdict is PartVerdict.NG
    assert part.is_complete
    assert [frame.identity.frame_id for frame in part.frames] == ["cam-1/1", "cam-2/2", "cam-1/3"]
    ok, ng, lost = part.frames
    assert (ok.inspection and ok.inspection.score, ok.picture) == (0.2, factories.picture())
    assert ng.inspection is not None
    assert (ng.inspection.verdict, ng.inspection.threshold_version) == (Verdict.NG, 1)
    assert (lost.outcome, lost.reason, lost.inspection) == (Outcome.UNINSPECTED, "corrupt", None)


def test_part_with_an_uninspected_frame_is_not_ok(parts_made: Database) -> None:
    with parts_made.read() as connection:
        assert parts.get_part(connection, "S-2").verdict is PartVerdict.UNINSPECTED


def test_number_on_too_many_frames_shows_the_first_and_says_so(
    parts_made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_FRAMES", 2)

    with parts_made.read() as connection:
        part = parts.get_part(connection, "S-1")

    assert (len(part.frames), part.is_complete) == (2, False)


def test_unknown_part_is_not_found(parts_made: Database) -> None:
    with parts_made.read() as connection, pytest.raises(NotFoundError, match="'S-9'"):
        parts.get_part(connection, "S-9")
