"""Frames that a gateway pushes: taken once, told apart, bounded, and answered with the verdict."""

import asyncio
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import update

from inspection.accounting import accounts
from inspection.api.app import create_app
from inspection.api.installation import Installation
from inspection.api.waiting import Waiting
from inspection.domain.access import Permission, Role
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy
from inspection.store import ledger, tables
from inspection.stream.codec import frames_key
from inspection.stream.connection import connect, connect_async
from inspection.stream.consumer import Consumer
from tests import factories, servers
from tests.factories import NOON
from tests.integration.api.conftest import Client, KeyClient, KeyHeaders
from tests.integration.api.streamed import (
    CAMERA,
    FRAMES,
    add_gateway,
    asking,
    inspecting,
    now,
    streamed,
)

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def installation(
    installation: Installation, redis_url: str, tmp_path: Path
) -> Iterator[Installation]:
    add_gateway(installation.database)
    with streamed(installation, redis_url, tmp_path) as streaming:
        yield streaming


@pytest.fixture
def gateway(client: Client) -> TestClient:
    return client(Role.ENGINEER)


@pytest.fixture
def headers(key_headers: KeyHeaders) -> dict[str, str]:
    return JPEG | key_headers(Role.ENGINEER)


def pushed(gateway: TestClient, picture: bytes | None = None, **query: str) -> httpx.Response:
    return gateway.post(FRAMES, content=picture or factories.jpeg(), headers=JPEG, params=query)


def waiting_count(installation: Installation) -> int:
    return int(installation.stream_client.xlen(frames_key(CAMERA)))


def test_pushed_frame_has_a_number_and_an_address_where_it_is_found(gateway: TestClient) -> None:
    answer = pushed(gateway, part_serial="S-1", lot="L-1", trigger_id="T-1")

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{FRAMES}/1"
    found = gateway.get(answer.headers["Location"]).json()
    assert (found["state"], found["sequence_number"]) == ("in_flight", 1)
    assert answer.json()["part_serial"] == "S-1"
    assert answer.json()["captured_at"] == "2026-03-02T12:00:00Z"


async def test_pushed_frame_waits_in_the_stream_as_a_captured_one_would(
    gateway: TestClient, redis_url: str
) -> None:
    pushed(gateway, part_serial="S-1", captured_at="2026-03-02T13:00:00+02:00")

    async with connect_async(redis_url, block_ms=0) as client:
        consumer = Consumer(client, name="inspector-1", reclaim_idle_ms=0)
        await consumer.prepare([CAMERA])
        (delivery,) = await consumer.take([CAMERA], count=9, block_ms=0)
    frame = consumer.frame(delivery)
    expected = factories.frame(
        camera=CAMERA,
        captured_at=NOON.replace(hour=11),
        part_serial="S-1",
        lot=None,
        trigger_id=None,
    )
    assert frame == expected


def test_account_of_a_pushed_camera_adds_up_at_every_step(
    installation: Installation, gateway: TestClient
) -> None:
    for number in range(3):
        pushed(gateway, trigger_id=str(number))
    with installation.database.write() as connection:
        rows = [factories.inspected(camera=CAMERA, sequence_number=1, captured_at=NOON)]
        ledger.record(connection, rows, at=NOON)

    parts = accounts(installation.database, installation.stream_client, installation.journal_dir)

    (account,) = [part.account for part in parts if part.camera == CAMERA]
    assert (account.accepted, account.inspected, account.in_flight) == (3, 1, 2)
    assert account.is_balanced


@pytest.mark.parametrize("name", ["Idempotency-Key", "trigger"])
def test_frame_sent_again_is_not_doubled(
    installation: Installation, gateway: TestClient, name: str
) -> None:
    query = {"trigger_id": "T-1"} if name == "trigger" else {}
    headers = JPEG | ({} if name == "trigger" else {name: "key-1"})

    answers = [
        gateway.post(FRAMES, content=factories.jpeg(), headers=headers, params=query)
        for _ in range(2)
    ]

    assert [answer.headers["Location"] for answer in answers] == [f"{FRAMES}/1"] * 2
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert waiting_count(installation) == 1


def test_frames_without_key_and_trigger_are_different_frames(
    installation: Installation, gateway: TestClient
) -> None:
    assert [pushed(gateway).json()["sequence_number"] for _ in range(2)] == [1, 2]
    assert waiting_count(installation) == 2


def test_same_trigger_with_another_picture_is_another_frame(gateway: TestClient) -> None:
    first = pushed(gateway, trigger_id="7")

    second = pushed(gateway, factories.jpeg(grey=9), trigger_id="7")

    assert (first.json()["sequence_number"], second.json()["sequence_number"]) == (1, 2)


def test_key_that_came_with_another_frame_is_a_conflict(gateway: TestClient) -> None:
    headers = JPEG | {"Idempotency-Key": "key-1"}
    gateway.post(FRAMES, content=factories.jpeg(), headers=headers)

    answer = gateway.post(FRAMES, content=factories.jpeg(grey=9), headers=headers)

    assert answer.status_code == 409


def test_key_of_one_caller_says_nothing_about_the_key_of_another(
    installation: Installation, gateway: TestClient, key_client: KeyClient
) -> None:
    headers = JPEG | {"Idempotency-Key": "key-1"}
    gateway.post(FRAMES, content=factories.jpeg(), headers=headers)

    another = key_client(Permission.PUSH)
    answer = another.post(FRAMES, content=factories.jpeg(grey=9), headers=headers)

    assert (answer.status_code, waiting_count(installation)) == (202, 2)


def test_key_for_one_camera_pushes_no_frames_of_another(key_client: KeyClient) -> None:
    key = key_client(Permission.PUSH, cameras=frozenset({"cam-1"}))

    assert pushed(key).status_code == 403


def png_bomb() -> bytes:
    """Encode a header that claims 30000 x 30000 pixels, and none of them."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (30000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    return bytes(data)


def test_picture_that_cannot_be_judged_is_refused_and_gets_no_number(
    installation: Installation, headers: dict[str, str]
) -> None:
    limited = replace(installation, body_limit_bytes=2**20)
    pictures = [
        ("no picture type", factories.jpeg(), "text/plain", 415),
        ("another type than it has", factories.jpeg(), "image/png", 415),
        ("no picture", b"%PDF-1.7 a document", "image/jpeg", 415),
        ("empty", b"", "image/jpeg", 422),
        ("cut off", b"\xff\xd8\xff\xe0", "image/jpeg", 422),
        ("too many bytes", bytes(2**20 + 1), "image/jpeg", 413),
        ("too many pixels", png_bomb(), "image/png", 413),
    ]

    with asking(limited, headers) as gateway:
        answers = [
            (name, gateway.post(FRAMES, content=picture, headers={"Content-Type": kind}))
            for name, picture, kind, _ in pictures
        ]

    assert [(name, answer.status_code) for name, answer in answers] == [
        (name, status) for name, _, _, status in pictures
    ]
    kinds = {answer.headers["Content-Type"] for _, answer in answers}
    assert kinds == {"application/problem+json"}
    assert waiting_count(installation) == 0


def test_body_without_a_length_is_bounded_too(
    installation: Installation, headers: dict[str, str]
) -> None:
    limited = replace(installation, body_limit_bytes=2**20)

    with asking(limited, headers) as gateway:
        parts = (bytes(2**18) for _ in range(100))
        answer = gateway.post(FRAMES, content=parts)

    assert answer.status_code == 413


def test_wrong_parameter_is_refused(installation: Installation, gateway: TestClient) -> None:
    queries = [
        {"part_serial": "a\0b"},
        {"lot": "x" * 201},
        {"trigger_id": ""},
        {"captured_at": "yesterday"},
        {"captured_at": "2026-03-02T12:00:00"},
        {"captured_at": "2026-03-02T12:06:00Z"},
        {"captured_at": "1999-01-01T00:00:00Z"},
        {"part": "S-1"},
    ]

    for query in queries:
        assert pushed(gateway, **query).status_code == 422, query
    assert waiting_count(installation) == 0


def test_frames_of_a_captured_camera_cannot_be_pushed(gateway: TestClient) -> None:
    answer = gateway.post("/api/v1/cameras/cam-1/frames", content=factories.jpeg(), headers=JPEG)

    assert answer.status_code == 409
    assert "inspection capture" in answer.json()["detail"]


def test_unknown_camera_and_frame_are_not_found(gateway: TestClient) -> None:
    unknown = gateway.post("/api/v1/cameras/none/frames", content=factories.jpeg(), headers=JPEG)

    assert unknown.status_code == 404
    assert gateway.get(f"{FRAMES}/1").status_code == 404
    assert gateway.get(f"{FRAMES}/0").status_code == 422
    assert gateway.get(f"{FRAMES}/{2**70}").status_code == 422


def test_viewer_may_look_and_not_push(gateway: TestClient, client: Client) -> None:
    pushed(gateway)

    viewer = client(Role.VIEWER)

    assert viewer.get(f"{FRAMES}/1").status_code == 200
    assert pushed(viewer).status_code == 403


def overflow(installation: Installation, policy: OverflowPolicy) -> None:
    change = update(tables.cameras).where(tables.cameras.c.name == CAMERA)
    with installation.database.write() as connection:
        connection.execute(change.values(overflow=policy.value, backlog_limit=1))


def test_full_stream_asks_to_try_again_and_takes_nothing(
    installation: Installation, gateway: TestClient
) -> None:
    overflow(installation, OverflowPolicy.BLOCK)
    pushed(gateway)

    answer = pushed(gateway)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert gateway.get(f"{FRAMES}/2").status_code == 404


def test_full_stream_that_drops_says_so_and_counts_the_drop(
    installation: Installation, gateway: TestClient
) -> None:
    overflow(installation, OverflowPolicy.DROP_NEWEST)
    pushed(gateway)

    answer = pushed(gateway)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "gateway/2 was dropped" in answer.json()["detail"]
    with installation.database.write() as connection:
        dropped = factories.dropped(camera=CAMERA, sequence_number=2, cause=Cause.DROP_NEWEST)
        ledger.record(connection, [dropped], at=NOON)
    found = gateway.get(answer.headers["Location"]).json()
    assert (found["state"], found["reason"]) == ("dropped", "drop_newest")


def test_nothing_is_taken_while_the_stream_server_is_away(
    installation: Installation, headers: dict[str, str]
) -> None:
    with (
        connect(f"redis://127.0.0.1:{servers.free_port()}/0", retries=0) as nowhere,
        asking(replace(installation, streams=nowhere), headers) as gateway,
    ):
        answer = pushed(gateway)

    assert answer.status_code == 503


def test_frame_that_is_uninspected_says_why(
    installation: Installation, gateway: TestClient
) -> None:
    row = factories.uninspected(camera=CAMERA, sequence_number=1)
    with installation.database.write() as connection:
        ledger.record(connection, [row], at=NOON)

    found = gateway.get(f"{FRAMES}/1").json()

    assert (found["state"], found["reason"]) == ("uninspected", "corrupt")
    assert found["verdict"] is None


async def test_gateway_that_waits_is_answered_with_the_verdict(
    installation: Installation, redis_url: str, headers: dict[str, str]
) -> None:
    app = create_app(replace(installation, clock=now))
    transport = httpx.ASGITransport(app)
    headers |= {"Prefer": "respond-async, wait=15"}

    async with (
        inspecting(installation, redis_url, 0.25, 0.75),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client,
    ):
        first = await client.post(FRAMES, content=factories.jpeg(), params={"part_serial": "S-1"})
        second = await client.post(FRAMES, content=factories.jpeg(grey=9))

    assert (first.status_code, first.headers["Preference-Applied"]) == (200, "wait=15")
    view = first.json()
    assert (view["verdict"], view["score"], view["threshold"]) == ("OK", 0.25, 0.5)
    assert (view["part_serial"], view["sequence_number"]) == ("S-1", 1)
    assert view["heatmap"] == f"/api/v1/inspections/{view['inspection_id']}/heatmap"
    assert second.json()["verdict"] == "NG"


async def test_many_gateways_wait_together(
    installation: Installation, redis_url: str, headers: dict[str, str]
) -> None:
    app = create_app(replace(installation, clock=now))
    headers |= {"Prefer": "wait=15"}
    count = 24

    async with (
        inspecting(installation, redis_url, *([0.25] * count)),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers=headers
        ) as client,
    ):
        answers = await asyncio.gather(
            *(client.post(FRAMES, content=factories.jpeg()) for _ in range(count))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["sequence_number"] for answer in answers} == set(range(1, count + 1))


def test_gateway_whose_frame_takes_longer_is_told_where_to_look(gateway: TestClient) -> None:
    answer = gateway.post(FRAMES, content=factories.jpeg(), headers=JPEG | {"Prefer": "wait=0"})

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=0")
    assert answer.json()["state"] == "in_flight"


def test_preference_nobody_can_read_is_not_applied(gateway: TestClient) -> None:
    for prefer in ("wait=soon", "wait=-1", "respond-async", "await=3", ""):
        answer = gateway.post(FRAMES, content=factories.jpeg(), headers=JPEG | {"Prefer": prefer})

        assert answer.status_code == 202, prefer
        assert "Preference-Applied" not in answer.headers, prefer


def test_nobody_waits_when_too_many_do_and_the_frame_is_taken_all_the_same(
    installation: Installation, headers: dict[str, str]
) -> None:
    with asking(replace(installation, waiting=Waiting(limit_count=0)), headers) as gateway:
        answer = gateway.post(FRAMES, content=factories.jpeg(), headers=JPEG | {"Prefer": "wait=9"})

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
