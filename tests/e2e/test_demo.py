"""The demo: one command, from nothing to alerts, and nothing left behind."""

import os
import signal
import time

import psutil
import pytest

from tests.e2e.conftest import Start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

#: Good parts that the demo's promise needs.
NEEDED_PARTS = 149

KEYS = {
    "accepted",
    "inspections",
    "uninspected",
    "dropped",
    "in_flight",
    "missing",
    "alerts",
    "frames_per_second",
    "latency_ms",
    "truth",
}


def ended(processes: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Return those of `processes` that are still there after so long."""
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_demo_earns_its_thresholds_flags_defects_accounts_for_all_and_leaves_no_process(
    start: Start,
) -> None:
    with start("demo", "--for", "120", "--json") as running:
        running.wait(lambda: running.find("ServeReplica"), 120)
        processes = running.below()

        answer = running.end(280)

    assert set(answer) == KEYS
    rows = answer["inspections"] + answer["uninspected"] + answer["dropped"]
    assert answer["accepted"] == rows
    assert answer["in_flight"] == 0
    assert answer["alerts"] >= 1
    *lines, everything = answer["truth"]
    assert {each["line"] for each in lines} == {"washers", "labels", "fabric"}
    assert all(each["pending"] >= NEEDED_PARTS for each in lines)
    assert everything["caught"] >= 1
    assert everything["false_reject_rate"] < 0.05
    learner = running.data_dir / "demo" / "logs" / "learner.log"
    assert learner.read_text().count('"is_final": true') == len(lines)
    assert not ended(processes, within_s=10)


def test_what_a_killed_supervisor_leaves_behind_is_ended_at_the_next_start(start: Start) -> None:
    with start("demo", "--json") as running:
        running.wait(lambda: running.find("ServeReplica"), 120)
        processes = running.below()
        running.process.kill()
        running.process.wait()
        left = ended(processes, within_s=60)

    assert {process.name() for process in left} <= {"valkey-server"}
    with start("demo", "--for", "3", "--json") as running:
        answer = running.end(200)
    assert answer["in_flight"] == 0
    assert not ended(processes, within_s=0)


def test_a_signal_to_the_whole_group_drains_and_stops_everything(start: Start) -> None:
    with start("demo", "--json") as running:
        running.wait(lambda: "threshold" in running.log.read_text(), 200)
        processes = running.below()
        os.killpg(running.process.pid, signal.SIGTERM)
        begun_s = time.monotonic()

        answer = running.end(120)

    assert time.monotonic() - begun_s < 120
    assert answer["in_flight"] == 0
    assert not ended(processes, within_s=10)
