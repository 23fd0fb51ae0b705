"""A storm: load, kills as they were planned, calm, and what is left to be counted."""

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from inspection.errors import UnavailableError
from tests.chaos import ledger, servers
from tests.chaos.load import Load, Shape
from tests.chaos.memory import Scale
from tests.chaos.program import Program, environment, verified
from tests.chaos.schedule import Strike, planned
from tests.integration.alerting.receiver import Receiver

#: Seconds until the first frame is inspected: Ray starts, slowly where others work as well.
START_S = 240.0

#: Seconds a victim is waited for that has not come back from its last death, and that a kill may
#: take to be recovered from.
RETURN_S, RECOVERY_S = 180.0, 240.0

#: Victims without whom no frame is recorded.
FRAMES_WAY = {
    *("camera", "capture", "valkey", "redis", "inspector", "replica", "serve", "postgresql"),
}

#: Longest that a server stays away, in seconds.
AWAY_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to which program."""

    #: `embedded` (Valkey and SQLite) or `plant` (Redis and PostgreSQL of its own).
    servers: str
    seed: int
    kills: int
    gap_s: float = 4.0
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill that was done."""

    victim: str
    at: datetime
    #: Of the camera whose process it was.
    camera: str | None = None


@dataclass(kw_only=True)
class Report:
    """What came of it."""

    plan: Plan
    kills: list[Kill]
    #: Seconds after each kill until the work went on; None: it did not.
    recoveries_s: list[float | None]
    rows: list[ledger.Row]
    lost: list[str]
    doubled: list[str]
    telling: ledger.Telling
    #: What the receiver got: each id with how often.
    received: Counter[str]
    verified: dict[str, Any]
    #: What `inspection up` printed at its end.
    account: dict[str, Any]
    peaks_mb: dict[str, int]
    #: Deaths that were not ours, by process.
    own_deaths: dict[str, int]
    seconds: float

    @property
    def untold(self) -> int:
        """Notifications that never reached the receiver, or failed."""
        unseen = self.telling.notification_ids - self.received.keys()
        return len(unseen) + self.telling.failed_count

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not (
            self.lost
            or self.doubled
            or self.untold
            or self.telling.frames_without_alert
            or self.verified["exit_code"]
            or self.account["in_flight"]
            or None in self.recoveries_s
        )


class Storm:
    """One program, its servers, and whoever kills them."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._own: dict[str, servers.PlantServer] = {}
        self._kills: list[Kill] = []
        self._load = Load(folder, plan.shape)
        self._receiver = Receiver()
        self._program = Program(folder, {})
        self._scale = Scale(self._processes)

    def run(self, say: Any = lambda _line: None) -> Report:
        """Start everything, kill, wait for the calm, stop, and count.

        Args:
            say: told what happens, one line at a time.

        Raises:
            RuntimeError: the program could not be kept running, or did not come to an end.
        """
        begun_s = time.monotonic()
        with contextlib.ExitStack() as stack:
            stack.callback(self._receiver.close)
            self._start_servers(stack)
            config = self._load.configuration(self._receiver.url)
            stack.enter_context(self._program.running(config))
            stack.enter_context(self._scale.weighing())
            with self._load.feeding():
                self._program.wait(self._inspects, START_S, "the first inspection")
                self._rage(say)
                self._program.wait(self._is_recovered, RECOVERY_S, "the recovery of the last kill")
            say("calm; waiting for the rest of the pictures")
            self._program.wait(self._is_all_recorded, RECOVERY_S, "a row for every picture")
            account = self._program.stop()
            return self._report(account, time.monotonic() - begun_s)

    @property
    def _database_url(self) -> str:
        if server := self._own.get("postgresql"):
            return server.url
        return f"sqlite:///{self._folder / 'data' / 'inspection.sqlite'}"

    def _start_servers(self, stack: contextlib.ExitStack) -> None:
        settings = {}
        if self._plan.servers == "plant":
            for server in (
                stack.enter_context(servers.redis()),
                stack.enter_context(servers.postgresql()),
            ):
                self._own[server.name] = server
            settings["INSPECTION_REDIS_URL"] = self._own["redis"].url
            settings["INSPECTION_DATABASE_URL"] = self._own["postgresql"].url
        checkpoint = self._load.checkpoint
        self._program.environment = environment(self._folder / "data", checkpoint, settings)

    def _processes(self) -> list[psutil.Process]:
        return [
            *self._program.below(),
            *(process for server in self._own.values() for process in server.processes()),
        ]

    def _inspects(self) -> bool:
        if not self._program.records("inspector", "inspector_ready"):
            return False
        counts = ledger.row_counts(self._database_url)
        return all(counts.get(camera) for camera in self._load.cameras)

    def _rage(self, say: Any) -> None:
        victims = sorted({*self._program.victims(), *self._own})
        strikes = planned(self._plan.seed, victims, kills=self._plan.kills, gap_s=self._plan.gap_s)
        say(f"seed {self._plan.seed}; victims {', '.join(victims)}")
        say("schedule: " + ", ".join(f"+{each.after_s:.1f} {each.victim}" for each in strikes))
        for number, strike in enumerate(strikes, start=1):
            time.sleep(strike.after_s)
            self._strike(strike)
            last = self._kills[-1]
            say(f"{number}/{len(strikes)} {last.at:%H:%M:%S} killed {last.camera or last.victim}")

    def _strike(self, strike: Strike) -> None:
        if server := self._own.get(strike.victim):
            self._kills.append(Kill(victim=strike.victim, at=datetime.now(UTC)))
            server.kill()
            time.sleep(AWAY_S * strike.chance)
            server.start()
            return
        while True:
            found = self._program.wait(
                lambda: self._program.of_kind(strike.victim), RETURN_S, strike.victim
            )
            chosen = random.Random(strike.chance).choice(found)
            with contextlib.suppress(psutil.NoSuchProcess):
                camera = chosen.cmdline()[-1] if strike.victim == "camera" else None
                below = chosen.children(recursive=True) if strike.victim == "capture" else []
                at = datetime.now(UTC)
                for process in (chosen, *below):
                    process.kill()
                self._kills.append(Kill(victim=strike.victim, at=at, camera=camera))
                return

    def _is_recovered(self) -> bool:
        with contextlib.suppress(UnavailableError):
            return None not in self._recoveries(ledger.rows(self._database_url))
        return False

    def _recoveries(self, found: list[ledger.Row]) -> list[float | None]:
        return [
            recorded_s(kill, found) if kill.victim in FRAMES_WAY else self._ready_s(kill)
            for kill in self._kills
        ]

    def _ready_s(self, kill: Kill) -> float | None:
        """Return the seconds until the victim's successor said that it was ready."""
        said = self._program.records(kill.victim, f"{kill.victim}_ready")
        moments = (datetime.fromisoformat(each["timestamp"]) for each in said)
        first = min((moment for moment in moments if moment > kill.at), default=None)
        return None if first is None else (first - kill.at).total_seconds()

    def _is_all_recorded(self) -> bool:
        counts = ledger.row_counts(self._database_url)
        return all(counts.get(camera, 0) >= count for camera, count in self._load.fed.items())

    def _report(self, account: dict[str, Any], seconds: float) -> Report:
        found, telling = ledger.rows(self._database_url), ledger.telling(self._database_url)
        lost, doubled = ledger.lost_and_doubled(found, self._load.fed)
        killed = Counter(kill.victim for kill in self._kills)
        died = Counter(each["name"] for each in self._program.records("up", "process_died"))
        return Report(
            plan=self._plan,
            kills=self._kills,
            recoveries_s=self._recoveries(found),
            rows=found,
            lost=lost,
            doubled=doubled,
            telling=telling,
            received=Counter(each.headers["webhook-id"] for each in self._receiver.requests),
            verified=verified(self._program.environment),
            account=account,
            peaks_mb=self._scale.peaks_mb(),
            own_deaths=dict(died - killed),
            seconds=seconds,
        )


def recorded_s(kill: Kill, found: list[ledger.Row]) -> float | None:
    """Return the seconds from a kill until a frame that was captured after it is recorded.

    Of a camera it must be one of its own.
    """
    recorded = (
        row.recorded_at
        for row in found
        if row.captured_at > kill.at and row.outcome == "inspected"
        if kill.camera in (None, row.camera)
    )
    first = min(recorded, default=None)
    return None if first is None else (first - kill.at).total_seconds()
