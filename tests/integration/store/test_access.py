"""Users, keys, sessions and one-time links, as the database keeps them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from inspection.domain.access import Permission, Role
from inspection.domain.key import KeyKind, KeyWish
from inspection.errors import ConfigurationError, ConflictError, NotFoundError
from inspection.store import access_tables, audit, keys, links, sessions, users
from inspection.store.database import Database
from inspection.store.users import NewUser
from tests.factories import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def add_user(database: Database, name: str = "anna", **changes: Any) -> int:
    """Add a user, and return the id of its row."""
    values = {"role": Role.VIEWER, "password_hash": "kept"} | changes
    with database.write() as connection:
        users.add_user(connection, NewUser(name=name, **values), at=NOON, by="test")
        found = users.find_credentials(connection, name)
    assert found is not None
    return found.user_id


def add_key(database: Database, name: str = "gateway-7", **changes: Any) -> str:
    """Add a key, and return what opens."""
    values = {"scopes": frozenset({Permission.READ})} | changes
    with database.write() as connection:
        _, token = keys.add_key(connection, KeyWish(name=name, **values), at=NOON, by="test")
    return token.text


def stored(database: Database) -> str:
    """Return everything the tables of access and the audit hold."""
    tables = (access_tables.users, access_tables.keys, access_tables.sessions, access_tables.links)
    with database.read() as connection:
        rows = [row for table in tables for row in connection.execute(select(table))]
        return f"{rows} {audit.list_changes(connection)}"


def test_name_is_kept_in_small_letters_and_taken_once(database: Database) -> None:
    add_user(database, "Anna@Plant.example".lower())

    with database.write() as connection:
        with pytest.raises(ConflictError, match="already"):
            users.add_user(
                connection,
                NewUser(name="ANNA@plant.example", role=Role.VIEWER),
                at=NOON,
                by="test",
            )
        with pytest.raises(ConfigurationError, match="cannot be used"):
            users.add_user(connection, NewUser(name="an na", role=Role.VIEWER), at=NOON, by="test")


def test_last_administrator_keeps_role_and_door(database: Database) -> None:
    add_user(database, "anna", role=Role.ADMINISTRATOR)
    add_user(database, "ben", role=Role.ADMINISTRATOR)

    with database.write() as connection:
        users.disable_user(connection, "ben", at=NOON, by="anna")
        with pytest.raises(ConflictError, match="last administrator"):
            users.set_role(connection, "anna", Role.ENGINEER, at=NOON, by="anna")
        with pytest.raises(ConflictError, match="last administrator"):
            users.disable_user(connection, "anna", at=NOON, by="anna")
        users.enable_user(connection, "ben", at=NOON, by="anna")
        users.set_role(connection, "anna", Role.ENGINEER, at=NOON, by="anna")
        roles = {user.name: user.role for user in users.list_users(connection)}

    assert roles == {"anna": Role.ENGINEER, "ben": Role.ADMINISTRATOR}


def test_two_administrators_cannot_demote_each_other_at_the_same_time(database: Database) -> None:
    for name in ("anna", "ben"):
        add_user(database, name, role=Role.ADMINISTRATOR)
    together = threading.Barrier(2)

    def demote(name: str) -> bool:
        together.wait()
        try:
            with database.write() as connection:
                users.set_role(connection, name, Role.VIEWER, at=NOON, by="test")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(demote, ("anna", "ben")))

    assert outcomes == [False, True]


def test_disabled_user_is_signed_out_everywhere_at_once(database: Database) -> None:
    user_id = add_user(database)
    with database.write() as connection:
        session = sessions.begin_session(connection, user_id, NOON)
        link = links.link_to_user(connection, "anna", is_local=False, at=NOON, by="test")

        users.disable_user(connection, "anna", at=NOON, by="test")

        assert sessions.find_session(connection, session.text, NOON) is None
        assert links.follow_link(connection, link.text, NOON, is_local=True) is None
        with pytest.raises(NotFoundError, match="may sign in"):
            links.link_to_user(connection, "anna", is_local=False, at=NOON, by="test")


def test_password_is_changed_only_from_the_one_that_was_shown(database: Database) -> None:
    user_id = add_user(database)
    with database.write() as connection:
        session = sessions.begin_session(connection, user_id, NOON)
        with pytest.raises(ConflictError, match="same time"):
            users.change_password(connection, "anna", "new", was="older", at=NOON)
        users.rehash_password(connection, user_id, "never", was="older")
        assert sessions.find_session(connection, session.text, NOON) is not None

        users.change_password(connection, "anna", "new", was="kept", at=NOON)

        found = users.find_credentials(connection, "anna")
        assert found is not None
        assert found.password_hash == "new"  # noqa: S105
        assert sessions.find_session(connection, session.text, NOON) is None


def test_reset_gives_a_temporary_password_to_users_of_ours_alone(database: Database) -> None:
    add_user(database)
    add_user(database, "olga", password_hash=None, issuer="https://id.example", subject="1")
    until_at = NOON + DAY

    with database.write() as connection:
        reset = users.reset_password(
            connection, "anna", "temporary", until_at=until_at, at=NOON, by="test"
        )
        with pytest.raises(ConflictError, match=r"id\.example"):
            users.reset_password(connection, "olga", "x", until_at=until_at, at=NOON, by="test")

    assert reset.temporary_until_at == until_at


def test_session_ends_idle_and_at_its_end_and_is_forgotten_then(database: Database) -> None:
    user_id = add_user(database)
    with database.write() as connection:
        text = sessions.begin_session(connection, user_id, NOON).text
        begun = sessions.find_session(connection, text, NOON)
        assert begun is not None
        sessions.touch_session(connection, begun.session_id, NOON + HOUR)

        idle_at = NOON + HOUR + sessions.IDLE
        moments = (idle_at - timedelta(seconds=1), idle_at)
        found = [sessions.find_session(connection, text, at) is not None for at in moments]
        sessions.begin_session(connection, user_id, NOON + sessions.LIFETIME)
        left = connection.execute(select(access_tables.sessions.c.id)).all()

    assert found == [True, False]
    assert len(left) == 1


def test_session_may_do_what_the_role_may_at_this_moment(database: Database) -> None:
    user_id = add_user(database, role=Role.VIEWER)
    with database.write() as connection:
        text = sessions.begin_session(connection, user_id, NOON).text
        users.set_role(connection, "anna", Role.OPERATOR, at=NOON, by="test")
        session = sessions.find_session(connection, text, NOON)

    assert session is not None
    assert session.principal.permissions == Role.OPERATOR.permissions


def test_key_is_found_by_its_text_and_its_use_written_down_once_a_minute(
    database: Database,
) -> None:
    text = add_key(database)

    with database.write() as connection:
        found = keys.find_key(connection, text)
        assert found is not None
        key_id, key = found
        is_due = [keys.is_use_due(key, NOON)]
        keys.touch_key(connection, key_id, NOON)
        keys.touch_key(connection, key_id, NOON - HOUR)
        key = keys.get_key(connection, "gateway-7")
        is_due += [keys.is_use_due(key, NOON + timedelta(seconds=s)) for s in (59, 60)]
        assert keys.find_key(connection, text + "x") is None

    assert key.last_used_at == NOON
    assert is_due == [True, False, True]
    assert key.principal.name == "key gateway-7"


def test_name_of_a_revoked_key_is_free_again(database: Database) -> None:
    old = add_key(database)
    with database.write() as connection, pytest.raises(ConflictError, match="already"):
        keys.add_key(
            connection,
            KeyWish(name="gateway-7", scopes=frozenset({Permission.PUSH})),
            at=NOON,
            by="test",
        )
    with database.write() as connection:
        keys.revoke_key(connection, "gateway-7", at=NOON + HOUR, by="test")
        with pytest.raises(NotFoundError):
            keys.revoke_key(connection, "gateway-7", at=NOON + HOUR, by="test")
    new = add_key(database)

    with database.read() as connection:
        whys = [
            found[1].why_not(NOON + HOUR)
            for text in (old, new)
            if (found := keys.find_key(connection, text))
        ]
        listed = [len(keys.list_keys(connection, has_revoked=each)) for each in (False, True)]

    assert whys == ["revoked", None]
    assert listed == [1, 2]


def test_wall_screen_is_signed_out_when_its_key_ends(database: Database) -> None:
    add_key(database, "wall-1", kind=KeyKind.KIOSK, expires_at=NOON + DAY)
    add_key(database, "gateway-7")
    with database.write() as connection:
        with pytest.raises(ConflictError, match="for programs"):
            links.link_to_kiosk(connection, "gateway-7", at=NOON, by="test")
        token = links.link_to_kiosk(connection, "wall-1", at=NOON, by="test")
        link = links.follow_link(connection, token.text, NOON, is_local=False)
        assert link is not None
        assert link.key_id is not None
        text = sessions.begin_kiosk(connection, link.key_id, NOON).text

        moments = (NOON + DAY - HOUR, NOON + DAY)
        found = [sessions.find_session(connection, text, at) is not None for at in moments]

    assert found == [True, False]


def test_link_is_followed_by_one_of_many(database: Database) -> None:
    add_user(database)
    with database.write() as connection:
        text = links.link_to_user(connection, "anna", is_local=False, at=NOON, by="test").text
    together = threading.Barrier(4)

    def follow(_number: int) -> bool:
        together.wait()
        with database.write() as connection:
            return links.follow_link(connection, text, NOON, is_local=False) is not None

    with ThreadPoolExecutor(4) as pool:
        followed = list(pool.map(follow, range(4)))

    assert sum(followed) == 1


def test_link_ends_after_a_quarter_of_an_hour(database: Database) -> None:
    add_user(database)
    with database.write() as connection:
        text = links.link_to_user(connection, "anna", is_local=False, at=NOON, by="test").text

        late_at = NOON + links.LIFETIME
        assert links.follow_link(connection, text, late_at, is_local=False) is None


def test_nothing_that_opens_is_kept_or_written_down(database: Database) -> None:
    user_id = add_user(database)
    opening = [add_key(database)]
    with database.write() as connection:
        opening.append(sessions.begin_session(connection, user_id, NOON).text)
        link = links.link_to_user(connection, "anna", is_local=False, at=NOON, by="test")
        opening.append(link.text)
    with database.read() as connection:
        changes = str(audit.list_changes(connection))

    held = stored(database)

    assert not [text for text in opening if text in held or text.rpartition("_")[2] in held]
    assert "kept" not in changes, "not even a hash of a password is written down"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"scopes": frozenset()}, "needs a scope"),
        ({"kind": KeyKind.KIOSK, "scopes": frozenset({Permission.PUSH})}, "may only read"),
        ({"cameras": frozenset({"cam-1"})}, "one scope is push"),
        ({"cameras": frozenset(), "scopes": frozenset({Permission.PUSH})}, "name the cameras"),
        ({"expires_at": NOON}, "over already"),
        ({"name": "no name"}, "key name"),
    ],
)
def test_key_that_cannot_be_is_refused(wish: dict[str, Any], words: str) -> None:
    values = {"name": "gateway-7", "scopes": frozenset({Permission.READ})} | wish

    with pytest.raises(ConfigurationError, match=words):
        KeyWish(**values).check(NOON)


def test_key_of_a_camera_that_is_not_there_is_refused(database: Database) -> None:
    with pytest.raises(NotFoundError, match="cam-9"):
        add_key(database, scopes=frozenset({Permission.PUSH}), cameras=frozenset({"cam-9"}))


def test_everything_about_access_is_written_down(database: Database) -> None:
    add_user(database, "root", role=Role.ADMINISTRATOR)
    add_user(database)
    add_key(database)
    with database.write() as connection:
        users.set_role(connection, "anna", Role.ENGINEER, at=NOON, by="root")
        users.set_role(connection, "anna", Role.ENGINEER, at=NOON, by="root")
        users.disable_user(connection, "anna", at=NOON, by="root")
        users.enable_user(connection, "anna", at=NOON, by="root")
        users.reset_password(connection, "anna", "x", until_at=NOON + DAY, at=NOON, by="root")
        keys.revoke_key(connection, "gateway-7", at=NOON, by="root")
        of_user = audit.list_changes(connection, thing="user", name="anna")
        of_key = audit.list_changes(connection, thing="key", name="gateway-7")

    assert [change.action for change in reversed(of_user)] == [
        "created",
        "changed",
        "disabled",
        "enabled",
        "reset",
    ]
    assert of_user[3].before == {"role": "viewer"}
    assert of_user[3].after == {"role": "engineer"}
    assert [change.action for change in reversed(of_key)] == ["created", "revoked"]
