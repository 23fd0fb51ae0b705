"""A view is held against its own history: one look is nothing, a few in a row are."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.view import (
    BAD_LOOKS,
    FROZEN_S,
    GOOD_LOOKS,
    LEARN_COUNT,
    THUMBNAIL_PX,
    WINDOW_COUNT,
    History,
    Look,
    Sight,
    ViewState,
    distance,
    unit,
)

Show = Callable[..., list[ViewState]]

MIDDLE = (THUMBNAIL_PX - 1) / 2


def part(x: float = MIDDLE, y: float = MIDDLE) -> tuple[float, ...]:
    """Draw a bright part at this place of a dark belt."""
    return tuple(
        40 + 150 * math.exp(-((column - x) ** 2 + (row - y) ** 2) / 18)
        for row in range(THUMBNAIL_PX)
        for column in range(THUMBNAIL_PX)
    )


PART = part()
BESIDE = part(MIDDLE + 4)


@pytest.fixture
def sight() -> Sight:
    return Sight(History())


@pytest.fixture
def show(sight: Sight) -> Show:
    """Show so many looks, two a second; each is a little different."""
    at_s = 0.0

    def shown(count: int, sight: Sight = sight, **changes: Any) -> list[ViewState]:
        nonlocal at_s
        states = []
        for number in range(count):
            at_s += 0.5
            look = Look(
                at_s=at_s,
                brightness=200.0,
                sharpness=-4 + 0.1 * (number % 3),
                change=4.0 + number % 2,
                thumbnail=PART,
            )
            states.append(sight.take(replace(look, **changes)).state)
        return states

    return shown


@pytest.fixture
def learnt(show: Show, sight: Sight) -> Sight:
    show(LEARN_COUNT + 1)
    return sight


def test_sight_learns_before_it_judges(show: Show, sight: Sight) -> None:
    states = show(LEARN_COUNT + 1)

    assert states == [ViewState.LEARNING] * LEARN_COUNT + [ViewState.GOOD]
    assert sight.history.normal is not None
    assert sight.history.looks == ()


@pytest.mark.usefixtures("learnt")
@pytest.mark.parametrize(
    ("changes", "state"),
    [({"brightness": 8.0}, ViewState.BLACK), ({"sharpness": -5.2}, ViewState.BLURRED)],
)
def test_sight_believes_a_fault_at_its_fourth_look_and_its_end_at_the_sixth(
    show: Show, changes: dict[str, float], state: ViewState
) -> None:
    bad = show(BAD_LOOKS, **changes)
    good = show(GOOD_LOOKS)

    assert bad == [ViewState.GOOD] * (BAD_LOOKS - 1) + [state]
    assert good == [state] * (GOOD_LOOKS - 1) + [ViewState.GOOD]


@pytest.mark.usefixtures("learnt")
def test_sight_is_good_while_bad_looks_are_single(show: Show) -> None:
    for _ in range(10):
        assert show(BAD_LOOKS - 1, brightness=8.0)[-1] is ViewState.GOOD
        assert show(1) == [ViewState.GOOD]


@pytest.mark.usefixtures("learnt")
def test_sight_sees_that_the_camera_has_moved(show: Show) -> None:
    show(WINDOW_COUNT)

    states = show(2 * WINDOW_COUNT, thumbnail=BESIDE)

    assert states[0] is ViewState.GOOD
    assert states[-1] is ViewState.MOVED


@pytest.mark.usefixtures("learnt")
def test_sight_takes_no_change_of_light_for_a_movement(show: Show) -> None:
    side = [0.4 * (number % THUMBNAIL_PX) for number in range(THUMBNAIL_PX**2)]
    dimmed = tuple(0.5 * grey + slope for grey, slope in zip(PART, side, strict=True))

    assert {*show(4 * WINDOW_COUNT, thumbnail=dimmed, brightness=100.0)} == {ViewState.GOOD}


def test_sight_follows_a_view_that_changes_slowly(show: Show, learnt: Sight) -> None:
    for step in range(20):
        show(150, thumbnail=part(MIDDLE + 0.05 * step))
    far = distance(PART, part(MIDDLE + 1.0))
    normal = learnt.history.normal

    assert normal is not None
    assert distance(normal.thumbnail, part(MIDDLE + 1.0)) < far / 2


@pytest.mark.usefixtures("learnt")
def test_sight_calls_a_picture_frozen_that_stays_the_same_for_seconds(show: Show) -> None:
    states = show(round(FROZEN_S / 0.5) + 1, change=0.0)

    assert {*states[:-1]} == {ViewState.GOOD}
    assert states[-1] is ViewState.FROZEN


@pytest.mark.usefixtures("learnt")
def test_sight_does_not_call_a_standing_line_frozen_whose_sensor_is_noisy(show: Show) -> None:
    assert {*show(100, change=0.05)} == {ViewState.GOOD}


def test_sight_finds_a_camera_that_is_black_or_frozen_from_the_start(
    sight: Sight, show: Show
) -> None:
    assert show(BAD_LOOKS, brightness=3.0)[-1] is ViewState.BLACK
    assert show(30, change=0.0)[-1] is ViewState.FROZEN
    assert sight.history.looks == ()


def test_sight_does_not_judge_what_varies_as_much_while_it_is_learnt(show: Show) -> None:
    for number in range(LEARN_COUNT // WINDOW_COUNT):
        show(WINDOW_COUNT, thumbnail=part(4 + 2 * (number % 3), 3 + number))

    assert ViewState.MOVED not in show(40, thumbnail=part(12, 12))


def test_history_is_the_same_after_it_was_kept(learnt: Sight, show: Show) -> None:
    again = Sight(History.from_text(learnt.history.to_text()))
    half = Sight(History())
    show(10, half)

    assert again.history == learnt.history
    assert History.from_text(half.history.to_text()) == half.history
    assert show(BAD_LOOKS, again, brightness=8.0)[-1] is ViewState.BLACK


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"looks": 1, "normal": null}', "{"])
def test_history_that_cannot_be_read_is_learnt_anew(text: str) -> None:
    assert History.from_text(text) == History()


def test_history_of_thumbnails_of_another_size_is_learnt_anew(learnt: Sight) -> None:
    text = learnt.history.to_text()

    assert History.from_text(text.replace('"thumbnail": [', '"thumbnail": [0.5, ')) == History()


@given(
    greys=st.lists(st.floats(0, 255), min_size=THUMBNAIL_PX**2, max_size=THUMBNAIL_PX**2),
    gain=st.floats(0.2, 3),
    offset=st.floats(-50, 50),
)
def test_distance_does_not_depend_on_light(greys: list[float], gain: float, offset: float) -> None:
    brighter = [gain * grey + offset for grey in greys]

    if any(abs(value) > 0 for value in unit(greys)):
        assert distance(greys, brighter) == pytest.approx(0, abs=1e-3)
    assert -1e-9 <= distance(greys, PART) <= 2 + 1e-9
