"""Data for scripts and for people."""

import json
from collections.abc import Callable

import pytest

from inspection.cli import output
from inspection.errors import ConfigurationError

ROWS = [
    {"line": "washers", "product": "Unterlegscheibe Ø 5", "cameras": ["a", "b"], "score": 0.123456},
    {"line": "labels", "product": None, "cameras": [], "score": 2.0},
]


def test_rows_are_one_json_array_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows(ROWS, as_json=True)

    printed = capsys.readouterr()
    assert json.loads(printed.out) == ROWS
    assert printed.out.count("\n") == 1
    assert "Ø" in printed.out
    assert not printed.err


def test_rows_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows(ROWS, as_json=False)

    printed = capsys.readouterr().out
    for word in ("line", "washers", "Unterlegscheibe Ø 5", "0.1235", "-"):
        assert word in printed


def test_no_rows_are_an_empty_array_or_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows([], as_json=True)
    assert capsys.readouterr().out == "[]\n"

    output.show_rows([], as_json=False)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "nothing to show\n")


def test_object_is_json_for_scripts_and_a_line_a_key_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {"line": "washers", "rule": {"k": 1, "n": 2}, "threshold": None}

    output.show_object(values, as_json=True)
    assert json.loads(capsys.readouterr().out) == values

    output.show_object(values, as_json=False)
    assert "k 1, n 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "value"), [("0.62", 0.62), ("-1", -1.0), ("none", None), ("None", None)]
)
def test_number_reads_a_finite_number_or_none(text: str, value: float | None) -> None:
    assert output.number(text, name="VALUE") == value


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "0,5", "much"])
def test_number_refuses_what_no_score_can_be_compared_with(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"VALUE: .* is no number; give one such as"):
        output.number(text, name="VALUE")


@pytest.mark.parametrize("show", [output.show_rows, output.show_object])
def test_markup_of_the_table_is_not_read_out_of_data(
    show: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"product": "[bold]tile[/bold] [red]"}

    show([values] if show is output.show_rows else values, as_json=False)

    assert "[bold]tile[/bold] [red]" in capsys.readouterr().out
