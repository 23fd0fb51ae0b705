"""Settings come from the environment, and what is wrong with them is named."""

from pathlib import Path

import pytest

from inspection.errors import ConfigurationError
from inspection.settings import Settings, read_settings
from inspection.settings.preparation import child_environment, prepare_data_dir


def test_settings_have_embedded_servers_below_the_data_directory_when_nothing_is_set() -> None:
    settings = read_settings({"PATH": "/bin"})

    assert settings.redis_url is None
    assert settings.database == f"sqlite:///{Path('inspection-data').absolute()}/inspection.sqlite"
    assert settings.pictures == str(Path("inspection-data/pictures").absolute())


def test_settings_are_read_by_their_type() -> None:
    settings = read_settings(
        {
            "INSPECTION_REDIS_URL": "redis://a",
            "INSPECTION_DATA_DIR": "/data",
            "INSPECTION_REPLICAS": "3",
            "INSPECTION_PICTURE_LIMIT_MP": "12.5",
            "INSPECTION_LOG_FORMAT": "json",
        }
    )

    assert settings.redis_url == "redis://a"
    assert settings.data_dir == Path("/data")
    assert settings.replicas == 3
    assert settings.picture_limit_mp == 12.5
    assert settings.log_format == "json"


@pytest.mark.parametrize(
    "variable", ["INSPECTION_REDIS", "INSPECTION_", "INSPECTION_DEVICE_FILE", "INSPECTION_PORT"]
)
def test_unknown_variable_is_named_with_those_that_are_known(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable} is not a setting") as refusal:
        read_settings({variable: "x"})

    assert "INSPECTION_REDIS_URL, INSPECTION_DATABASE_URL" in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INSPECTION_REPLICAS", "two"),
        ("INSPECTION_REPLICAS", "0"),
        ("INSPECTION_THREADS", "1.5"),
        ("INSPECTION_DEVICE", "gpu"),
        ("INSPECTION_DEVICE", "my cpu"),
        ("INSPECTION_DEVICE", "cuda:x"),
        ("INSPECTION_LOG_LEVEL", "loud"),
        ("INSPECTION_ENTRY_LIMIT_MB", "nan"),
        ("INSPECTION_PICTURE_LIMIT_MP", "inf"),
        ("INSPECTION_CHECKPOINT", ""),
        ("INSPECTION_REDIS_URL", ""),
    ],
)
def test_malformed_value_is_named_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{variable}\b") as refusal:
        read_settings({variable: value})

    assert value in str(refusal.value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_device_is_one_that_replicas_know(device: str) -> None:
    assert read_settings({"INSPECTION_DEVICE": device}).device == device


@pytest.mark.parametrize("is_secret_first", [True, False])
def test_secret_is_read_from_its_file_and_wins_whatever_comes_first(
    tmp_path: Path, is_secret_first: bool
) -> None:
    path = tmp_path / "database"
    path.write_text("postgresql://u:pässword@db/x\n", encoding="utf-8")
    secret = {"INSPECTION_DATABASE_URL_FILE": str(path)}
    plain = {"INSPECTION_DATABASE_URL": "sqlite:///other"}

    settings = read_settings(secret | plain if is_secret_first else plain | secret)

    assert settings.database_url == "postgresql://u:pässword@db/x"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe", "not a text file")],
)
def test_secret_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "redis"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=f"^INSPECTION_REDIS_URL_FILE.*{complaint}"):
        read_settings({"INSPECTION_REDIS_URL_FILE": str(path)})


def test_children_get_exactly_the_settings_of_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INSPECTION_PICTURE_URL", "s3://not/ours")
    monkeypatch.setenv("INSPECTION_DATABASE_URL_FILE", "/not/ours")
    monkeypatch.setenv("OTHER", "stays")
    settings = Settings(data_dir=tmp_path, replicas=2, log_level="debug")

    environment = child_environment(settings, redis_url="redis://ours")

    assert environment["OTHER"] == "stays"
    own = {key: value for key, value in environment.items() if key.startswith("INSPECTION_")}
    expected = settings.model_copy(
        update={
            "redis_url": "redis://ours",
            "database_url": settings.database,
            "log_format": "json",
        }
    )
    assert read_settings(own) == expected


def test_data_directory_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    prepare_data_dir(Settings(data_dir=tmp_path / "new" / "data"))

    assert (tmp_path / "new" / "data").is_dir()


def test_data_directory_that_cannot_be_written_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"^INSPECTION_DATA_DIR: .*; name a folder"):
        prepare_data_dir(Settings(data_dir=tmp_path / "file" / "data"))
