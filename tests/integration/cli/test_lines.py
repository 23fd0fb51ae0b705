"""`inspection line`: what stands on the floor and what it is making."""

from pathlib import Path

import pytest

from inspection.store import lines
from inspection.store.database import Database
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

SITE = """
lines:
  - name: washers
    product: metal washer
    rule: {k: 2, n: 5}
    threshold: 0.7
    recipes: [{product: metal washer, defects: [with a crack, with rust]}]
    stations:
      - name: top
        cameras:
          - {name: washers-top, folder: pictures}
"""


def test_line_add_creates_what_is_not_there_and_changes_nothing_else(
    console: Console, tmp_path: Path
) -> None:
    config = tmp_path / "site.yaml"
    config.write_text(SITE)
    first = console.run("line", "add", "--config", config)
    changed = {"product: metal washer\n": "product: nut\n", "0.7": "0.9", "rust": "dents"}
    for old, new in changed.items():
        config.write_text(config.read_text().replace(old, new))

    again = console.run("line", "add", "--config", config)

    assert (first.code, first.out, again.code, again.out) == (0, "", 0, "")
    listed, shown = together(
        [(console, ["line", "list", "--json"]), (console, ["line", "show", "washers", "--json"])]
    )
    assert listed.json == [
        {"line": "washers", "product": "metal washer", "cameras": ["washers-top"], "thresholds": 1}
    ]
    assert [(rule["rule"], rule["kind"]) for rule in shown.json["rules"]] == [
        ("ng", "ng"),
        ("uninspected", "uninspected"),
        ("drift", "drift"),
        ("camera", "camera"),
        ("backlog", "backlog"),
    ]
    assert (shown.json["rules"][0]["k"], shown.json["rules"][0]["n"]) == (2, 5)
    assert shown.json["cameras"] == [
        {"camera": "washers-top", "station": "top", "source": "folder"}
    ]
    (threshold,) = shown.json["thresholds"]
    assert (threshold["scope"], threshold["value"]) == ("line=washers", 0.7)
    (recipe,) = shown.json["recipes"]
    assert (recipe["product"], recipe["version"]) == ("metal washer", 1)
    assert recipe["defects"] == ["with a crack", "with rust"]


def test_line_recipe_replaces_the_defects_and_says_what_is_in_force(site_console: Console) -> None:
    command = ["line", "recipe", "line-1", "größere Scheibe [M5]"]
    before = site_console.data(*command)

    first = site_console.data(*command, "--defect", "with a crack", "--defect", " with  rust ")
    second = site_console.data(*command, "--defect", "with [red] paint", "--reason", "new supplier")

    assert (before["version"], before["defects"]) == (None, [])
    assert (first["version"], first["defects"]) == (1, ["with a crack", "with rust"])
    assert (second["version"], second["reason"]) == (2, "new supplier")
    assert site_console.data(*command) == second
    assert site_console.data("line", "show", "line-1")["recipes"] == [
        {key: value for key, value in second.items() if key != "line"}
    ]
    assert "with [red] paint" in site_console.run("line", "show", "line-1").out


def test_recipe_that_was_withdrawn_does_not_come_back_from_the_configuration(
    console: Console, tmp_path: Path
) -> None:
    config = tmp_path / "site.yaml"
    config.write_text(SITE)
    console.run("line", "add", "--config", config)

    withdrawn = console.data("line", "recipe", "washers", "metal washer", "--clear")
    console.run("line", "add", "--config", config)

    assert (withdrawn["version"], withdrawn["defects"]) == (2, [])
    assert console.data("line", "recipe", "washers", "metal washer") == withdrawn


def test_line_make_changes_a_line_over_and_tables_are_for_people(
    site_console: Console, site_database: Database
) -> None:
    made = site_console.run("line", "make", "line-1", "größere Scheibe [M5]")

    assert (made.code, made.out) == (0, "")
    with site_database.read() as connection:
        assert lines.get_line(connection, "line-1").product == "größere Scheibe [M5]"
    listed = site_console.run("line", "list")
    assert (listed.code, listed.err) == (0, "")
    assert "größere Scheibe [M5]" in listed.out


def test_line_says_what_there_is_when_a_name_is_unknown(site_console: Console) -> None:
    ended = together(
        [
            (site_console, ["line", "show", "line-9"]),
            (site_console, ["line", "make", "line-9", "label"]),
            (site_console, ["line", "recipe", "line-9", "label"]),
            (site_console, ["line", "recipe", "line-9", "label", "--clear"]),
        ]
    )

    for one in ended:
        assert (one.code, one.out) == (1, "")
        assert one.sentence == "there is no line 'line-9'; there are: line-1, line-2"


def test_line_refuses_input_that_cannot_work_with_exit_code_2(
    site_console: Console, tmp_path: Path
) -> None:
    config = tmp_path / "site.yaml"
    config.write_text(SITE.replace("rule:", "ruling:"))

    ended = together(
        [
            (site_console, ["line", "add", "--config", config]),
            (site_console, ["line", "add", "--config", tmp_path / "absent.yaml"]),
            (site_console, ["line", "make", "line-1", " "]),
            (site_console, ["line", "make", "line-1", "\udcff"]),
            (site_console, ["line", "recipe", "line-1", "label", "--defect", " "]),
            (site_console, ["line", "recipe", "line-1", "label", "--defect", "rust", "--clear"]),
            (site_console, ["line", "recipe", "line-1", "", "--defect", "rust"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(2, "")] * 7
    sentences = [one.sentence for one in ended]
    assert "lines[0].ruling is not a known key" in sentences[0]
    assert "cannot read" in sentences[1]
    assert "a product needs a name" in sentences[2]
    assert "no text in UTF-8" in sentences[3]
    assert "write for example 'with a missing screw'" in sentences[4]
    assert "leave it out to set defects" in sentences[5]
    assert "the product of a recipe needs a name" in sentences[6]


def test_line_change_changes_what_is_named_and_nothing_else(
    site_console: Console, site_database: Database
) -> None:
    changed = site_console.run("line", "change", "line-1", "--pictures", "all", "--learn", 64)
    nothing = site_console.run("line", "change", "line-1")

    assert (changed.code, nothing.code) == (0, 2)
    with site_database.read() as connection:
        line = lines.get_line(connection, "line-1")
    assert (line.pictures, line.learn_count, line.sample_rate) == ("all", 64, 0.05)


def test_line_remove_removes_no_line_that_has_cameras(
    site_console: Console, site_database: Database
) -> None:
    refused = site_console.run("line", "remove", "line-1")

    assert refused.code == 1
    assert "has cameras" in refused.sentence
    with site_database.read() as connection:
        assert [line.name for line in lines.list_lines(connection)] == ["line-1", "line-2"]
