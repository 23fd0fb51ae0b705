"""`inspection review`: what people decide about inspections, and what that says of verdicts."""

from datetime import timedelta
from secrets import SystemRandom
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from inspection.cli import context, output
from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.domain.proposal import proposed
from inspection.domain.rates import Rates
from inspection.domain.review import Decision, NewReview, Review
from inspection.store import measured_rates, opinions, reviews
from inspection.store.measured_rates import Asked
from inspection.store.reviews import ReviewQuery
from inspection.store.thresholds import scope_name


class _Reviews(TyperGroup):
    """Takes `inspection review 4711 OK` for `inspection review decide 4711 OK`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command before a number."""
        is_number = bool(args) and args[0].isdigit()
        return super().parse_args(ctx, ["decide", *args] if is_number else args)


app = typer.Typer(cls=_Reviews, help="What people decide about inspections.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Days = Annotated[int, typer.Option(min=1, max=36_500, help="inspections of the last so many days")]
OfProduct = Annotated[str | None, typer.Option("--product", help="only of this product")]


@app.command()
def decide(
    inspection_ids: Annotated[
        list[int],
        typer.Argument(metavar="ID...", min=1, max=2**63 - 1, help="as `inspection history` shows"),
    ],
    decision: Annotated[Decision, typer.Argument(help="what the part really is")],
    *,
    note: Annotated[str, typer.Option(help="what there is to say about it")] = "",
    as_json: AsJson = False,
) -> None:
    """Decide about inspections, having looked at the parts; the word `decide` may be left out.

    Nothing is overwritten: of several reviews of an inspection the newest counts. Pictures and
    maps of reviewed inspections go last.

    Example: inspection review decide 4711 OK --note "only dust"
    """
    settings = context.begin("review")
    new = NewReview(decision=decision, at=context.clock(), by=output.person(), note=note)
    with context.opened_database(settings) as database, database.write() as connection:
        added = reviews.add_reviews(connection, inspection_ids, new)
    if as_json:
        output.show_rows([_row(review) for review in added], as_json=True)
    overrides = sum(review.is_override for review in added)
    output.say(f"{len(added)} reviewed as {decision.value}, {overrides} against the verdict")


@app.command("list")
def list_(  # noqa: PLR0913 - one option a filter
    *,
    inspection: Annotated[int | None, typer.Option(min=1, max=2**63 - 1)] = None,
    line: Annotated[str | None, typer.Option()] = None,
    camera: Annotated[str | None, typer.Option()] = None,
    decision: Annotated[Decision | None, typer.Option()] = None,
    by: Annotated[str | None, typer.Option(help="only of this person")] = None,
    overrides: Annotated[
        bool, typer.Option("--overrides", help="only those that contradict the verdict")
    ] = False,
    before: Annotated[int | None, typer.Option(help="`review` of the last one seen")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List reviews, the newest first.

    Example: inspection review list --line washers --overrides
    """
    settings = context.begin("review")
    query = ReviewQuery(
        inspection_id=inspection,
        line=line,
        camera=camera,
        decision=decision,
        reviewed_by=by,
        is_override=True if overrides else None,
        before=before,
        limit=limit,
    )
    with context.opened_database(settings) as database, database.read() as connection:
        found = reviews.list_reviews(connection, query)
    output.show_rows([_row(review) for review in found], as_json=as_json)


@app.command("next")
def next_(
    line: str,
    *,
    random: Annotated[
        Verdict | None,
        typer.Option(help="one by chance instead: OK to measure escapes, NG for false rejects"),
    ] = None,
    product: OfProduct = None,
    days: Days = 30,
    as_json: AsJson = False,
) -> None:
    """Show the inspection to review next: the one nearest to its threshold.

    Hard cases alone say nothing of the many easy ones. With --random it is one by chance, of the
    scores that people have seen least of: that is what measured rates need.

    Example: inspection review next washers --random OK
    """
    settings = context.begin("review")
    asked = _asked(line, product, days)
    with context.opened_database(settings) as database, database.read() as connection:
        if random is None:
            found = measured_rates.nearest_case(connection, asked)
        else:
            draw = SystemRandom().random()
            found = measured_rates.random_case(connection, asked, random, draw=draw)
    shown = {
        "inspection": found.inspection_id,
        "captured_at": found.identity.captured_at.isoformat(timespec="milliseconds"),
        "camera": found.identity.camera,
        "product": found.product,
        "part_serial": found.part_serial,
        "score": found.score,
        "threshold": found.threshold_value,
        "verdict": found.verdict.value,
        "picture": None if found.picture is None else found.picture.sha256,
    }
    output.show_object(shown, as_json=as_json)


@app.command()
def rates(
    line: str, *, product: OfProduct = None, days: Days = 30, as_json: AsJson = False
) -> None:
    """Measure false rejects and escapes from reviews, by version of threshold.

    Example: inspection review rates washers --days 7
    """
    settings = context.begin("review")
    asked = _asked(line, product, days)
    with context.opened_database(settings) as database, database.read() as connection:
        found = measured_rates.line_rates(connection, asked)
    if as_json:
        from inspection.api.review_views import LineRatesView

        output.show_object(LineRatesView.of_line(found).model_dump(mode="json"), as_json=True)
        return
    rows = [{"threshold": "all", "version": None, "value": None} | _rates(found.rates)]
    rows += [
        {
            "threshold": scope_name(one.threshold.scope),
            "version": one.threshold.version,
            "value": one.threshold.value,
        }
        | _rates(one.rates)
        for one in found.versions
    ]
    output.show_rows(rows, as_json=False)


@app.command()
def propose(  # noqa: PLR0913 - one option a part of the question
    line: str,
    *,
    product: OfProduct = None,
    station: Annotated[str | None, typer.Option(help="the threshold of this station")] = None,
    camera: Annotated[str | None, typer.Option(help="the threshold of this camera")] = None,
    cost_ratio: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="false rejects that cost as much as an escape")
    ] = 10.0,
    days: Days = 30,
    as_json: AsJson = False,
) -> None:
    """Propose a threshold that reviews speak for, or say why not; nothing is set.

    Nobody's reviews alone move it, and no step changes more than 5 % of the verdicts. To apply it:
    `inspection threshold set`, with a reason.

    Example: inspection review propose washers --cost-ratio 20
    """
    settings = context.begin("review")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    with context.opened_database(settings) as database, database.read() as connection:
        evidence, version = opinions.evidence_of(connection, scope, _asked(line, None, days))
    from inspection.api.review_views import ProposalView

    found = proposed(evidence, cost_ratio=cost_ratio)
    view = ProposalView.of(found, scope=scope_name(scope), version=version)
    output.show_object(view.model_dump(mode="json"), as_json=as_json)


def _asked(line: str, product: str | None, days: int) -> Asked:
    now = context.clock()
    return Asked(line=line, product=product, from_at=now - timedelta(days=days), to_at=now)


def _row(review: Review) -> dict[str, Any]:
    return {
        "review": review.review_id,
        "inspection": review.inspection_id,
        "line": review.line,
        "camera": review.camera,
        "score": review.score,
        "verdict": review.verdict.value,
        "decision": review.decision.value,
        "reviewed_at": review.reviewed_at.isoformat(timespec="seconds"),
        "reviewed_by": review.reviewed_by,
        "note": review.note,
    }


def _rates(rates: Rates) -> dict[str, Any]:
    return {
        "false rejects, of NG": rates.false_rejects.sentence,
        "escapes, of OK": rates.escapes.sentence,
        "unsure": rates.false_rejects.unsure_count + rates.escapes.unsure_count,
    }
