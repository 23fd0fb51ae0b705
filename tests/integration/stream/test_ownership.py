"""One camera, one machine: a second one is refused, and the first does not notice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from inspection.domain.frame import Frame
from inspection.domain.health import CameraState
from inspection.errors import ConfigurationError
from inspection.stream.admission import Admission
from inspection.stream.codec import frames_key, owner_key
from inspection.stream.connection import Client
from inspection.stream.ownership import LEASE_S, Owner, refused
from inspection.stream.producer import Producer
from inspection.stream.state import state
from tests.factories import NOON

MakeFrame = Callable[..., Frame]

FIRST = Owner(journal="1" * 32, host="host-1")
SECOND = Owner(journal="2" * 32, host="host-2")
SAID = CameraState(state="live", detail="", reported_at=NOON, host="host-1")


@pytest.fixture
def make_owned(make_producer: Callable[..., Producer]) -> Callable[..., Producer]:
    def make(owner: Owner | None = FIRST, **options: Any) -> Producer:
        return make_producer(owner=owner, **options)

    return make


MakeOwned = Callable[..., Producer]


def test_second_machine_is_refused_and_the_first_goes_on(
    make_owned: MakeOwned, make_frame: MakeFrame, client: Client
) -> None:
    first, second = make_owned(), make_owned(SECOND)
    assert first.ownership.claim() is None
    first.add(make_frame(1))

    assert second.ownership.claim() == "host-1"
    with pytest.raises(ConfigurationError, match="'cam-1' is being captured on host-1 already"):
        second.add(make_frame(2))
    assert second.report(replace(SAID, state="failed")) == "host-1"

    assert first.add(make_frame(2)) is Admission.ADDED
    assert first.report(SAID) is None
    assert client.xlen(frames_key("cam-1")) == 2
    assert state(client, "cam-1") == SAID
    assert refused(client, "cam-1") == "host-2"


def test_camera_is_free_when_its_owner_let_it_go_or_was_silent_for_too_long(
    make_owned: MakeOwned, client: Client
) -> None:
    first, second = make_owned(), make_owned(SECOND)
    first.ownership.claim()
    lease_ms = client.pttl(owner_key("cam-1"))
    first.ownership.release()

    assert second.ownership.claim() is None
    client.pexpire(owner_key("cam-1"), 1)
    while client.exists(owner_key("cam-1")):
        pass

    assert first.ownership.claim() is None
    assert 0 < lease_ms <= 1000 * LEASE_S


@pytest.mark.parametrize("sign", ["frame", "report"])
def test_every_frame_and_report_keeps_the_camera(
    make_owned: MakeOwned, make_frame: MakeFrame, client: Client, sign: str
) -> None:
    first = make_owned()
    first.ownership.claim()
    client.pexpire(owner_key("cam-1"), 5000)

    if sign == "frame":
        first.add(make_frame(1))
    else:
        first.report(SAID)

    assert client.pttl(owner_key("cam-1")) > 1000 * (LEASE_S - 5)


def test_same_journal_on_the_same_machine_takes_over_at_once(make_owned: MakeOwned) -> None:
    make_owned().ownership.claim()

    assert make_owned().ownership.claim() is None


def test_copy_of_a_journal_on_another_machine_is_refused(make_owned: MakeOwned) -> None:
    make_owned().ownership.claim()

    assert make_owned(replace(FIRST, host="clone")).ownership.claim() == "host-1"


def test_nobody_lets_a_camera_go_that_is_not_his(make_owned: MakeOwned) -> None:
    make_owned().ownership.claim()

    make_owned(SECOND).ownership.release()

    assert make_owned(SECOND).ownership.claim() == "host-1"


def test_refusal_is_forgotten_when_the_owner_starts_again(
    make_owned: MakeOwned, client: Client
) -> None:
    make_owned().ownership.claim()
    make_owned(SECOND).ownership.claim()

    make_owned().ownership.claim()

    assert refused(client, "cam-1") is None


def test_frame_that_was_added_is_not_added_twice_by_the_next_owner(
    make_owned: MakeOwned, make_frame: MakeFrame, client: Client
) -> None:
    first = make_owned()
    first.add(make_frame(1))
    first.ownership.release()

    assert make_owned(SECOND).add(make_frame(1)) is Admission.ADDED
    assert client.xlen(frames_key("cam-1")) == 1
