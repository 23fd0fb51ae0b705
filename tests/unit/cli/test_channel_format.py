"""A channel in a configuration file: its keys, its secrets in files, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from inspection.cli.site_file import read_site_file
from inspection.domain.channel import Broker, Channel
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError

LINE = {
    "name": "tiles",
    "stations": [{"name": "top", "cameras": [{"name": "cam-1", "usb": 0}]}],
}
SECRET = "whsec_c2VjcmV0"  # noqa: S105 - of nobody
MAIL = "mailtos://line:hush@mail.example?to=shift@plant.example"


def read(folder: Path, **keys: Any) -> Channel:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"lines": [LINE], "channels": [{"name": "it", **keys}]}))
    (channel,) = read_site_file(path).site.channels
    return channel


def refusal(folder: Path, **keys: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(folder, **keys)
    assert "hush" not in str(refused.value)
    return str(refused.value)


def test_broker_is_read_with_every_key(tmp_path: Path) -> None:
    channel = read(
        tmp_path,
        kind="mqtt",
        host="broker.example",
        port=1884,
        username="line",
        password="hush",  # noqa: S106
        prefix="plant/inspection",
        lines=["tiles"],
        events=["opened", "escalated"],
    )

    assert channel == Channel(
        name="it",
        kind="mqtt",
        secret="hush",  # noqa: S106
        broker=Broker(host="broker.example", port=1884, username="line", prefix="plant/inspection"),
        lines=("tiles",),
        events=(Event.OPENED, Event.ESCALATED),
    )
    assert "hush" not in repr(channel)


@pytest.mark.parametrize(("tls", "port"), [(True, 8883), (False, 1883)])
def test_broker_listens_where_brokers_do_unless_said_otherwise(
    tmp_path: Path, port: int, *, tls: bool
) -> None:
    assert read(tmp_path, kind="mqtt", host="b", tls=tls).broker == Broker(
        host="b", port=port, has_tls=tls
    )


def test_secrets_may_stand_in_files_beside_it(tmp_path: Path) -> None:
    for name, content in {"url": MAIL, "secret": SECRET, "password": "hush"}.items():
        (tmp_path / name).write_text(f"{content}\n")

    mail = read(tmp_path, kind="apprise", url_file="url")
    hook = read(tmp_path, kind="webhook", url="https://a.example", secret_file="secret")  # noqa: S106
    board = read(tmp_path, kind="mqtt", host="b", password_file=str(tmp_path / "password"))

    assert (mail.url, hook.secret, board.secret) == (MAIL, SECRET, "hush")
    assert "hush" not in repr(mail)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"kind": "log", "url": "https://hush"}, "channels[0]: url is not a key of kind log"),
        ({"kind": "webhook", "url": "https://a", "host": "b"}, "host is not a key of kind webhook"),
        ({"kind": "mqtt", "host": "b", "secret": "hush"}, "secret is not a key of kind mqtt"),
        ({"kind": "mqtt"}, "kind mqtt needs host"),
        ({"kind": "mqtt", "host": "mqtt://b"}, "`host`"),
        ({"kind": "mqtt", "host": "b", "port": 0}, "channels[0].port"),
        ({"kind": "mqtt", "host": "b", "prefix": "a/+"}, "`prefix` 'a/+' cannot begin topics"),
        ({"kind": "mqtt", "host": "b", "prefix": ""}, "`prefix`"),
        ({"kind": "mqtt", "host": "b", "tls": True, "ca_file": "absent.pem"}, "`ca_file`"),
        ({"kind": "apprise"}, "apprise needs `url`"),
        ({"kind": "apprise", "url": "pigeon://hush"}, "begins with pigeon://"),
        ({"kind": "apprise", "url": "json://hush"}, "take kind webhook"),
        ({"kind": "apprise", "url": MAIL, "url_file": "url"}, "give url or url_file, not both"),
        ({"kind": "apprise", "url_file": "absent"}, "url_file: cannot read 'absent'"),
        ({"kind": "apprise", "url_file": "empty"}, "url_file: 'empty' is empty"),
        ({"kind": "log", "events": []}, "`events` takes some of opened, updated"),
        ({"kind": "log", "events": ["test"]}, "channels[0].events"),
        ({"kind": "log", "lines": ["boards"]}, "line 'boards', which is not there"),
    ],
)
def test_what_cannot_work_is_refused_and_named(
    tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    (tmp_path / "empty").write_text("\n")

    assert words in refusal(tmp_path, **keys)
