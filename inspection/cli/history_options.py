"""The filters of the history as options, the same for looking and for taking away."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from inspection.domain.inspection import Verdict
from inspection.errors import ConfigurationError
from inspection.store.history_query import DECISIONS

Line = Annotated[str | None, typer.Option()]
Station = Annotated[str | None, typer.Option()]
Camera = Annotated[str | None, typer.Option()]
Product = Annotated[str | None, typer.Option()]
OfVerdict = Annotated[Verdict | None, typer.Option()]
ScoreMin = Annotated[float | None, typer.Option(help="scores from this one on")]
ScoreMax = Annotated[float | None, typer.Option(help="scores up to this one")]
Since = Annotated[str | None, typer.Option(help="captured from here on, 2026-11-21T14:00:00Z")]
Until = Annotated[str | None, typer.Option(help="captured before")]
PartSerial = Annotated[str | None, typer.Option()]
Lot = Annotated[str | None, typer.Option()]
Checkpoint = Annotated[str | None, typer.Option(help="hash of what scored them")]
ThresholdId = Annotated[
    int | None, typer.Option(min=1, max=2**63 - 1, help="version of a threshold that judged them")
]
IsReviewed = Annotated[bool | None, typer.Option("--reviewed/--not-reviewed")]
Review = Annotated[str | None, typer.Option(help="what the newest review decided: OK, NG, unsure")]


def moment(text: str | None, option: str) -> datetime | None:
    """Read a time; one without a zone is this machine's.

    Raises:
        ConfigurationError: it is none.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option}: {text!r} is no time; write 2026-11-21T14:00:00Z"
        ) from error


def decision(text: str | None) -> str | None:
    """Return the decision of a review.

    Raises:
        ConfigurationError: it is none.
    """
    if text is None or text in DECISIONS:
        return text
    raise ConfigurationError(f"--review: {text!r} is no decision; take {', '.join(DECISIONS)}")
