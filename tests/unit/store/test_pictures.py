"""The picture store: content-addressed, whole or not there."""

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from inspection.domain.ledger import Picture
from inspection.errors import (
    ConfigurationError,
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


def test_full_disk_is_unavailable_and_leaves_no_unfinished_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore(str(tmp_path))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "mv", full)
        with pytest.raises(UnavailableError, match="No space left"):
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


def test_address_of_an_unknown_kind_is_refused_without_its_secrets() -> None:
    with pytest.raises(ConfigurationError, match="nowhere://") as raised:
        PictureStore("nowhere://key:hush@bucket/folder")

    assert "hush" not in str(raised.value)
