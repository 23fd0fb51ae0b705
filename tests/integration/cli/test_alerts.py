"""`inspection alert`, and what of `inspection line` silences alerts or says when they open."""

from datetime import UTC, datetime

import pytest

from inspection.alerting import worker
from inspection.domain.inspection import Verdict
from inspection.store import audit, ledger, thresholds
from inspection.store.database import Database
from tests import factories
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def alert_console(site_console: Console, site_database: Database) -> Console:
    """A console on a site where alert 1 of `line-1` is open, for two NG parts."""
    with site_database.write() as connection:
        (threshold,) = thresholds.list_thresholds(connection, line="line-1")
        entries = [
            factories.inspected(
                sequence_number=number,
                inspection=factories.inspection(
                    sequence_number=number, score=0.83, verdict=Verdict.NG, threshold=threshold
                ),
            )
            for number in (1, 2)
        ]
        ledger.record(connection, entries, at=factories.NOON)
    worker.once(site_database, datetime.now(UTC))
    return site_console


def changes(database: Database, thing: str) -> list[tuple[str, str]]:
    with database.read() as connection:
        found = audit.list_changes(connection, thing=thing)
    return [(change.action, change.name) for change in reversed(found)]


def test_alert_is_listed_shown_acknowledged_and_resolved(
    alert_console: Console, site_database: Database
) -> None:
    (listed,) = alert_console.data("alert", "list", "--line", "line-1")
    shown = alert_console.data("alert", "show", "1")
    acked = alert_console.run("alert", "ack", "1", "--note", "changing the tool")
    still = alert_console.data("alert", "list", "--open")
    resolved = alert_console.run("alert", "resolve", "1", "--reason", "tool was [changed]")

    assert shown == {**listed, "frames": ["cam-1/2", "cam-1/1"]}
    assert (shown["rule"], shown["frame_count"], shown["is_shelved"]) == ("ng", 2, False)
    assert shown["growth"].startswith("1 more since ")
    assert (acked.code, acked.out) == (0, "")
    assert (still[0]["acknowledged_note"], still[0]["resolved_at"]) == ("changing the tool", None)
    assert (resolved.code, resolved.out) == (0, "")
    assert alert_console.data("alert", "list") == []
    (settled,) = alert_console.data("alert", "list", "--all")
    assert settled["resolved_note"] == "tool was [changed]"
    assert "1 more since" in alert_console.run("alert", "list", "--all").out
    assert changes(site_database, "alert") == [("acknowledged", "1"), ("resolved", "1")]


def test_alert_that_is_dismissed_says_why(alert_console: Console, site_database: Database) -> None:
    ended = alert_console.run("alert", "dismiss", "1", "--reason", "test part")

    shown = alert_console.data("alert", "show", "1")
    assert ended.code == 0
    assert (shown["is_dismissed"], shown["acknowledged_note"]) == (True, "test part")
    assert shown["resolved_at"] is None
    assert changes(site_database, "alert") == [("dismissed", "1")]


def test_shelf_says_until_when_and_is_taken_back(
    alert_console: Console, site_database: Database
) -> None:
    by_rule = ("--line", "line-1", "--rule", "ng")
    alert_console.run("alert", "shelve", "1", "--for", "2h", "--reason", "known")
    alert_console.run("alert", "shelve", *by_rule, "--for", "1d", "--reason", "bad batch")

    (listed,) = alert_console.data("alert", "list")
    one, rule = alert_console.data("alert", "shelved")
    alert_console.run("alert", "unshelve", *by_rule)
    (left,) = alert_console.data("alert", "shelved", "--line", "line-1")

    assert listed["is_shelved"]
    assert datetime.fromisoformat(listed["shelved_until"]) > datetime.fromisoformat(one["until"])
    assert (one["alert"], one["rule"], one["is"]) == (1, None, "shelved")
    assert (rule["alert"], rule["rule"], rule["reason"]) == (None, "ng", "bad batch")
    assert left["alert"] == 1
    assert changes(site_database, "rule") == [("shelved", "line-1/ng"), ("unshelved", "line-1/ng")]


def test_line_is_paused_with_a_reason_and_resumed(
    site_console: Console, site_database: Database
) -> None:
    paused = site_console.run("line", "pause", "line-1", "--for", "8h", "--reason", "run-in")
    (shown,) = site_console.data("line", "show", "line-1")["shelved"]
    resumed = site_console.run("line", "resume", "line-1")
    again = site_console.run("line", "resume", "line-1")

    assert (paused.code, paused.out) == (0, "")
    assert (shown["is"], shown["reason"]) == ("paused", "run-in")
    assert resumed.code == 0
    assert (again.code, again.sentence) == (1, "line line-1 is not paused")
    assert changes(site_database, "line")[-2:] == [("paused", "line-1"), ("resumed", "line-1")]


def test_rules_are_set_switched_and_listed(site_console: Console, site_database: Database) -> None:
    command = ["line", "rule", "set", "line-1"]
    rate = site_console.data(*command, "rate", "expected_rate=0.01", "window_s=600")
    kept = site_console.data(*command, "rate", "escalate_after_s=900", "--reason", "nights")
    named = site_console.data(*command, "ng", "k=3", "n=5", "--name", "burst")
    off = site_console.run("line", "rule", "disable", "line-1", "camera", "--reason", "no camera")

    rules = {rule["rule"]: rule for rule in site_console.data("line", "rule", "list", "line-1")}
    assert (rate["expected_rate"], rate["window_s"], rate["confidence"]) == (0.01, 600, 0.999)
    assert kept == {**rate, "escalate_after_s": 900}
    assert (named["rule"], named["k"], named["n"]) == ("burst", 3, 5)
    assert off.code == 0
    assert list(rules) == ["ng", "uninspected", "drift", "camera", "backlog", "rate", "burst"]
    assert [name for name, rule in rules.items() if not rule["is_enabled"]] == ["camera"]
    site_console.run("line", "rule", "enable", "line-1", "camera")
    assert "expected_rate 0.01" in site_console.run("line", "rule", "list", "line-1").out
    assert changes(site_database, "rule") == [
        ("created", "line-1/rate"),
        ("changed", "line-1/rate"),
        ("created", "line-1/burst"),
        ("changed", "line-1/camera"),
        ("changed", "line-1/camera"),
    ]


def test_input_that_cannot_work_is_refused_in_one_sentence(alert_console: Console) -> None:
    shelve = ["alert", "shelve", "1", "--reason", "x"]
    wrong: dict[str, tuple[int, list[str]]] = {
        "there is no alert 9": (1, ["alert", "show", "9"]),
        "there is no line 'line-9'": (1, ["alert", "list", "--line", "line-9"]),
        "there is no alert 10": (1, ["alert", "ack", "10"]),
        "needs a --reason": (2, ["alert", "dismiss", "1", "--reason", " "]),
        "'soon' is no length of time": (2, [*shelve, "--for", "soon"]),
        "'0h' is no length of time": (2, [*shelve, "--for", "0h"]),
        "name an alert, or a line": (2, [*shelve, "--for", "1h", "--line", "line-1"]),
        "nothing is shelved there": (1, ["alert", "unshelve", "1"]),
        "line line-1 has no rule 'x'": (1, ["line", "rule", "enable", "line-1", "x"]),
        "write KEY=VALUE": (2, ["line", "rule", "set", "line-1", "ng", "limit"]),
        "has no 'limit_s'": (2, ["line", "rule", "set", "line-1", "ng", "limit_s=5"]),
        "k: Input should be a valid integer": (2, ["line", "rule", "set", "line-1", "ng", "k=x"]),
        "needs 'expected_rate'": (2, ["line", "rule", "set", "line-1", "rate"]),
        "take another --name": (
            2,
            ["line", "rule", "set", "line-1", "backlog", "limit_s=5", "--name", "ng"],
        ),
        "take one": (2, ["alert", "list", "--open", "--all"]),
    }

    ended = together([(alert_console, command) for _, command in wrong.values()])

    for sentence, (code, _), one in zip(wrong, wrong.values(), ended, strict=True):
        assert (one.code, one.out) == (code, ""), one
        assert sentence in one.sentence
