"""The history over HTTP: pages, counts, exports, parts, and where an inspection looks wrong."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inspection.api.installation import Installation
from inspection.api.turns import Turns
from inspection.domain.access import Permission, Role
from inspection.domain.inspection import Verdict
from inspection.store import inspections, ledger, maps
from inspection.store.audit import list_changes
from inspection.store.history_query import HistoryQuery
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client, KeyClient, KeyHeaders, serving

#: The frames of the history: camera, number, seconds after noon, score.
FRAMES = (("cam-1", 1, 0, 0.2), ("cam-1", 2, 1, 0.9), ("cam-2", 1, 2, 0.4), ("cam-2", 2, 3, 0.6))
WIDTH_PX, HEIGHT_PX = 40, 24


@pytest.fixture(autouse=True)
def past(installation: Installation, clock: Clock) -> dict[str, int]:
    """Ids of four inspections of line-1, by frame; cam-1/2 has a kept picture."""
    payload = factories.jpeg(WIDTH_PX, HEIGHT_PX, grey=200)
    kept = installation.pictures.put(payload, "image/jpeg")
    made = []
    for camera, number, second, score in FRAMES:
        given: dict[str, Any] = {
            "camera": camera,
            "sequence_number": number,
            "captured_at": NOON + timedelta(seconds=second),
        }
        made.append(
            factories.inspected(
                **given,
                frame=factories.frame(**given, part_serial="S/1" if number == 2 else None),
                score=score,
                verdict=Verdict.NG if score > 0.5 else Verdict.OK,
                picture=kept if score == 0.9 else None,
            )
        )
    with installation.database.write() as connection:
        ledger.record(connection, made, at=NOON + timedelta(seconds=10))
    clock.now = NOON + timedelta(hours=1)
    with installation.database.read() as connection:
        rows = inspections.history(connection, HistoryQuery())
    return {row.identity.frame_id: row.inspection_id for row in rows}


def frames(body: Any) -> list[str]:
    return [f"{item['camera']}/{item['sequence_number']}" for item in body["items"]]


def test_history_is_filtered_and_sorted(client: Client) -> None:
    viewer = client(Role.VIEWER)
    queries = {
        "": ["cam-2/2", "cam-2/1", "cam-1/2", "cam-1/1"],
        "?sort=closest": ["cam-2/1", "cam-2/2", "cam-1/1", "cam-1/2"],
        "?sort=highest&verdict=NG": ["cam-1/2", "cam-2/2"],
        "?line=line-1&score_max=0.4&sort=lowest": ["cam-1/1", "cam-2/1"],
        "?since=2026-03-02T12:00:01Z&until=2026-03-02T12:00:03Z": ["cam-2/1", "cam-1/2"],
        "?threshold_id=1&camera=cam-2&is_reviewed=false": ["cam-2/2", "cam-2/1"],
        "?part_serial=S/1&sort=oldest": ["cam-1/2", "cam-2/2"],
        "?until=2026-03-01T12:00:00Z": [],
        "?station=station-9": [],
    }

    for query, shown in queries.items():
        answer = viewer.get(f"/api/v1/inspections{query}")

        assert (answer.status_code, frames(answer.json())) == (200, shown), query


def test_pages_follow_each_other_to_the_end(client: Client) -> None:
    viewer = client(Role.VIEWER)
    pages = [viewer.get("/api/v1/inspections?limit=3&sort=highest").json()]

    pages.append(
        viewer.get(
            "/api/v1/inspections",
            params={"limit": 3, "sort": "highest", "cursor": pages[0]["next_cursor"]},
        ).json()
    )

    assert [frames(page) for page in pages] == [["cam-1/2", "cam-2/2", "cam-2/1"], ["cam-1/1"]]
    assert pages[1]["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("cursor=rubbish", 400, None),
        ("sort=oldest&cursor=WyJuZXdlc3QiLG51bGwsMSwxXQ", 400, None),
        ("line=line-9", 404, None),
        ("since=yesterday", 422, "query.since"),
        ("score_min=nan", 422, "query.score_min"),
        ("limit=0", 422, "query.limit"),
        ("lot=%00", 422, "query.lot"),
        ("colour=red", 422, "query.colour"),
        ("since=2026-03-03T00:00:00Z&until=2026-03-02T00:00:00Z", 422, None),
        ("since=0001-01-01T00:00:00Z&until=0001-01-01T00:00:00Z", 200, None),
    ],
)
def test_what_cannot_be_asked_is_refused(
    client: Client, query: str, status: int, field: str | None
) -> None:
    answer = client(Role.VIEWER).get(f"/api/v1/inspections?{query}")

    assert answer.status_code == status
    if field is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_one_inspection_shows_the_threshold_that_judged_it(
    client: Client, past: dict[str, int]
) -> None:
    viewer = client(Role.VIEWER)

    shown = viewer.get(f"/api/v1/inspections/{past['cam-2/2']}").json()

    assert (shown["threshold"], shown["threshold_version"], shown["verdict"]) == (0.5, 1, "NG")
    assert shown["distance"] == pytest.approx(0.1)
    assert shown["captured_at"] == "2026-03-02T12:00:03Z"
    assert viewer.get("/api/v1/inspections/4711").status_code == 404


def test_counts_and_facets_add_up(client: Client) -> None:
    viewer = client(Role.VIEWER)

    counts = viewer.get("/api/v1/inspections/counts").json()
    facets = viewer.get("/api/v1/inspections/facets?verdict=NG").json()

    assert counts["total"] == {"count": 4, "is_exact": True}
    assert counts["hours"] == [{"at": "2026-03-02T12:00:00Z", "verdicts": {"NG": 2, "OK": 2}}]
    assert facets["total"] == {"count": 2, "is_exact": True}
    assert facets["facets"]["line"] == [{"value": "line-1", "count": 2}]
    assert {facet["value"] for facet in facets["facets"]["camera"]} == {"cam-1", "cam-2"}


def test_export_is_a_file_of_the_filtered_and_is_written_down(
    client: Client, installation: Installation
) -> None:
    answer = client(Role.OPERATOR).get("/api/v1/inspections/export?format=jsonl&verdict=NG")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="inspections.jsonl"'
    assert [json.loads(line)["score"] for line in answer.text.splitlines()] == [0.9, 0.6]
    with installation.database.read() as connection:
        (change,) = list_changes(connection, thing="inspections")
    assert (change.action, change.who) == ("exported", "key operator")
    assert client(Role.OPERATOR).get("/api/v1/inspections/export?line=x").status_code == 404


def test_who_may_look_may_not_export(key_client: KeyClient) -> None:
    answer = key_client(Permission.READ).get("/api/v1/inspections/export")

    assert answer.status_code == 403


def test_part_shows_all_its_frames(client: Client) -> None:
    viewer = client(Role.VIEWER)

    part = viewer.get("/api/v1/parts/S%2F1").json()

    assert part["verdict"] == "NG"
    assert [frame["camera"] for frame in part["frames"]] == ["cam-1", "cam-2"]
    assert [frame["inspection"]["score"] for frame in part["frames"]] == [0.9, 0.6]
    assert viewer.get("/api/v1/parts/S-9").status_code == 404


def test_heatmap_is_drawn_at_the_size_asked_for_and_need_not_be_sent_twice(
    client: Client, past: dict[str, int]
) -> None:
    viewer = client(Role.VIEWER)
    path = f"/api/v1/inspections/{past['cam-1/2']}/heatmap"

    whole, small = viewer.get(path), viewer.get(f"{path}?size=20&opacity=1")
    again = viewer.get(path, headers={"If-None-Match": whole.headers["ETag"]})

    sizes = [Image.open(io.BytesIO(answer.content)).size for answer in (whole, small)]
    assert sizes == [(WIDTH_PX, HEIGHT_PX), (20, 12)]
    assert whole.headers["content-type"] == "image/png"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == whole.headers["Cache-Control"]


def test_heatmaps_are_drawn_in_turn_and_further_ones_refused(
    installation: Installation, past: dict[str, int], key_headers: KeyHeaders
) -> None:
    crowded = replace(installation, drawings=Turns(at_once=1, waiting=0))
    viewer = TestClient(serving(crowded), headers=key_headers(Role.VIEWER))
    path = f"/api/v1/inspections/{past['cam-1/2']}/heatmap"

    with crowded.drawings.turn():
        refused = viewer.get(path)
    drawn = viewer.get(path)

    assert (refused.status_code, drawn.status_code) == (503, 200)
    assert refused.headers["Retry-After"] == "5"


def test_map_and_picture_are_given_as_they_are(
    client: Client, past: dict[str, int], installation: Installation
) -> None:
    viewer, number = client(Role.VIEWER), past["cam-1/2"]

    picture = viewer.get(f"/api/v1/inspections/{number}/picture")
    taps = np.load(io.BytesIO(viewer.get(f"/api/v1/inspections/{number}/map").content))["taps"]

    assert picture.content == factories.jpeg(WIDTH_PX, HEIGHT_PX, grey=200)
    assert picture.headers["content-type"] == "image/jpeg"
    with installation.database.read() as connection:
        kept = maps.grid_of(maps.get_map(connection, number))
    assert taps.dtype == np.float16
    assert np.array_equal(taps, kept)


def test_what_was_not_kept_is_not_found_and_what_is_gone_says_why(
    client: Client, past: dict[str, int], installation: Installation
) -> None:
    viewer = client(Role.VIEWER)
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE ledger SET picture_gone = 'age', map_gone = 'budget' WHERE id = ?",
            (past["cam-2/1"],),
        )
    gone = f"/api/v1/inspections/{past['cam-2/1']}"

    bare = viewer.get(f"/api/v1/inspections/{past['cam-1/1']}/picture")
    answers = [viewer.get(f"{gone}/{what}") for what in ("picture", "map", "heatmap")]

    assert bare.status_code == 404
    assert "policy did not keep it" in bare.json()["detail"]
    assert [answer.status_code for answer in answers] == [410, 410, 410]
    assert "old enough to go" in answers[0].json()["detail"]
    assert "INSPECTION_KEEP_GB" in answers[1].json()["detail"]
