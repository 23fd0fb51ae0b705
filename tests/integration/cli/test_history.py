"""`inspection history`: finding inspections, and seeing where they look wrong."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.store import inspections, ledger
from inspection.store.database import Database
from inspection.store.inspections import HistoryQuery
from inspection.store.pictures import PictureStore
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

#: Width and height of the frame whose picture is kept.
WIDTH_PX, HEIGHT_PX = 40, 24


def record(database: Database, *entries: Entry) -> None:
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON + timedelta(minutes=1))


def number_of(database: Database, camera: str) -> int:
    with database.read() as connection:
        return inspections.history(connection, HistoryQuery(camera=camera))[0].inspection_id


@pytest.fixture
def shift(site_database: Database) -> Database:
    """Four frames of three cameras, one of them uninspected."""

    def at(second: int) -> Any:
        return NOON + timedelta(seconds=second)

    record(
        site_database,
        factories.inspected(captured_at=at(0), score=0.2),
        factories.inspected(sequence_number=2, captured_at=at(1), score=0.9, verdict=Verdict.NG),
        factories.inspected(camera="cam-2", captured_at=at(2), score=0.4),
        factories.uninspected(camera="cam-2", sequence_number=2, captured_at=at(3)),
        factories.inspected(
            camera="cam-3",
            captured_at=at(4),
            product="label",
            score=0.7,
            verdict=Verdict.PENDING,
            inspection=factories.inspection(
                camera="cam-3",
                captured_at=at(4),
                product="label",
                score=0.7,
                verdict=Verdict.PENDING,
                threshold=None,
            ),
        ),
    )
    return site_database


@pytest.mark.usefixtures("shift")
def test_history_shows_what_its_filters_ask_for_newest_first(site_console: Console) -> None:
    queries = {
        (): ["cam-3/1", "cam-2/1", "cam-1/2", "cam-1/1"],
        ("--verdict", "NG"): ["cam-1/2"],
        ("--line", "line-1", "--score-max", "0.5"): ["cam-2/1", "cam-1/1"],
        ("--sort", "closest", "--not-reviewed"): ["cam-2/1", "cam-1/1", "cam-1/2"],
        ("--since", "2026-03-02T12:00:01Z", "--until", "2026-03-02T13:00:04+01:00"): [
            "cam-2/1",
            "cam-1/2",
        ],
    }

    ended = together([(site_console, ["history", "--json", *query]) for query in queries])

    for one, frames in zip(ended, queries.values(), strict=True):
        assert (one.code, one.err) == (0, "")
        assert [f"{row['camera']}/{row['sequence_number']}" for row in one.json] == frames
    newest, _, worst, _ = ended[0].json
    assert newest["verdict"] == "pending"
    assert newest["threshold"] is None
    assert (worst["score"], worst["threshold"], worst["verdict"]) == (0.9, 0.5, "NG")
    assert worst["captured_at"] == "2026-03-02T12:00:01.000+00:00"


@pytest.mark.usefixtures("shift")
def test_history_goes_on_after_the_cursor_of_the_last_row(site_console: Console) -> None:
    first = site_console.data("history", "--limit", "3")

    second = site_console.data("history", "--limit", "3", "--before", first[-1]["cursor"])

    assert [row["inspection"] for row in first + second] == sorted(
        (row["inspection"] for row in first + second), reverse=True
    )
    assert (len(first), len(second)) == (3, 1)


def test_heatmap_has_the_size_of_the_frame_when_its_picture_was_kept(
    site_console: Console, site_database: Database, tmp_path: Path
) -> None:
    payload = factories.jpeg(WIDTH_PX, HEIGHT_PX, grey=200)
    kept = PictureStore(str(site_console.data_dir / "pictures")).put(payload, "image/jpeg")
    record(site_database, factories.inspected(picture=kept))
    number, file = number_of(site_database, "cam-1"), tmp_path / "where.png"

    shown = site_console.data("history", "show", number, "--heatmap", file)

    assert shown["picture"] == kept.sha256
    with Image.open(io.BytesIO(file.read_bytes())) as picture:
        assert (picture.format, picture.size) == ("PNG", (WIDTH_PX, HEIGHT_PX))
        colours = np.asarray(picture.convert("RGB"))
    assert colours.std(axis=(0, 1)).max() > 0


def test_heatmap_is_drawn_alone_and_says_so_when_no_picture_was_kept(
    site_console: Console, site_database: Database, tmp_path: Path
) -> None:
    lost = factories.picture()
    record(
        site_database,
        factories.inspected(),
        factories.inspected(camera="cam-2", picture=lost),
    )
    files = {camera: tmp_path / f"{camera}.png" for camera in ("cam-1", "cam-2")}

    ended = together(
        [
            (site_console, ["history", "show", number_of(site_database, camera), "--heatmap", file])
            for camera, file in files.items()
        ]
    )

    assert [one.code for one in ended] == [0, 0]
    assert "the line's policy did not keep it" in ended[0].sentence
    assert f"the picture {lost.sha256} is not in the store" in ended[1].sentence
    assert "cam-1" in ended[0].out
    for file in files.values():
        with Image.open(file) as picture:
            assert picture.format == "PNG"


def test_history_refuses_what_cannot_be_asked(shift: Database, site_console: Console) -> None:
    number = number_of(shift, "cam-1")

    ended = together(
        [
            (site_console, ["history", "--line", "line-9"]),
            (site_console, ["history", "show", 4711]),
            (site_console, ["history", "--until", "0001-01-01T00:00:00+05:00"]),
            (site_console, ["history", "--before", "0-99999999999999999999"]),
            (site_console, ["history", "show", number, "--heatmap", "absent/folder.png"]),
        ]
    )

    assert [one.code for one in ended] == [1, 1, 2, 2, 2]
    assert ended[0].sentence == "there is no line 'line-9'; there are: line-1, line-2"
    assert ended[1].sentence == "there is no inspection 4711"
    assert ended[2].sentence.startswith("--until: '0001-01-01T00:00:00+05:00' is no time; write ")
    assert "take the one that came with the last page" in ended[3].sentence
    assert "cannot write absent/folder.png: No such file or directory" in ended[4].err


@pytest.mark.usefixtures("shift")
def test_history_ends_quietly_when_nobody_reads_on(site_console: Console) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "-m", "inspection", "history"],
        env=site_console.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    os.close(writer)
    assert done.stderr == ""
