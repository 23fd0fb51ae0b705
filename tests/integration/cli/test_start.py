"""What cannot work is refused before anything is started, in one sentence, with exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from inspection.model.checkpoint_folder import ADAPTERS_FILE
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

SITE = """
lines:
  - name: washers
    stations: [{name: top, cameras: [{name: washers-top, folder: pictures}]}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


def test_console_script_shows_its_commands() -> None:
    script = Path(sys.executable).with_name("inspection")

    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    for command in ("demo", "up", "capture", "inspector", "serve", "alerter", "history", "doctor"):
        assert command in done.stdout


def test_usage_and_settings_that_are_wrong_end_with_exit_code_2(
    console: Console, config: Path
) -> None:
    ended = together(
        [
            (console, ["history", "--limit", "0"]),
            (console, ["up"]),
            (console, ["threshold", "set", "washers"]),
            (console.having(REDIS="x"), ["up", "--config", config]),
            (console.having(REPLICAS="two"), ["up", "--config", config]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(2, "")] * 5
    assert "--config" in ended[1].err
    assert "INSPECTION_REDIS is not a setting" in ended[3].sentence
    assert "INSPECTION_REPLICAS: " in ended[4].sentence
    assert not console.data_dir.exists()


def test_checkpoint_that_is_not_there_is_named_before_anything_is_started(
    console: Console, config: Path, tmp_path: Path
) -> None:
    wrong = console.having(CHECKPOINT=tmp_path / "absent")

    ended = together([(wrong, ["up", "--config", config]), (wrong, ["demo"]), (wrong, ["serve"])])

    for one in ended:
        assert (one.code, one.out) == (2, "")
        assert one.sentence.startswith("INSPECTION_CHECKPOINT: ")
        assert "name a checkpoint folder, or 'pocket' for the packaged one" in one.sentence
    assert not list(console.data_dir.rglob("*.log"))


def test_checkpoint_that_is_damaged_is_refused(
    console: Console, config: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in checkpoint_folder.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / ADAPTERS_FILE).write_bytes(b"half")

    ended = console.having(CHECKPOINT=damaged).run("up", "--config", config)

    assert (ended.code, ended.out) == (2, "")
    assert "copy the whole folder again" in ended.sentence


def test_parts_of_the_detector_that_are_not_there_are_named_before_anything_is_started(
    console: Console, config: Path, checkpoint_folder: Path, referring_folder: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent"

    ended = together(
        [
            (
                console.having(CHECKPOINT=checkpoint_folder, BACKBONE=absent),
                ["up", "--config", config],
            ),
            (
                console.having(CHECKPOINT=checkpoint_folder, TEXT_TOWER=f"ViT-B-32@{absent}"),
                ["serve"],
            ),
            (console.having(CHECKPOINT=referring_folder), ["serve"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(2, "")] * 3
    sentences = [one.sentence for one in ended]
    assert sentences[0] == f"INSPECTION_BACKBONE: {absent} is not there; correct the path"
    assert sentences[1] == f"INSPECTION_TEXT_TOWER: {absent} is not there; correct the path"
    assert sentences[2].startswith("INSPECTION_CHECKPOINT: ")
    assert "set INSPECTION_TEXT_TOWER to where it is on this machine" in sentences[2]
    assert not list(console.data_dir.rglob("*.log"))


def test_servers_that_cannot_be_used_are_named_before_anything_is_started(
    console: Console,
    tmp_path: Path,
    config: Path,
    checkpoint_folder: Path,
    redis_url: str,
    evicting_redis_url: str,
) -> None:
    no_database = "postgresql://u:s3cret@127.0.0.1:1/x"

    evicting, redisless, baseless, pictureless, rayless = together(
        [
            (
                console.at(tmp_path / name).having(CHECKPOINT=checkpoint_folder, **settings),
                ["up", "--config", config],
            )
            for name, settings in {
                "evicting": {"REDIS_URL": evicting_redis_url},
                "redisless": {"REDIS_URL": "redis://127.0.0.1:1/0"},
                "baseless": {"REDIS_URL": redis_url, "DATABASE_URL": no_database},
                "pictureless": {"REDIS_URL": redis_url, "PICTURE_URL": "pigeon://loft"},
                "rayless": {"REDIS_URL": redis_url, "RAY_ADDRESS": "127.0.0.1:1"},
            }.items()
        ]
    )

    ended = (evicting, redisless, baseless, pictureless, rayless)
    assert [(one.code, one.out) for one in ended] == [(2, "")] * 5
    sentences = [one.err.splitlines()[-1] for one in ended]
    assert "set maxmemory-policy to noeviction" in sentences[0]
    assert sentences[1].startswith("INSPECTION_REDIS_URL: ")
    assert sentences[2].startswith("INSPECTION_DATABASE_URL: ")
    assert sentences[3].startswith("INSPECTION_PICTURE_URL: ")
    assert sentences[4].startswith("INSPECTION_RAY_ADDRESS: no Ray answers at 127.0.0.1:1: ")
    assert not list(tmp_path.rglob("*.log"))


def test_data_directory_that_cannot_be_written_is_named(
    console: Console, config: Path, checkpoint_folder: Path
) -> None:
    nowhere = console.at(config / "below-a-file").having(CHECKPOINT=checkpoint_folder)
    commands = (["up", "--config", config], ["demo"], ["serve"], ["alerter"], ["line", "list"])

    ended = together([(nowhere, command) for command in commands])

    for one in ended:
        assert (one.code, one.out) == (2, "")
        assert one.sentence.startswith(f"INSPECTION_DATA_DIR: {nowhere.data_dir}")
        assert "name a folder that this user may write" in one.sentence


def test_demo_leaves_alone_what_it_has_not_made(console: Console, checkpoint_folder: Path) -> None:
    kept = console.data_dir / "demo" / "inspection.sqlite"
    kept.parent.mkdir(parents=True)
    kept.write_text("precious")

    ended = console.having(CHECKPOINT=checkpoint_folder).run("demo", "--json")

    assert (ended.code, ended.out) == (2, "")
    assert "holds something else than a demo" in ended.sentence
    assert kept.read_text() == "precious"


def test_processes_of_a_line_say_what_they_lack(site_console: Console) -> None:
    ended = together(
        [
            (site_console, ["capture"]),
            (site_console, ["inspector"]),
            (site_console.having(REDIS_URL="redis://127.0.0.1:1/0"), ["capture", "cam-9"]),
            (site_console.at(site_console.data_dir / "new"), ["alerter"]),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 1, 2]
    assert "set INSPECTION_REDIS_URL, or start everything with `inspection up`" in ended[0].sentence
    assert "set INSPECTION_REDIS_URL" in ended[1].sentence
    assert ended[2].sentence == "there is no camera 'cam-9'; there are: cam-1, cam-2, cam-3"
    assert "run `inspection db upgrade`" in ended[3].sentence
