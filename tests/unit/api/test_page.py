"""Pages of lists: every item once, and no cursor that somebody made up."""

import pytest

from inspection.api.page import cursor_of, keys_of, page_of
from inspection.errors import CursorError


def test_pages_one_after_the_other_hold_every_item_once() -> None:
    items, seen, cursor = [f"line-{n}" for n in range(10)], [], None

    while True:
        page = page_of(reversed(items), key=str, cursor=cursor, limit=3)
        seen += page.items
        if (cursor := page.next_cursor) is None:
            break

    assert seen == items


def test_cursor_gives_its_keys_back() -> None:
    assert keys_of(cursor_of("2026-03-02", 0.5, 7, None), str, float, int, type(None)) == (
        "2026-03-02",
        0.5,
        7,
        None,
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "nonsense!",
        "ü",
        "e30",
        "W10",
        cursor_of(1),
        cursor_of("a", "b"),
        cursor_of("a\0"),
        "WyJcdWQ4MDAiXQ",
    ],
)
def test_cursor_that_was_never_given_out_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError):
        keys_of(cursor, str)


@pytest.mark.parametrize("key", [2**70, float("nan"), float("inf"), True])
def test_number_that_no_database_keeps_is_no_key(key: float) -> None:
    with pytest.raises(CursorError):
        keys_of(cursor_of(key), (int, float))
