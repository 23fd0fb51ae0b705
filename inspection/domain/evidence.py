"""What is kept of a frame beside its row, its picture and its map: in which order it goes, and why.

Rows of every verdict live equally long. Pictures and maps go earlier when they must: those of OK
inspections first, the oldest of them first of all.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum


class KeepClass(IntEnum):
    """Whose evidence goes first: the lower class before the higher one."""

    OK = 0
    PENDING = 1
    #: NG, and uninspected: what somebody may have to look at.
    NG = 2
    #: A person has judged it.
    REVIEWED = 3


class Gone(StrEnum):
    """Why a picture or map is not there."""

    #: It was as old as such evidence may become.
    AGE = "age"
    #: All evidence together had more bytes than it may have.
    BUDGET = "budget"
    #: The disk was nearly full.
    DISK = "disk"
    #: It was never kept: the disk was full.
    FULL = "full"
    #: It was never kept: the picture store did not answer.
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Amount:
    """So many pictures and maps; a picture that several rows share counts for each of them."""

    picture_count: int = 0
    picture_bytes: int = 0
    map_count: int = 0
    map_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of pictures and maps together."""
        return self.picture_bytes + self.map_bytes

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            picture_count=self.picture_count + other.picture_count,
            picture_bytes=self.picture_bytes + other.picture_bytes,
            map_count=self.map_count + other.map_count,
            map_bytes=self.map_bytes + other.map_bytes,
        )

    def __neg__(self) -> "Amount":
        return Amount(
            picture_count=-self.picture_count,
            picture_bytes=-self.picture_bytes,
            map_count=-self.map_count,
            map_bytes=-self.map_bytes,
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how much is kept."""

    #: Age at which rows go, with everything that belongs to them.
    rows: timedelta = timedelta(days=365)
    #: Age at which pictures and maps of OK inspections go.
    ok_evidence: timedelta = timedelta(days=30)
    #: Age at which all other pictures and maps go.
    other_evidence: timedelta = timedelta(days=365)
    #: Bytes that all pictures and maps together may have; None: what the disk holds.
    budget_bytes: int | None = None
    #: Free bytes on the disk of the pictures that pictures never use.
    reserve_bytes: int = 0

    @property
    def margin_bytes(self) -> int:
        """Free bytes above the reserve below which evidence goes early."""
        return self.reserve_bytes // 4

    def age_of(self, keep_class: KeepClass) -> timedelta:
        """Return the age at which evidence of a class goes; never later than its row."""
        age = self.ok_evidence if keep_class is KeepClass.OK else self.other_evidence
        return min(age, self.rows)
