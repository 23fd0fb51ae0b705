"""`inspection retention` and what history says of evidence that is gone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspection.store import ledger
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def kept(site_console: Console, site_database: Database) -> PictureStore:
    """Two frames of 40 and 1 days ago, with their pictures."""
    store = PictureStore(str(site_console.data_dir / "pictures"))
    for number, days in ((1, 40), (2, 1)):
        at = datetime.now(UTC) - timedelta(days=days)
        picture = store.put(factories.jpeg(grey=number), "image/jpeg")
        entry = factories.inspected(sequence_number=number, captured_at=at, picture=picture)
        with site_database.write() as connection:
            ledger.record(connection, [entry], at=at)
    assert store.folder is not None
    for file in store.folder.rglob("*.jpg"):
        os.utime(file, (0, 0))
    return store


@pytest.mark.usefixtures("kept")
def test_run_says_what_it_removed_and_show_what_is_left(site_console: Console) -> None:
    console = site_console.having(DISK_RESERVE_GB=0)
    size_bytes = len(factories.jpeg(grey=1))

    removed = console.data("retention", "run")
    again = console.data("retention", "run")
    shown = console.data("retention", "show")

    assert (removed["rows"], removed["files"], removed["file_bytes"]) == (0, 1, size_bytes)
    assert removed["evidence"]["age"]["pictures"] == removed["evidence"]["age"]["maps"] == 1
    assert (again["rows"], again["files"], again["evidence"]) == (0, 0, {})
    assert shown["rows"] == 2
    assert shown["kept"]["ok"]["pictures"] == 1
    assert shown["gone"]["age"]["picture_bytes"] == size_bytes
    assert shown["free_bytes"] > 0
    assert shown["forecast"]["outlook"] == "unknown"
    assert "too little history" in shown["forecast"]["sentence"]


@pytest.mark.usefixtures("kept")
def test_budget_of_the_settings_takes_evidence(site_console: Console) -> None:
    console = site_console.having(DISK_RESERVE_GB=0, KEEP_GB=1e-9, KEEP_OK_DAYS=365)

    removed = console.data("retention", "run")

    assert removed["evidence"]["budget"]["pictures"] == 2


def test_sweep_removes_files_that_no_row_keeps(site_console: Console, kept: PictureStore) -> None:
    orphan = kept.put(b"orphan", "image/png")
    assert kept.folder is not None
    (file,) = kept.folder.rglob("*.png")
    os.utime(file, (0, 0))

    removed = site_console.data("retention", "sweep")

    assert (removed["files"], removed["file_bytes"]) == (1, orphan.size_bytes)
    assert len(list(kept.folder.rglob("*.jpg"))) == 2


@pytest.mark.usefixtures("kept")
def test_history_says_why_picture_and_map_are_gone(site_console: Console, tmp_path: Path) -> None:
    site_console.having(DISK_RESERVE_GB=0).data("retention", "run")

    shown, drawn, newer = together(
        [
            (site_console, ["history", "show", 1, "--json"]),
            (site_console, ["history", "show", 1, "--heatmap", tmp_path / "gone.png"]),
            (site_console, ["history", "show", 2, "--heatmap", tmp_path / "there.png"]),
        ]
    )

    assert (shown.json["picture"], shown.json["picture_gone"], shown.json["map_gone"]) == (
        None,
        "age",
        "age",
    )
    assert drawn.code == 1
    assert drawn.sentence == "the anomaly map of inspection 1 is gone: it was old enough to go"
    assert newer.code == 0


def test_limits_that_make_no_sense_are_refused(site_console: Console) -> None:
    settings = ({"KEEP_DAYS": 0.5}, {"KEEP_GB": 0}, {"DISK_RESERVE_GB": -1}, {"KEEP_OK_DAYS": "x"})

    ended = together(
        [(site_console.having(**setting), ["retention", "show"]) for setting in settings]
    )

    for one, setting in zip(ended, settings, strict=True):
        assert one.code == 2
        assert one.sentence.startswith(f"INSPECTION_{next(iter(setting))}: ")
