"""Passwords: how they are hashed, and how many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from inspection.errors import UnavailableError
from inspection.store.passwords import Passwords

WORDS = "seven herons on a crane"


def quick(**changes: int) -> Passwords:
    return Passwords(**{"memory_kib": 8, "passes": 1} | changes)


def test_hash_says_its_parameters_and_they_are_those_asked_for() -> None:
    kept = Passwords().hashed(WORDS)

    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Passwords().is_right(WORDS, kept)
    assert not Passwords().is_right(WORDS + ".", kept)


def test_same_password_typed_on_another_keyboard_is_the_same() -> None:
    composed, decomposed = "l\u00f6sung am Fenster", "lo\u0308sung am Fenster"

    assert quick().is_right(decomposed, quick().hashed(composed))


@pytest.mark.parametrize("kept", [None, "", "no hash"])
def test_nobodys_password_is_never_right(kept: str | None) -> None:
    assert not quick().is_right("nobody", kept)


def test_hash_of_older_parameters_is_right_and_outdated() -> None:
    kept = quick().hashed(WORDS)

    assert Passwords().is_right(WORDS, kept)
    assert Passwords().is_outdated(kept)
    assert not quick().is_outdated(kept)


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert not quick().is_right("\ud800", quick().hashed(WORDS))


def test_more_than_may_wait_are_sent_away() -> None:
    passwords = quick(at_once=1, waiting=1)
    is_inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with passwords._turn():
            is_inside.set()
            may_leave.wait(10)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(stay)
        is_inside.wait(10)
        second = pool.submit(passwords.hashed, WORDS)
        while passwords._places._value:  # type: ignore[attr-defined]
            assert not second.done()
        with pytest.raises(UnavailableError, match="too many"):
            passwords.hashed(WORDS)
        may_leave.set()
        first.result(10)

    assert passwords.is_right(WORDS, second.result(10))
