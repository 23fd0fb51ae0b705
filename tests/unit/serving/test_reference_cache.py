"""What a replica holds of references, and what it refuses."""

import numpy as np

from inspection.model.reference import Reference, Survey, build_reference
from inspection.serving.reference_cache import Found, ReferenceCache
from inspection.serving.request import Lacking, Refused

CHECKPOINT = "c0" * 32


def reference(seed: int, *, checkpoint_hash: str = CHECKPOINT) -> Reference:
    patches = np.random.default_rng(seed).normal(size=(1, 16, 4)).astype(np.float16)
    survey = Survey(checkpoint_hash=checkpoint_hash, key=str(seed), patches=patches, text=None)
    return build_reference(checkpoint_hash, [survey])


def found(
    cache: ReferenceCache, *references: Reference, files: dict[str, bytes] | None = None
) -> list[Found]:
    hashes = [one.content_hash for one in references]
    answers = cache.found(hashes, files or {})
    return [answers[content_hash] for content_hash in hashes]


def files_of(*references: Reference) -> dict[str, bytes]:
    return {one.content_hash: one.to_bytes() for one in references}


def test_reference_is_lacking_until_its_file_came_along_once() -> None:
    cache, one = ReferenceCache(CHECKPOINT), reference(1)

    (before,) = found(cache, one)
    (with_file,) = found(cache, one, files=files_of(one))
    (after,) = found(cache, one)

    assert before == Lacking(reference=one.content_hash)
    assert isinstance(with_file, Reference)
    assert with_file.content_hash == one.content_hash
    assert after is with_file


def test_least_recently_used_reference_is_let_go_when_there_are_too_many() -> None:
    cache = ReferenceCache(CHECKPOINT, count_limit=2)
    first, second, third = (reference(seed) for seed in range(3))
    found(cache, first, second, files=files_of(first, second))
    found(cache, first)

    found(cache, third, files=files_of(third))

    held = [isinstance(one, Reference) for one in found(cache, first, second, third)]
    assert held == [True, False, True]


def test_references_are_let_go_when_their_files_have_too_many_bytes() -> None:
    first, second, third = (reference(seed) for seed in range(3))
    size_bytes = len(first.to_bytes())
    cache = ReferenceCache(CHECKPOINT, bytes_limit=int(2.5 * size_bytes))

    found(cache, first, second, third, files=files_of(first, second, third))

    held = [isinstance(one, Reference) for one in found(cache, first, second, third)]
    assert held == [False, True, True]


def test_call_has_all_references_it_brought_also_when_they_are_too_many_to_hold() -> None:
    cache = ReferenceCache(CHECKPOINT, count_limit=1)
    three = [reference(seed) for seed in range(3)]

    answers = found(cache, *three, files=files_of(*three))

    assert all(isinstance(answer, Reference) for answer in answers)


def test_file_that_is_not_what_its_name_says_is_refused_until_the_right_one_comes() -> None:
    cache, one, other = ReferenceCache(CHECKPOINT), reference(1), reference(2)

    (damaged,) = found(cache, one, files={one.content_hash: other.to_bytes()})
    (lacking,) = found(cache, one)
    (whole,) = found(cache, one, files=files_of(one))

    assert isinstance(damaged, Refused)
    assert (damaged.reason, "damaged" in damaged.detail) == ("reference", True)
    assert isinstance(lacking, Lacking)
    assert isinstance(whole, Reference)


def test_reference_of_another_checkpoint_is_refused_with_a_sentence() -> None:
    foreign = reference(1, checkpoint_hash="d1" * 32)

    (answer,) = found(ReferenceCache(CHECKPOINT), foreign, files=files_of(foreign))

    assert isinstance(answer, Refused)
    assert answer.reason == "reference"
    assert "built with checkpoint d1d1d1d1d1d1, but c0c0c0c0c0c0 is served" in answer.detail
