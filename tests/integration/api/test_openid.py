"""Signing in at a real provider of identities, and what is not believed of one."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from fastapi.testclient import TestClient
from httpx import Response
from joserfc.jwk import ECKey

from inspection.api.installation import Installation
from inspection.api.openid import OpenId
from inspection.domain import identity
from inspection.domain.access import Role
from inspection.store import audit, users
from tests.integration.api import provider as providers
from tests.integration.api.conftest import serving
from tests.integration.api.provider import CLIENT_ID, CLIENT_SECRET, Provider

BEGIN, SESSION = "/api/v1/openid/sign-in", "/api/v1/session"
ROLES = {"quality": Role.ENGINEER, "admins": Role.ADMINISTRATOR}

Browsers = Callable[[], TestClient]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providers.running() as provider:
        yield provider


@pytest.fixture
def browsers(provider: Provider, installation: Installation) -> Browsers:
    """Makes browsers of a server whose users come from the provider."""
    known = identity.Provider(
        issuer=provider.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        role_claim="groups",
        roles=ROLES,
    )
    app = serving(replace(installation, openid=OpenId(known)))
    return lambda: TestClient(app, "https://testserver", raise_server_exceptions=False)


@pytest.fixture
def refusals() -> Iterator[Callable[[], list[str]]]:
    with structlog.testing.capture_logs() as records:
        yield lambda: [each["why"] for each in records if each["event"] == "openid_refused"]


def begun(browser: TestClient) -> str:
    """Go to the provider, and return where it sends the browser back to."""
    sent = browser.get(BEGIN, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    address = urlsplit(sent.headers["location"])
    with closing(HTTPConnection(address.netloc)) as connection:
        connection.request("GET", f"{address.path}?{address.query}")
        return connection.getresponse().headers["Location"]


def signed_in(browser: TestClient) -> Response:
    return browser.get(begun(browser), follow_redirects=False)


def test_user_appears_at_the_first_sign_in_with_the_role_the_provider_says(
    browsers: Browsers, installation: Installation
) -> None:
    browser = browsers()

    answer = signed_in(browser)

    assert answer.status_code == 303
    assert (browser.get(SESSION).json()["name"], browser.get(SESSION).json()["role"]) == (
        "olga",
        "engineer",
    )
    with installation.database.read() as connection:
        user = users.get_user(connection, "olga")
        (change,) = audit.list_changes(connection, thing="user", name="olga")
    assert (user.is_external, user.has_password) == (True, False)
    assert (change.who, change.action) == ("OpenID Connect", "created")
    passwords = {"user": "olga", "password": "nobody"}
    assert browsers().post(SESSION, json=passwords).status_code == 401


def test_role_follows_the_provider_at_every_sign_in(browsers: Browsers, provider: Provider) -> None:
    roles = []
    for groups in (["quality", "admins"], ["quality"], "admins"):
        provider.claims["groups"] = groups
        browser = browsers()
        signed_in(browser)
        roles.append(browser.get(SESSION).json()["role"])

    assert roles == ["administrator", "engineer", "administrator"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": int(time.time()) - 600}, "expired"),
        ({"exp": None}, "exp"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": "somebody-else", "azp": CLIENT_ID}, "aud"),
        ({"aud": [CLIENT_ID], "azp": "somebody-else"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"sub": None}, "sub"),
        ({"groups": ["canteen"]}, "no role"),
        ({"groups": None}, "no role"),
        ({"groups": [{"quality": 1}]}, "no role"),
        ({"preferred_username": "../olga"}, "user name"),
    ],
)
def test_token_that_is_not_for_this_sign_in_is_refused(
    browsers: Browsers,
    provider: Provider,
    refusals: Callable[[], list[str]],
    claims: dict[str, Any],
    why: str,
) -> None:
    provider.claims |= claims
    browser = browsers()

    answer = signed_in(browser)

    assert answer.status_code == 401
    assert why in "".join(refusals())
    assert browser.get(SESSION).status_code == 401


def test_token_signed_by_somebody_else_is_refused(browsers: Browsers, provider: Provider) -> None:
    provider.signing_key = ECKey.generate_key("P-256", {"kid": "1"})

    assert signed_in(browsers()).status_code == 401


def test_answer_of_the_provider_is_good_once_and_in_the_browser_that_began(
    browsers: Browsers,
) -> None:
    hers, other = browsers(), browsers()
    begun(other)
    back = begun(hers)

    assert other.get(back, follow_redirects=False).status_code == 401
    assert browsers().get(back, follow_redirects=False).status_code == 401
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert hers.get(back.replace(state, "x"), follow_redirects=False).status_code == 401
    assert hers.get(back, follow_redirects=False).status_code == 303
    assert hers.get(back, follow_redirects=False).status_code == 401


@pytest.mark.parametrize("query", ["", "?error=access_denied", "?code=x", "?code=x&state=%00"])
def test_answer_that_is_none_is_refused(browsers: Browsers, query: str) -> None:
    browser = browsers()
    begun(browser)

    answer = browser.get(f"/api/v1/openid/callback{query}", follow_redirects=False)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_user_of_ours_is_not_taken_over_by_one_of_the_same_name(
    browsers: Browsers, installation: Installation
) -> None:
    with installation.database.write() as connection:
        new = users.NewUser(name="olga", role=Role.ADMINISTRATOR)
        users.add_user(connection, new, at=installation.clock(), by="test")

    assert signed_in(browsers()).status_code == 401


def test_user_disabled_here_stays_outside_whatever_the_provider_says(
    browsers: Browsers, installation: Installation
) -> None:
    first = browsers()
    signed_in(first)
    with installation.database.write() as connection:
        users.disable_user(connection, "olga", at=installation.clock(), by="test")

    assert first.get(SESSION).status_code == 401
    assert signed_in(browsers()).status_code == 401


def test_provider_that_is_away_is_no_fault_of_ours(
    installation: Installation,
) -> None:
    known = identity.Provider(
        issuer="http://127.0.0.1:9",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        role_claim="groups",
        roles=ROLES,
    )
    app = serving(replace(installation, openid=OpenId(known)))

    answer = TestClient(app, raise_server_exceptions=False).get(BEGIN)

    assert answer.status_code == 503


def test_without_a_provider_there_is_nothing_to_go_to(installation: Installation) -> None:
    answer = TestClient(serving(installation)).get(BEGIN)

    assert answer.status_code == 404
