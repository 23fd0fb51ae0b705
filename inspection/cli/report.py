"""`inspection report`: what happened, on one page."""

import json
import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inspection.cli import context, output
from inspection.errors import ConfigurationError

app = typer.Typer(help="What happened, on one page.", no_args_is_help=True)


class Format(StrEnum):
    """How a report is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


@app.callback()
def report() -> None:
    """Keep `shift` a word of the command."""


@app.command()
def shift(  # noqa: PLR0913 - one option a part of the question
    *,
    name: Annotated[str | None, typer.Option("--shift", help="name of the shift")] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="on which it began, on the site: 2026-03-02")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="the last that has ended")] = False,
    line: Annotated[str | None, typer.Option(help="only this line")] = None,
    product: Annotated[str | None, typer.Option(help="only this product")] = None,
    written: Annotated[Format, typer.Option("--format")] = Format.HTML,
    out: Annotated[Path | None, typer.Option(help="the file to write; without it, stdout")] = None,
) -> None:
    """Report a shift by line and product: parts, NG, false rejects, escapes, downtime of cameras.

    The HTML page shows the worst parts, loads nothing from anywhere and can be printed. Without
    --date it is the last shift that has ended.

    Example: inspection report shift --shift early --date 2026-03-02 --out early.html
    """
    if last and day is not None:
        raise ConfigurationError(
            "--last is the last shift that has ended, --date names one; take one"
        )
    # What draws takes its time to load.
    from inspection.reporting.page import html_of
    from inspection.reporting.sheet import csv_of, rows_of
    from inspection.reporting.shift_report import ReportWish, shift_report

    settings = context.begin("report")
    wish = ReportWish(shift=name, day=_day(day), line=line, product=product)
    pictures = context.pictures(settings) if written is Format.HTML else None
    with context.opened_database(settings) as database:
        found = shift_report(database, pictures, wish, now=context.clock())
    if written is Format.HTML:
        text = html_of(found)
    elif written is Format.CSV:
        text = csv_of(found)
    else:
        text = json.dumps(rows_of(found), ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"cannot write {out}: {error.strerror}") from error
    output.say(f"shift {found.span.name} of {found.span.day}: {out}")


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--date: {text!r} is no day; write 2026-03-02") from error
