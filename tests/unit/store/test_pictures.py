"""The picture store: content-addressed, whole or not there."""

import errno
import hashlib
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspection.domain.ledger import Picture
from inspection.errors import (
    ConfigurationError,
    FullError,
    NotFoundError,
    PictureError,
    UnavailableError,
)
from inspection.store.pictures import PictureStore
from tests import factories

PAYLOAD = factories.jpeg()
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


def kept(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.fixture(params=["folder", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    """A store in a folder, in a folder given as address, and on an object store."""
    urls = {
        "folder": str(tmp_path / "pictures"),
        "file": f"file://{tmp_path}/pictures",
        "memory": f"memory://{tmp_path}",
    }
    return PictureStore(urls[request.param])


def test_picture_comes_back_as_it_was_kept(store: PictureStore) -> None:
    picture = store.put(PAYLOAD, "image/jpeg")

    assert picture == Picture(sha256=SHA256, media_type="image/jpeg", size_bytes=len(PAYLOAD))
    assert store.get(picture) == PAYLOAD


def test_picture_that_is_not_there_is_not_found(store: PictureStore) -> None:
    with pytest.raises(NotFoundError, match="abab"):
        store.get(factories.picture())


def test_picture_kept_again_is_one_file(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))

    for _ in range(2):
        store.put(PAYLOAD, "image/jpeg")

    assert kept(tmp_path) == [f"{SHA256[:2]}/{SHA256[2:4]}/{SHA256}.jpg"]


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [("image/jpeg", "jpg"), ("image/png", "png"), ("application/octet-stream", "bin")],
)
def test_file_is_named_after_its_kind(tmp_path: Path, media_type: str, suffix: str) -> None:
    PictureStore(str(tmp_path)).put(PAYLOAD, media_type)

    assert kept(tmp_path)[0].endswith(f"{SHA256}.{suffix}")


def test_file_that_a_power_failure_emptied_is_written_again(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))
    picture = store.put(PAYLOAD, "image/jpeg")
    (tmp_path / kept(tmp_path)[0]).write_bytes(b"")

    store.put(PAYLOAD, "image/jpeg")

    assert store.get(picture) == PAYLOAD


def test_damaged_picture_is_not_given_out(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))
    picture = store.put(PAYLOAD, "image/jpeg")
    (tmp_path / kept(tmp_path)[0]).write_bytes(b"x" * len(PAYLOAD))

    with pytest.raises(PictureError, match="damaged"):
        store.get(picture)


def test_store_whose_folder_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "pictures").touch()
    store = PictureStore(str(tmp_path / "pictures"))

    with pytest.raises(UnavailableError, match="does not take pictures"):
        store.put(PAYLOAD, "image/jpeg")
    with pytest.raises(UnavailableError, match="does not answer"):
        store.get(factories.picture())


def test_full_disk_says_so_and_leaves_no_unfinished_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore(str(tmp_path))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "mv", full)
        with pytest.raises(FullError, match="No space left"):
            store.put(PAYLOAD, "image/jpeg")

    assert kept(tmp_path) == []


def test_same_picture_kept_by_several_at_once_is_whole(tmp_path: Path) -> None:
    payload = os.urandom(300_000)
    pictures: list[bytes] = []

    def put() -> None:
        store = PictureStore(str(tmp_path))
        pictures.append(store.get(store.put(payload, "image/png")))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert pictures == [payload] * 8
    assert len(kept(tmp_path)) == 1


def test_reserve_is_left_alone_and_known_pictures_need_no_room(tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    known = PictureStore(str(tmp_path)).put(PAYLOAD, "image/jpeg")
    store = PictureStore(str(tmp_path), reserve_bytes=2 * free_bytes)

    with pytest.raises(FullError, match="reserve"):
        store.put(b"another", "image/jpeg")

    assert store.put(PAYLOAD, "image/jpeg") == known
    assert len(kept(tmp_path)) == 1


def test_free_bytes_are_those_of_the_disk_the_folder_will_be_on(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path / "not" / "yet"))

    assert store.free_bytes() == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert PictureStore("memory://elsewhere").free_bytes() is None


def now() -> datetime:
    return datetime.now(UTC)


def test_picture_that_nobody_keeps_any_more_is_removed(store: PictureStore) -> None:
    picture = store.put(PAYLOAD, "image/jpeg")

    assert store.remove(picture, before=now() + timedelta(seconds=1))

    with pytest.raises(NotFoundError):
        store.get(picture)
    assert store.remove(picture, before=now())


def test_picture_kept_again_is_young_and_not_removed(store: PictureStore) -> None:
    store.put(PAYLOAD, "image/jpeg")
    before = now()
    if store.folder is not None:
        (file,) = store.folder.rglob("*.jpg")
        os.utime(file, (0, 0))

    picture = store.put(PAYLOAD, "image/jpeg")

    assert not store.remove(picture, before=before - timedelta(seconds=1))
    assert store.get(picture) == PAYLOAD


def test_picture_kept_again_during_its_removal_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore(str(tmp_path))
    picture = store.put(PAYLOAD, "image/jpeg")
    (file,) = tmp_path.rglob("*.jpg")
    os.utime(file, (0, 0))
    rename = Path.rename

    def touched_at_the_last_moment(path: Path, target: Path) -> Path:
        if path.suffix == ".jpg":
            assert store.put(PAYLOAD, "image/jpeg") == picture
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", touched_at_the_last_moment)

    assert not store.remove(picture, before=now() - timedelta(minutes=1))
    assert store.get(picture) == PAYLOAD


def test_picture_kept_again_after_its_file_began_to_go_is_written_anew(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))
    picture = store.put(PAYLOAD, "image/jpeg")
    (file,) = tmp_path.rglob("*.jpg")
    going = file.rename(f"{file}.going")
    os.utime(going, (0, 0))

    store.put(PAYLOAD, "image/jpeg")

    assert not store.remove(picture, before=now() - timedelta(minutes=1))
    assert store.get(picture) == PAYLOAD


def test_removal_that_was_interrupted_is_ended_or_undone(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))
    gone, wanted = store.put(PAYLOAD, "image/jpeg"), store.put(b"wanted", "image/jpeg")
    for file in tmp_path.rglob("*.jpg"):
        os.utime(file.rename(f"{file}.going"), (0, 0))

    assert store.remove(gone, before=now() - timedelta(minutes=1))
    store.restore(wanted)

    assert store.get(wanted) == b"wanted"
    assert len(kept(tmp_path)) == 1


def test_everything_that_is_there_is_listed_but_not_what_is_somebody_elses(
    store: PictureStore,
) -> None:
    pictures = [
        store.put(payload, media_type)
        for payload, media_type in (
            (PAYLOAD, "image/jpeg"),
            (b"png", "image/png"),
            (b"tiff", "application/octet-stream"),
        )
    ]
    if store.folder is not None:
        (store.folder / SHA256[:2] / "readme.txt").write_text("mine")

    found = [picture for some in store.listed() for picture in some]

    assert sorted(found, key=lambda p: p.sha256) == sorted(pictures, key=lambda p: p.sha256)


def test_unfinished_files_of_a_killed_process_are_removed_once_they_are_old(
    tmp_path: Path,
) -> None:
    store = PictureStore(str(tmp_path))
    picture = store.put(PAYLOAD, "image/jpeg")
    (file,) = tmp_path.rglob("*.jpg")
    old, young = (file.with_name(f"{file.name}.{letter * 32}.part") for letter in "ab")
    old.touch()
    young.touch()
    os.utime(old, (0, 0))

    assert store.remove_unfinished(before=now() - timedelta(minutes=5)) == 1
    assert store.remove_unfinished(before=now() - timedelta(minutes=5)) == 0

    assert not old.exists()
    assert young.exists()
    assert store.get(picture) == PAYLOAD


def test_address_of_an_unknown_kind_is_refused_without_its_secrets() -> None:
    with pytest.raises(ConfigurationError, match="nowhere://") as raised:
        PictureStore("nowhere://key:hush@bucket/folder")

    assert "hush" not in str(raised.value)
