"""The command line: one file a group of commands; data on stdout, messages on stderr."""

import io
import sys
from collections.abc import Sequence

import typer

from inspection.cli import (
    alert,
    api,
    audit,
    bench,
    capture,
    channel,
    checkpoint,
    database,
    deadletter,
    demo,
    doctor,
    evaluate,
    export,
    health,
    history,
    key,
    lines,
    processes,
    reference,
    report,
    retention,
    review,
    shift,
    threshold,
    train,
    up,
    user,
)
from inspection.errors import ConfigurationError, InspectionError

app = typer.Typer(
    name="inspection",
    help="Streaming visual quality inspection: OK or NG for every part.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (demo, up, processes, capture, api, retention, history, export, doctor, evaluate):
    part.add_to(app)
app.add_typer(train.app, name="train")
app.add_typer(lines.app, name="line")
app.add_typer(alert.app, name="alert")
app.add_typer(audit.app, name="audit")
app.add_typer(threshold.app, name="threshold")
app.add_typer(channel.app, name="channel")
app.add_typer(user.app, name="user")
app.add_typer(key.app, name="key")
app.add_typer(database.app, name="db")
app.add_typer(deadletter.app, name="deadletter")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(reference.app, name="reference")
app.add_typer(health.app, name="health")
app.add_typer(review.app, name="review")
app.add_typer(shift.app, name="shift")
app.add_typer(report.app, name="report")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command; a wrong configuration exits with 2, any other failure with 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that this terminal cannot show must not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _check_text(sys.argv)
        app()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except InspectionError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _check_text(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ConfigurationError(f"the argument {argument!r} is no text in UTF-8") from error
