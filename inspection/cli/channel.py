"""`inspection channel`: where alerts are sent, how far everything sent has come, and trying it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from inspection.cli import context, output
from inspection.cli.channel_format import KEYS, ChannelBlock, keys_of
from inspection.cli.site_format import complaint
from inspection.cli.trial import ChannelTrial
from inspection.domain.channel import Channel
from inspection.domain.notification import Delivery
from inspection.errors import ConfigurationError
from inspection.store import channels, deliveries, lines

app = typer.Typer(
    help="Channels that alerts are sent through, and their deliveries.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
FROM_FILE = "file that holds it; `-` for standard input"


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the channels, what they hear, and how much they have told.

    Example: inspection channel list --json
    """
    settings = context.begin("channel")
    with context.opened_database(settings) as database, database.read() as connection:
        counted = deliveries.counts(connection)
        rows = [
            channels.public_values(channel)
            | asdict(counted.get(channel.name, deliveries.ChannelCounts()))
            for channel in channels.list_channels(connection)
        ]
    output.show_rows([_plain(row) for row in rows], as_json=as_json)


@app.command("deliveries")
def deliveries_(
    *,
    channel: Annotated[str | None, typer.Option(help="only of this channel")] = None,
    state: Annotated[Delivery | None, typer.Option(help="only in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was sent, newest first: how far it came, after how many attempts, and why not.

    Example: inspection channel deliveries --channel hook --state failed
    """
    settings = context.begin("channel")
    with context.opened_database(settings) as database, database.read() as connection:
        if channel is not None:
            channels.get_channel(connection, channel)
        found = deliveries.list_deliveries(connection, channel=channel, state=state, limit=limit)
    output.show_rows([_plain(asdict(each)) for each in found], as_json=as_json)


@app.command()
def retry(
    notification: Annotated[
        str | None, typer.Argument(help="id, as `inspection channel deliveries` shows it")
    ] = None,
    *,
    channel: Annotated[str | None, typer.Option(help="all that failed on this channel")] = None,
) -> None:
    """Have what failed tried again, at once and with as many attempts as before.

    Example: inspection channel retry --channel hook
    """
    if (notification is None) == (channel is None):
        raise ConfigurationError("give the id of a notification, or --channel for all that failed")
    settings = context.begin("channel")
    at, by, count = context.clock(), output.person(), 1
    with context.opened_database(settings) as database, database.write() as connection:
        if channel is not None:
            channels.get_channel(connection, channel)
            count = deliveries.retry_channel(connection, channel, at=at, by=by)
        elif notification is not None:
            deliveries.retry(connection, notification, at=at, by=by)
    output.say(f"{count} to be tried again")


@app.command("test")
def try_out(name: str, *, as_json: AsJson = False) -> None:
    """Send a marked test through a channel at once, and say what came back.

    It goes the way that alerts go, but is not kept. Exit code 1 when it is refused, with the
    reason.

    Example: inspection channel test hook
    """
    settings = context.begin("channel")
    with context.opened_database(settings) as database, database.read() as connection:
        channel = channels.get_channel(connection, name)
    begun_s = time.monotonic()
    ChannelTrial(webhook_hosts=settings.allowed_webhook_hosts).send(channel)
    shown = {
        "channel": channel.name,
        "address": channels.address(channel),
        "is_taken": True,
        "seconds": round(time.monotonic() - begun_s, 3),
    }
    output.show_object(shown, as_json=as_json)


@app.command("set")
def set_(
    name: str,
    *,
    url: Annotated[str | None, typer.Option(help="webhook, apprise: the address")] = None,
    url_file: Annotated[Path | None, typer.Option(help=f"the address: {FROM_FILE}")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help=f"webhook: what signs; mqtt: the password: {FROM_FILE}")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="any other key of the configuration file, as KEY=VALUE; several times"),
    ] = None,
) -> None:
    """Change where a channel sends, its secrets, or what it hears; the rest stays.

    Running alert workers use it for the next notification. What failed before is not sent by
    itself: see `inspection channel retry`. Names stand with commas between them, `all` for all.

    Example: inspection channel set hook --url-file url.txt --key events=opened,escalated
    """
    settings = context.begin("channel")
    given = _given(url=url, url_file=url_file, secret_file=secret_file, keys=key or [])
    with context.opened_database(settings) as database:
        with database.read() as connection:
            before = channels.get_channel(connection, name)
            known = [line.name for line in lines.list_lines(connection)]
        changed = _changed(before, given)
        for line in changed.lines or ():
            if line not in known:
                raise ConfigurationError(
                    f"there is no line {line!r}; there are: {', '.join(known)}"
                )
        with database.write() as connection:
            channels.set_channel(connection, changed, at=context.clock(), by=output.person())


@app.command()
def remove(name: str) -> None:
    """Remove a channel, and the record of what was sent through it.

    Example: inspection channel remove old-hook
    """
    settings = context.begin("channel")
    with context.opened_database(settings) as database, database.write() as connection:
        channels.remove_channel(connection, name, at=context.clock(), by=output.person())


def _given(
    *, url: str | None, url_file: Path | None, secret_file: Path | None, keys: Sequence[str]
) -> dict[str, Any]:
    """Return what was given as keys of the configuration file."""
    named: dict[str, Any] = {"url": url, "url_file": url_file, "secret_file": secret_file}
    given = {key: value for key, value in named.items() if value is not None}
    for text in keys:
        key, sign, value = text.partition("=")
        if not sign or key in given or key in ("name", "kind", "secret", "password"):
            raise ConfigurationError(
                f"--key {key}: take KEY=VALUE once for each key, such as port=8883; secrets come "
                "from files, and name and kind stay"
            )
        given[key] = value
        if key in ("lines", "events"):
            given[key] = None if value == "all" else value.split(",")
    return given


def _changed(channel: Channel, given: Mapping[str, Any]) -> Channel:
    """Return the channel with what was given instead of what it had.

    Raises:
        ConfigurationError: it could not work.
    """
    named = dict(given)
    if channel.kind == "mqtt" and "secret_file" in named:
        named["password_file"] = named.pop("secret_file")
    known = (KEYS[channel.kind] | {"lines", "events"}) - {"secret", "password"}
    for key in named:
        if key not in known:
            raise ConfigurationError(
                f"{key} is not a key of kind {channel.kind}; the keys there are "
                f"{', '.join(sorted(known))}"
            )
    kept = keys_of(channel)
    for key in ("url", "secret", "password"):
        if {key, f"{key}_file"} & set(named):
            kept.pop(key, None)
    try:
        changed = ChannelBlock.model_validate(kept | named).channel(Path().absolute())
    except ValidationError as error:
        raise ConfigurationError(f"channel {channel.name!r}: {complaint(error)}") from error
    ChannelTrial().check(changed)
    return changed


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if hasattr(value, "isoformat") else value
        for key, value in values.items()
    }
