"""Who may do what, passwords, and roles that a provider of identities gives."""

from itertools import pairwise
from typing import Any

import pytest

from inspection.domain.access import PERMISSIONS, Permission, Principal, Role
from inspection.domain.identity import Provider, roles_of
from inspection.domain.password import checked_password, new_password
from inspection.errors import ConfigurationError


def test_each_role_may_do_all_that_the_one_before_may() -> None:
    bundles = [PERMISSIONS[role] for role in Role]

    assert all(less < more for less, more in pairwise(bundles))
    assert bundles[-1] == frozenset(Permission)


def test_key_of_a_camera_pushes_frames_of_that_camera_alone() -> None:
    push = frozenset({Permission.PUSH})
    limited = Principal(name="key a", permissions=push, cameras=frozenset({"cam-1"}))

    assert limited.may_push("cam-1")
    assert not limited.may_push("cam-2")
    assert Principal(name="key b", permissions=push).may_push("cam-2")
    assert not Principal(name="key c", permissions=frozenset()).may_push("cam-2")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "eleven char",
        "aaaaaaaaaaaaaaaaaaaaaa",
        "abababababababababab",
        "passwordpassword",
        "Password123456",
        "anna-anna-anna-1",
        "Inspection2026",
        "qwertyuiop1234",
        "seven herons\x00 on a crane",
        "\ud800 seven herons",
        "x" * 257,
    ],
)
def test_password_that_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_password(password, user="anna")

    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["seven herons on a crane", "mk4v-xw2q-9tzb-hr7d", "löcher im käse", "R$8k!zQ2pw_L"]
)
def test_password_that_nobody_guesses_is_taken(password: str) -> None:
    assert checked_password(password, user="anna") == password


def test_temporary_passwords_differ_and_could_be_chosen() -> None:
    made = {new_password() for _ in range(20)}

    assert len(made) == 20
    assert {checked_password(each, user="anna") for each in made} == made


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["quality", "admins"]}, Role.ADMINISTRATOR),
        ({"groups": "quality"}, Role.ENGINEER),
        ({"groups": ["canteen"]}, None),
        ({"groups": None}, None),
        ({}, None),
    ],
)
def test_role_is_the_highest_that_the_claim_gives(claims: dict[str, Any], role: Role) -> None:
    provider = provider_with("quality=engineer, admins=administrator", claim="groups")

    assert provider.role_of(claims) == role


def test_claim_may_lie_deeper_and_a_star_stands_for_everybody_else() -> None:
    provider = provider_with("qa=engineer,*=viewer", claim="realm_access.roles")

    assert provider.role_of({"realm_access": {"roles": ["qa"]}}) == Role.ENGINEER
    assert provider.role_of({"realm_access": "qa"}) == Role.VIEWER
    assert "hush" not in repr(provider)


@pytest.mark.parametrize("text", ["", "qa", "qa=boss", "=viewer", "qa=viewer,qa=engineer"])
def test_roles_that_say_nothing_clear_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="VALUE=ROLE"):
        roles_of(text)


def provider_with(roles: str, *, claim: str) -> Provider:
    return Provider(
        issuer="https://id.example",
        client_id="inspection",
        client_secret="hush",  # noqa: S106
        role_claim=claim,
        roles=roles_of(roles),
    )
