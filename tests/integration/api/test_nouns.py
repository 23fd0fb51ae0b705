"""What stands on the floor: made, changed and removed by those who may, and written down."""

from typing import Any

import pytest

from inspection.domain.access import Role
from inspection.store import audit, ledger, lines
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON
from tests.integration.api.conftest import Client

CAMERA = {
    "camera": "cam-9",
    "line": "line-1",
    "station": "station-9",
    "source": {"kind": "rtsp", "url": "rtsp://floor:s3cret@10.0.0.7:554/stream"},
}


def changes(database: Database, thing: str, name: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        found = audit.list_changes(connection)
    return [vars(one) for one in found if (one.thing, one.name) == (thing, name)]


def test_line_is_made_listed_and_shown(client: Client) -> None:
    engineer = client(Role.ENGINEER)

    made = engineer.post("/api/v1/lines", json={"line": "line-9", "product": "nut"})

    assert made.status_code == 201
    assert made.headers["location"] == "/api/v1/lines/line-9"
    shown = engineer.get("/api/v1/lines/line-9")
    assert shown.json() == made.json()
    assert shown.headers["etag"] == made.headers["etag"]
    names = [line["line"] for line in engineer.get("/api/v1/lines").json()["items"]]
    assert names == ["line-1", "line-2", "line-9"]
    assert engineer.get("/api/v1/products/nut").json() == {"product": "nut", "line": "line-9"}


def test_line_of_a_name_that_is_taken_is_refused(client: Client) -> None:
    answer = client(Role.ENGINEER).post("/api/v1/lines", json={"line": "line-1"})

    assert answer.status_code == 409


def test_pages_of_lines_hold_each_once(client: Client) -> None:
    viewer = client(Role.VIEWER)

    first = viewer.get("/api/v1/lines", params={"limit": 1}).json()
    second = viewer.get("/api/v1/lines", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [first["items"][0]["line"], second["items"][0]["line"]] == ["line-1", "line-2"]
    assert second["next_cursor"] is None
    assert viewer.get("/api/v1/lines", params={"cursor": "made-up"}).status_code == 400


def test_change_of_a_line_names_what_it_changes_and_is_written_down(
    client: Client, site_database: Database
) -> None:
    engineer = client(Role.ENGINEER)
    etag = engineer.get("/api/v1/lines/line-1").headers["etag"]

    answer = engineer.patch(
        "/api/v1/lines/line-1",
        json={"pictures": "all", "learn_count": 32},
        headers={"If-Match": etag},
    )

    assert answer.status_code == 200
    assert (answer.json()["pictures"], answer.json()["learn_count"]) == ("all", 32)
    assert answer.json()["product"] == "washer"
    with site_database.read() as connection:
        assert lines.get_line(connection, "line-1").learn_count == 32
    change = changes(site_database, "line", "line-1")[0]
    assert change["after"] == {"pictures": "all", "learn_count": 32}
    assert change["before"] == {"pictures": "ng_and_sample", "learn_count": 0}


@pytest.mark.parametrize("path", ["lines/line-1", "cameras/cam-1"])
def test_change_without_the_state_it_is_meant_for_is_refused(client: Client, path: str) -> None:
    engineer = client(Role.ENGINEER)

    assert engineer.patch(f"/api/v1/{path}", json={}).status_code == 428
    old = {"If-Match": '"0123"'}
    assert engineer.patch(f"/api/v1/{path}", json={}, headers=old).status_code == 412
    assert engineer.patch(f"/api/v1/{path}", json={}, headers={"If-Match": "*"}).status_code == 200


def test_answer_that_is_known_already_is_not_sent_again(client: Client) -> None:
    viewer = client(Role.VIEWER)
    etag = viewer.get("/api/v1/lines/line-1").headers["etag"]

    known = viewer.get("/api/v1/lines/line-1", headers={"If-None-Match": etag})
    other = viewer.get("/api/v1/lines/line-1", headers={"If-None-Match": '"0123"'})
    # A proxy that packs answers makes their tags weak.
    packed = viewer.get("/api/v1/lines/line-1", headers={"If-None-Match": f"W/{etag}"})

    assert (known.status_code, known.content) == (304, b"")
    assert (other.status_code, packed.status_code) == (200, 304)


def test_line_that_has_nothing_is_removed_and_one_with_cameras_is_not(client: Client) -> None:
    engineer = client(Role.ENGINEER)
    engineer.post("/api/v1/lines", json={"line": "line-9", "product": "nut"})
    engineer.post("/api/v1/lines/line-9/stations", json={"station": "top"})

    assert engineer.delete("/api/v1/lines/line-9", headers={"If-Match": "*"}).status_code == 204
    assert engineer.get("/api/v1/lines/line-9").status_code == 404
    assert engineer.delete("/api/v1/lines/line-1", headers={"If-Match": "*"}).status_code == 409
    assert engineer.get("/api/v1/lines/line-1").status_code == 200


def test_password_of_a_camera_goes_in_and_never_comes_out(
    client: Client, site_database: Database
) -> None:
    engineer = client(Role.ENGINEER)

    made = engineer.post("/api/v1/cameras", json=CAMERA)
    listed = client(Role.ADMINISTRATOR).get("/api/v1/cameras")

    assert made.status_code == 201
    assert made.json()["overflow"] == "drop_oldest"
    assert "s3cret" not in made.text + listed.text
    assert "s3cret" not in str(changes(site_database, "camera", "cam-9"))
    with site_database.read() as connection:
        kept = lines.get_camera(connection, "cam-9").source.url
    assert kept == CAMERA["source"]["url"]


def test_masked_password_is_not_taken_for_one(client: Client, site_database: Database) -> None:
    engineer = client(Role.ENGINEER)
    shown = engineer.post("/api/v1/cameras", json=CAMERA).json()["source"]

    masked = engineer.patch(
        "/api/v1/cameras/cam-9",
        json={"source": {"kind": "rtsp", "url": shown["url"]}},
        headers={"If-Match": "*"},
    )
    slower = engineer.patch("/api/v1/cameras/cam-9", json={"rate_hz": 2}, headers={"If-Match": "*"})

    assert masked.status_code == 422
    assert slower.json()["rate_hz"] == 2
    with site_database.read() as connection:
        assert "s3cret" in (lines.get_camera(connection, "cam-9").source.url or "")


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "folder"},
        {"kind": "folder", "path": "relative"},
        {"kind": "rtsp", "url": "http://10.0.0.7"},
        {"kind": "rtsp", "url": "rtsp://10.0.0.7:port/"},
        {"kind": "usb"},
        {"kind": "simulated"},
        {"kind": "nonsense"},
    ],
)
def test_camera_without_a_source_that_could_work_is_refused(
    client: Client, source: dict[str, Any]
) -> None:
    answer = client(Role.ENGINEER).post("/api/v1/cameras", json=CAMERA | {"source": source})

    assert answer.status_code == 422


def test_camera_that_has_given_frames_stays(client: Client, site_database: Database) -> None:
    engineer = client(Role.ENGINEER)
    with site_database.write() as connection:
        ledger.record(connection, [factories.inspected(camera="cam-1")], at=NOON)

    assert engineer.delete("/api/v1/cameras/cam-1", headers={"If-Match": "*"}).status_code == 409
    assert engineer.delete("/api/v1/cameras/cam-2", headers={"If-Match": "*"}).status_code == 204
    assert engineer.get("/api/v1/cameras/cam-2").status_code == 404
    stations = "/api/v1/lines/line-1/stations"
    assert engineer.delete(f"{stations}/station-1").status_code == 409
    assert engineer.delete(f"{stations}/station-2").status_code == 204


def test_product_that_nothing_names_is_removed_and_one_that_is_made_is_not(client: Client) -> None:
    engineer = client(Role.ENGINEER)
    engineer.post("/api/v1/products", json={"product": "nut / M12"})

    assert engineer.get("/api/v1/products/nut%20%2F%20M12").status_code == 200
    assert engineer.delete("/api/v1/products/nut / M12").status_code == 204
    assert engineer.delete("/api/v1/products/washer").status_code == 409


def test_recipe_has_versions_that_are_kept(client: Client) -> None:
    engineer = client(Role.ENGINEER)
    path = "/api/v1/lines/line-1/recipes/washer"

    first = engineer.put(path, json={"defects": ["with a crack"], "reason": "first"})
    blind = engineer.put(path, json={"defects": ["with a dent"], "reason": "second"})
    second = engineer.put(
        path,
        json={"defects": ["with a dent"], "reason": "second"},
        headers={"If-Match": first.headers["etag"]},
    )
    gone = engineer.delete(path, params={"reason": "no good"}, headers={"If-Match": "*"})
    versions = engineer.get(
        "/api/v1/lines/line-1/recipe-versions", params={"product": "washer"}
    ).json()["items"]

    assert (first.status_code, blind.status_code, second.status_code) == (200, 428, 200)
    assert gone.json()["defects"] == []
    assert [one["defects"] for one in versions] == [["with a crack"], ["with a dent"], []]
