"""Finding a page of the history without reading the whole of it.

Every way reads an index in the order asked for, or a piece of one that is known to be small:

* By time: (1) walk a few thousand rows in order and take those that are meant, once more if that
  nearly did; most pages are full by then. (2) Else what is meant is rare: the histograms know on
  which days there is any of it. Few rows a week are read by source and score, and sorted. (3) If
  they are many, they stand close together somewhere, and the histograms know in which hours.
* By score: bands of scores, by source, until the page is full; the more there was in one, the
  narrower is the next.
* By distance: rings around the thresholds, in the same way.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection

from inspection.store import tables
from inspection.store.history_cursor import Place, Sort
from inspection.store.history_query import Sought
from inspection.store.history_reader import Range, Reader, Span, both

#: Rows that are walked in order of time before anything else is looked at.
WALK: Final = 4_000
#: Rows that are read and sorted rather than searched for.
FEW: Final = 5_000
#: Time whose histograms are looked at in one go.
SLICE: Final = timedelta(days=7)
#: How many times as many rows are walked next where nothing tells where what is meant may be.
FURTHER: Final = 4
#: How many times as wide the next band of scores is at most, after one that is narrow …
WIDER: Final = 8
#: … and after one that is not: scores may come much closer together within it.
HARDLY_WIDER: Final = 2
#: Width up to which a band is narrow.
NARROW: Final = 0.01
#: Width of a band after which the next score is looked for, if there was nothing in it.
FAR: Final = 0.05
#: Scores that a band has at least.
NARROWEST: Final = 1e-6
#: Distance from which on one ring takes all that is left: most scores are between 0 and 1.
WIDEST: Final = 1.0
#: What the sum of a threshold of 1 and a distance may be wrong by.
ROUNDING: Final = 1e-9
#: Ranges of scores that are read one by one; more are read as one.
RANGES: Final = 16


class Search:
    """Finds one page."""

    def __init__(self, connection: Connection, sought: Sought, sort: Sort, limit: int) -> None:
        self._reader = Reader(connection, sought, sort)
        self._sought = sought
        self._sort = sort
        self._limit = limit
        self._found: list[Place] = []

    def places(self, after: Place | None) -> list[Place]:
        """Return the places of the rows after one, or of the first ones."""
        if self._sought.is_by_value:
            return self._reader.plain(None, after, self._limit)
        if self._sort.is_by_time:
            self._by_time(after)
            return self._found
        span = self._reader.span()
        if span is None:
            return []
        row_count = self._reader.row_count(span)
        if row_count <= FEW:
            return self._reader.plain(span, after, self._limit)
        if self._sort is Sort.CLOSEST:
            self._by_distance(span, row_count, after)
        else:
            self._by_score(span, row_count, after)
        return self._found

    @property
    def _missing_count(self) -> int:
        return self._limit - len(self._found)

    # By time

    def _by_time(self, after: Place | None) -> None:
        end, budget = after, WALK
        while self._missing_count:
            walked, end = self._reader.walked(end, budget, self._missing_count)
            self._found += walked
            if end is None or not self._missing_count:
                return
            if not self._sought.is_counted:
                budget *= FURTHER
            elif len(walked) < self._missing_count:
                # As far again would not do.
                break
        for span in self._slices(end):
            for found in self._of_slice(span, end):
                self._found += found
                if not self._missing_count:
                    return

    def _slices(self, end: Place | None) -> Iterator[Span]:
        """Divide what is left of the time, in order."""
        whole = self._reader.span()
        if whole is None or end is None:
            return
        low, high = whole.from_at, whole.to_at
        if self._reader.is_rising:
            low = max(low, end.captured_at)
            while low < high:
                yield Span(from_at=low, to_at=min(high, low + SLICE))
                low += SLICE
            return
        high = min(high, end.captured_at + timedelta(microseconds=1))
        while high > low:
            yield Span(from_at=max(low, high - SLICE), to_at=high)
            high -= SLICE

    def _of_slice(self, span: Span, end: Place | None) -> Iterator[list[Place]]:
        """Read a slice piece by piece, in order; `end` is where the walk has ended."""
        days = self._reader.day_counts(span)
        count = sum(days.values())
        if count <= FEW:
            if count:
                yield self._read(span, [self._reader.scores], end)
            return
        for day in self._in_order(days):
            hours = self._reader.hour_counts(span.of_hours(day * 24, day * 24 + 23))
            for first, last in self._stretches(hours):
                stretch = span.of_hours(first, last)
                if self._reader.row_count(stretch) <= count:
                    yield self._reader.plain(stretch, end, self._missing_count)
                else:
                    yield self._read(stretch, [self._reader.scores], end)

    def _stretches(self, hours: dict[int, int]) -> Iterator[tuple[int, int]]:
        """Divide hours into stretches of about a page each, in order."""
        stretch: list[int] = []
        count = 0
        for hour in self._in_order(hours):
            stretch.append(hour)
            count += hours[hour]
            if count >= 2 * self._limit:
                yield min(stretch), max(stretch)
                stretch, count = [], 0
        if stretch:
            yield min(stretch), max(stretch)

    def _in_order(self, periods: Iterable[int]) -> list[int]:
        return sorted(periods, reverse=not self._reader.is_rising)

    # By score

    def _by_score(self, span: Span, row_count: int, after: Place | None) -> None:
        """Read bands of scores, from the first score there is on, until the page is full."""
        is_rising = self._reader.is_rising
        begin = self._reader.first_score(span, after)
        width = self._first_width(row_count)
        while begin is not None and self._missing_count:
            end = begin + width if is_rising else begin - width
            # The ends of a band: the last score that was read is not read again.
            band = (begin, end) if is_rising else (_next(end), _next(begin))
            scores = both(self._reader.scores, band)
            found = [] if scores is None else self._read(span, [scores], after)
            missing_count = self._missing_count
            self._found += found
            width = _width(width, len(found), missing_count)
            is_near = bool(found) or width < FAR
            begin = end if is_near else self._reader.first_score(span, after, beyond=end)

    def _first_width(self, row_count: int) -> float:
        """Return how many scores a page fills if all from 0 to 1 were as frequent."""
        return max(NARROWEST, 2 * self._limit / row_count)

    def _read(
        self,
        span: Span,
        ranges: Sequence[Range],
        after: Place | None,
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> list[Place]:
        return self._reader.of_sources(span, ranges, after, self._missing_count, conditions)

    # By distance

    def _by_distance(self, span: Span, row_count: int, after: Place | None) -> None:
        """Read rings around the thresholds, from the inside out, until the page is full."""
        values = self._reader.threshold_values()
        distance = tables.inspections.c.distance
        inner = 0.0 if after is None or after.key is None else after.key
        width, is_last = self._first_width(row_count), not values
        beyond = [distance >= inner]
        while self._missing_count and not is_last:
            outer = inner + width
            is_last = outer >= WIDEST
            within = beyond if is_last else [*beyond, distance <= outer]
            scores = [self._reader.scores]
            ranges = scores if is_last else self._ring(values, inner, outer)
            found = self._read(span, ranges, after, within)
            width = _width(width, len(found), self._missing_count)
            self._found += found
            inner, beyond = outer, [distance > outer]

    def _ring(self, values: Sequence[float], inner: float, outer: float) -> list[Range]:
        """Return the scores of the meant ones that are so far from one of the values."""
        sides: list[tuple[float, float]] = []
        for value in values:
            # A little wider: the sum here is rounded, and the row's distance on its own.
            slack = ROUNDING * max(1.0, abs(value))
            near, far = inner - slack, outer + slack
            sides += [(value + near, value + far), (value - far, value - near)]
        meant = (both(self._reader.scores, one) for one in _merged(sides))
        return [one for one in meant if one is not None]


def _width(width: float, found_count: int, missing_count: int) -> float:
    """Return how wide to read next; rows may come closer and closer together."""
    most = WIDER if width <= NARROW else HARDLY_WIDER
    if not found_count:
        return width * most
    return width * min(most, max(1 / WIDER, missing_count / found_count))


def _next(score: float) -> float:
    return math.nextafter(score, math.inf)


def _merged(ranges: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return ranges that do not overlap; one for all of them when they are many."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged if len(merged) <= RANGES else [(merged[0][0], merged[-1][1])]
