"""`inspection user` and `inspection key`: the first administrator, keys, links, refusals."""

import json

import pytest

from inspection.cli.invitation import invitation
from inspection.store import keys, links, sessions, users
from inspection.store.database import Database
from inspection.store.passwords import Passwords
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

PASSWORD = "seven herons on a crane"  # noqa: S105 - of nobody


def test_first_administrator_is_made_with_a_password_from_standard_input(
    site_console: Console, site_database: Database
) -> None:
    made = site_console.run(
        "user", "add", "Anna", "--role", "administrator", "--json", typed=f"{PASSWORD}\n"
    )
    again = site_console.run("user", "add", "anna", "--role", "viewer", typed=f"{PASSWORD}\n")
    demoted = site_console.run("user", "role", "anna", "viewer")
    (listed,) = site_console.data("user", "list")

    assert made.code == 0, made.err
    assert listed == json.loads(made.out)
    assert (listed["name"], listed["role"], listed["is_enabled"]) == ("anna", "administrator", True)
    assert (again.code, demoted.code) == (1, 1)
    assert "already" in again.sentence
    assert "last administrator" in demoted.sentence
    with site_database.read() as connection:
        found = users.find_credentials(connection, "anna")
    assert found is not None
    assert Passwords().is_right(PASSWORD, found.password_hash)


def test_user_is_reset_disabled_and_enabled(site_console: Console, site_database: Database) -> None:
    made = site_console.data("user", "add", "ben", "--role", "viewer", "--temporary")
    reset = site_console.data("user", "reset", "ben")
    changed = site_console.data("user", "role", "ben", "operator")
    disabled = site_console.data("user", "disable", "ben")
    enabled = site_console.data("user", "enable", "ben")

    assert made["temporary_until_at"] is not None
    assert made["temporary_password"] != reset["temporary_password"]
    assert "temporary_password" not in changed
    assert (changed["role"], disabled["is_enabled"], enabled["is_enabled"]) == (
        "operator",
        False,
        True,
    )
    with site_database.read() as connection:
        found = users.find_credentials(connection, "ben")
    assert found is not None
    assert Passwords().is_right(reset["temporary_password"], found.password_hash)


def test_key_is_made_listed_and_revoked(site_console: Console, site_database: Database) -> None:
    made = site_console.data(
        *("key", "add", "gateway-7", "--scope", "push", "--camera", "cam-1", "--expires", "90d")
    )
    (listed,) = site_console.data("key", "list")
    revoked = site_console.data("key", "revoke", "gateway-7")

    text = made.pop("key")
    assert text.startswith(f"{made['prefix']}_")
    assert listed == made
    assert (made["scopes"], made["cameras"]) == (["push"], ["cam-1"])
    assert made["expires_at"] > made["created_at"]
    assert revoked["revoked_at"] is not None
    assert site_console.data("key", "list") == []
    assert len(site_console.data("key", "list", "--revoked")) == 1
    with site_database.read() as connection:
        assert keys.find_key(connection, text) is not None


def test_wall_screen_gets_an_address_without_its_key(site_console: Console) -> None:
    made = site_console.data("key", "add", "wall-1", "--kiosk")

    shown = site_console.data("key", "link", "wall-1", "--address", "https://inspection.example/")

    assert made["scopes"] == ["read"]
    assert shown["link"].startswith("https://inspection.example/api/v1/sign-in?link=link_")
    assert made["key"] not in shown["link"]


def test_what_cannot_be_is_refused_with_the_cure(site_console: Console) -> None:
    commands = {
        ("user", "add", "anna", "--role", "viewer"): "12 to 256 characters",
        ("user", "add", "an na", "--role", "viewer"): "user name",
        ("user", "disable", "nobody"): "no user 'nobody'",
        ("key", "add", "a"): "--scope for a program, or --kiosk",
        ("key", "add", "a", "--kiosk", "--scope", "push"): "--scope for a program, or --kiosk",
        ("key", "add", "a", "--scope", "read", "--camera", "cam-1"): "one scope is push",
        ("key", "add", "a", "--scope", "push", "--camera", "cam-9"): "cam-9",
        ("key", "add", "a", "--scope", "read", "--expires", "soon"): "no length of time",
        ("key", "revoke", "nothing"): "no key 'nothing'",
    }

    ended = together([(site_console, command) for command in commands])

    for one, words in zip(ended, commands.values(), strict=True):
        assert one.code in (1, 2)
        assert words in one.sentence


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"OIDC_ISSUER": "https://id.example"}, "INSPECTION_OIDC_CLIENT_ID"),
        (
            {
                "OIDC_ISSUER": "http://id.example",
                "OIDC_CLIENT_ID": "a",
                "OIDC_CLIENT_SECRET": "hush",
                "OIDC_ROLES": "*=viewer",
            },
            "no https:// address",
        ),
        (
            {
                "OIDC_ISSUER": "https://id.example",
                "OIDC_CLIENT_ID": "a",
                "OIDC_CLIENT_SECRET": "hush",
                "OIDC_ROLES": "qa=boss",
            },
            "INSPECTION_OIDC_ROLES: 'qa=boss'",
        ),
    ],
)
def test_provider_of_identities_that_cannot_work_is_named_at_the_start(
    site_console: Console, settings: dict[str, str], words: str
) -> None:
    ended = site_console.having(API_ADDRESS="127.0.0.1:0", **settings).run("api")

    assert ended.code == 2
    assert words in ended.sentence
    assert "hush" not in ended.err


def test_link_of_the_demo_signs_an_administrator_in_on_this_machine(
    site_database: Database,
) -> None:
    first = invitation(site_database, server="http://127.0.0.1:1", at=NOON, by="test")
    second = invitation(site_database, server="http://127.0.0.1:1", at=NOON, by="test")

    text = second.partition("?link=")[2]
    with site_database.write() as connection:
        assert links.follow_link(connection, text, NOON, is_local=False) is None
        found = links.follow_link(connection, text, NOON, is_local=True)
        assert found is not None
        assert found.user_id is not None
        cookie = sessions.begin_session(connection, found.user_id, NOON).text
        session = sessions.find_session(connection, cookie, NOON)

    assert first != second
    assert session is not None
    assert session.role == "administrator"
