"""A reference as the floor knows it: which version of it is in force where, and what it is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspection.domain.recipe import GENERAL_PRODUCT


class ReferenceSource(StrEnum):
    """Where the good parts of a reference were found."""

    #: A folder of pictures.
    FOLDER = "folder"
    #: Kept pictures of the line's past inspections.
    HISTORY = "history"
    #: The line's own frames, as they passed.
    STREAM = "stream"


@dataclass(frozen=True, kw_only=True, order=True)
class ReferencePlace:
    """What a reference belongs to: one product at one station of a line."""

    line: str
    station: str
    #: As frames name it; `object` of those that name none.
    product: str = GENERAL_PRODUCT


@dataclass(frozen=True, kw_only=True)
class LineReference:
    """One version of the reference of a product at a station."""

    line: str
    #: As frames name it; `object` of those that name none.
    product: str
    station: str
    #: Counts up from 1 for each place.
    version: int
    #: SHA-256 of its file, hexadecimal.
    content_hash: str
    #: SHA-256 of the checkpoint it was built with; it is of no use to others.
    checkpoint_hash: str
    #: Good pictures it is made of.
    images_count: int
    source: ReferenceSource
    #: Learning from the stream ends with it; always so for other sources.
    is_final: bool
    #: Frames are scored with it; at most one version of a place is in force.
    is_in_force: bool
    made_at: datetime
    made_by: str
    reason: str

    @property
    def place(self) -> ReferencePlace:
        """What it belongs to."""
        return ReferencePlace(line=self.line, station=self.station, product=self.product)


def reference_in_force(
    references: Mapping[ReferencePlace, str], *, line: str, station: str, product: str | None
) -> str | None:
    """Return the content hash of the reference of a frame; None means it is scored without one.

    A frame of which nobody said what is on it shows the general product, as for recipes.

    Args:
        references: content hashes of those in force.
        line: where the frame was taken …
        station: … and at which station.
        product: what is on it; None when nobody said.
    """
    place = ReferencePlace(line=line, station=station, product=product or GENERAL_PRODUCT)
    return references.get(place)
