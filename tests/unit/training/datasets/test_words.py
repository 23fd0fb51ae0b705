import pytest

from inspection.training.datasets.words import Words, plain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("metal_nut", "metal nut"),
        ("gear-wheel", "gear wheel"),
        ("Bottle Cap", "bottle cap"),
        ("macaroni2", "macaroni"),
        ("Woven_001", "woven"),
        ("01", "object"),
        ("__", "object"),
    ],
)
def test_plain_words_have_no_separators_and_no_number(name: str, words: str) -> None:
    assert plain(name) == words


def test_words_that_are_always_the_same_do_not_depend_on_the_category() -> None:
    assert Words(always="colon")("01") == "colon"


def test_special_words_come_before_the_spelling() -> None:
    words = Words(special={"pcb1": "printed circuit board"})

    assert words("pcb1") == "printed circuit board"
    assert words("pipe_fryum") == "pipe fryum"


def test_a_noun_follows_an_adjective() -> None:
    assert Words(noun="texture")("Blotchy_099") == "blotchy texture"
