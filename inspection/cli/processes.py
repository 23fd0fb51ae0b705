"""The processes of a line, each as a command: serve, inspector, alerter."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import zlib
from contextlib import closing
from pathlib import Path
from typing import Annotated

import psutil
import typer

from inspection.cli import context, orphans, weights
from inspection.cli.heartbeat import beating
from inspection.errors import UnavailableError
from inspection.settings import Settings
from inspection.settings.preparation import prepare_ray
from inspection.store.database import Database
from inspection.stream.connection import connect
from inspection.telemetry import logger

Lifeline = Annotated[
    bool, typer.Option("--lifeline", hidden=True, help="end when standard input ends")
]

#: Seconds between looks at our own Ray.
TEND_S = 2.0

#: Seconds an inspector waits for replicas to be there.
REPLICAS_S = 300.0

#: Frames an inspector holds per replica: its batches, filled twice.
WINDOW_PER_REPLICA = 48

#: How long a look at the cameras that is under way is waited for at the end, in seconds.
FAREWELL_S = 2.0

#: A frame nobody has acknowledged for so long is taken over by another inspector.
RECLAIM_IDLE_MS = 60_000


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(inspector)
    app.command()(alerter)


def serve(*, lifeline: Lifeline = False) -> None:
    """Serve the detector with Ray Serve until stopped.

    Example: INSPECTION_REPLICAS=2 inspection serve
    """
    settings = context.begin("serve", has_lifeline=lifeline)
    found = weights.found(settings)
    context.check_ray(settings, is_supervised=lifeline)
    prepare_ray(settings)
    from inspection.serving import application

    temporary_dir = _ray_folder(settings)
    threads = settings.threads or max(1, (os.cpu_count() or 1) // settings.replicas)
    try:
        address = settings.ray_address or application.start_local_ray(
            temporary_dir=temporary_dir, cpus=max(os.cpu_count() or 1, settings.replicas * threads)
        )
        application.connect(address)
        stop = context.stop_on_signals()
        application.deploy(
            application.Deployment(
                checkpoint=found.checkpoint,
                backbone=found.backbone,
                text=found.text,
                cache=found.cache,
                device=application.device(settings.device),
                replicas=settings.replicas,
                threads=threads,
                picture_limit_px=int(settings.picture_limit_mp * 1e6),
            )
        )
        settings.ray_address_file.write_text(f"{os.getpid()} {address}")
        logger().info("replicas_ready", replicas=settings.replicas, threads=threads)
        _tend_ray(settings, stop)
    finally:
        settings.ray_address_file.unlink(missing_ok=True)
        if settings.ray_address is None:
            application.stop_local_ray()
        shutil.rmtree(temporary_dir, ignore_errors=True)


def inspector(
    *,
    slot: Annotated[int, typer.Option(help="number of this inspector on this machine")] = 0,
    lifeline: Lifeline = False,
) -> None:
    """Inspect frames: take them from the streams, have them scored, judge and record them.

    Example: inspection inspector --slot 1
    """
    settings = context.begin("inspector", has_lifeline=lifeline)
    context.check_ray(settings, is_supervised=lifeline)
    prepare_ray(settings)
    redis_url = context.redis_url(settings)
    with context.opened_database(settings, is_supervised=lifeline) as database:
        asyncio.run(_inspect(settings, database, redis_url, slot=slot))


async def _inspect(settings: Settings, database: Database, redis_url: str, *, slot: int) -> None:
    from inspection.serving import application
    from inspection.serving.inspector import BLOCK_MS, Inspector
    from inspection.serving.recorder import Recorder
    from inspection.serving.scoring import RayScoring
    from inspection.stream.connection import connect_async
    from inspection.stream.consumer import Consumer

    application.connect(await asyncio.to_thread(ray_address, settings))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    name = f"{socket.gethostname()}-{slot}"
    client = connect_async(redis_url, block_ms=BLOCK_MS)
    inspector = Inspector(
        consumer=Consumer(
            client,
            name=name,
            reclaim_idle_ms=RECLAIM_IDLE_MS,
            entry_limit_bytes=int(settings.entry_limit_mb * 2**20),
            dead_letter_bytes=int(settings.dead_letter_mb * 2**20),
        ),
        scoring=RayScoring(application.handle()),
        recorder=Recorder(database, context.pictures(settings), clock=context.clock),
        clock=context.clock,
        window_frames=WINDOW_PER_REPLICA * settings.replicas,
    )
    logger().info("inspector_ready", name=name)
    try:
        with beating(database, "inspector", clock=context.clock, slot=slot) as pulse:
            await inspector.run(stop, turned=pulse.turn)
    finally:
        await client.aclose()


def alerter(
    *,
    slot: Annotated[int, typer.Option(help="number of this alerter on this machine")] = 0,
    lifeline: Lifeline = False,
) -> None:
    """Watch over cameras, open alerts when a line's condition flips, and deliver them.

    Example: INSPECTION_DATABASE_URL=postgresql://… inspection alerter
    """
    settings = context.begin("alerter", has_lifeline=lifeline)
    from inspection.alerting import worker
    from inspection.alerting.outbound import Outbound
    from inspection.alerting.watch import CameraWatch

    stop = context.stop_on_signals()
    outbound = Outbound(webhook_hosts=settings.allowed_webhook_hosts)
    with (
        context.opened_database(settings, is_supervised=lifeline) as database,
        context.served_metrics(settings, database),
        connect(context.redis_url(settings), retries=0) as client,
        beating(database, "alerter", clock=context.clock, slot=slot) as pulse,
    ):
        watch = CameraWatch(database, client, clock=context.clock)
        # A thread of its own: what a server that does not answer costs must not hold up alerts.
        cameras = threading.Thread(target=watch.run, args=[stop], name="cameras", daemon=True)
        cameras.start()
        logger().info("alerter_ready")
        worker.run(database, clock=context.clock, stop=stop, turned=pulse.turn, outbound=outbound)
        cameras.join(FAREWELL_S)


def _tend_ray(settings: Settings, stop: threading.Event) -> None:
    """Write the processes of our own Ray down, again and again, until `stop` is set."""
    # Replicas need no database: only the heartbeat does, and it waits an outage out.
    with (
        closing(Database.open(settings.database)) as database,
        beating(database, "serve", clock=context.clock) as pulse,
    ):
        while not stop.wait(TEND_S):
            pulse.turn()
            if settings.ray_address is None:
                below = psutil.Process().children(recursive=True)
                orphans.remember(settings.run_dir / "ray.pids", below)


def _ray_folder(settings: Settings) -> Path:
    """Return a new folder for Ray's sockets and logs; those of killed predecessors are removed.

    It is short and not below the data directory: names of sockets allow 107 characters.
    """
    ours = f"inspection-ray-{zlib.crc32(str(settings.run_dir).encode()):08x}"
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{ours}-*"):
        pid = left.name.rpartition("-")[2]
        if pid == str(os.getpid()) or (pid.isdigit() and not psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{ours}-{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def ray_address(settings: Settings) -> str:
    """Return where the replicas are, once they are there.

    Raises:
        UnavailableError: they do not come within `REPLICAS_S`.
    """
    if settings.ray_address is not None:
        return settings.ray_address
    until_s = time.monotonic() + REPLICAS_S
    while time.monotonic() < until_s:
        if (address := context.replicas_address(settings)) is not None:
            return address
        time.sleep(0.1)
    raise UnavailableError(
        f"no replicas within {REPLICAS_S:.0f} s: start `inspection serve` with the same "
        "INSPECTION_DATA_DIR, or set INSPECTION_RAY_ADDRESS"
    )
