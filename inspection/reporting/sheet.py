"""The report of a shift as rows: for calculating with (CSV), and for programs (JSON)."""

import csv
import io
from typing import Any, Final

from inspection.domain.part import PartVerdict
from inspection.domain.rates import Measured, Rates
from inspection.reporting.shift_report import ShiftReport
from inspection.store.shift_figures import LineFigures, ProductFigures

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def rows_of(report: ShiftReport) -> list[dict[str, Any]]:
    """Return a row for each line and product, and one for all products of a line."""
    return [
        _shift(report)
        | {"line": line.line}
        | _figures(figures, is_total=figures is line.total)
        | _cameras(line, is_total=figures is line.total)
        for line in report.lines
        for figures in (*line.products, line.total)
    ]


def csv_of(report: ShiftReport) -> str:
    """Return the rows as CSV (RFC 4180) in which no cell is a formula."""
    rows = rows_of(report)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else list(_shift(report)))
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _shift(report: ShiftReport) -> dict[str, Any]:
    return {
        "shift": report.span.name,
        "day": report.span.day.isoformat(),
        "start_at": report.span.start_at.isoformat(),
        "end_at": report.span.end_at.isoformat(),
        "is_over": report.is_over,
    }


def _figures(figures: ProductFigures, *, is_total: bool) -> dict[str, Any]:
    parts, frames = figures.parts, figures.frames
    return {
        "is_total": is_total,
        "product": figures.product,
        "parts": figures.part_count,
        "parts_ok": parts.get(PartVerdict.OK, 0),
        "parts_ng": parts.get(PartVerdict.NG, 0),
        "parts_pending": parts.get(PartVerdict.PENDING, 0),
        "parts_uninspected": parts.get(PartVerdict.UNINSPECTED, 0),
        "ng_rate": figures.ng_rate,
        "frames_uninspected": frames.get("uninspected", 0),
        "frames_dropped": frames.get("dropped", 0),
    } | _rates(figures.rates)


def _rates(rates: Rates | None) -> dict[str, Any]:
    return {
        f"{name}_{key}": value
        for name, measured in (
            ("false_rejects", None if rates is None else rates.false_rejects),
            ("escapes", None if rates is None else rates.escapes),
        )
        for key, value in _measured(measured).items()
    }


def _measured(measured: Measured | None) -> dict[str, Any]:
    interval = measured and measured.interval
    return {
        "reviewed": measured and measured.decided_count,
        "wrong": measured and measured.wrong_count,
        "unsure": measured and measured.unsure_count,
        "share": interval and interval.share,
        "low": interval and interval.low,
        "high": interval and interval.high,
    }


def _cameras(line: LineFigures, *, is_total: bool) -> dict[str, Any]:
    if not is_total:
        return {"cameras_down_s": None, "cameras_unwatched_s": None}
    return {
        "cameras_down_s": sum(camera.down_s for camera in line.cameras),
        "cameras_unwatched_s": sum(camera.unwatched_s for camera in line.cameras),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
