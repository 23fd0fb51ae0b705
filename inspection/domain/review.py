"""Reviews: what a person decided about an inspection, having looked at the part."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from inspection.domain.inspection import Verdict
from inspection.errors import ConfigurationError

#: Characters of a note at most.
NOTE_LENGTH: Final = 500
#: Characters of a reviewer's name at most.
NAME_LENGTH: Final = 200
#: Inspections that one act may decide about at most.
BULK_COUNT: Final = 500


class Decision(StrEnum):
    """What a person says of a part."""

    OK = "OK"
    NG = "NG"
    #: Looked at, and still not known; counted apart from all rates.
    UNSURE = "unsure"


@dataclass(frozen=True, kw_only=True)
class NewReview:
    """A review that is to be written down."""

    decision: Decision
    at: datetime
    by: str
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse text that is too long or cannot be kept."""
        checked_text(self.note, "note", longest=NOTE_LENGTH)
        if not checked_text(self.by, "name of the reviewer", longest=NAME_LENGTH).strip():
            raise ConfigurationError("a review needs the name of whoever decides")


@dataclass(frozen=True, kw_only=True)
class Review:
    """One decision about one inspection; a later one about the same takes its place."""

    review_id: int
    inspection_id: int
    captured_at: datetime
    line: str
    camera: str
    product: str | None
    decision: Decision
    reviewed_at: datetime
    reviewed_by: str
    note: str
    #: What was decided about; copied, so that the review still says it when the row has gone.
    score: float
    verdict: Verdict
    threshold_version: int | None

    @property
    def is_override(self) -> bool:
        """Whether the person contradicts the verdict."""
        return {self.decision.value, self.verdict.value} == {"OK", "NG"}


def checked_text(text: str, what: str, *, longest: int) -> str:
    """Return `text`.

    Raises:
        ConfigurationError: it is too long, or holds signs that no database takes.
    """
    if len(text) > longest:
        raise ConfigurationError(f"the {what} has {len(text)} characters; write at most {longest}")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ConfigurationError(f"the {what} holds a sign that is no text")
    return text
