"""`inspection bench`: what it prints, and whose database it leaves alone."""

import pytest

from inspection.store.database import Database
from tests.integration.cli.console import Console

pytestmark = pytest.mark.timeout(120)


def test_bench_measures_a_temporary_file(console: Console) -> None:
    ended = console.run("bench", "store", "--rows", "1000", "--sample", "64", "--json")

    assert ended.code == 0
    assert ended.json["rows"] == 1_000
    assert ended.json["history_p95_ms"] > 0
    assert ended.json["inserts_per_second"] > 0
    assert ended.json["bytes_per_inspection"] > 2_048  # its map alone


def test_bench_refuses_the_database_of_a_plant(
    site_console: Console, site_database: Database
) -> None:
    console = site_console.having(DATABASE_URL=f"sqlite:///{site_database.file}")

    ended = console.run("bench", "store", "--rows", "1000")

    assert ended.code == 2
    assert "lines that are no specimen: line-1" in ended.sentence
