"""What-if questions: frames at once, parts and alerts by a replay that tells how far it is.

The replay is a stream of server-sent events that ends by itself:

event: progress    data: {"share": 0.4}
event: result      data: ReplayView
event: problem     data: a problem, as of every other answer; nothing follows

A client that goes away ends the replay after the slice that it is at.
"""

from collections.abc import AsyncIterator, Generator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection
from starlette.concurrency import iterate_in_threadpool

from inspection.api import etag, problems
from inspection.api.gate import Permitted
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.problems import Problem
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name
from inspection.api.thresholds import ThresholdTag, Value, Version
from inspection.domain.access import Permission, Principal
from inspection.domain.line import Scope
from inspection.domain.what_if import Limit, Question
from inspection.errors import ConfigurationError, UnavailableError
from inspection.reporting.threshold_report import answer_of, examples_of, replay_of
from inspection.store import replays, what_ifs
from inspection.store.replays import Progress, Replayed
from inspection.store.rollbacks import former
from inspection.store.thresholds import located, scope_name
from inspection.store.what_if_examples import examples
from inspection.telemetry import logger

router = APIRouter(tags=["thresholds"])

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]

#: What is asked about when no period is named: so much, up to now.
DEFAULT_PERIOD = timedelta(days=1)


class Asked(Body):
    """What if this had been the threshold of a scope for a period?

    Exactly one of `value`, `version` and `is_withdrawn` says which threshold is meant.
    """

    line: Name
    product: Label | None = None
    station: Name | None = None
    camera: Name | None = None
    value: Value | None = Field(default=None, description="NG if and only if a score is greater")
    version: Version | None = Field(default=None, description="a former version of this scope")
    is_withdrawn: bool = Field(default=False, description="what if it had been withdrawn")
    from_at: Moment | None = Field(
        default=None, description="exposures from here on; by default a day before `to_at`"
    )
    to_at: Moment | None = Field(default=None, description="exposures before; by default now")

    @model_validator(mode="after")
    def _means_one(self) -> Self:
        given = (self.value is not None) + (self.version is not None) + self.is_withdrawn
        if given != 1:
            raise ValueError("say one of value, version and is_withdrawn")
        return self

    def question(self, connection: Connection, now: datetime) -> Question:
        """Return the question, with the limit of the version that it names.

        Raises:
            NotFoundError: there is no such line, station, camera or version.
            ConfigurationError: the period is none.
        """
        scope = Scope(
            line=self.line, product=self.product, station=self.station, camera=self.camera
        )
        located(connection, scope)
        limit = Limit(value=self.value)
        if self.version is not None:
            known = former(connection, scope, self.version)
            limit = Limit(
                value=known.value,
                checkpoint_hash=known.checkpoint_hash,
                reference_hash=known.reference_hash,
            )
        to_at = self.to_at or now
        try:
            from_at = self.from_at or to_at - DEFAULT_PERIOD
        except OverflowError as error:
            raise ConfigurationError("to_at: there is no day before it") from error
        return Question(scope=scope, limit=limit, from_at=from_at, to_at=to_at)


class AskedBody(Asked):
    """What is asked, and how many examples of it are wanted."""

    examples: int = Field(default=5, ge=0, le=100, description="frames to name on each side")


class Verdicts(View):
    """Frames by verdict."""

    ok: int = Field(examples=[980])
    ng: int = Field(examples=[15])
    pending: int = Field(examples=[5])


class Flips(View):
    """Frames whose verdict would have been another."""

    ok_to_ng: int
    ok_to_pending: int
    ng_to_ok: int
    ng_to_pending: int
    pending_to_ok: int
    pending_to_ng: int


class NowAndThen(View):
    """A figure by the verdicts there are, and by those there would have been."""

    now: float = Field(examples=[15.0])
    then: float = Field(examples=[9.0])


class SpanView(View):
    """An hour of the period, or a day of a longer one; less at the ends of the period."""

    begin_at: Moment
    end_at: Moment
    ng_per_hour_now: float
    ng_per_hour_then: float


class ExampleView(View):
    """A frame that would have flipped."""

    inspection_id: int
    frame_id: str = Field(examples=["top-1/4711"])
    captured_at: Moment
    product: str | None
    part_serial: str | None
    score: float = Field(examples=[0.621])
    now: str = Field(examples=["NG"])
    then: str = Field(examples=["OK"])
    distance: float = Field(examples=[0.001])
    has_picture: bool = Field(description="whether its picture, and a heatmap over it, can be had")


class AnswerView(View):
    """What would have become of the frames of a scope."""

    scope: str = Field(examples=["line=washers"])
    value: float | None
    checkpoint_hash: str | None
    reference_hash: str | None
    version: int = Field(description="newest version of the scope's threshold; 0: it has none")
    etag: str | None = Field(
        description="for `If-Match`, to set it if nobody has set one meanwhile; null: there is none"
    )
    from_at: Moment
    to_at: Moment
    frames: int = Field(description="all that the scope covers")
    untouched: int = Field(description="of these, what more specific thresholds decided")
    now: Verdicts
    then: Verdicts
    flips: Flips
    ng_per_hour: NowAndThen
    spans: list[SpanView]
    examples: list[ExampleView] = Field(
        description="nearest to the limit: that would be NG, then that would be OK"
    )


class PartVerdicts(View):
    """Parts of the line by the worst verdict of their frames."""

    now: dict[str, int] = Field(examples=[{"OK": 97, "pending": 0, "uninspected": 1, "NG": 2}])
    then: dict[str, int] = Field(examples=[{"OK": 98, "pending": 0, "uninspected": 1, "NG": 1}])
    flips: dict[str, int] = Field(examples=[{"NG_to_OK": 1}])


class RuleAlertsView(View):
    """Alerts that a rule would have opened, if every frame had been looked at when exposed."""

    rule: str = Field(examples=["ng"])
    kind: str = Field(examples=["ng"])
    now: int
    then: int


class ReplayView(View):
    """What would have become of the parts and alerts of a line."""

    parts: PartVerdicts
    alerts: list[RuleAlertsView]
    left_out: dict[str, str] = Field(description="rules that are not replayed, and why not")


@router.post(
    "/what-if",
    operation_id="ask_what_if",
    responses=problems.declared(404),
)
def ask(given: Given, _caller: _Reader, body: AskedBody) -> AnswerView:
    """Say what a threshold would have made of frames, to the row; nothing is changed.

    It is asked as if this had been the scope's threshold whenever a frame of the period was judged.
    Frames that more specific thresholds decided stay as they are.
    """
    with given.database.read() as connection:
        question = body.question(connection, given.clock())
        answer = what_ifs.ask(connection, question)
        near = examples(connection, question, limit=body.examples)
    tag = ThresholdTag(scope=scope_name(question.scope), version=answer.version)
    return AnswerView.model_validate(
        answer_of(answer)
        | {
            "etag": etag.etag_of(tag) if answer.version else None,
            "examples": examples_of(near),
        }
    )


@router.get(
    "/what-if/replay",
    operation_id="replay_what_if",
    response_class=StreamingResponse,
    responses=problems.declared(404)
    | {
        200: {
            "description": "events `progress`, then one `result` (ReplayView) or `problem`",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
def replay(given: Given, _caller: _Reader, asked: Annotated[Asked, Query()]) -> StreamingResponse:
    """Say what a threshold would have made of parts and alerts, from every frame of the line."""
    with given.database.read() as connection:
        question = asked.question(connection, given.clock())
    return StreamingResponse(_events(_steps(given, question)), media_type="text/event-stream")


def _steps(given: Installation, question: Question) -> Generator[str, None, None]:
    try:
        with given.replays.turn():
            for step in replays.replay(given.database, question):
                match step:
                    case Progress():
                        yield _event("progress", _ShareView(share=step.share))
                    case Replayed():
                        yield _event("result", ReplayView.model_validate(replay_of(step)))
    except UnavailableError as error:
        logger().warning("replay_unavailable", line=question.scope.line, why=str(error))
        status = HTTPStatus.SERVICE_UNAVAILABLE
        detail = "a server that this needs does not answer, or too many ask; try again later"
        yield _event("problem", Problem(title=status.phrase, status=status, detail=detail))


async def _events(steps: Generator[str, None, None]) -> AsyncIterator[str]:
    try:
        async for text in iterate_in_threadpool(steps):
            yield text
    finally:
        steps.close()


class _ShareView(View):
    share: float


def _event(name: str, view: BaseModel) -> str:
    return f"event: {name}\ndata: {view.model_dump_json()}\n\n"
