"""Text of requests: bounded, and nothing in it that a database would refuse.

PostgreSQL takes no NUL, and half a surrogate pair cannot be encoded; the latter pydantic refuses.
"""

from typing import Annotated, Final

from pydantic import Field

from inspection.domain.line import NAME_PATTERN

_ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
#: One line with something in it.
_SAID: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

#: Of a line, station, camera, channel, rule …: in paths, queries and bodies.
Name = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=f"^{NAME_PATTERN.pattern}$", examples=["line-1"]),
]
#: A product, serial number or lot, as the plant writes it.
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=_SAID, examples=["washer-m12"])]
#: Why somebody does something; may not be blank.
Reason = Annotated[
    str, Field(min_length=1, max_length=1000, pattern=_SAID, examples=["new lamp at station-1"])
]
#: A remark of several lines; may be empty.
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
#: What somebody looks for.
SearchText = Annotated[str, Field(min_length=1, max_length=200, pattern=_ONE_LINE)]
