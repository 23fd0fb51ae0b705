import threading
from pathlib import Path

import pytest
import structlog
import torch
from safetensors.torch import save_file

from inspection.model.embedding_file import EmbeddingFiles
from inspection.model.prompts import Prompts

PROMPTS = Prompts(normal=("a nut",), anomalous=("a broken nut",))
SHAPE = (24, 2)


@pytest.fixture
def columns() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(4))


def kept(folder: Path) -> Path:
    (path,) = folder.glob("*.safetensors")
    return path


def test_columns_are_found_again_exactly(tmp_path: Path, columns: torch.Tensor) -> None:
    EmbeddingFiles(tmp_path / "texts", tower="t").keep(PROMPTS, columns)

    found = EmbeddingFiles(tmp_path / "texts", tower="t").find(PROMPTS, SHAPE)

    assert found is not None
    assert torch.equal(found, columns)


def test_columns_of_another_tower_or_other_sentences_are_not_found(
    tmp_path: Path, columns: torch.Tensor
) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)

    assert EmbeddingFiles(tmp_path, tower="u").find(PROMPTS, SHAPE) is None
    other = Prompts(normal=("a nut",), anomalous=("a broken nut", "a nut with a crack"))
    assert files.find(other, SHAPE) is None


@pytest.mark.parametrize("place", [10, -1])
def test_damaged_file_is_not_trusted_and_is_replaced(
    tmp_path: Path, columns: torch.Tensor, place: int
) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)
    content = bytearray(kept(tmp_path).read_bytes())
    content[place] ^= 1
    kept(tmp_path).write_bytes(content)

    assert files.find(PROMPTS, SHAPE) is None

    files.keep(PROMPTS, columns)
    assert files.find(PROMPTS, SHAPE) is not None


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_foreign_file_is_not_trusted(tmp_path: Path, columns: torch.Tensor, content: bytes) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)
    kept(tmp_path).write_bytes(content)

    assert files.find(PROMPTS, SHAPE) is None


def test_file_that_does_not_say_whose_it_is_is_not_trusted(
    tmp_path: Path, columns: torch.Tensor
) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)
    path = kept(tmp_path)
    path.unlink()
    save_file({"columns": columns}, path)

    assert files.find(PROMPTS, SHAPE) is None


def test_columns_of_another_shape_are_not_trusted(tmp_path: Path, columns: torch.Tensor) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)

    assert files.find(PROMPTS, (768, 2)) is None


def test_folder_that_cannot_be_written_is_logged_once(
    tmp_path: Path, columns: torch.Tensor
) -> None:
    (tmp_path / "file").write_text("no folder")
    files = EmbeddingFiles(tmp_path / "file" / "texts", tower="t")

    with structlog.testing.capture_logs() as records:
        files.keep(PROMPTS, columns)
        files.keep(PROMPTS, columns)

    assert [record["event"] for record in records] == ["embeddings_not_kept"]
    assert files.find(PROMPTS, SHAPE) is None


def test_several_may_keep_and_find_the_same_columns_at_once(tmp_path: Path) -> None:
    def keep_often() -> None:
        files = EmbeddingFiles(tmp_path, tower="t")
        for _ in range(100):
            files.keep(PROMPTS, torch.ones(SHAPE))

    writers = [threading.Thread(target=keep_often) for _ in range(2)]
    for writer in writers:
        writer.start()
    files = EmbeddingFiles(tmp_path, tower="t")
    found = []
    while any(writer.is_alive() for writer in writers):
        found.append(files.find(PROMPTS, SHAPE) is not None)

    assert found == sorted(found)  # once there, always whole
    assert files.find(PROMPTS, SHAPE) is not None
    assert [path.name for path in tmp_path.iterdir()] == [kept(tmp_path).name]


def test_columns_of_another_precision_are_not_trusted(
    tmp_path: Path, columns: torch.Tensor
) -> None:
    files = EmbeddingFiles(tmp_path, tower="t")
    files.keep(PROMPTS, columns)
    path = kept(tmp_path)
    path.unlink()
    save_file({"columns": columns.bfloat16()}, path, {"key": path.stem})

    assert files.find(PROMPTS, SHAPE) is None
