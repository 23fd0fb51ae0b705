"""The interface as a whole."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from inspection.api.body_limit import STRANGER_LIMIT_BYTES, TEXT_LIMIT_BYTES
from inspection.domain.access import Role
from inspection.errors import UnavailableError
from tests.integration.api.conftest import Client

LINE = {"line": "line-9", "product": "washer"}


def test_unknown_path_of_the_interface_is_a_problem_and_not_a_page(client: Client) -> None:
    answer = client(Role.VIEWER).get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Not Found"


def test_wrong_method_is_a_problem_that_names_the_right_ones(client: Client) -> None:
    answer = client(Role.VIEWER).delete("/api/v1/lines")

    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET, POST, HEAD, OPTIONS"


def test_options_name_the_methods_of_a_path(client: Client) -> None:
    answer = client(None).options("/api/v1/lines/line-1")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, PATCH, DELETE, HEAD, OPTIONS"


def test_head_is_answered_as_get_without_its_body(client: Client) -> None:
    answer = client(Role.VIEWER).head("/api/v1/lines/line-1")

    assert answer.status_code == 200
    assert answer.headers["etag"]
    assert answer.content == b""


def test_nobody_learns_anything_without_signing_in(client: Client) -> None:
    answer = client(None).get("/api/v1/lines")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_what_nobody_foresaw_is_a_problem_with_a_number_and_no_traceback(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("inspection.store.lines.list_lines", lambda _connection: 1 / 0)

    answer = client(Role.VIEWER).get("/api/v1/lines")

    assert answer.status_code == 500
    assert "division" not in answer.text
    number = answer.json()["detail"].rpartition(" ")[2]
    logged = capsys.readouterr()
    assert number in logged.out + logged.err


def test_server_that_does_not_answer_is_503_and_says_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_connection: Any) -> None:
        raise UnavailableError("postgresql://inspection@db-7 does not answer")

    monkeypatch.setattr("inspection.store.lines.list_lines", away)

    answer = client(Role.VIEWER).get("/api/v1/lines")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "db-7" not in answer.text


@pytest.mark.parametrize("has_length", [True, False], ids=["announced", "not announced"])
def test_body_that_is_too_large_is_refused(client: Client, has_length: bool) -> None:
    body = b'"' + b"a" * TEXT_LIMIT_BYTES + b'"'
    content: Any = body if has_length else iter([body[:1000], body[1000:]])

    answer = client(Role.ENGINEER).post(
        "/api/v1/lines", content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_large_body_is_read_of_nobody_who_is_not_known(client: Client) -> None:
    body = {"user": "anna", "password": "a" * STRANGER_LIMIT_BYTES}

    strange = client(None).post("/api/v1/session", json=body)
    known = client(Role.VIEWER).post("/api/v1/session", json=body)

    assert (strange.status_code, known.status_code) == (401, 422)
    assert strange.headers["www-authenticate"] == "Bearer"


def test_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspection.api.body_limit.BODY_S", 0.05)

    async def answer() -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            yield b'{"user":'
            await asyncio.sleep(60)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as asking:
            return await asking.post(
                "/api/v1/session", content=body(), headers={"Content-Type": "application/json"}
            )

    assert asyncio.run(answer()).status_code == 408


@pytest.mark.parametrize("media_type", ["text/plain", "image/png", "application/xml", ""])
def test_body_of_another_media_type_is_refused(client: Client, media_type: str) -> None:
    answer = client(Role.ENGINEER).post(
        "/api/v1/lines", content=b'{"line": "a"}', headers={"Content-Type": media_type}
    )

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"line": ' + b"1" * 5000 + b"}",
        b'{"line": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"line": "a\\u0000"}',
        b'{"line": "\xff"}',
        b'{"line": "line-9", "sample_rate": NaN}',
        b'{"line": "line-9", "sample_rate": 1e999}',
        b'{"line": "line-9", "learn_count": 99999999999999999999}',
        b'{"line": "line-9", "unknown": 1}',
        b"null",
        b"[]",
    ],
    ids=range(14),
)
def test_body_that_makes_no_sense_is_refused(client: Client, body: bytes) -> None:
    answer = client(Role.ENGINEER).post(
        "/api/v1/lines", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in {400, 422}
    assert answer.json()["status"] == answer.status_code


def test_wrong_field_is_named(client: Client) -> None:
    answer = client(Role.VIEWER).get("/api/v1/lines", params={"limit": 0})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.limit"


def test_answers_carry_headers_that_bind_browsers(client: Client) -> None:
    headers = client(None).get("/api/v1/lines").headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_docs_load_nothing_from_elsewhere(client: Client) -> None:
    reader = client(None)
    page = reader.get("/docs")

    assert page.status_code == 200
    assert "http" not in page.text
    assert "unsafe-inline" not in page.headers["content-security-policy"].partition("style-src")[0]
    for asset in ("assets/swagger-ui.css", "assets/swagger-ui-bundle.js", "start.js"):
        assert f"docs/{asset}" in page.text
        assert reader.get(f"/docs/{asset}").status_code == 200


def test_docs_show_the_document_in_a_version_that_what_shows_it_knows(client: Client) -> None:
    reader = client(None)

    shown = re.search(r'openapi: "(3\.\d)\.\d"', reader.get("/docs/start.js").text)

    # Of any other it says `Unable to render this definition`, and shows nothing.
    assert shown is not None
    assert f"openapi: {shown[1]}.n" in reader.get("/docs/assets/swagger-ui-bundle.js").text


def test_every_operation_is_described_completely(client: Client) -> None:
    document = client(None).get("/api/v1/openapi.json").json()

    operations = [one for path in document["paths"].values() for one in path.values()]
    assert operations
    for operation in operations:
        assert operation["summary"]
        assert operation["operationId"]
        assert operation["tags"]
        assert {"401", "403", "422", "503"} <= operation["responses"].keys()
    assert {"key", "session"} <= document["components"]["securitySchemes"].keys()


def test_process_that_lives_says_so_to_anybody(client: Client) -> None:
    assert client(None).get("/healthz").json() == {"status": "ok"}
    assert client(None).get("/readyz").json() == {"status": "ok"}


def test_process_without_its_database_lives_and_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_database: Any) -> None:
        raise UnavailableError("postgresql://inspection@db-7 does not answer")

    monkeypatch.setattr("inspection.store.database.Database.check", away)

    answer = client(None).get("/readyz")
    assert answer.status_code == 503
    assert "db-7" not in answer.text
    assert client(None).get("/healthz").status_code == 200


def test_metrics_are_for_those_who_may_look(client: Client) -> None:
    assert client(None).get("/metrics").status_code == 401
    assert client(Role.VIEWER).get("/metrics").status_code == 404
