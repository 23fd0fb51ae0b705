"""The metrics of an installation, as Prometheus reads them: looked up when it asks.

inspection_up                                     1 when database and stream server answered
inspection_frames_accepted_total                  line, camera
inspection_frames_inspected_total                 line, camera, verdict
inspection_frames_uninspected                     line, camera, reason; re-driving lowers it
inspection_frames_dropped_total                   line, camera, cause
inspection_frames_removed_total                   line, camera: rows removed by retention
inspection_frames_in_flight                       line, camera
inspection_frames_missing                         line, camera; anything but 0 is a broken promise
inspection_lag_seconds                            line, camera: age of the oldest frame, by
                                                  the camera's clock, as the alerter saw it last
inspection_dead_letters                           line, camera, state
inspection_alerts_open                            line, kind
inspection_notifications                          state
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import redis
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from inspection.accounting import CameraAccount, accounts
from inspection.domain.dead_letter import DeadLetterState
from inspection.domain.health import CameraHealth, HealthState
from inspection.errors import ConfigurationError, InspectionError
from inspection.store import dead_letters, survey, tallies
from inspection.store.database import Database
from inspection.stream.connection import translated
from inspection.telemetry import logger

#: Values of the labels of one series.
Labels = TypeVar("Labels", bound=tuple[str, ...])

_CAMERA: Final = ("line", "camera")


class InspectionCollector(Collector):
    """Reads everything when it is asked; an outage is a figure, not an error."""

    def __init__(
        self,
        database: Database,
        client: redis.Redis,
        journal_dir: Path,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """Read from servers that stay the caller's."""
        self._database = database
        self._client = client
        self._journal_dir = journal_dir
        self._clock = clock
        self._is_up = True

    def describe(self) -> list[Metric]:
        """Return nothing: names are known without asking the servers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all metrics; only `inspection_up` when a server does not answer."""
        up = GaugeMetricFamily("inspection_up", "Whether database and stream server answered.")
        try:
            found = self._found()
        except (InspectionError, OSError) as error:
            if self._is_up:
                logger().warning("metrics_unavailable", why=str(error))
            found = []
            self._is_up = False
        else:
            self._is_up = True
        up.add_metric([], float(self._is_up))
        yield up
        yield from found

    def _found(self) -> list[Metric]:
        with translated(self._client):
            self._client.ping()
        parts = accounts(self._database, self._client, self._journal_dir)
        with self._database.read() as connection:
            letters = dead_letters.counts(connection)
            open_alerts = tallies.open_alerts(connection)
            notifications = tallies.notification_states(connection)
            cameras = survey.believed(connection, self._clock())
        return [
            *_frames(parts),
            *_flow(parts),
            _lag(cameras),
            _letters(parts, letters),
            _gauge(
                "inspection_alerts_open",
                "Alerts that are not resolved.",
                ("line", "kind"),
                open_alerts,
            ),
            _gauge(
                "inspection_notifications",
                "Notifications by state.",
                ("state",),
                {(state,): count for state, count in notifications.items()},
            ),
        ]


def exposition(collector: Collector) -> Callable[[], bytes]:
    """Return what makes the figures in Prometheus's format, for a server that is there anyway."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return lambda: generate_latest(registry)


@contextmanager
def served(collector: Collector, address: str) -> Iterator[str]:
    """Serve `/metrics` until the block ends; give the address, with the port that was taken.

    Args:
        collector: what is shown.
        address: `host:port`; port 0 takes any that is free.

    Raises:
        ConfigurationError: nobody can listen there.
    """
    host, _, port = address.rpartition(":")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"nobody can listen at {address} ({error}); name a free address such as 127.0.0.1:9464"
        ) from error
    taken = f"{host}:{server.server_port}"
    logger().info("metrics_served", address=taken)
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _frames(parts: Sequence[CameraAccount]) -> Iterator[Metric]:
    yield _counter(
        "inspection_frames_accepted",
        "Frames that were given an identity.",
        _CAMERA,
        {_of(part): part.account.accepted for part in parts},
    )
    yield _counter(
        "inspection_frames_inspected",
        "Frames that were scored and judged, by verdict.",
        (*_CAMERA, "verdict"),
        {(*_of(part), name): count for part in parts for name, count in part.verdicts.items()},
    )
    yield _gauge(
        "inspection_frames_uninspected",
        "Frames that could not be judged, by reason; those re-driven do not count.",
        (*_CAMERA, "reason"),
        {
            (*_of(part), name): count
            for part in parts
            for name, count in part.account.uninspected.items()
        },
    )
    yield _counter(
        "inspection_frames_dropped",
        "Frames that were dropped, by cause.",
        (*_CAMERA, "cause"),
        {
            (*_of(part), name): count
            for part in parts
            for name, count in part.account.dropped.items()
        },
    )
    yield _counter(
        "inspection_frames_removed",
        "Frames whose rows retention has removed.",
        _CAMERA,
        {_of(part): part.removed_count for part in parts},
    )


def _flow(parts: Sequence[CameraAccount]) -> Iterator[Metric]:
    yield _gauge(
        "inspection_frames_in_flight",
        "Frames that wait or are being inspected, counted.",
        _CAMERA,
        {_of(part): part.account.in_flight for part in parts},
    )
    yield _gauge(
        "inspection_frames_missing",
        "Frames nobody can account for: anything but 0 is a broken promise.",
        _CAMERA,
        {_of(part): part.account.missing_count for part in parts},
    )


def _lag(cameras: Sequence[CameraHealth]) -> Metric:
    """Say what is known: where nobody has looked lately there is no figure."""
    return _gauge(
        "inspection_lag_seconds",
        "Age of the oldest frame that is not judged; 0 when there is none.",
        _CAMERA,
        {
            (one.line, one.camera): one.lag_s
            for one in cameras
            if one.state is not HealthState.UNKNOWN
        },
    )


def _letters(
    parts: Sequence[CameraAccount], letters: Mapping[tuple[str, DeadLetterState], int]
) -> Metric:
    return _gauge(
        "inspection_dead_letters",
        "Dead letters by state.",
        (*_CAMERA, "state"),
        {
            (*_of(part), state.value): letters.get((part.camera, state), 0)
            for part in parts
            for state in DeadLetterState
        },
    )


def _of(part: CameraAccount) -> tuple[str, str]:
    return part.line, part.camera


def _gauge(name: str, what: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _counter(name: str, what: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
