"""What may stand below `shifts` in a configuration file."""

from collections.abc import Callable
from datetime import date, time

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from inspection.domain.shift import Shift, ShiftCalendar, known_days, time_of_day
from inspection.errors import ConfigurationError


class ShiftBlock(BaseModel):
    """One shift as it comes again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    begins: time
    ends: time
    #: Days on which it begins; `mon-fri` stands for all five.
    days: list[str] = Field(default=["mon-sun"], min_length=1)

    @field_validator("begins", "ends", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        # YAML reads 06:00 without quotes as a number of minutes.
        if not isinstance(value, str):
            raise ValueError('write a time of day in quotes: "06:00"')  # noqa: TRY004 - pydantic's
        return _checked(lambda: time_of_day(value))

    def shift(self) -> Shift:
        """Return what it says."""
        return Shift(name=self.name, begins=self.begins, ends=self.ends, days=known_days(self.days))


class CalendarBlock(BaseModel):
    """The shifts of the site."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: str
    named: list[ShiftBlock]
    holidays: list[date] = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_be_kept(self) -> "CalendarBlock":
        _checked(self.calendar)
        return self

    def calendar(self) -> ShiftCalendar:
        """Return what it says."""
        return ShiftCalendar(
            time_zone=self.time_zone,
            shifts=tuple(block.shift() for block in self.named),
            holidays=frozenset(self.holidays),
        )


def _checked(make: Callable[[], object]) -> object:
    """Turn a complaint of the domain into one of the format."""
    try:
        return make()
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
