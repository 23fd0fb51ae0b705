"""`inspection threshold what-if`: what another threshold would have meant, and setting it."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from inspection.cli import context, output
from inspection.cli.duration import end_of
from inspection.domain.line import Scope, Threshold
from inspection.domain.what_if import Limit, Question
from inspection.errors import ConfigurationError
from inspection.reporting.threshold_report import answer_of, examples_of, replay_of
from inspection.store import replays, what_ifs
from inspection.store.database import Database
from inspection.store.replays import Progress, Replayed
from inspection.store.rollbacks import Rollback, former, roll_back
from inspection.store.thresholds import NewThreshold, add_version, scope_name
from inspection.store.what_if_examples import examples

#: A replay that takes longer, in seconds, says how far it is.
PATIENCE_S: Final = 2.0


def what_if(  # noqa: PLR0913  (every argument is an option of the command)
    line: str,
    value: Annotated[
        str | None, typer.Argument(help="the limit; `none`: what if it had been withdrawn")
    ] = None,
    *,
    version: Annotated[
        int | None, typer.Option(min=1, help="a former version instead of a value")
    ] = None,
    lasts: Annotated[
        str, typer.Option("--for", help="how far back, such as 8h or 7d, up to --until")
    ] = "24h",
    since: Annotated[
        str | None, typer.Option(help="captured from here on, instead of --for")
    ] = None,
    until: Annotated[str | None, typer.Option(help="captured before; by default now")] = None,
    product: Annotated[str | None, typer.Option(help="only for this product")] = None,
    station: Annotated[str | None, typer.Option(help="only for this station")] = None,
    camera: Annotated[str | None, typer.Option(help="only for this camera")] = None,
    examples_count: Annotated[
        int, typer.Option("--examples", min=0, max=100, help="frames to name on each side")
    ] = 3,
    is_replayed: Annotated[
        bool, typer.Option("--replay/--no-replay", help="parts and alerts as well")
    ] = True,
    is_applied: Annotated[bool, typer.Option("--apply", help="then set it")] = False,
    reason: Annotated[str, typer.Option(help="why, when it is applied")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say what a threshold would have made of frames, parts and alerts, to the row.

    It is asked as if this limit had been that of the line (or of a product, station or camera of
    it) for the whole period; frames that more specific thresholds decided stay as they are. With
    --apply it is set, unless somebody else has set one meanwhile.

    Example: inspection threshold what-if washers 0.62 --for 7d --apply --reason "new supplier"
    """
    settings = context.begin("threshold")
    if is_applied and not reason.strip():
        raise ConfigurationError("--apply needs a --reason, for whoever wonders about it later")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    from_at, to_at = _period(since, until, lasts)
    with context.opened_database(settings) as database:
        limit = _limit(database, scope, value, version)
        question = Question(scope=scope, limit=limit, from_at=from_at, to_at=to_at)
        with database.read() as connection:
            answer = what_ifs.ask(connection, question)
            shown = answer_of(answer) | {
                "examples": examples_of(examples(connection, question, limit=examples_count))
            }
        if is_replayed:
            shown |= replay_of(_replayed(database, question))
        if is_applied:
            applied = _applied(database, question, version, reason, answer.version)
            shown |= {"applied_version": applied.version}
    if not as_json:
        del shown["spans"]
    output.show_object(shown, as_json=as_json)
    if is_applied and not as_json:
        output.say(f"{scope_name(scope)}: version {shown['applied_version']} is set")


def _period(since: str | None, until: str | None, lasts: str) -> tuple[datetime, datetime]:
    to_at = context.clock() if until is None else _moment(until, "--until")
    if since is not None:
        return _moment(since, "--since"), to_at
    return to_at - (end_of(lasts, to_at) - to_at), to_at


def _moment(text: str, option: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option}: {text!r} is no time; write for example 2026-11-21T14:00:00Z"
        ) from error


def _limit(database: Database, scope: Scope, value: str | None, version: int | None) -> Limit:
    if (value is None) == (version is None):
        raise ConfigurationError("give a VALUE, or a former one with --version")
    if value is not None:
        return Limit(value=output.number(value, name="VALUE"))
    with database.read() as connection:
        known = former(connection, scope, version)
    return Limit(
        value=known.value,
        checkpoint_hash=known.checkpoint_hash,
        reference_hash=known.reference_hash,
    )


def _replayed(database: Database, question: Question) -> Replayed:
    tenths, begun_s = 0, time.monotonic()
    for step in replays.replay(database, question):
        match step:
            case Replayed():
                return step
            case Progress(share=share) if int(share * 10) > tenths:
                tenths = int(share * 10)
                if time.monotonic() - begun_s > PATIENCE_S:
                    output.say(f"{tenths * 10} % replayed")
    raise AssertionError  # a replay ends with its result


def _applied(
    database: Database, question: Question, version: int | None, reason: str, known_version: int
) -> Threshold:
    at, by = context.clock(), output.person()
    with database.write() as connection:
        if version is not None:
            asked = Rollback(
                scope=question.scope,
                version=version,
                at=at,
                by=by,
                reason=reason,
                known_version=known_version,
            )
            return roll_back(connection, asked)
        new = NewThreshold(
            scope=question.scope,
            value=question.limit.value,
            set_at=at,
            set_by=by,
            reason=reason,
            known_version=known_version,
        )
        return add_version(connection, new)
