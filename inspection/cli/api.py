"""`inspection api`: the HTTP interface, a process of its own."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer

from inspection.cli import context, identity
from inspection.cli.heartbeat import Pulse, beating
from inspection.cli.processes import Lifeline
from inspection.cli.trial import ChannelTrial
from inspection.errors import ConfigurationError
from inspection.settings import Settings
from inspection.store.database import Database
from inspection.stream.connection import connect
from inspection.stream.embedded import running_url
from inspection.telemetry import logger

if TYPE_CHECKING:
    from inspection.api.installation import Installation

#: Where the interface is when nobody says: on this machine alone.
DEFAULT_ADDRESS: Final = "127.0.0.1:8080"
#: Requests under way get so long at the end, in seconds; event streams end at once.
FAREWELL_S: Final = 1
#: Connections that wait to be taken.
WAITING_CONNECTIONS: Final = 256
#: Seconds between two turns of the loop that the heartbeat tells of.
TURN_S: Final = 5


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(api)


def api(*, lifeline: Lifeline = False) -> None:
    """Serve the HTTP interface below /api/v1, its description at /docs, and probes.

    Example: INSPECTION_API_ADDRESS=0.0.0.0:8443 inspection api
    """
    settings = context.begin("api", has_lifeline=lifeline)
    with (
        listening(settings.api_address or DEFAULT_ADDRESS) as listener,
        context.opened_database(settings, is_supervised=lifeline) as database,
        _installation(settings, database) as installation,
        beating(database, "api", clock=context.clock) as pulse,
    ):
        # uvicorn raises the signal again that ended it; nobody is to die of that.
        context.stop_on_signals()
        _serve(settings, installation, listener, pulse)


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """Listen at `host:port`; port 0 takes any that is free.

    Raises:
        ConfigurationError: nobody can listen there.
    """
    host, _, port = address.rpartition(":")
    try:
        listener = _listener(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"INSPECTION_API_ADDRESS: nobody can listen at {address} ({error}); end what listens "
            "there, or name a free address such as 127.0.0.1:8081"
        ) from error
    with listener:
        yield listener


def _listener(host: str, port: int) -> socket.socket:
    # Not socket.create_server: it would not look names up.
    family, kind, protocol, _, place = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(WAITING_CONNECTIONS)
    except OSError:
        listener.close()
        raise
    return listener


def address_for_children(settings: Settings) -> str:
    """Return where a supervised interface is to listen: as set, or the default if that is free.

    Several programs on one machine must not fail for a port that nobody asked for.
    """
    if settings.api_address is not None:
        return settings.api_address
    try:
        with listening(DEFAULT_ADDRESS):
            return DEFAULT_ADDRESS
    except ConfigurationError:
        with listening("127.0.0.1:0") as listener:
            return f"127.0.0.1:{listener.getsockname()[1]}"


def url(settings: Settings, address: str) -> str:
    """Return the address of the interface as people open it."""
    scheme = "http" if settings.api_certificate is None else "https"
    return f"{scheme}://{address}"


@contextmanager
def _installation(settings: Settings, database: Database) -> "Iterator[Installation]":
    from inspection.api.gate import Doorkeeper
    from inspection.api.installation import Installation
    from inspection.metrics import InspectionCollector, exposition

    redis_url = settings.redis_url or running_url(settings.valkey_dir)
    with ExitStack() as stack:
        metrics, client = None, None
        if redis_url is not None:
            client = stack.enter_context(connect(redis_url, retries=1))
            metrics = exposition(
                InspectionCollector(database, client, settings.journals, clock=context.clock)
            )
        yield Installation(
            database=database,
            pictures=context.pictures(settings),
            gate=Doorkeeper(database, context.clock),
            clock=context.clock,
            redis_url=redis_url,
            streams=client,
            journal_dir=settings.journals,
            picture_limit_px=int(settings.picture_limit_mp * 1e6),
            host=socket.gethostname(),
            is_local_ray=settings.ray_address is None,
            trial=ChannelTrial(webhook_hosts=settings.allowed_webhook_hosts),
            checkpoint=settings.checkpoint,
            body_limit_bytes=int(settings.entry_limit_mb * 2**20),
            metrics=metrics,
            openid=identity.openid(settings),
        )


def _serve(
    settings: Settings, installation: "Installation", listener: socket.socket, pulse: Pulse
) -> None:
    import uvicorn

    from inspection.api.app import create_app
    from inspection.api.connection import Connection

    class Server(uvicorn.Server):
        """Ends event streams before it waits for requests under way."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Take a signal."""
            installation.news.close()
            super().handle_exit(sig, frame)

    proxies = settings.trusted_proxies
    _check_tls(settings)
    config = uvicorn.Config(
        create_app(installation),
        ssl_certfile=settings.api_certificate,
        ssl_keyfile=settings.api_certificate_key,
        # Whoever is no trusted proxy could claim any address and TLS.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        log_config=None,
        access_log=False,
        server_header=False,
        http=Connection,
        ws="none",
        timeout_graceful_shutdown=FAREWELL_S,
        callback_notify=_turning(pulse),
        timeout_notify=TURN_S,
    )
    host, port = listener.getsockname()[:2]
    if settings.api_certificate is None and not proxies and not ip_address(host).is_loopback:
        logger().warning("api_without_tls", address=f"{host}:{port}")
    logger().info("api_ready", address=f"{host}:{port}")
    Server(config).run(sockets=[listener])


def _turning(pulse: Pulse) -> Callable[[], Awaitable[None]]:
    async def turn() -> None:
        pulse.turn()

    return turn


def _check_tls(settings: Settings) -> None:
    certificate, key = settings.api_certificate, settings.api_certificate_key
    if certificate is None:
        if key is not None:
            raise ConfigurationError(
                "INSPECTION_API_CERTIFICATE_KEY is set without INSPECTION_API_CERTIFICATE"
            )
        return
    try:
        _loaded(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"INSPECTION_API_CERTIFICATE: {certificate} cannot be used ({error}); name a PEM file "
            "with the certificate, and its key there or in INSPECTION_API_CERTIFICATE_KEY"
        ) from error


def _loaded(certificate: Path, key: Path | None) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
