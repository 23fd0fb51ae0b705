"""Times on the wire mean one moment, or are refused."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from inspection.api.moment import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T12:00:00Z",
        "2026-03-02t12:00:00.000z",
        "2026-03-02T14:30:00+02:30",
        "2026-03-02T07:00:00.000000-05:00",
    ],
)
def test_moment_with_a_zone_is_the_same_in_utc(text: str) -> None:
    assert MOMENT.validate_python(text) == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-02T12:00:00",
        "2026-03-02",
        "2026-03-02 12:00:00Z",
        "2026-03-02T12:00Z",
        "2026-13-02T12:00:00Z",
        "2026-03-02T12:00:60Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-03-02T12:00:00+99:00",
        "٢٠٢٦-03-02T12:00:00Z",
        "1772452801",
        "now",
        "",
        1772452800,
        1772452800.5,
        True,
        None,
        datetime(2026, 3, 2, 12),  # noqa: DTZ001 - a time without a zone is the point
    ],
)
def test_what_is_no_one_moment_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"RFC 3339|no such moment"):
        MOMENT.validate_python(value)


def test_plus_sign_that_an_address_lost_is_explained() -> None:
    with pytest.raises(ValidationError, match="%2B"):
        MOMENT.validate_python("2026-03-02T12:00:00 01:00")


def test_moment_is_written_in_utc_with_a_z() -> None:
    moment = datetime(2026, 3, 2, 13, 0, 0, 250_000, timezone(timedelta(hours=1)))

    assert MOMENT.dump_python(moment) == "2026-03-02T12:00:00.250000Z"
