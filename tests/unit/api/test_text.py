"""Text that a database would refuse does not come in."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from inspection.api.text import Label, Name, Reason, SearchText, Text

KINDS = {"name": Name, "label": Label, "reason": Reason, "text": Text, "search": SearchText}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "a" * 10_000, 5, None, ["a"]])
def test_no_kind_of_text_takes_what_cannot_be_kept(kind: Any, text: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "line-1\n", "größe"])
def test_name_that_no_key_or_file_could_have_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


@pytest.mark.parametrize("text", ["", " ", "\n", "two\nlines"])
@pytest.mark.parametrize("kind", [Label, Reason], ids=["label", "reason"])
def test_label_and_reason_are_one_line_that_says_something(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Name, "line-1"),
        (Label, "Scheibe M12 ⌀ 24 / 50%"),
        (Reason, "neue Lampe"),
        (Text, "first\nsecond"),
        (SearchText, "%_'; --"),
    ],
    ids=["name", "label", "reason", "text", "search"],
)
def test_what_a_plant_writes_is_taken_as_it_is(kind: Any, text: str) -> None:
    assert TypeAdapter(kind).validate_python(text) == text
