"""What bodies of requests and answers have in common."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

#: Largest number of a row that databases keep.
LAST_ID: Final = 2**63 - 1


class Body(BaseModel):
    """What a request brings: unknown fields are refused, and so are NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class View(BaseModel):
    """What an answer shows."""

    model_config = ConfigDict(frozen=True)


#: Number of a row, in paths, queries and bodies.
RowId = Annotated[int, Field(ge=1, le=LAST_ID, examples=[1])]
