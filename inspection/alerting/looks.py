"""Looking at rules again and again: those of cameras, rates and trends, and those that are armed.

A rule that cannot be looked at is left alone for a while; the others go on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from inspection import telemetry
from inspection.alerting import conditions, tellings
from inspection.alerting.conditions import Look, Scene
from inspection.domain.health import CameraHealth
from inspection.domain.rule import FRAME_KINDS
from inspection.errors import UnavailableError
from inspection.store import openings, resolutions
from inspection.store.database import Database
from inspection.store.health import list_camera_health
from inspection.store.openings import Finding
from inspection.store.standings import Standing, standings

#: A rule that could not be looked at is left alone for so long, in seconds.
PUT_ASIDE_S: Final = 60.0
#: A look that took long is repeated after so many times as long: looking takes 5 % of a core.
REST_FACTOR: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What follows from a look at a rule."""

    #: Conditions that have begun to hold.
    armed: tuple[str, ...] = ()
    #: Conditions that no longer hold, and since when they did.
    disarmed: tuple[tuple[str, datetime], ...] = ()
    #: Conditions that have held long enough, and since when they were armed; None: never.
    opened: tuple[tuple[Finding, datetime | None], ...] = ()
    #: Ids of open alerts whose condition holds again, or of which nothing is known.
    held: tuple[int, ...] = ()
    #: Ids of open alerts whose condition has gone.
    calmed: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is to be written down."""
        return any((self.armed, self.disarmed, self.opened, self.held, self.calmed))


def planned(standing: Standing, look: Look, now: datetime) -> Plan:
    """Say what follows from a look.

    1. Where the condition holds and no alert is open, it is armed; once it has held for the
       rule's on-delay, the alert is opened. A paused line does neither.
    2. Where it is known not to hold, it is disarmed.
    3. An open alert is calm from the moment its condition is known not to hold, and no longer when
       it holds again or nothing is known. Those that frames open are calmed by frames.
    """
    wait = timedelta(seconds=standing.rule.rule.on_delay_s)
    new = {s: f for s, f in look.found.items() if s not in standing.open and not standing.is_paused}
    ripe = {s: f for s, f in new.items() if not wait or _has_held(standing, s, now - wait)}
    gone = [
        (subject, since_at)
        for subject, since_at in standing.armed.items()
        if subject not in new and (subject in {*look.cleared, *look.found})
    ]
    looked_at = {} if standing.rule.kind in FRAME_KINDS else standing.open
    calm = {s: alert.alert_id for s, alert in looked_at.items() if alert.calm_since_at is not None}
    return Plan(
        armed=tuple(s for s in new if s not in ripe and s not in standing.armed),
        disarmed=tuple(gone),
        opened=tuple((finding, standing.armed.get(s)) for s, finding in ripe.items()),
        held=tuple(alert_id for s, alert_id in calm.items() if s not in look.cleared),
        calmed=tuple(
            alert.alert_id for s, alert in looked_at.items() if s in look.cleared and s not in calm
        ),
    )


def look_at(
    database: Database, standing: Standing, health: Sequence[CameraHealth], now: datetime
) -> None:
    """Look at one rule, and write down what follows.

    Raises:
        UnavailableError: the database does not answer; nothing was written down.
    """
    scene = Scene(database=database, rule=standing.rule, health=health, now=now)
    plan = planned(standing, conditions.look(scene), now)
    if plan:
        with database.write() as connection:
            _carry_out(connection, standing, plan, now)


class Looks:
    """One worker's looks at the rules; what they find is in the database."""

    def __init__(
        self, database: Database, *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._seconds = seconds
        #: Until when a rule is left alone, by that clock.
        self._rest_s: dict[int, float] = {}

    def look(self, now: datetime) -> None:
        """Look at every rule that does not rest.

        Raises:
            UnavailableError: the database does not answer.
        """
        with self._database.read() as connection:
            found = standings(connection, now)
            seen = list_camera_health(connection)
        health: dict[str, list[CameraHealth]] = {}
        for camera in seen:
            health.setdefault(camera.line, []).append(camera)
        known = {each.rule.rule_id for each in found}
        self._rest_s = {rule: s for rule, s in self._rest_s.items() if rule in known}
        for each in found:
            if self._seconds() >= self._rest_s.get(each.rule.rule_id, 0.0):
                self._look_at(each, health.get(each.rule.line, ()), now)

    def _look_at(self, standing: Standing, health: Sequence[CameraHealth], now: datetime) -> None:
        begun_s = self._seconds()
        try:
            look_at(self._database, standing, health, now)
        except UnavailableError:
            raise
        except Exception:
            rule = standing.rule
            log = telemetry.logger()
            log.exception("rule_put_aside", line=rule.line, rule=rule.name)
            self._rest_s[rule.rule_id] = begun_s + PUT_ASIDE_S
        else:
            took_s = self._seconds() - begun_s
            self._rest_s[standing.rule.rule_id] = begun_s + REST_FACTOR * took_s


def _has_held(standing: Standing, subject: str, since: datetime) -> bool:
    return subject in standing.armed and standing.armed[subject] <= since


def _carry_out(connection: Connection, standing: Standing, plan: Plan, now: datetime) -> None:
    rule = standing.rule
    for subject in plan.armed:
        openings.arm(connection, rule.rule_id, subject, now)
    for subject, since_at in plan.disarmed:
        openings.disarm(connection, rule.rule_id, subject, since_at)
    for finding, armed_at in plan.opened:
        is_ours = armed_at is None or openings.disarm(
            connection, rule.rule_id, finding.subject, armed_at
        )
        alert = openings.open_alert(connection, rule, finding, now) if is_ours else None
        if alert is not None:
            tellings.tell_opened(connection, alert, finding.frame, now)
    for alert_id in plan.held:
        resolutions.hold(connection, alert_id)
    for alert_id in plan.calmed:
        resolutions.calm(connection, alert_id, now)
