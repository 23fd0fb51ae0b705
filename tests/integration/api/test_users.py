"""Users and keys, as administrators keep them through the interface."""

from typing import Any

import pytest

from inspection.api.installation import Installation
from inspection.domain.access import Permission, Role
from inspection.store import audit
from tests.integration.api.conftest import Client, KeyClient

USERS, KEYS = "/api/v1/users", "/api/v1/keys"


def test_user_is_made_changed_reset_and_disabled(
    browser: Client, installation: Installation
) -> None:
    administrator = browser(Role.ADMINISTRATOR)

    made = administrator.post(USERS, json={"name": "Anna", "role": "viewer"})
    changed = administrator.patch(f"{USERS}/anna", json={"role": "engineer"})
    reset = administrator.post(f"{USERS}/anna/password-reset")
    disabled = administrator.patch(f"{USERS}/ANNA", json={"is_enabled": False})
    shown = administrator.get(f"{USERS}/anna")
    enabled = administrator.patch(f"{USERS}/anna", json={"is_enabled": True, "role": "viewer"})

    assert made.status_code == 201
    assert made.json()["user"]["name"] == "anna"
    assert changed.json()["role"] == "engineer"
    assert reset.json()["temporary_password"] != made.json()["temporary_password"]
    assert disabled.json() == shown.json()
    assert not shown.json()["is_enabled"]
    assert (enabled.json()["is_enabled"], enabled.json()["role"]) == (True, "viewer")
    with installation.database.read() as connection:
        changes = audit.list_changes(connection, thing="user", name="anna")
    assert {change.who for change in changes} == {"administrator"}


def test_nobody_gives_more_than_they_may_themselves(browser: Client, key_client: KeyClient) -> None:
    browser(Role.ADMINISTRATOR).post(USERS, json={"name": "ada", "role": "administrator"})
    clerk = key_client(Permission.ADMINISTER, Permission.READ)

    statuses = [
        clerk.post(KEYS, json={"name": "small", "scopes": ["read"]}).status_code,
        clerk.post(KEYS, json={"name": "large", "scopes": ["read", "threshold"]}).status_code,
        clerk.post(USERS, json={"name": "vera", "role": "viewer"}).status_code,
        clerk.post(USERS, json={"name": "evil", "role": "administrator"}).status_code,
        clerk.patch(f"{USERS}/vera", json={"role": "engineer"}).status_code,
        clerk.post(f"{USERS}/vera/password-reset").status_code,
        clerk.post(f"{USERS}/ada/password-reset").status_code,
        clerk.patch(f"{USERS}/ada", json={"is_enabled": False}).status_code,
        clerk.patch(f"{USERS}/ada", json={"is_enabled": True}).status_code,
    ]

    assert statuses == [201, 403, 201, 403, 403, 200, 403, 200, 403]


def test_users_are_listed_in_pages(browser: Client) -> None:
    administrator = browser(Role.ADMINISTRATOR)
    for name in ("ben", "anna"):
        administrator.post(USERS, json={"name": name, "role": "viewer"})

    first = administrator.get(USERS, params={"limit": 2}).json()
    rest = administrator.get(USERS, params={"cursor": first["next_cursor"]}).json()

    assert [user["name"] for user in first["items"]] == ["administrator", "anna"]
    assert [user["name"] for user in rest["items"]] == ["ben"]
    assert rest["next_cursor"] is None


def test_last_administrator_cannot_lock_everybody_out(browser: Client) -> None:
    administrator = browser(Role.ADMINISTRATOR)

    for body in ({"role": "viewer"}, {"is_enabled": False}):
        answer = administrator.patch(f"{USERS}/administrator", json=body)

        assert answer.status_code == 409
        assert "last administrator" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", USERS, {"name": "administrator", "role": "viewer"}, 409),
        ("POST", USERS, {"name": "an na", "role": "viewer"}, 422),
        ("POST", USERS, {"name": "anna", "role": "boss"}, 422),
        ("POST", USERS, {"name": "anna", "role": "viewer", "password": "x"}, 422),
        ("GET", f"{USERS}/nobody", None, 404),
        ("PATCH", f"{USERS}/nobody", {"role": "viewer"}, 404),
        ("PATCH", f"{USERS}/administrator", {"name": "x"}, 422),
        ("POST", f"{USERS}/nobody/password-reset", None, 404),
        ("POST", KEYS, {"name": "a", "scopes": []}, 422),
        ("POST", KEYS, {"name": "a", "scopes": ["everything"]}, 422),
        ("POST", KEYS, {"name": "a", "scopes": ["read"], "cameras": ["cam-1"]}, 422),
        ("POST", KEYS, {"name": "a", "scopes": ["push"], "cameras": ["cam-9"]}, 404),
        ("POST", KEYS, {"name": "a", "scopes": ["push"], "kind": "kiosk"}, 422),
        ("POST", KEYS, {"name": "a", "scopes": ["read"], "expires_at": "tomorrow"}, 422),
        (
            "POST",
            KEYS,
            {"name": "a", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"},
            422,
        ),
        ("DELETE", f"{KEYS}/nothing", None, 404),
        ("POST", f"{KEYS}/nothing/link", None, 404),
    ],
)
def test_what_cannot_be_is_refused(
    browser: Client, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = browser(Role.ADMINISTRATOR).request(method, path, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_key_is_shown_once_used_and_revoked(browser: Client, client: Client) -> None:
    administrator = browser(Role.ADMINISTRATOR)
    body = {"name": "gateway-7", "scopes": ["push"], "cameras": ["cam-1"]}

    made = administrator.post(KEYS, json=body)
    text = made.json()["key"]
    program = client(None)
    program.headers["Authorization"] = f"Bearer {text}"
    used = program.get("/api/v1/session")
    listed = administrator.get(KEYS)
    refused = administrator.post(f"{KEYS}/gateway-7/link")
    administrator.delete(f"{KEYS}/gateway-7")

    assert made.status_code == 201
    assert used.json()["permissions"] == [Permission.PUSH]
    (shown,) = listed.json()["items"]
    assert shown["last_used_at"] is not None
    assert text not in listed.text
    assert refused.status_code == 409
    assert program.get("/api/v1/session").status_code == 401
    assert administrator.get(KEYS).json()["items"] == []
    assert len(administrator.get(KEYS, params={"has_revoked": True}).json()["items"]) == 1


def test_other_sites_are_allowed_nothing(client: Client) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    answers = [
        client(None).options(USERS, headers=asking),
        client(Role.ADMINISTRATOR).get(USERS, headers=asking),
    ]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
