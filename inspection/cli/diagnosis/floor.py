"""What goes on: processes, cameras and their sources, thresholds, channels, what was left over."""

import os
import socket

from inspection.cli import context
from inspection.domain.dead_letter import DeadLetterState
from inspection.domain.health import CameraState, CaptureState, HealthState
from inspection.domain.heartbeat import ProcessState
from inspection.domain.inspection import Verdict
from inspection.domain.line import Camera
from inspection.errors import ConfigurationError, UnavailableError
from inspection.settings import Settings
from inspection.store import dead_letters as letters
from inspection.store import inspections, lines
from inspection.store.channels import channels_of
from inspection.store.survey import survey
from inspection.store.thresholds import list_thresholds
from inspection.store.undelivered import list_undelivered
from inspection.stream.ownership import refused
from inspection.stream.sighting import see

_CURES = {
    ProcessState.SILENT: "start it again, or see why it cannot reach the database",
    ProcessState.STANDS_STILL: "see its log; what it waits for does not come",
}


def processes(settings: Settings) -> str:
    """See that every process lives and works, and that none is missing."""
    now = context.clock()
    with context.opened_database(settings) as database, database.read() as connection:
        found = survey(connection, now, is_local_ray=settings.ray_address is None)
    wrong = [
        f"no {kind} is at work: start `inspection {_command(kind)}`, or see its log"
        for kind in found.missing
    ]
    for one in found.processes:
        if (how := one.state(now)) is not ProcessState.ALIVE:
            since = one.beat_at if how is ProcessState.SILENT else one.turned_at
            wrong.append(
                f"{one.process} {one.slot} on {one.host} (pid {one.pid}) "
                f"{'is silent' if how is ProcessState.SILENT else how.value} since "
                f"{since:%Y-%m-%d %H:%M:%S} UTC: {_CURES[how]}"
            )
    if wrong:
        raise UnavailableError("; ".join(wrong))
    if not found.processes:
        return "none runs; start them with `inspection up`"
    return ", ".join(f"{one.process} {one.slot} on {one.host}" for one in found.processes)


def cameras(settings: Settings) -> str:
    """See how the cameras are doing, if anything runs."""
    with context.opened_database(settings) as database, database.read() as connection:
        now = context.clock()
        found = survey(connection, now, is_local_ray=settings.ray_address is None)
        known = lines.list_cameras(connection)
    if not known:
        return "none yet; add some with `inspection line add`"
    said = _said(settings, known)
    failed = {
        name: one.detail for name, one in said.items() if one and one.state == CaptureState.FAILED
    }
    bad = {
        one.camera: f"{one.state.value}, {one.detail}"
        for one in found.cameras
        if one.state.is_bad or (one.state is HealthState.UNKNOWN and found.processes)
    }
    if wrong := failed | bad:
        raise UnavailableError("; ".join(f"{name}: {what}" for name, what in wrong.items()))
    return ", ".join(f"{name} {one.state if one else 'never seen'}" for name, one in said.items())


def sources(settings: Settings) -> str:
    """See that folders and videos of cameras of this machine can be read."""
    with context.opened_database(settings) as database, database.read() as connection:
        known = lines.list_cameras(connection)
    said = _said(settings, known)
    ours = [
        camera
        for camera in known
        if camera.source.path is not None
        and ((one := said[camera.name]) is None or one.host in ("", socket.gethostname()))
    ]
    wrong = [
        f"camera {camera.name} cannot read {camera.source.path}: correct the path, or who may "
        "read there, or run `inspection capture` on the machine that has it"
        for camera in ours
        if camera.source.path and not os.access(camera.source.path, os.R_OK)
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return f"{len(ours)} folders and videos can be read" if ours else "no folders or videos here"


def ownership(settings: Settings) -> str:
    """See that no two machines want the same camera."""
    with context.opened_database(settings) as database, database.read() as connection:
        known = lines.list_cameras(connection)
    said = _said(settings, known)
    with context.streams(settings) as client:
        rivals = {camera.name: refused(client, camera.name) for camera in known}
    wrong = [
        f"camera {name} is captured on {_host(said[name])}, and {rival} wanted it too: give the "
        f"camera on {rival} another name, or end the capture on one of them"
        for name, rival in rivals.items()
        if rival is not None
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return "every camera is captured by one machine at most"


def thresholds(settings: Settings) -> str:
    """See that lines whose parts are inspected have a threshold."""
    with context.opened_database(settings) as database, database.read() as connection:
        names = [line.name for line in lines.list_lines(connection)]
        without = [
            name
            for name in names
            if not any(
                threshold.value is not None for threshold in list_thresholds(connection, line=name)
            )
        ]
        pending = [
            name
            for name in without
            if inspections.verdict_counts(connection, line=name).get(Verdict.PENDING)
        ]
    if pending:
        raise ConfigurationError(
            "; ".join(
                f"line {name} has no threshold, its verdicts are pending: run `inspection line "
                f"calibrate {name}`"
                for name in pending
            )
        )
    if without:
        return f"none yet, and nothing inspected yet: {', '.join(without)}"
    return f"{len(names)} lines have one"


def channels(settings: Settings) -> str:
    """See that alerts of every line are told to somebody."""
    with context.opened_database(settings) as database, database.read() as connection:
        names = [line.name for line in lines.list_lines(connection)]
        deaf = [name for name in names if not channels_of(connection, name)]
    if deaf:
        raise ConfigurationError(
            f"nobody is told of alerts of {', '.join(deaf)}: add `channels:` to the file of "
            "`inspection line add`"
        )
    return f"{len(names)} lines have channels"


def notifications(settings: Settings) -> str:
    """See that no notification has failed."""
    with context.opened_database(settings) as database, database.read() as connection:
        failed = list_undelivered(connection)
    if failed:
        raise UnavailableError(
            "; ".join(
                f"channel {one.channel} did not take {one.count} notifications ({one.error}): "
                "correct its address, or the receiver"
                for one in failed
            )
        )
    return "none has failed"


def dead_letters(settings: Settings) -> str:
    """See that no frame that could not be judged waits for somebody."""
    with context.opened_database(settings) as database, database.read() as connection:
        counts = letters.counts(connection)
    waiting = {
        camera: count
        for (camera, state), count in sorted(counts.items())
        if state is DeadLetterState.WAITING and count
    }
    if waiting:
        raise UnavailableError(
            "; ".join(f"{count} of camera {name}" for name, count in waiting.items())
            + " could not be judged: see why with `inspection deadletter list`, and re-drive or "
            "discard them"
        )
    return "none waits"


def _said(settings: Settings, known: list[Camera]) -> dict[str, CameraState | None]:
    """Return what cameras say of themselves; one of another version says nothing."""
    with context.streams(settings) as client:
        seen = see(client, [camera.name for camera in known])
    return {camera: one.said for camera, one in seen.items()}


def _host(said: CameraState | None) -> str:
    return (said.host if said else "") or "another machine"


def _command(kind: str) -> str:
    return "reference learn" if kind == "learner" else kind
