"""`inspection reference`: build, list, show, withdraw and restore what normal looks like."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspection.domain.inspection import Verdict
from inspection.store import ledger, lines, references, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together
from tests.tiny import save_tiny

pytestmark = pytest.mark.timeout(120)

SITE = """
lines:
  - name: washers
    product: washer
    learn: 64
    stations:
      - name: side
        cameras: [{name: washers-side, product: nut, folder: pictures}]
      - name: top
        cameras: [{name: washers-top, folder: pictures}]
  - name: boards
    stations: [{name: top, cameras: [{name: boards-top, folder: pictures}]}]
"""


def png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (32, 48, 3), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def plant(torch_console: Console, tiny_checkpoint: Path, tmp_path: Path) -> Console:
    """A console on a line with two stations and one with one, and a tiny detector."""
    config = tmp_path / "site.yaml"
    config.write_text(SITE)
    plant = torch_console.having(CHECKPOINT=tiny_checkpoint, DEVICE="cpu", THREADS=1)
    assert plant.run("line", "add", "--config", config).code == 0
    return plant


@pytest.fixture
def plant_database(plant: Console) -> Iterator[Database]:
    url = f"sqlite:///{plant.data_dir / 'inspection.sqlite'}"
    with closing(Database.open(url)) as database:
        yield database


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A folder with three pictures, one of them damaged, and a file that is none."""
    folder = tmp_path / "good"
    folder.mkdir()
    for name, content in (("a", png(1)), ("b", png(2)), ("c", png(3)[:100])):
        (folder / f"{name}.png").write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    return folder


def inspect(
    plant: Console, database: Database, camera: str, numbers: range, **changes: Any
) -> None:
    """Record frames with kept pictures."""
    pictures = PictureStore(str(plant.data_dir / "pictures"))
    with database.write() as connection:
        for number in numbers:
            identity = factories.identity(camera=camera, sequence_number=number)
            entry = factories.inspected(
                frame=factories.frame(identity=identity, product=changes.get("product")),
                inspection=factories.inspection(
                    **{"identity": identity, "verdict": Verdict.PENDING, "threshold": None}
                    | changes.get("inspection", {})
                ),
                picture=pictures.put(png(number), "image/png"),
            )
            ledger.record(connection, [entry], at=NOON)


def test_reference_of_a_folder_is_in_force_and_says_which_pictures_it_left_out(
    plant: Console, good: Path, plant_database: Database
) -> None:
    ended = plant.run(
        *("reference", "build", "boards", "--folder", good, "--reason", "first", "--json")
    )

    assert ended.code == 0
    assert ended.sentence.startswith(f"{good / 'c.png'} is left out: ")
    (row,) = ended.json
    with plant_database.read() as connection:
        (kept,) = references.list_references(connection)
        data = references.reference_file(connection, kept.content_hash)
    assert (row["line"], row["station"], row["product"]) == ("boards", "top", "object")
    assert (row["version"], row["is_in_force"], row["source"]) == (1, True, "folder")
    assert (row["found"], row["images"], row["reason"]) == (3, 2, "first")
    assert row["skipped"] == [str(good / "c.png")]
    assert row["content_hash"] == kept.content_hash == hashlib.sha256(data).hexdigest()


def test_same_folder_gives_the_same_reference(plant: Console, good: Path) -> None:
    command = ["reference", "build", "boards", "--folder", good, "--product", "board", "--json"]

    first, second = plant.run(*command), plant.run(*command)

    (one,), (two,) = first.json, second.json
    assert (one["version"], two["version"]) == (1, 2)
    assert one["content_hash"] == two["content_hash"]


def test_folder_of_a_line_with_several_stations_needs_one_and_takes_its_product(
    plant: Console, good: Path
) -> None:
    command = ["reference", "build", "washers", "--folder", good, "--json"]

    which, side, top = together(
        [
            (plant, command),
            (plant, [*command, "--station", "side"]),
            (plant, [*command, "--station", "top"]),
        ]
    )

    assert (which.code, which.out) == (2, "")
    assert which.sentence.endswith("the line has: side, top")
    assert [side.json[0]["product"], top.json[0]["product"]] == ["nut", "washer"]


def test_history_gives_a_reference_for_each_station_with_kept_pictures(
    plant: Console, plant_database: Database
) -> None:
    inspect(plant, plant_database, "washers-side", range(1, 6), product="nut")
    inspect(plant, plant_database, "washers-top", range(6, 9), product="washer")

    rows = plant.data("reference", "build", "washers", "--from-last", 4)

    found = [(row["station"], row["product"], row["images"], row["source"]) for row in rows]
    assert found == [("side", "nut", 4, "history"), ("top", "washer", 3, "history")]


def test_history_of_a_line_with_a_threshold_gives_what_was_found_ok(
    plant: Console, plant_database: Database
) -> None:
    with plant_database.write() as connection:
        threshold = thresholds.set_threshold(
            connection, factories.scope(line="boards"), 0.5, at=NOON, by="test", reason=""
        )
    ok = {"threshold": threshold, "verdict": Verdict.OK}
    inspect(plant, plant_database, "boards-top", range(1, 4))
    inspect(plant, plant_database, "boards-top", range(4, 6), inspection=ok)

    (row,) = plant.data("reference", "build", "boards", "--from-last", 100)

    assert (row["found"], row["images"]) == (2, 2)


def test_history_without_kept_pictures_builds_nothing_and_says_of_what(
    plant: Console, plant_database: Database
) -> None:
    inspect(plant, plant_database, "washers-side", range(1, 3), product="nut")

    some, none = together(
        [
            (plant, ["reference", "build", "washers", "--from-last", 5, "--json"]),
            (plant, ["reference", "build", "boards", "--from-last", 5]),
        ]
    )

    assert [row["station"] for row in some.json] == ["side"]
    assert some.sentence.startswith("line=washers station=top product=washer: no picture")
    assert (none.code, none.out) == (1, "")
    assert "kept of line=boards station=top product=object" in none.sentence


def test_withdrawn_reference_can_be_restored(plant: Console, good: Path) -> None:
    for name in ("a", "b"):
        plant.run("reference", "build", "boards", "--folder", good)
        (good / f"{name}.png").unlink()
        (good / "d.png").write_bytes(png(4))

    withdrawn = plant.data("reference", "withdraw", "boards", "--reason", "new lamp")
    listed = plant.data("reference", "list")
    gone = plant.run("reference", "show", "boards")
    restored = plant.data("reference", "restore", "boards", "--version", 1)
    shown = plant.data("reference", "show", "boards")

    assert [(row["version"], row["is_in_force"]) for row in withdrawn] == [(2, False)]
    assert [(row["version"], row["is_in_force"]) for row in listed] == [(2, False), (1, False)]
    assert (gone.code, gone.out) == (1, "")
    assert "there is no reference in force" in gone.sentence
    assert (restored["version"], restored["is_in_force"]) == (1, True)
    assert shown.pop("size_bytes") > 1000
    assert shown == restored


def test_reference_that_could_be_several_must_be_named(plant: Console, good: Path) -> None:
    for station in ("side", "top"):
        plant.run("reference", "build", "washers", "--folder", good, "--station", station)

    which, one, other, both = (
        plant.run("reference", "restore", "washers", "--version", 1),
        plant.run("reference", "show", "washers", "--station", "top", "--json"),
        plant.run("reference", "withdraw", "washers", "--product", "board"),
        plant.run("reference", "withdraw", "washers", "--json"),
    )

    assert (which.code, which.out) == (2, "")
    assert which.sentence.endswith("station=side product=nut; station=top product=washer")
    assert one.json["station"] == "top"
    assert (other.code, other.out) == (1, "")
    assert [row["station"] for row in both.json] == ["side", "top"]


def test_reference_build_refuses_what_cannot_work_and_changes_nothing(
    plant: Console, good: Path, tmp_path: Path
) -> None:
    build = ["reference", "build", "boards"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "a.png").write_bytes(b"no picture")

    ended = together(
        [
            (plant, build),
            (plant, [*build, "--folder", good, "--from-last", 3]),
            (plant, [*build, "--from-last", 0]),
            (plant, [*build, "--folder", tmp_path / "absent"]),
            (plant, [*build, "--folder", tmp_path / "empty"]),
            (plant, [*build, "--folder", good, "--station", "side"]),
            (plant, ["reference", "build", "caps", "--folder", good]),
            (plant, [*build, "--folder", tmp_path / "damaged"]),
            (plant.having(CHECKPOINT=tmp_path), [*build, "--folder", good]),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 2, 2, 2, 1, 1, 1, 2]
    assert not any(one.out for one in ended)
    assert "--folder DIR, or --from-last N" in ended[0].sentence
    assert "there is no picture in" in ended[4].sentence
    assert ended[5].sentence == "line 'boards' has no station 'side'; it has: top"
    assert "there is no line 'caps'" in ended[6].sentence
    assert ended[7].err.splitlines()[-1] == "none of the 1 pictures can be read"
    assert ended[8].sentence.startswith("INSPECTION_CHECKPOINT: ")
    assert plant.data("reference", "list") == []


def test_file_says_how_many_frames_a_line_learns_from(plant_database: Database) -> None:
    with plant_database.read() as connection:
        counts = {line.name: line.learn_count for line in lines.list_lines(connection)}

    assert counts == {"washers": 64, "boards": 0}
