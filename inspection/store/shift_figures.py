"""What happened in a shift, by line and product: counted in the database, never row by row."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, case, func, literal, or_, select, union_all

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Outcome
from inspection.domain.part import PartVerdict
from inspection.domain.rates import Rates
from inspection.domain.review import Decision
from inspection.store import inspections, tables
from inspection.store.downtime import Downtime, downtimes
from inspection.store.inspections import HistoryRow
from inspection.store.lines import line_id
from inspection.store.measured_rates import Asked, line_rates
from inspection.store.score_counts import score_counts, sources

#: The worst last, so that the greatest rank of a part's frames is the part's.
_RANKS: Final = {verdict.value: rank for rank, verdict in enumerate(reversed(PartVerdict))}
_VERDICTS: Final = {rank: PartVerdict(verdict) for verdict, rank in _RANKS.items()}


@dataclass(frozen=True, kw_only=True)
class ProductFigures:
    """What happened to the parts of one product, or to all of a line."""

    #: None: frames did not say of what product they are.
    product: str | None
    #: Parts by the worst of their frames; a frame without serial number is a part.
    parts: Mapping[PartVerdict, int]
    #: Frames by what became of them: OK, NG, pending, uninspected, dropped.
    frames: Mapping[str, int]
    #: By frame; None where the product is not known.
    rates: Rates | None = None

    @property
    def part_count(self) -> int:
        """Parts of every verdict."""
        return sum(self.parts.values())

    @property
    def ng_rate(self) -> float | None:
        """NG parts as a share of those judged OK or NG; None: there are none."""
        judged = self.parts.get(PartVerdict.NG, 0) + self.parts.get(PartVerdict.OK, 0)
        return self.parts.get(PartVerdict.NG, 0) / judged if judged else None


@dataclass(frozen=True, kw_only=True)
class LineFigures:
    """What happened at a line."""

    line: str
    total: ProductFigures
    #: By name.
    products: tuple[ProductFigures, ...]
    cameras: tuple[Downtime, ...]
    #: NG inspections with the highest scores, without those that people found good.
    worst: tuple[HistoryRow, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which figures are asked for."""

    line: str
    from_at: datetime
    to_at: datetime
    #: None: of all products.
    product: str | None = None
    #: Worst inspections, at most.
    worst_count: int = 6

    @property
    def asked(self) -> Asked:
        """The same for measured rates."""
        return Asked(line=self.line, product=self.product, from_at=self.from_at, to_at=self.to_at)


def line_figures(connection: Connection, wanted: Wanted) -> LineFigures:
    """Return what happened at a line in a time.

    Args:
        connection: of a `Database.read`, so that all figures are of one moment.
        wanted: what is asked for.

    Raises:
        NotFoundError: there is no such line.
    """
    line = line_id(connection, wanted.line)
    frames = _frames(connection, line, wanted)
    parts = _parts(connection, line, wanted, frames)
    products = tuple(
        ProductFigures(
            product=product,
            parts=parts[product],
            frames=frames[product],
            rates=_rates_of(connection, wanted, product),
        )
        for product in sorted(frames, key=lambda name: name or "")
    )
    total = ProductFigures(
        product=wanted.product,
        parts=sum(parts.values(), Counter()),
        frames=sum(frames.values(), Counter()),
        rates=line_rates(connection, wanted.asked).rates,
    )
    return LineFigures(
        line=wanted.line,
        total=total,
        products=products,
        cameras=tuple(
            downtimes(connection, wanted.line, from_at=wanted.from_at, to_at=wanted.to_at)
        ),
        worst=tuple(_worst(connection, line, wanted)),
    )


def _rates_of(connection: Connection, wanted: Wanted, product: str | None) -> Rates | None:
    if product is None:
        return None
    asked = Asked(line=wanted.line, product=product, from_at=wanted.from_at, to_at=wanted.to_at)
    return line_rates(connection, asked).rates


def _frames(
    connection: Connection, line: int, wanted: Wanted
) -> defaultdict[str | None, Counter[str]]:
    """Count frames by product and what became of them."""
    found = sources(connection, line, product=wanted.product)
    counts = score_counts(connection, line, found, from_at=wanted.from_at, to_at=wanted.to_at)
    frames: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for (source_id, verdict, _), count in counts.items():
        frames[found[source_id].product][verdict] += count
    ledger = tables.ledger.c
    others = (
        select(ledger.product, ledger.outcome, func.count())
        .where(*_of_ledger(line, wanted))
        .group_by(ledger.product, ledger.outcome)
    )
    for product, outcome, count in connection.execute(others):
        frames[product][outcome] += count
    return frames


def _parts(
    connection: Connection,
    line: int,
    wanted: Wanted,
    frames: Mapping[str | None, Counter[str]],
) -> defaultdict[str | None, Counter[PartVerdict]]:
    """Count parts by product and verdict: those with serial numbers, and frames without one."""
    parts: defaultdict[str | None, Counter[PartVerdict]] = defaultdict(Counter)
    for product, counts in frames.items():
        parts[product].update({PartVerdict(v): counts[v] for v in _RANKS if counts[v]})
    for row in connection.execute(_numbered(line, wanted)).mappings():
        of_product = parts[row["product"]]
        of_product[_VERDICTS[row["rank"]]] += row["part_count"]
        for verdict in PartVerdict:
            of_product[verdict] -= int(row[verdict.name])
    return parts


def _numbered(line: int, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    """Select parts that have serial numbers by product and worst frame, and count their frames."""
    row, ledger = tables.inspections.c, tables.ledger.c
    ranks = {verdict.value: _RANKS[verdict.value] for verdict in Verdict}
    judged = select(row.product, row.part_serial, case(ranks, value=row.verdict).label("rank"))
    judged = judged.where(*_of_rows(line, wanted), row.part_serial.is_not(None))
    uninspected = select(
        ledger.product, ledger.part_serial, literal(_RANKS[PartVerdict.UNINSPECTED])
    ).where(
        *_of_ledger(line, wanted),
        ledger.outcome == Outcome.UNINSPECTED.value,
        ledger.part_serial.is_not(None),
    )
    frame = union_all(judged, uninspected).subquery().c
    names = [verdict.name for verdict in PartVerdict]
    part = (
        select(
            frame.product,
            func.max(frame.rank).label("rank"),
            *(
                func.sum(case((frame.rank == _RANKS[verdict.value], 1), else_=0)).label(
                    verdict.name
                )
                for verdict in PartVerdict
            ),
        )
        .group_by(frame.product, frame.part_serial)
        .subquery()
        .c
    )
    return select(
        part.product,
        part.rank,
        func.count().label("part_count"),
        *(func.sum(part[name]).label(name) for name in names),
    ).group_by(part.product, part.rank)


def _worst(connection: Connection, line: int, wanted: Wanted) -> list[HistoryRow]:
    row = tables.inspections.c
    statement = (
        select(row.ledger_id)
        .where(
            *_of_rows(line, wanted),
            row.verdict == Verdict.NG.value,
            or_(row.review.is_(None), row.review != Decision.OK.value),
        )
        .order_by(row.score.desc(), row.ledger_id)
        .limit(wanted.worst_count)
    )
    ids: Sequence[int] = connection.scalars(statement).all()
    return [inspections.get(connection, inspection_id) for inspection_id in ids]


def _of_rows(line: int, wanted: Wanted) -> list[Any]:
    row = tables.inspections.c
    conditions = [
        row.line_id == line,
        row.captured_at >= wanted.from_at,
        row.captured_at < wanted.to_at,
    ]
    return conditions if wanted.product is None else [*conditions, row.product == wanted.product]


def _of_ledger(line: int, wanted: Wanted) -> list[Any]:
    ledger = tables.ledger.c
    conditions = [
        ledger.line_id == line,
        ledger.captured_at >= wanted.from_at,
        ledger.captured_at < wanted.to_at,
        # Written out, because the index of such rows serves only a condition known beforehand.
        ledger.outcome != literal(Outcome.INSPECTED.value, literal_execute=True),
    ]
    if wanted.product is not None:
        conditions.append(ledger.product == wanted.product)
    return conditions
