import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspection.capture import folder
from inspection.capture.exposure import Exposure, Pause
from inspection.capture.folder import FolderSource, WatchedFolderSource
from inspection.domain.health import CaptureState
from inspection.errors import CaptureError, ConfigurationError
from tests.conftest import Clock
from tests.factories import NOON, jpeg


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def put(path: Path, *names: str, payload: bytes = b"") -> None:
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(payload or name.encode())


def source(path: Path, **options: Any) -> FolderSource:
    return FolderSource(path, clock=Clock(), **options)


def exposures(given: Iterator[Exposure | Pause]) -> list[Exposure]:
    return [item for item in given if isinstance(item, Exposure)]


def names(given: Iterator[Exposure | Pause]) -> list[str]:
    """Names of files whose content is their name."""
    return [exposure.payload.decode() for exposure in exposures(given)]


def until_pause(given: Iterator[Exposure | Pause]) -> tuple[list[str], Pause]:
    """Take exposures up to the next pause that waits."""
    found = []
    for item in given:
        if isinstance(item, Exposure):
            found.append(item.payload.decode())
        elif item.wait_s > 0:
            return found, item
    raise AssertionError("the source ended")


def test_folder_gives_pictures_in_the_order_of_their_paths(pictures: Path) -> None:
    put(pictures, "b.JPG", "a.png", "c/a.tiff", "B.bmp", "c.webp")

    assert names(source(pictures, is_recursive=True).exposures()) == [
        "B.bmp",
        "a.png",
        "b.JPG",
        "c.webp",
        "c/a.tiff",
    ]


def test_folder_does_not_look_below_unless_told_to(pictures: Path) -> None:
    put(pictures, "a.jpg", "below/b.jpg")

    assert names(source(pictures).exposures()) == ["a.jpg"]


def test_folder_never_gives_masks_hidden_files_or_other_files(pictures: Path) -> None:
    put(pictures, "a.jpg", "a_mask.png", "A_MASK.PNG", ".a.jpg", "notes.txt", "jpg")
    put(pictures, "ground_truth/crack/a.png", "Masks/a.png", ".trash/a.png", "good/b.jpg")

    assert names(source(pictures, is_recursive=True).exposures()) == ["a.jpg", "good/b.jpg"]


def test_folder_passes_bytes_through_untouched(pictures: Path) -> None:
    put(pictures, "a.png", payload=jpeg() + b"trailing bytes")

    (exposure,) = exposures(source(pictures).exposures())

    assert exposure.payload == jpeg() + b"trailing bytes"
    assert exposure.media_type == "image/jpeg"
    assert exposure.captured_at == NOON


def test_folder_gives_a_file_without_bytes(pictures: Path) -> None:
    (pictures / "a.jpg").touch()

    (exposure,) = exposures(source(pictures).exposures())

    assert exposure.payload == b""
    assert exposure.media_type == "application/octet-stream"


def test_folder_gives_a_file_it_cannot_read_as_one_without_bytes(pictures: Path) -> None:
    put(pictures, "a.jpg", "b.jpg")
    given = source(pictures).exposures()
    assert isinstance(first := next(given), Exposure)
    (pictures / "b.jpg").unlink()
    (pictures / "b.jpg").mkdir()

    (second,) = exposures(given)

    assert first.payload == b"a.jpg"
    assert second.payload == b""


def test_folder_reads_no_more_of_a_giant_file_than_an_entry_could_never_hold(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PAYLOAD_LIMIT_BYTES", 1000)
    put(pictures, "a.jpg", payload=bytes(5000))

    (exposure,) = exposures(source(pictures).exposures())

    assert len(exposure.payload) == 1000


def test_folder_reads_serial_lot_and_trigger_from_the_path(pictures: Path) -> None:
    put(pictures, "L7/S-0012_t99.jpg", "L7/other.jpg")
    pattern = r"^(?P<lot>\w+)/(?P<serial>S-\d+)_t(?P<trigger>\d+)"

    named, other = exposures(source(pictures, is_recursive=True, name_pattern=pattern).exposures())

    assert (named.lot, named.part_serial, named.trigger_id) == ("L7", "S-0012", "99")
    assert (other.lot, other.part_serial, other.trigger_id) == (None, None, None)


@pytest.mark.parametrize("pattern", ["(?P<serial>", r"(?P<colour>\w+)"])
def test_folder_refuses_a_name_pattern_it_cannot_use(pictures: Path, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="name_pattern"):
        source(pictures, name_pattern=pattern)


def test_folder_without_pictures_is_drained_and_says_so(pictures: Path) -> None:
    put(pictures, "notes.txt")

    assert list(source(pictures).exposures()) == [
        Pause(wait_s=0, state=CaptureState.DRAINED, detail=f"no pictures in {pictures}")
    ]


def test_folder_that_is_not_there_cannot_give_exposures(pictures: Path) -> None:
    with pytest.raises(CaptureError, match=r"missing is not there"):
        next(source(pictures / "missing").exposures())


def test_folder_that_is_a_file_cannot_give_exposures(pictures: Path) -> None:
    put(pictures, "a.jpg")

    with pytest.raises(CaptureError, match=r"a.jpg is not a folder"):
        next(source(pictures / "a.jpg").exposures())


def test_folder_that_vanishes_on_the_way_is_an_error(pictures: Path) -> None:
    put(pictures, "a.jpg", "b.jpg")
    given = source(pictures).exposures()
    next(given)

    shutil.rmtree(pictures)

    with pytest.raises(CaptureError, match="is not there"):
        next(given)


def test_folder_leaves_out_a_file_that_vanishes_on_the_way(pictures: Path) -> None:
    put(pictures, "a.jpg", "b.jpg", "c.jpg")
    given = source(pictures).exposures()
    next(given)

    (pictures / "b.jpg").unlink()

    assert names(given) == ["c.jpg"]


def test_folder_does_not_read_settled_files(pictures: Path) -> None:
    put(pictures, "a.jpg", "b.jpg")
    settled = {exposures(source(pictures).exposures())[0].key}

    again = source(pictures, is_settled=settled.__contains__)

    assert names(again.exposures()) == ["b.jpg"]


def test_folder_takes_a_replaced_file_for_another_exposure(pictures: Path) -> None:
    put(pictures, "a.jpg")
    settled = {exposure.key for exposure in exposures(source(pictures).exposures())}
    put(pictures, "a.jpg", payload=b"another part")

    again = source(pictures, is_settled=settled.__contains__)

    assert names(again.exposures()) == ["another part"]


@pytest.mark.parametrize("name", ["a.jpg", "ünter/ß %41:1.jpg", os.fsdecode(b"\xff\xfe.jpg")])
def test_folder_reads_a_file_again_by_its_key(pictures: Path, name: str) -> None:
    put(pictures, name, payload=b"bytes")
    given = source(pictures, is_recursive=True)
    (exposure,) = exposures(given.exposures())

    assert exposure.key is not None
    assert exposure.key.encode("utf-8")
    assert given.repeat(exposure.key) == exposure


def test_folder_cannot_read_a_changed_or_removed_file_again(pictures: Path) -> None:
    put(pictures, "a.jpg", "b.jpg")
    given = source(pictures)
    first, second = exposures(given.exposures())
    put(pictures, "a.jpg", payload=b"another part")
    (pictures / "b.jpg").unlink()

    assert [given.repeat(exposure.key or "") for exposure in (first, second)] == [None, None]


def test_folder_gives_signs_of_life_while_it_passes_over_many_settled_files(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "SIGN_FILES", 5)
    put(pictures, *(f"{number}.jpg" for number in range(20)))

    given = list(source(pictures, is_settled=lambda _key: True).exposures())

    assert len(given) == 8
    assert all(isinstance(item, Pause) for item in given)


def test_watched_folder_gives_a_file_only_once_nobody_writes_to_it(pictures: Path) -> None:
    put(pictures, "a.jpg", payload=b"half")
    given = WatchedFolderSource(pictures, clock=Clock()).exposures()

    assert until_pause(given)[0] == []
    put(pictures, "a.jpg", payload=b"half and half")
    assert until_pause(given)[0] == []
    assert until_pause(given)[0] == ["half and half"]
    assert until_pause(given)[0] == []


def test_watched_folder_gives_files_that_come_later(pictures: Path) -> None:
    put(pictures, "b.jpg")
    given = WatchedFolderSource(pictures, clock=Clock()).exposures()
    assert [until_pause(given)[0] for _ in range(2)] == [[], ["b.jpg"]]

    put(pictures, "c.jpg", "a.jpg")

    assert [until_pause(given)[0] for _ in range(3)] == [[], ["a.jpg", "c.jpg"], []]


def test_watched_folder_waits_longer_for_an_empty_file(pictures: Path) -> None:
    (pictures / "a.jpg").touch()
    given = WatchedFolderSource(pictures, clock=Clock()).exposures()

    found = [len(until_pause(given)[0]) for _ in range(8)]

    assert found == [0, 0, 0, 0, 0, 1, 0, 0]


def test_watched_folder_that_is_empty_goes_on_watching(pictures: Path) -> None:
    given = WatchedFolderSource(pictures, clock=Clock()).exposures()

    found, pause = until_pause(given)

    assert found == []
    assert pause.state is CaptureState.LIVE
    assert pause.detail == "watching for new pictures"


def test_watched_folder_that_vanishes_is_looked_for_until_it_is_back(pictures: Path) -> None:
    put(pictures, "a.jpg")
    given = WatchedFolderSource(pictures, clock=Clock()).exposures()
    assert [until_pause(given)[0] for _ in range(2)] == [[], ["a.jpg"]]

    shutil.rmtree(pictures)
    lost = [until_pause(given)[1] for _ in range(3)]
    put(pictures, "b.jpg")
    found = [until_pause(given)[0] for _ in range(3)]

    assert {pause.state for pause in lost} == {CaptureState.RECONNECTING}
    assert lost[0].detail == f"the folder {pictures} is not there"
    assert lost[2].wait_s > lost[0].wait_s
    assert found == [[], ["b.jpg"], []]
