"""`inspection doctor`: every fault is found, and its cure is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from inspection.domain.health import CameraState
from inspection.domain.heartbeat import Heartbeat
from inspection.domain.inspection import Verdict
from inspection.domain.line import OverflowPolicy, Source
from inspection.store import ledger, lines
from inspection.store.channel_tables import channels
from inspection.store.database import Database
from inspection.store.heartbeats import beat
from inspection.stream.codec import refused_key, state_key
from inspection.stream.connection import connect
from inspection.stream.ownership import Owner
from inspection.stream.producer import Producer
from tests import factories
from tests.factories import NOON
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
    assert {"settings", "disk", "limits"} < {check for check, (is_ok, _) in found.items() if is_ok}
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


def test_doctor_finds_what_is_wrong_on_the_floor(
    site_console: Console,
    site_database: Database,
    checkpoint_folder: Path,
    redis_url: str,
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    folder = factories.camera(
        name="cam-4", source=Source(kind="folder", path=tmp_path / "nowhere"), line="line-2"
    )
    pending = factories.inspection(
        camera="cam-3", product="label", verdict=Verdict.PENDING, threshold=None
    )
    ahead = now + timedelta(minutes=5)
    with site_database.write() as connection:
        site = factories.site(
            lines=(factories.line(name="line-2"),), cameras=(folder,), channels=()
        )
        lines.create_missing(connection, site, at=NOON, by="test")
        ledger.record(
            connection,
            [
                factories.inspected(camera="cam-3", product="label", inspection=pending),
                factories.uninspected(camera="cam-2"),
            ],
            at=NOON,
        )
        inspector = Heartbeat(
            process="inspector",
            host="host-1",
            slot=0,
            pid=7,
            started_at=NOON,
            beat_at=ahead,
            turned_at=ahead - timedelta(hours=1),
            done_count=0,
        )
        beat(connection, inspector)
        beat(connection, replace(inspector, process="alerter", beat_at=NOON, turned_at=NOON))
        for channel in connection.scalars(select(channels.c.id)):
            connection.execute(delete(channels).where(channels.c.id == channel))
    with connect(redis_url) as client:
        make = partial(Producer, client, camera="cam-1", overflow=OverflowPolicy.BLOCK)
        first, second = (
            make(backlog_limit=1, owner=Owner(journal="1", host=host)) for host in ("a", "b")
        )
        first.report(CameraState(state="live", detail="", reported_at=now, host="a"))
        second.ownership.claim()

        ended = site_console.having(CHECKPOINT=checkpoint_folder, REDIS_URL=redis_url).run(
            "doctor", "--json"
        )
        for key in (state_key("cam-1"), refused_key("cam-1")):
            client.delete(key)

    found = findings(ended)
    assert ended.code == 1
    expected = {
        "clocks": "s ahead of this machine's: keep all of them set (NTP)",
        "processes": "no serve is at work: start `inspection serve`",
        "cameras": "cam-2: unknown, nobody has ever looked at it",
        "sources": "camera cam-4 cannot read",
        "ownership": "camera cam-1 is captured on a, and b wanted it too",
        "thresholds": "run `inspection line calibrate line-2`",
        "channels": "nobody is told of alerts of line-1, line-2",
        "dead letters": "1 of camera cam-2 could not be judged",
    }
    for check, words in expected.items():
        is_ok, finding = found[check]
        assert not is_ok, check
        assert words in finding
    assert "inspector 0 on host-1 (pid 7) stands still since" in found["processes"][1]
    assert "alerter 0 on host-1 (pid 7) is silent since" in found["processes"][1]


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
