"""Who may call what: `permissions.txt` names every route, and every route is really called."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from httpx import Response
from starlette.routing import BaseRoute, Mount

from inspection.api.gate import Permitted
from inspection.api.installation import Installation
from inspection.domain.access import Permission, Role
from inspection.domain.key import KeyKind
from tests.integration.api.conftest import Client, KeyClient, sign_in

TABLE = Path(__file__).with_name("permissions.txt")
KNOWN, OPEN, STREAM = "known", "open", "stream"
REFUSED = (401, 403)


@dataclass(frozen=True, order=True)
class Row:
    """A route and who may call it."""

    method: str
    path: str
    permission: str
    is_stream: bool = False

    def call(self, client: TestClient) -> Response:
        """Send the least that could be meant; nothing is called `1`."""
        path = re.sub(r"\{[^}]+\}", "1", self.path)
        body = {} if self.method in ("GET", "DELETE") else {"json": {}}
        return client.request(self.method, path, follow_redirects=False, **body)

    def allows(self, permissions: frozenset[Permission]) -> bool:
        return self.permission in (KNOWN, OPEN) or self.permission in permissions

    def __str__(self) -> str:
        return f"{self.method:7} {self.path:37} {self.permission}"


def rows_of_table() -> list[Row]:
    rows = []
    for line in TABLE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            method, path, permission, *rest = line.split()
            assert permission in (KNOWN, OPEN, *Permission), line
            assert rest in ([], [STREAM]), line
            rows.append(Row(method, path, permission, is_stream=bool(rest)))
    return rows


ROWS = rows_of_table()


def gates_of(dependant: Dependant) -> Iterator[Permitted]:
    for each in dependant.dependencies:
        if isinstance(each.call, Permitted):
            yield each.call
        yield from gates_of(each)


def asked_for(route: Any) -> str:
    """Return what a route asks for, as the table writes it."""
    dependant = getattr(route, "dependant", None)
    gates = [] if dependant is None else list(gates_of(dependant))
    assert len(gates) <= 1, f"{route.path} has two gates"
    if not gates:
        return OPEN
    return gates[0].permission or KNOWN


def rows_of(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[Row]:
    """Return the routes of an application as the table writes them."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, Mount):
            path = prefix + route.path
            if inner := route.routes:
                yield from rows_of(inner, path)
            else:
                yield Row("GET", path, OPEN)
            continue
        for method in sorted(set(context.methods or {"GET"}) - {"HEAD"}):
            yield Row(method, f"{prefix}{context.path}", asked_for(context))


def test_table_names_every_route_with_the_permission_it_asks_for(app: FastAPI) -> None:
    routes = {(row.method, row.path, row.permission) for row in rows_of(app.routes)}
    table = {(row.method, row.path, row.permission) for row in ROWS}

    missing = "\n".join(str(Row(*each)) for each in sorted(routes - table))
    gone = "\n".join(str(Row(*each)) for each in sorted(table - routes))
    assert not missing, f"add to {TABLE.name}, if this is who may call it:\n{missing}"
    assert not gone, f"there is no such route, or it asks for something else:\n{gone}"
    assert len(table) == len(ROWS), "a route stands in the table twice"


def test_only_signing_in_and_what_tells_nothing_is_open() -> None:
    is_harmless = re.compile(
        r"(GET|POST) /(healthz|readyz|docs(/.*)?|api/v1/(openapi\.json|session|sign-in"
        r"|openid(/.*)?))"
    )

    opened = [f"{row.method} {row.path}" for row in ROWS if row.permission == OPEN]
    wrong = [route for route in opened if not is_harmless.fullmatch(route)]

    assert not wrong


def test_nobody_may_call_anything_that_is_not_open(client: Client) -> None:
    nobody = client(None)
    rows = [row for row in ROWS if row.permission != OPEN]

    answers = {str(row): row.call(nobody).status_code for row in rows}

    assert answers == dict.fromkeys(answers, 401)


@pytest.mark.parametrize("role", Role)
def test_role_may_call_exactly_what_the_table_says(
    role: Role, client: Client, installation: Installation
) -> None:
    browser = client(None)

    for row in ROWS:
        is_allowed = row.allows(role.permissions)
        if row.permission == OPEN or (is_allowed and row.is_stream):
            continue
        sign_in(browser, installation, role)
        answer = row.call(browser)
        assert (answer.status_code not in REFUSED) == is_allowed, f"{row}: {answer.text}"
        assert answer.status_code != 500, f"{row}: {answer.text}"


def test_wall_screen_may_only_look(key_client: KeyClient) -> None:
    kiosk = key_client(Permission.READ, kind=KeyKind.KIOSK)

    for row in ROWS:
        is_allowed = row.method == "GET" and row.allows(frozenset({Permission.READ}))
        if row.permission == OPEN or (is_allowed and row.is_stream):
            continue
        answer = row.call(kiosk)
        assert (answer.status_code not in REFUSED) == is_allowed, f"{row}: {answer.text}"


def test_scope_of_a_key_opens_its_routes_and_no_others(key_client: KeyClient) -> None:
    every = frozenset(Permission)
    having = {scope: key_client(scope) for scope in Permission}
    lacking = {scope: key_client(*(every - {scope})) for scope in Permission}

    for row in ROWS:
        if row.permission in (OPEN, KNOWN):
            continue
        scope = Permission(row.permission)
        assert row.call(lacking[scope]).status_code == 403, str(row)
        if not row.is_stream:
            assert row.call(having[scope]).status_code not in (*REFUSED, 500), str(row)


def test_temporary_password_opens_nothing_but_its_change(
    client: Client, installation: Installation
) -> None:
    browser = client(None)
    sign_in(browser, installation, Role.ADMINISTRATOR, is_temporary=True)

    for row in ROWS:
        if row.permission not in (OPEN, KNOWN):
            answer = row.call(browser)
            assert answer.status_code == 403, str(row)
            assert "change your password" in answer.json()["detail"]
    assert browser.get("/api/v1/session").json()["must_change_password"]
