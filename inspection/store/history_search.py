"""Finding a page of the history without reading the whole of it.

Every way reads an index in the order asked for, or a piece of one that is known to be small:

* By time: (1) walk a few thousand rows in order and take those that are meant; most pages are
  full by then. (2) Else what is meant is rare: the histograms know on which days there is any of
  it. Few rows a week are read by source and score, and sorted. (3) If they are many, they stand
  close together somewhere, and the histograms know in which hours.
* By score: the histograms know down to which score there are enough rows; these alone are read.
* By distance: rings around the thresholds, each wider than the one before, until the page is full.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection

from inspection.domain.histogram import HIGHEST, LOWEST, bin_of
from inspection.store import tables
from inspection.store.history_cursor import Place, Sort
from inspection.store.history_query import Sought
from inspection.store.history_reader import Range, Reader, Span, both, of_bins

#: Rows that are walked in order of time before anything else is looked at.
WALK: Final = 4_000
#: Rows that are read and sorted rather than searched for.
FEW: Final = 5_000
#: Time whose histograms are looked at in one go.
SLICE: Final = timedelta(days=7)
#: Width of the first ring around thresholds, and how much wider each next one is.
RING: Final = 0.0005
WIDER: Final = 4
#: Distance from which on one ring takes all that is left: most scores are between 0 and 1.
WIDEST: Final = 1.0
#: What the sum of a threshold of 1 and a distance may be wrong by.
ROUNDING: Final = 1e-9
#: Bins of scores that are looked at first; `WIDER` times as many the next time.
BINS: Final = 64
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
        if self._reader.row_count(span) <= FEW:
            return self._reader.plain(span, after, self._limit)
        if self._sort is Sort.CLOSEST:
            self._by_distance(span, after)
        else:
            self._by_score(span, after)
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
            if self._sought.is_counted:
                break
            budget *= WIDER
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
                yield self._by_sources(span, end)
            return
        for day in self._in_order(days):
            hours = self._reader.hour_counts(span.of_hours(day * 24, day * 24 + 23))
            for first, last in self._stretches(hours):
                stretch = span.of_hours(first, last)
                if self._reader.row_count(stretch) <= count:
                    yield self._reader.plain(stretch, end, self._missing_count)
                else:
                    yield self._by_sources(stretch, end)

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

    def _by_sources(self, span: Span, after: Place | None) -> list[Place]:
        return self._reader.of_sources(span, [self._reader.scores], after, self._missing_count)

    # By score

    def _by_score(self, span: Span, after: Place | None) -> None:
        lowest, highest = self._bins(after)
        width = BINS
        while self._missing_count and lowest <= highest:
            if self._reader.is_rising:
                first, last = lowest, min(highest, lowest + width - 1)
            else:
                first, last = max(lowest, highest - width + 1), highest
            first, last = self._enough(span, first, last)
            scores = both(self._reader.scores, of_bins(first, last))
            if scores is not None:
                ranges = [scores]
                self._found += self._reader.of_sources(span, ranges, after, self._missing_count)
            if self._reader.is_rising:
                lowest = last + 1
            else:
                highest = first - 1
            width *= WIDER

    def _bins(self, after: Place | None) -> tuple[int, int]:
        """Return the lowest and the highest bin of what may still come."""
        lowest, highest = LOWEST, HIGHEST
        low, high = self._sought.asked.score_min, self._sought.asked.score_max
        if low is not None:
            lowest = bin_of(low)
        if high is not None:
            highest = bin_of(high)
        if after is not None and after.key is not None:
            key = bin_of(after.key)
            if self._reader.is_rising:
                lowest = max(lowest, key)
            else:
                highest = min(highest, key)
        return lowest, highest

    def _enough(self, span: Span, first: int, last: int) -> tuple[int, int]:
        """Cut bins short where their rows fill the page, if all is as counted."""
        counts = self._reader.bin_counts(span, first, last)
        is_rising, count = self._reader.is_rising, 0
        for bin_ in range(first, last + 1) if is_rising else range(last, first - 1, -1):
            count += counts.get(bin_, 0)
            if count >= 2 * self._missing_count:
                return (first, bin_) if is_rising else (bin_, last)
        return first, last

    # By distance

    def _by_distance(self, span: Span, after: Place | None) -> None:
        values = self._reader.threshold_values()
        inner = 0.0 if after is None or after.key is None else after.key
        width, is_first = RING, True
        is_last = not values
        while self._missing_count and not is_last:
            outer = inner + width
            is_last = outer >= WIDEST
            distance = tables.inspections.c.distance
            conditions: list[ColumnElement[bool]] = [distance.is_not(None)]
            if not is_first:
                conditions.append(distance > inner)
            if not is_last:
                conditions.append(distance <= outer)
            scores = [self._reader.scores]
            ranges = scores if is_last else self._ring(values, inner, outer)
            self._found += self._reader.of_sources(
                span, ranges, after, self._missing_count, conditions
            )
            inner, width, is_first = outer, width * WIDER, False

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


def _merged(ranges: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return ranges that do not overlap; one for all of them when they are many."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged if len(merged) <= RANGES else [(merged[0][0], merged[-1][1])]
