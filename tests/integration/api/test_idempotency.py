"""A POST that is sent again with its key is done once."""

import itertools
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Installation
from inspection.api.shapes import Body
from inspection.api.text import Name
from inspection.domain.access import Permission, Principal, Role
from inspection.errors import ConflictError
from inspection.store.answers import KEPT_FOR
from tests.conftest import Clock
from tests.integration.api.conftest import KeyHeaders

ROUTER = APIRouter(route_class=Once)
MAY_PUSH = Permitted(Permission.PUSH)


class Thing(Body):
    name: Name


class RoleGate:
    """Takes the role out of the request's `Authorization`."""

    def principal(self, request: Request) -> Principal:
        role = Role(request.headers["Authorization"].removeprefix("Bearer "))
        return Principal(name=f"the {role}", permissions=role.permissions)


@ROUTER.post("/things", status_code=201)
def make(thing: Thing, _caller: Annotated[Principal, Depends(MAY_PUSH)]) -> dict[str, str | int]:
    if thing.name == "impossible":
        raise ConflictError
    return {"name": thing.name, "number": next(NUMBERS)}


NUMBERS = itertools.count(1)


@pytest.fixture
def things(installation: Installation, key_headers: KeyHeaders) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.installation = installation
    problems.add_handlers(app)
    app.include_router(ROUTER)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.headers.update(key_headers(Role.ENGINEER))
        yield client


def test_request_sent_again_is_answered_the_same_and_not_done_again(things: TestClient) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5"}

    first = things.post("/things", json={"name": "a"}, headers=headers)
    again = things.post("/things", json={"name": "a"}, headers=headers)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_key_with_another_body_is_refused(things: TestClient) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5"}
    things.post("/things", json={"name": "a"}, headers=headers)

    answer = things.post("/things", json={"name": "b"}, headers=headers)

    assert answer.status_code == 422
    assert "key of its own" in answer.json()["detail"]


def test_requests_without_a_key_are_each_done(things: TestClient) -> None:
    answers = [things.post("/things", json={"name": "a"}).json()["number"] for _ in range(2)]

    assert answers[0] != answers[1]


def test_answer_is_forgotten_after_a_day(things: TestClient, clock: Clock) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5"}
    first = things.post("/things", json={"name": "a"}, headers=headers)

    clock.advance(KEPT_FOR.total_seconds())

    assert things.post("/things", json={"name": "a"}, headers=headers).json() != first.json()


@pytest.mark.parametrize(("body", "status"), [({"name": "impossible"}, 409), ({"name": ""}, 422)])
def test_refused_request_may_be_sent_again_with_the_same_key(
    things: TestClient, body: dict[str, str], status: int
) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5"}

    refused = things.post("/things", json=body, headers=headers)
    corrected = things.post("/things", json={"name": "a"}, headers=headers)

    assert refused.status_code == status
    assert corrected.status_code == 201


def test_nobody_gets_an_answer_kept_for_somebody_else(
    things: TestClient, key_headers: KeyHeaders
) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5"}
    first = things.post("/things", json={"name": "a"}, headers=headers)

    viewer = headers | key_headers(Role.VIEWER)
    administrator = headers | key_headers(Role.ADMINISTRATOR)

    assert things.post("/things", json={"name": "a"}, headers=viewer).status_code == 403
    others = things.post("/things", json={"name": "a"}, headers=administrator)
    assert others.json() != first.json()


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_key_that_is_none_is_refused(things: TestClient, key: str) -> None:
    answer = things.post("/things", json={"name": "a"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "header.idempotency-key"
