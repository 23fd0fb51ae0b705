"""Addresses of databases: which are taken, and what is said of those that are not."""

from contextlib import closing
from pathlib import Path

import pytest

from inspection.errors import ConfigurationError
from inspection.store.database import Database


def test_address_of_sqlite_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    with closing(Database.open(f"sqlite:///{tmp_path}/a/b/inspection.sqlite")) as database:
        assert database.is_sqlite

    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_address_of_postgresql_hides_its_password(scheme: str) -> None:
    with closing(Database.open(f"{scheme}://operator:hush@db/inspection")) as database:
        assert database.address == "postgresql+psycopg://operator:***@db/inspection"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:hush@db/inspection",
        "postgresql+asyncpg://root:hush@db/inspection",
        "postgresql://root:hush@db:port/inspection",
        "root:hush@db/inspection",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://hush/file",
        "",
    ],
)
def test_address_of_another_kind_is_refused_with_the_cure(url: str) -> None:
    with pytest.raises(ConfigurationError, match="take sqlite:///") as raised:
        Database.open(url)

    assert "hush" not in str(raised.value)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot be made"):
        Database.open(f"sqlite:///{tmp_path}/file/inspection.sqlite")


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "5&answer_timeout_s=6"])
def test_answer_timeout_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"answer_timeout_s=.* take seconds"):
        Database.open(f"postgresql://operator@db/inspection?answer_timeout_s={given}")
