"""`inspection export`: inspections taken away, into a file or through a pipe."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest

from inspection.domain.inspection import Verdict
from inspection.store import ledger
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def past(site_database: Database) -> None:
    """One OK and one NG inspection of one part."""
    with site_database.write() as connection:
        ledger.record(
            connection,
            [
                factories.inspected(score=0.2),
                factories.inspected(
                    camera="cam-2",
                    captured_at=NOON + timedelta(seconds=1),
                    score=0.9,
                    verdict=Verdict.NG,
                ),
            ],
            at=NOON + timedelta(minutes=1),
        )


def test_export_goes_to_stdout_or_to_a_file_in_the_format_of_its_name(
    site_console: Console, tmp_path: Path
) -> None:
    file, odd = tmp_path / "all.parquet", tmp_path / "all.xlsx"

    piped, whole, refused, part = together(
        [
            (site_console, ["export", "--format", "jsonl", "--verdict", "NG"]),
            (site_console, ["export", file]),
            (site_console, ["export", odd]),
            (site_console, ["history", "part", factories.frame().part_serial, "--json"]),
        ]
    )

    assert [one.code for one in (piped, whole, refused, part)] == [0, 0, 2, 0]
    assert [json.loads(line)["score"] for line in piped.out.splitlines()] == [0.9]
    assert pyarrow.parquet.read_table(file)["score"].to_pylist() == [0.2, 0.9]
    assert "a file that ends with .csv, .parquet, .jsonl" in refused.sentence
    assert sorted(path.name for path in tmp_path.glob("all.*")) == ["all.parquet"]
    assert part.json["verdict"] == "NG"
    assert [frame["score"] for frame in part.json["frames"]] == [0.2, 0.9]
