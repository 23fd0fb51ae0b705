"""Signing in and out: cookies, guessing, forged requests, what ends a session."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from inspection.api import throttle
from inspection.api.installation import Installation
from inspection.domain.access import Permission, Role
from inspection.domain.key import KeyKind
from inspection.store import audit, links, sessions, users
from inspection.store.passwords import Passwords
from tests.conftest import Clock
from tests.integration.api.conftest import QUICK, Client, KeyClient, add_key, serving

SESSION = "/api/v1/session"
PASSWORD = "seven herons on a crane"  # noqa: S105 - of nobody
OTHER = "copper kettle by the window"


@pytest.fixture
def anna(installation: Installation) -> str:
    """The name of a user with a password."""
    new = users.NewUser(name="anna", role=Role.ENGINEER, password_hash=QUICK.hashed(PASSWORD))
    with installation.database.write() as connection:
        users.add_user(connection, new, at=installation.clock(), by="test")
    return new.name


@pytest.fixture
def browser_of(app: FastAPI) -> Callable[..., TestClient]:
    """Makes a browser at an address, over TLS unless said otherwise."""

    def made(address: str = "192.0.2.1", server: str = "https://testserver") -> TestClient:
        return TestClient(app, server, raise_server_exceptions=False, client=(address, 5000))

    return made


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as records:
        yield records


def sign_in(browser: TestClient, user: str = "anna", password: str = PASSWORD) -> Response:
    answer = browser.post(SESSION, json={"user": user, "password": password})
    if answer.status_code == 200:
        browser.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer


def test_user_signs_in_asks_who_it_is_and_signs_out(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    browser = browser_of()

    signed_in = sign_in(browser, "Anna")
    asked = browser.get(SESSION)
    cookie = dict(browser.cookies)
    signed_out = browser.delete(SESSION)

    assert signed_in.status_code == 200
    assert asked.json() == signed_in.json()
    assert (asked.json()["name"], asked.json()["role"]) == (anna, "engineer")
    assert asked.json()["permissions"] == sorted(Role.ENGINEER.permissions)
    assert signed_out.status_code == 204
    assert browser.get(SESSION).status_code == 401
    browser.cookies.update(cookie)
    assert browser.get(SESSION).status_code == 401, "the cookie is worth nothing any more"


def test_cookie_is_for_this_host_over_tls_and_no_script(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    cookies = sign_in(browser_of(), anna).headers.get_list("set-cookie")

    assert [cookie.partition("=")[0] for cookie in cookies] == [
        "__Host-inspection-device",
        "__Host-inspection-session",
    ]
    for cookie in cookies:
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_cookie_of_plain_http_is_not_taken_over_tls(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    plain = browser_of(server="http://testserver")
    sign_in(plain, anna)
    over_tls = browser_of()
    over_tls.cookies.set("inspection-session", plain.cookies["inspection-session"])

    assert plain.get(SESSION).status_code == 200
    assert over_tls.get(SESSION).status_code == 401


def test_session_ends_when_idle_and_after_a_shift(
    anna: str, browser_of: Callable[..., TestClient], clock: Clock
) -> None:
    idle, busy = browser_of(), browser_of()
    sign_in(idle, anna)
    sign_in(busy, anna)

    statuses = []
    for hour in range(1, 13):
        clock.advance(3600)
        statuses.append(busy.get(SESSION).status_code)
        if hour == 2:
            assert idle.get(SESSION).status_code == 401

    assert statuses == [200] * 11 + [401]


def test_answer_does_not_tell_whether_there_is_such_a_user(
    anna: str, browser_of: Callable[..., TestClient], installation: Installation
) -> None:
    with installation.database.write() as connection:
        new = users.NewUser(name="ben", role=Role.VIEWER, password_hash=QUICK.hashed(PASSWORD))
        users.add_user(connection, new, at=installation.clock(), by="test")
        users.disable_user(connection, "ben", at=installation.clock(), by="test")
        users.add_user(
            connection,
            users.NewUser(name="by-provider", role=Role.VIEWER),
            at=installation.clock(),
            by="test",
        )

    answers = [
        sign_in(browser_of(), anna, OTHER),
        sign_in(browser_of(), "nobody", OTHER),
        sign_in(browser_of(), "ben", PASSWORD),
        sign_in(browser_of(), "by-provider", "nobody"),
        sign_in(browser_of(), "' OR 1=1 --", PASSWORD),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


def test_password_is_looked_at_once_whether_or_not_there_is_such_a_user(
    anna: str, installation: Installation
) -> None:
    verified = []

    class Counting(Passwords):
        def is_right(self, password: str, kept: str | None) -> bool:
            verified.append(password)
            return super().is_right(password, kept)

    counting = Counting(memory_kib=8, passes=1)
    app = serving(replace(installation, passwords=counting))

    for name in (anna, "nobody", "' OR 1=1 --"):
        sign_in(TestClient(app, "https://testserver"), name, OTHER)

    assert verified == [OTHER] * 3


def test_signing_in_again_ends_the_session_before_in_that_browser(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    browser = browser_of()
    sign_in(browser, anna)
    before = dict(browser.cookies)
    sign_in(browser, anna)
    other = browser_of()
    other.cookies.update(before)

    assert browser.get(SESSION).status_code == 200
    assert other.get(SESSION).status_code == 401


def test_guessing_is_refused_for_names_that_are_there_and_those_that_are_not(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    for name in (anna, "nobody"):
        guesses = [sign_in(browser_of(f"192.0.2.{n}"), name, OTHER) for n in range(11)]

        assert [guess.status_code for guess in guesses] == [401] * 10 + [429]
        assert int(guesses[-1].headers["retry-after"]) > 0
        assert sign_in(browser_of("198.51.100.7"), name).status_code == 429


def test_guessing_does_not_lock_out_a_browser_that_was_used_before(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    hers = browser_of()
    sign_in(hers, anna)
    hers.delete(SESSION)
    for number in range(11):
        sign_in(browser_of(f"198.51.100.{number}"), anna, OTHER)

    assert sign_in(hers, anna).status_code == 200
    assert sign_in(browser_of("198.51.100.99"), anna).status_code == 429


def test_forged_proof_of_a_browser_does_not_tell_who_is_there(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    for name in (anna, "nobody"):
        for number in range(10):
            sign_in(browser_of(f"192.0.2.{number}"), name, OTHER)
        forger = browser_of("198.51.100.7")
        forger.cookies.set("__Host-inspection-device", throttle.proof_of(name, ""))

        assert sign_in(forger, name, OTHER).status_code == 429


def test_browser_that_was_used_before_may_not_guess_for_ever_either(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    hers = browser_of()
    sign_in(hers, anna)

    statuses = [sign_in(hers, anna, OTHER).status_code for _ in range(11)]

    assert statuses == [401] * 10 + [429]


def test_one_address_may_not_try_every_name(browser_of: Callable[..., TestClient]) -> None:
    limit = throttle.PER_ADDRESS.amount

    statuses = [
        sign_in(browser_of(), f"user-{number}", OTHER).status_code for number in range(limit + 1)
    ]

    assert statuses == [401] * limit + [429]


def test_network_of_ipv6_counts_as_one_address(browser_of: Callable[..., TestClient]) -> None:
    limit = throttle.PER_ADDRESS.amount

    statuses = [
        sign_in(browser_of(f"2001:db8::{number:x}"), f"user-{number}", OTHER).status_code
        for number in range(limit + 1)
    ]

    assert statuses == [401] * limit + [429]
    assert sign_in(browser_of("2001:db8:0:1::1"), "user", OTHER).status_code == 401


def test_log_names_who_fails_and_never_a_password(
    anna: str, browser_of: Callable[..., TestClient], logs: list[Any]
) -> None:
    sign_in(browser_of(), anna, OTHER)
    sign_in(browser_of(), PASSWORD, PASSWORD)
    sign_in(browser_of(), anna)

    assert [(each["event"], each["user"]) for each in logs] == [
        ("sign_in_failed", anna),
        ("sign_in_failed", None),
        ("signed_in", anna),
    ]
    assert PASSWORD not in str(logs)
    assert OTHER not in str(logs)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://[evil"}, 403),
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "0" * 64}, 403),
    ],
)
def test_change_with_a_cookie_comes_from_a_page_of_ours(
    browser: Client, headers: dict[str, str], status: int
) -> None:
    body = {"name": "new", "role": "viewer"}

    answer = browser(Role.ADMINISTRATOR).post("/api/v1/users", json=body, headers=headers)

    assert answer.status_code == (201 if status == 200 else status)


def test_page_of_another_site_cannot_sign_a_browser_in(
    anna: str, browser_of: Callable[..., TestClient]
) -> None:
    body = {"user": anna, "password": PASSWORD}

    other_site = browser_of().post(SESSION, json=body, headers={"Sec-Fetch-Site": "cross-site"})
    form = browser_of().post(SESSION, data=body)

    assert other_site.status_code == 403
    assert form.status_code in (415, 422)


def test_password_is_changed_and_every_other_browser_signed_out(
    anna: str, browser_of: Callable[..., TestClient], installation: Installation
) -> None:
    here, elsewhere = browser_of(), browser_of()
    sign_in(here, anna)
    sign_in(elsewhere, anna)

    body = {"current_password": PASSWORD, "new_password": OTHER}
    changed = here.put(f"{SESSION}/password", json=body)

    assert changed.status_code == 200
    assert here.get(SESSION).status_code == 200
    assert elsewhere.get(SESSION).status_code == 401
    assert sign_in(browser_of(), anna).status_code == 401
    assert sign_in(browser_of(), anna, OTHER).status_code == 200
    with installation.database.read() as connection:
        (change, *_) = audit.list_changes(connection, thing="user", name=anna)
    assert (change.who, change.action) == (anna, "changed")
    assert OTHER not in str(change)


@pytest.mark.parametrize(
    ("current", "new", "status"),
    [
        (OTHER, OTHER, 403),
        (PASSWORD, "short", 422),
        (PASSWORD, "passwordpassword", 422),
        (PASSWORD, "anna-anna-anna-1", 422),
        (PASSWORD, PASSWORD, 422),
    ],
)
def test_password_is_not_changed_without_the_old_one_or_to_one_that_is_guessed(
    anna: str, browser_of: Callable[..., TestClient], current: str, new: str, status: int
) -> None:
    browser = browser_of()
    sign_in(browser, anna)

    body = {"current_password": current, "new_password": new}
    answer = browser.put(f"{SESSION}/password", json=body)

    assert answer.status_code == status
    assert new not in answer.text or new == OTHER
    assert sign_in(browser_of(), anna).status_code == 200


def test_temporary_password_opens_the_door_once_it_is_changed(
    browser: Client, browser_of: Callable[..., TestClient], clock: Clock
) -> None:
    made = browser(Role.ADMINISTRATOR).post("/api/v1/users", json={"name": "ben", "role": "viewer"})
    temporary = made.json()["temporary_password"]
    bens = browser_of()

    assert sign_in(bens, "ben", temporary).json()["must_change_password"]
    body = {"current_password": temporary, "new_password": OTHER}
    changed = bens.put(f"{SESSION}/password", json=body)

    assert not changed.json()["must_change_password"]
    assert changed.json()["permissions"] == ["read"]
    clock.advance(3 * 86400)
    assert sign_in(browser_of(), "ben", OTHER).status_code == 200


def test_temporary_password_ends_after_a_day(
    browser: Client, browser_of: Callable[..., TestClient], clock: Clock
) -> None:
    administrator = browser(Role.ADMINISTRATOR)
    made = administrator.post("/api/v1/users", json={"name": "ben", "role": "viewer"})

    clock.advance(86400)

    assert sign_in(browser_of(), "ben", made.json()["temporary_password"]).status_code == 401


def test_link_signs_one_browser_in_once(
    anna: str, browser_of: Callable[..., TestClient], installation: Installation
) -> None:
    with installation.database.write() as connection:
        at = installation.clock()
        token = links.link_to_user(connection, anna, is_local=False, at=at, by="test")
    link = links.address_of("", token)
    first, second = browser_of(), browser_of()

    followed = first.get(link, follow_redirects=False)
    again = second.get(link, follow_redirects=False)

    assert followed.status_code == 303
    assert token.text not in followed.headers["location"]
    assert followed.headers["cache-control"] == "no-store"
    assert first.get(SESSION).json()["name"] == anna
    assert again.status_code == 401
    assert second.get(SESSION).status_code == 401


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 303),
        ("::1", {}, 303),
        ("192.0.2.1", {}, 401),
        ("unknown", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 401),
    ],
)
def test_link_of_the_demo_is_for_this_machine_alone(
    anna: str,
    browser_of: Callable[..., TestClient],
    installation: Installation,
    address: str,
    headers: dict[str, str],
    status: int,
) -> None:
    with installation.database.write() as connection:
        at = installation.clock()
        token = links.link_to_user(connection, anna, is_local=True, at=at, by="test")

    browser = browser_of(address)
    answer = browser.get(links.address_of("", token), headers=headers, follow_redirects=False)

    assert answer.status_code == status


def test_wall_screen_stays_signed_in_until_its_key_is_revoked(
    browser: Client, browser_of: Callable[..., TestClient], clock: Clock
) -> None:
    administrator = browser(Role.ADMINISTRATOR)
    body = {"name": "wall-1", "kind": "kiosk", "scopes": ["read"]}
    administrator.post("/api/v1/keys", json=body)
    link = administrator.post("/api/v1/keys/wall-1/link").json()["link"]
    screen = browser_of(server="http://testserver")

    screen.get(link, follow_redirects=False)
    clock.advance(100 * 86400)
    shown = screen.get(SESSION)
    changed = screen.delete(SESSION)
    revoked = browser(Role.ADMINISTRATOR).delete("/api/v1/keys/wall-1")

    assert shown.json() | {"csrf_token": "", "expires_at": ""} == {
        "name": "kiosk wall-1",
        "role": None,
        "permissions": ["read"],
        "cameras": None,
        "must_change_password": False,
        "csrf_token": "",
        "expires_at": "",
    }
    assert changed.status_code == 403
    assert revoked.status_code == 200
    assert screen.get(SESSION).status_code == 401


def test_key_asks_by_itself_and_cannot_sign_out(
    key_client: KeyClient,
) -> None:
    program = key_client(Permission.PUSH, name="gateway-7", cameras=frozenset({"cam-1"}))

    asked = program.get(SESSION).json()

    assert (asked["name"], asked["permissions"]) == ("key gateway-7", ["push"])
    assert asked["cameras"] == ["cam-1"]
    assert asked["csrf_token"] is None
    assert program.delete(SESSION).status_code == 403


def test_key_that_is_over_or_wrong_opens_nothing_even_beside_a_good_cookie(
    browser: Client, installation: Installation, clock: Clock, logs: list[Any]
) -> None:
    viewer = browser(Role.VIEWER)
    _, text = add_key(
        installation, Permission.READ, name="short", expires_at=clock.advance(0) + sessions.IDLE / 2
    )

    answers = [
        viewer.get(SESSION, headers={"Authorization": value}).status_code
        for value in (f"Bearer {text}", f"bearer {text}", f"Bearer {text}x", f"Basic {text}", "")
    ]
    clock.advance(sessions.IDLE.total_seconds() / 2)
    late = viewer.get(SESSION, headers={"Authorization": f"Bearer {text}"})

    assert answers == [200, 200, 401, 401, 401]
    assert late.status_code == 401
    assert late.headers["www-authenticate"] == "Bearer"
    assert [(each["event"], each["why"]) for each in logs] == [("key_refused", "expired")]
    assert text not in str(logs)


def test_key_of_a_wall_screen_may_be_sent_as_well(
    key_client: KeyClient,
) -> None:
    screen = key_client(Permission.READ, kind=KeyKind.KIOSK, name="wall-1")

    assert screen.get(SESSION).json()["name"] == "kiosk wall-1"
    assert screen.delete(SESSION).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"user": "anna\x00", "password": PASSWORD},
        {"user": "anna", "password": "\x00" * 20},
        {"user": "a" * 10_000_000, "password": PASSWORD},
        {"user": "anna", "password": "a" * 2000},
        {"user": "anna", "password": PASSWORD, "role": "administrator"},
        {"user": ["anna"], "password": PASSWORD},
        {},
    ],
)
def test_sign_in_that_is_none_is_refused_by_its_field(client: Client, body: dict[str, Any]) -> None:
    answer = client(None).post(SESSION, json=body)

    assert answer.status_code in (413, 422)
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("field", ["user", "password"])
def test_half_a_character_is_no_reason_to_fail(client: Client, field: str) -> None:
    body = '{"user": "anna", "password": "%s"}' % PASSWORD  # noqa: UP031
    old = "anna" if field == "user" else PASSWORD
    body = body.replace(old, r"\ud800")

    answer = client(None).post(SESSION, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (401, 422)
