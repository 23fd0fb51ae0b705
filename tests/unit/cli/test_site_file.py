"""A configuration file becomes a site, or is refused in one sentence that names the key."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from inspection.cli.site_file import SiteFile, read_site_file
from inspection.domain.alert import AlertKind
from inspection.domain.channel import Channel
from inspection.domain.line import (
    Camera,
    Encoding,
    Line,
    OverflowPolicy,
    PicturePolicy,
    Source,
)
from inspection.domain.recipe import Recipe
from inspection.domain.rule import with_defaults
from inspection.errors import ConfigurationError
from tests import factories

EVERY_KEY = """
lines:
  - name: tiles
    product: magnetic tile
    rule: {k: 2, n: 10, group_s: 30}
    rules:
      - {kind: rate, window_s: 600, expected_rate: 0.01, escalate_after_s: 900}
      - {kind: trend, name: slow, n: 500, blocks: 10}
      - {kind: camera, enabled: false}
    pictures: all
    sample_rate: 0.5
    threshold: 0.7
    recipes:
      - {product: floor tile, defects: [with a crack, "  with a\tblowhole "]}
      - product: object
        defects:
          - stained
    stations:
      - name: top
        cameras:
          - name: top-folder
            folder:
              path: pictures/tiles
              recursive: true
              watch: true
              name_pattern: "(?P<lot>L[0-9]+)"
            product: floor tile
            encoding: png
            quality: 80
            rate_hz: 2.5
            frames: 12
            overflow: drop_newest
            backlog_limit: 9
          - {name: top-video, video: clips/tiles.mp4}
      - name: side
        cameras:
          - {name: side-rtsp, rtsp: "rtsp://user:s3cret@camera.example/stream"}
          - {name: side-usb, usb: 2}
          - name: side-simulated
            simulated:
              {product: metal washer, seed: 5, defect_rate: 0.25, good_parts: 10, size_px: 128}
channels:
  - {name: log, kind: log}
  - name: hook
    kind: webhook
    url: https://example.org/hook
    secret: whsec_c2VjcmV0
    lines: [tiles]
"""


def read(folder: Path, text: str) -> SiteFile:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return read_site_file(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(folder, text)
    sentence = str(refused.value)
    assert sentence.startswith(f"{folder / 'site.yaml'}")
    assert "\n" not in sentence
    return sentence


def with_camera(**keys: Any) -> str:
    camera = {"name": "cam-1", **keys}
    return with_line(stations=[{"name": "top", "cameras": [camera]}])


def with_line(**keys: Any) -> str:
    line = {
        "name": "tiles",
        "stations": [{"name": "top", "cameras": [{"name": "cam-1", "usb": 0}]}],
        **keys,
    }
    return yaml.safe_dump({"lines": [line]})


def with_recipe(**keys: Any) -> str:
    return with_line(recipes=[{"product": "tile", "defects": ["with a crack"], **keys}])


def with_channel(**keys: Any) -> str:
    content = yaml.safe_load(with_line())
    return yaml.safe_dump({**content, "channels": [{"name": "hook", "kind": "webhook", **keys}]})


def test_site_file_gives_lines_and_their_first_thresholds(tmp_path: Path) -> None:
    site_file = read(tmp_path, EVERY_KEY)

    assert site_file.thresholds == {"tiles": 0.7}
    assert site_file.site.lines == (
        Line(
            name="tiles",
            product="magnetic tile",
            rules=with_defaults(
                factories.rule(k=2, n=10, off_delay_s=30),
                factories.rule(
                    AlertKind.RATE, window_s=600, expected_rate=0.01, escalate_after_s=900
                ),
                factories.rule(AlertKind.TREND, name="slow", n=500, blocks=10),
                factories.rule(AlertKind.CAMERA, is_enabled=False),
            ),
            pictures=PicturePolicy.ALL,
            sample_rate=0.5,
        ),
    )


def test_site_file_gives_the_first_recipes_of_a_line(tmp_path: Path) -> None:
    assert read(tmp_path, EVERY_KEY).recipes == {
        "tiles": (
            Recipe(product="floor tile", defects=("with a crack", "with a blowhole")),
            Recipe(product="object", defects=("stained",)),
        )
    }


def test_site_file_gives_cameras_with_every_key(tmp_path: Path) -> None:
    cameras = {camera.name: camera for camera in read(tmp_path, EVERY_KEY).site.cameras}

    assert cameras["top-folder"] == Camera(
        name="top-folder",
        line="tiles",
        station="top",
        source=Source(
            kind="folder",
            path=tmp_path / "pictures" / "tiles",
            is_recursive=True,
            is_watched=True,
            name_pattern="(?P<lot>L[0-9]+)",
        ),
        product="floor tile",
        encoding=Encoding.PNG,
        quality=80,
        rate_hz=2.5,
        frames=12,
        overflow=OverflowPolicy.DROP_NEWEST,
        backlog_limit=9,
    )
    assert {name: camera.station for name, camera in cameras.items()} == {
        "top-folder": "top",
        "top-video": "top",
        "side-rtsp": "side",
        "side-usb": "side",
        "side-simulated": "side",
    }


def test_site_file_gives_every_kind_of_source(tmp_path: Path) -> None:
    sources = {camera.name: camera.source for camera in read(tmp_path, EVERY_KEY).site.cameras}

    assert sources["top-video"] == Source(kind="video", path=tmp_path / "clips" / "tiles.mp4")
    assert sources["side-rtsp"].url == "rtsp://user:s3cret@camera.example/stream"
    assert sources["side-usb"] == Source(kind="usb", device=2)
    assert sources["side-simulated"] == Source(
        kind="simulated",
        product="metal washer",
        seed=5,
        defect_rate=0.25,
        good_parts_count=10,
        size_px=128,
    )


def test_site_file_gives_channels(tmp_path: Path) -> None:
    channels = read(tmp_path, EVERY_KEY).site.channels

    assert channels == (
        Channel(name="log", kind="log"),
        Channel(
            name="hook",
            kind="webhook",
            url="https://example.org/hook",
            secret="whsec_c2VjcmV0",  # noqa: S106 - of nobody
            lines=("tiles",),
        ),
    )


def test_site_file_fills_in_what_nobody_needs_to_say(tmp_path: Path) -> None:
    site_file = read(tmp_path, with_line())

    assert site_file.site.lines == (Line(name="tiles"),)
    assert site_file.site.channels == ()
    assert site_file.thresholds == {}
    assert site_file.recipes == {}


@pytest.mark.parametrize(
    ("source", "overflow"),
    [
        ({"folder": "pictures"}, OverflowPolicy.BLOCK),
        ({"video": "clip.mp4"}, OverflowPolicy.BLOCK),
        ({"usb": 0}, OverflowPolicy.DROP_OLDEST),
        ({"rtsp": "rtsp://camera.example/1"}, OverflowPolicy.DROP_OLDEST),
        ({"simulated": {"product": "metal washer"}}, OverflowPolicy.DROP_OLDEST),
    ],
)
def test_camera_waits_for_room_only_when_its_source_can_wait(
    tmp_path: Path, source: dict[str, Any], overflow: OverflowPolicy
) -> None:
    (camera,) = read(tmp_path, with_camera(**source)).site.cameras

    assert camera.overflow is overflow


def test_camera_that_is_pushed_asks_to_try_again_when_its_stream_is_full(tmp_path: Path) -> None:
    (camera,) = read(tmp_path, with_camera(push={})).site.cameras

    assert camera.source == Source(kind="push")
    assert camera.is_pushed
    assert camera.overflow is OverflowPolicy.BLOCK


def test_paths_start_at_the_file_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "floor"
    folder.mkdir()
    (folder / "site.yaml").write_text(with_camera(folder="../pictures"))
    monkeypatch.chdir(tmp_path)

    (camera,) = read_site_file(Path("floor/site.yaml")).site.cameras

    assert camera.source.path == tmp_path / "pictures"


def test_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (camera,) = read(tmp_path, with_camera(folder="/pictures/tiles")).site.cameras

    assert camera.source.path == Path("/pictures/tiles")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour: blue\nlines: []", "lines"),
        (with_line(colour="blue"), "lines[0].colour"),
        (with_line(rule={"x": 1}), "lines[0].rule.x"),
        (with_line(rules=[{"kind": "ng", "x": 1}]), "lines[0].rules[0].x"),
        (with_camera(usb=0, shutter=3), "lines[0].stations[0].cameras[0].shutter"),
        (with_camera(folder={"path": "a", "deep": True}), "cameras[0].folder.deep"),
        (with_camera(simulated={"product": "metal washer", "x": 1}), "cameras[0].simulated.x"),
        (with_recipe(words="cracked"), "lines[0].recipes[0].words"),
        (with_channel(url="https://a.example", retries=3), "channels[0].retries"),
    ],
)
def test_unknown_key_is_named_with_those_that_are_known(
    tmp_path: Path, text: str, key: str
) -> None:
    sentence = refusal(tmp_path, text)

    assert key in sentence
    assert "the keys there are" in sentence or key == "lines"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{}", "lines is missing"),
        (with_camera(folder={"recursive": True}), "cameras[0].folder.path is missing"),
        (with_line(stations=[{"cameras": [{"name": "cam-1", "usb": 0}]}]), "stations[0].name"),
        (with_line(recipes=[{"product": "tile"}]), "recipes[0].defects is missing"),
        (with_channel(), "`url`"),
    ],
)
def test_missing_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert key in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_camera(usb=0, quality=101), "cameras[0].quality"),
        (with_camera(usb=0, rate_hz=float("nan")), "cameras[0].rate_hz"),
        (with_camera(usb=0, overflow="perhaps"), "cameras[0].overflow"),
        (with_camera(usb=0, product=" "), "cameras[0].product"),
        (with_camera(usb=0, product="a\0b"), "cameras[0].product"),
        (with_camera(usb=0, backlog_limit=0), "cameras[0].backlog_limit"),
        (with_camera(usb=-1), "cameras[0].usb"),
        (with_camera(rtsp="http://camera.example"), "cameras[0].rtsp"),
        (with_camera(rtsp="rtsp://[::1/stream"), "rtsp://host:554/path"),
        (with_camera(folder=7), "cameras[0].folder must hold the keys path,"),
        (with_camera(folder="a\0b"), "path 'a\\x00b' cannot be used"),
        (with_camera(folder="~nobody-of-that-name/pictures"), "cannot be used"),
        (with_camera(folder={"path": "a", "name_pattern": "("}), "camera 'cam-1': name_pattern"),
        (with_camera(folder={"path": "a", "name_pattern": "(?P<x>a)"}), "(?P<serial>…)"),
        (with_camera(simulated={"product": "teapot"}), "choose one of:"),
        (with_line(threshold=float("nan")), "lines[0].threshold"),
        (with_line(sample_rate=1.5), "lines[0].sample_rate"),
        (with_line(pictures="some"), "lines[0].pictures"),
        (with_line(stations=[]), "lines[0].stations"),
        (with_line(name="two words"), "line name 'two words' cannot be used"),
        (with_line(name=7), "lines[0].name"),
        (with_line(rule={"k": 3, "n": 2}), "lines[0].rule: alert rule 3 of 2: take 1 <= k <= n"),
        (with_line(rule={"k": 0}), "lines[0].rule"),
        (with_line(rule={"group_s": float("inf")}), "lines[0].rule.group_s"),
        (with_line(rules=[{"kind": "rate"}]), "lines[0].rules[0]: a rule of kind rate needs"),
        (with_line(rules=[{"kind": "ng", "limit_s": 5}]), "a rule of kind ng has no 'limit_s'"),
        (with_line(rules=[{"kind": "noise"}]), "lines[0].rules[0].kind"),
        (with_line(rules=[{"kind": "ng"}], rule={"k": 1}), "give it there or in `rules`"),
        (with_line(rules=[{"kind": "ng"}, {"kind": "ng"}]), "rule 'ng' is there 2 times"),
        (with_line(rules=[{"kind": "ng", "name": "a b"}]), "rule name 'a b' cannot be used"),
        (with_line(rules=[{"kind": "camera", "on_delay_s": -1}]), "take 0 or more seconds"),
        (with_line(rules=[{"kind": "backlog", "limit_s": float("nan")}]), "limit_s"),
        (with_recipe(product=" "), "lines[0].recipes[0].product"),
        (with_recipe(defects=[]), "lines[0].recipes[0].defects"),
        (with_recipe(defects="with a crack"), "lines[0].recipes[0].defects"),
        (with_recipe(defects=["a", ""]), "lines[0].recipes[0].defects: the defect '' says nothing"),
        (with_recipe(defects=["a" * 101]), "recipes[0].defects: the defect 'aaa"),
        (with_recipe(defects=["a\0b"]), "holds control characters"),
        (with_recipe(defects=[f"crack {n}" for n in range(21)]), "name 20 at most"),
        (
            with_line(recipes=[{"product": "tile", "defects": [d]} for d in ("a", "b")]),
            "lines[0].recipes: product 'tile' is there 2 times",
        ),
        (with_channel(url="ftp://a.example"), "channel 'hook'"),
        (with_channel(url="https://a.example", kind="pigeon"), "channels[0].kind"),
        (with_channel(url="https://a.example", secret="%"), "`secret` cannot sign"),  # noqa: S106
        (with_channel(url="https://a.example", lines=["nope"]), "line 'nope'"),
        ("", "the file must hold the keys lines, channels"),
        ("- a", "the file must hold the keys lines, channels"),
    ],
)
def test_impossible_value_is_refused_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


@pytest.mark.parametrize("sources", [{}, {"usb": 0, "video": "clip.mp4"}])
def test_camera_needs_exactly_one_source(tmp_path: Path, sources: dict[str, Any]) -> None:
    sentence = refusal(tmp_path, with_camera(**sources))

    assert "cameras[0]: give exactly one of folder, video, rtsp, usb, simulated" in sentence


@pytest.mark.parametrize(
    "text",
    [
        with_camera(rtsp="rtsp://user:s3cret@camera.example", usb=0),
        with_camera(rtsp="http://user:s3cret@camera.example"),
        with_channel(url="https://a.example", secret=["s3cret"]),
        with_channel(url={"s3cret": 1}),
    ],
)
def test_refusal_does_not_repeat_a_password(tmp_path: Path, text: str) -> None:
    assert "s3cret" not in refusal(tmp_path, text)


def test_doubled_names_are_refused(tmp_path: Path) -> None:
    line = yaml.safe_load(with_line())["lines"][0]

    cameras = with_line(stations=[*line["stations"], *line["stations"]])
    lines = yaml.safe_dump({"lines": [line, {**line, "stations": line["stations"]}]})

    assert "camera 'cam-1' is there 2 times" in refusal(tmp_path, cameras)
    assert "line 'tiles' is there 2 times" in refusal(tmp_path, lines)


def test_doubled_key_is_refused_instead_of_forgetting_the_first(tmp_path: Path) -> None:
    assert "the key 'lines' is there 2 times" in refusal(tmp_path, f"{with_line()}\n{with_line()}")


@pytest.mark.parametrize(
    "text",
    ["lines: [", "lines: 2026-13-45", "lines: !!int x", "lines: !!timestamp x", "\t", "[" * 500],
    ids=["open", "date", "number", "time", "tab", "nesting"],
)
def test_text_that_is_not_yaml_is_refused(tmp_path: Path, text: str) -> None:
    assert "is not YAML" in refusal(tmp_path, text)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")

    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_site_file(path)


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot read {tmp_path / name}"):
        read_site_file(tmp_path / name)


def with_shifts(*named: dict[str, Any], **keys: Any) -> str:
    content = yaml.safe_load(with_line())
    block = {"time_zone": "Europe/Berlin", "named": list(named), **keys}
    return yaml.safe_dump({**content, "shifts": block})


def test_site_file_gives_the_first_calendar_of_shifts(tmp_path: Path) -> None:
    text = with_shifts(
        {"name": "early", "begins": "06:00", "ends": "14:00", "days": ["mon-fri"]},
        {"name": "night", "begins": "22:00", "ends": "06:00"},
        holidays=["2026-12-25"],
    )

    calendar = read(tmp_path, text).shifts

    assert read(tmp_path, with_line()).shifts is None
    assert calendar is not None
    assert [shift.name for shift in calendar.shifts] == ["early", "night"]
    assert calendar.shifts[0].days == ("mon", "tue", "wed", "thu", "fri")
    assert calendar.holidays == {date(2026, 12, 25)}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (with_shifts({"name": "x", "begins": 360, "ends": "14:00"}), "named[0].begins"),
        (with_shifts({"name": "x", "begins": "6h", "ends": "14:00"}), "named[0].begins"),
        (with_shifts({"name": "x", "begins": "06:00"}), "shifts.named[0].ends is missing"),
        (with_shifts(), "shifts: a calendar has"),
        (with_shifts({"name": "x", "begins": "06:00", "ends": "14:00", "y": 1}), "named[0].y"),
        (with_shifts({"name": "x", "begins": "06:00", "ends": "14:00", "days": ["x"]}), "no day"),
    ],
)
def test_calendar_that_cannot_be_kept_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert key in refusal(tmp_path, text)
