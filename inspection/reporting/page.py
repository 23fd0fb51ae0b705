"""The report of a shift as one HTML page: nothing loaded from anywhere, made to be printed.

Elements are built, never written as text, so that no name or serial number can become markup.
Colours are of Okabe's and Ito's palette, which colour-blind people tell apart; none says anything
that words do not say as well.
"""

from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from inspection.domain.part import PartVerdict
from inspection.reporting.shift_report import ShiftReport, duration
from inspection.store.inspections import HistoryRow
from inspection.store.shift_figures import LineFigures, ProductFigures

_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 1000px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin: 0; } h2 { font-size: 1.25em; margin: 2em 0 .4em;
  border-bottom: 2px solid #1a1a1a; } h3 { font-size: 1em; margin: 1.2em 0 .3em; }
p { margin: .3em 0; } .quiet { color: #555; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .25em .5em;
  border-bottom: 1px solid #ccc; text-align: right; vertical-align: top; }
th { background: #f2f2f2; } th:first-child, td:first-child, .left { text-align: left; }
tr.total td { font-weight: bold; border-top: 2px solid #888; }
.bar { display: flex; height: 1.4em; border: 1px solid #888; margin: .5em 0; }
.bar span { display: block; } .OK { background: #0072b2; } .NG { background: #e69f00; }
.pending { background: #cc79a7; } .uninspected { background: #999; }
.key span { display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 1em; }
.worst { display: flex; flex-wrap: wrap; gap: 1em; } figure { margin: 0; width: 220px;
  break-inside: avoid; } img { max-width: 100%; border: 1px solid #888; }
figcaption { font-size: .85em; overflow-wrap: anywhere; }
section { break-inside: auto; } tr, h2, h3 { break-inside: avoid; break-after: avoid; }
@media print { body { margin: 0; max-width: none; print-color-adjust: exact; } }
"""
_BAR: Final = (PartVerdict.OK, PartVerdict.NG, PartVerdict.PENDING, PartVerdict.UNINSPECTED)
_COLUMNS: Final = (
    "product",
    "parts",
    "OK",
    "NG",
    "NG rate",
    "pending",
    "uninspected",
    "frames dropped",
)


def html_of(report: ShiftReport) -> str:
    """Return the page."""
    title = f"Shift {report.span.name} of {report.span.day}"
    page = Element("html", lang="en")
    head = SubElement(page, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width")
    _add(head, "title", title)
    _add(head, "style", _STYLE)
    body = SubElement(page, "body")
    _add(body, "h1", title)
    times = f"{_local(report, report.span.start_at)} to {_local(report, report.span.end_at)}"
    _add(body, "p", f"{times}, {report.calendar.time_zone}", "quiet")
    if report.product is not None:
        _add(body, "p", f"Only product {report.product}")
    if not report.is_over:
        _add(body, "p", f"Not over yet: figures up to {_local(report, report.made_at)}")
    for line in report.lines:
        _line(body, report, line)
    _foot(body, report)
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html")


def _line(body: Element, report: ShiftReport, line: LineFigures) -> None:
    section = SubElement(body, "section")
    _add(section, "h2", f"Line {line.line}")
    if not line.total.part_count and not any(line.total.frames.values()):
        _add(section, "p", "No frames in this shift.")
    else:
        _bar(section, line.total)
        _table(section, line)
        _rates(section, line)
    _cameras(section, line)
    if line.worst:
        _add(section, "h3", "Worst parts")
        shown = SubElement(section, "div", {"class": "worst"})
        for row in line.worst:
            _worst(shown, report, row)


def _bar(section: Element, figures: ProductFigures) -> None:
    bar = SubElement(section, "div", {"class": "bar", "aria-hidden": "true"})
    key = SubElement(section, "p", {"class": "key"})
    for verdict in _BAR:
        count = figures.parts.get(verdict, 0)
        if count:
            style = f"flex: {count} 0 0; min-width: 2px"
            SubElement(bar, "span", {"class": verdict.value, "style": style})
        colour = SubElement(key, "span", {"class": verdict.value})
        colour.tail = f"{verdict.value} {count:,}"


def _table(section: Element, line: LineFigures) -> None:
    table = SubElement(section, "table")
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in _COLUMNS:
        _add(head, "th", column)
    body = SubElement(table, "tbody")
    for figures in (*line.products, line.total):
        is_total = figures is line.total
        row = SubElement(body, "tr", {"class": "total"} if is_total else {})
        name = "all products" if is_total else figures.product or "(not said)"
        parts, rate = figures.parts, figures.ng_rate
        for cell in (
            name,
            f"{figures.part_count:,}",
            f"{parts.get(PartVerdict.OK, 0):,}",
            f"{parts.get(PartVerdict.NG, 0):,}",
            "-" if rate is None else f"{rate:.2%}",
            f"{parts.get(PartVerdict.PENDING, 0):,}",
            f"{parts.get(PartVerdict.UNINSPECTED, 0):,}",
            f"{figures.frames.get('dropped', 0):,}",
        ):
            _add(row, "td", cell)


def _rates(section: Element, line: LineFigures) -> None:
    _add(section, "h3", "Verdicts that people reviewed")
    table = SubElement(section, "table")
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in ("product", "false rejects, of NG verdicts", "escapes, of OK verdicts", "unsure"):
        _add(head, "th", column)
    body = SubElement(table, "tbody")
    for figures in (*line.products, line.total):
        if figures.rates is None:
            continue
        is_total = figures is line.total
        row = SubElement(body, "tr", {"class": "total"} if is_total else {})
        rejects, escapes = figures.rates.false_rejects, figures.rates.escapes
        name = "all products" if is_total else figures.product or ""
        unsure = rejects.unsure_count + escapes.unsure_count
        for cell in (name, rejects.sentence, escapes.sentence, f"{unsure:,}"):
            _add(row, "td", cell)


def _cameras(section: Element, line: LineFigures) -> None:
    _add(section, "h3", "Cameras")
    table = SubElement(section, "table")
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in ("camera", "down (stalled or blind)", "times", "not watched or ended"):
        _add(head, "th", column)
    body = SubElement(table, "tbody")
    for camera in line.cameras:
        row = SubElement(body, "tr")
        unwatched = duration(camera.unwatched_s)
        for cell in (camera.camera, duration(camera.down_s), str(camera.down_count), unwatched):
            _add(row, "td", cell)


def _worst(shown: Element, report: ShiftReport, row: HistoryRow) -> None:
    figure = SubElement(shown, "figure")
    name = f"inspection {row.inspection_id}"
    address = report.pictures.get(row.inspection_id)
    if address is None:
        _add(figure, "p", "(no picture is left)", "quiet")
    else:
        SubElement(figure, "img", src=address, alt=f"{name}, where it looks wrong in yellow")
    serial = f", part {row.part_serial}" if row.part_serial else ""
    reviewed = f", reviewed {row.review}" if row.review else ""
    at = _local(report, row.identity.captured_at)
    caption = f"{name}{serial}: score {row.score:.3f} at {row.identity.camera}, {at}{reviewed}"
    _add(figure, "figcaption", caption)


def _foot(body: Element, report: ShiftReport) -> None:
    _add(
        body,
        "p",
        f"Made {_local(report, report.made_at)}. A part's verdict is the worst of its frames of "
        "this shift: NG, then uninspected, pending, OK; a frame without serial number is a part. "
        "False rejects and escapes are by frame, put together from bands of like scores, with "
        "limits of 95 % confidence; unknown where a band was not reviewed.",
        "quiet",
    )


def _local(report: ShiftReport, moment: datetime) -> str:
    return f"{moment.astimezone(report.calendar.zone):%Y-%m-%d %H:%M}"


def _add(parent: Element, tag: str, text: str, kind: str | None = None) -> None:
    SubElement(parent, tag, {} if kind is None else {"class": kind}).text = text
