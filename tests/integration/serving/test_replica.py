"""A replica without Ray: where it finds the parts of its detector, and what it keeps."""

import shutil
from pathlib import Path

import pytest

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError
from inspection.serving.application import Deployment, replica_arguments
from inspection.serving.replica import Replica
from inspection.serving.request import Request, Scored
from tests.integration.serving.conftest import png
from tests.tiny import save_tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint whose backbone and text tower were put elsewhere, into `parts`."""
    folder = save_tiny(tmp_path / "checkpoint")
    (tmp_path / "parts").mkdir()
    for part in ("backbone", "text"):
        shutil.move(folder / part, tmp_path / "parts" / part)
    return folder


def answers(replica: Replica) -> list[Scored]:
    request = Request(payload=png(1), recipe=Recipe(product="nut", defects=("with a crack",)))
    scored = replica._scorer.score([request], replica._scorer.decode([request]))
    return [answer for answer in scored if isinstance(answer, Scored)]


def test_replica_finds_the_parts_where_they_are_and_keeps_encoded_sentences(
    checkpoint: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    deployment = Deployment(
        checkpoint=str(checkpoint),
        backbone=str(tmp_path / "parts" / "backbone"),
        text=str(tmp_path / "parts" / "text"),
        cache=str(cache),
    )

    first = answers(Replica(**replica_arguments(deployment)))
    kept = {path: path.read_bytes() for path in (cache / "prompts").iterdir()}
    second = answers(Replica(**replica_arguments(deployment)))

    assert len(first) == len(kept) == 1
    assert second == first
    assert {path: path.read_bytes() for path in (cache / "prompts").iterdir()} == kept


def test_replica_that_is_not_told_where_the_parts_are_says_what_is_missing(
    checkpoint: Path,
) -> None:
    deployment = Deployment(checkpoint=str(checkpoint))

    with pytest.raises(CheckpointError, match="backbone"):
        Replica(**replica_arguments(deployment))
