"""`inspection doctor`: every fault is found, and its cure is said."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.console import Console, Ended, together

pytestmark = pytest.mark.timeout(120)


def findings(ended: Ended) -> dict[str, tuple[bool, str]]:
    rows: list[dict[str, Any]] = ended.json
    return {row["check"]: (row["is_ok"], row["finding"]) for row in rows}


def test_doctor_finds_nothing_when_all_is_well(
    site_console: Console, checkpoint_folder: Path
) -> None:
    ended = site_console.having(CHECKPOINT=checkpoint_folder).run("doctor", "--json")

    found = findings(ended)
    assert (ended.code, ended.err) == (0, "")
    assert all(is_ok for is_ok, _ in found.values())
    assert found["stream server"][1].startswith("Valkey ")
    assert found["stream server"][1].endswith(", embedded")
    assert found["cameras"][1] == "cam-1 never seen, cam-2 never seen, cam-3 never seen"


def test_doctor_says_the_cure_of_every_fault(
    console: Console, tmp_path: Path, redis_url: str, evicting_redis_url: str
) -> None:
    (tmp_path / "file").touch()
    wrong = {"CHECKPOINT": tmp_path / "absent", "PICTURE_URL": tmp_path / "file" / "pictures"}
    below_a_file = console.at(tmp_path / "file" / "data")

    broken, forgetful, evicting, nowhere = together(
        [
            (console.having(REDIS_URL="redis://127.0.0.1:1/0", **wrong), ["doctor", "--json"]),
            (console.having(REDIS_URL=redis_url, **wrong), ["doctor", "--json"]),
            (console.having(REDIS_URL=evicting_redis_url, **wrong), ["doctor", "--json"]),
            (below_a_file, ["doctor", "--json"]),
        ]
    )

    assert [one.code for one in (broken, forgetful, evicting, nowhere)] == [1] * 4
    found = findings(broken)
    assert [check for check, (is_ok, _) in found.items() if is_ok] == ["disk"]
    assert found["stream server"][1].startswith("INSPECTION_REDIS_URL: ")
    assert "start the server, or correct the address" in found["stream server"][1]
    assert "run `inspection db upgrade`" in found["database"][1]
    assert "correct INSPECTION_PICTURE_URL" in found["pictures"][1]
    assert found["checkpoint"][1].startswith("INSPECTION_CHECKPOINT: ")
    assert "name a checkpoint folder, or 'pocket'" in found["checkpoint"][1]
    assert "set appendonly yes" in findings(forgetful)["stream server"][1]
    assert "set maxmemory-policy to noeviction" in findings(evicting)["stream server"][1]
    assert "INSPECTION_DATA_DIR: " in findings(nowhere)["disk"][1]
    assert "name a folder that this user may write" in findings(nowhere)["database"][1]


def test_doctor_says_that_a_backbone_is_still_to_be_downloaded(
    console: Console, referring_folder: Path, tmp_path: Path
) -> None:
    referring = console.having(CHECKPOINT=referring_folder, TEXT_TOWER=tmp_path)

    there, elsewhere, gone = together(
        [
            (referring, ["doctor", "--json"]),
            (referring.having(BACKBONE=tmp_path), ["doctor", "--json"]),
            (console.having(CHECKPOINT=referring_folder), ["doctor", "--json"]),
        ]
    )

    is_ok, sentence = findings(there)["checkpoint"]
    assert is_ok
    assert "its backbone nobody/has-downloaded-this is not on this machine yet" in sentence
    assert findings(elsewhere)["checkpoint"] == (True, str(referring_folder))
    is_ok, sentence = findings(gone)["checkpoint"]
    assert not is_ok
    assert "set INSPECTION_TEXT_TOWER to where it is" in sentence
