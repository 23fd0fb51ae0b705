"""How modules are cut and what they are called."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LINES_BELOW = 350
#: Names that say nothing about what a module holds.
EMPTY_NAMES = {"utils", "util", "helpers", "common", "base", "manager", "service", "misc"}


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((REPOSITORY / folder).rglob("*.py"))


def shown(paths: list[Path]) -> str:
    return ", ".join(str(path.relative_to(REPOSITORY)) for path in paths)


def test_modules_are_short() -> None:
    sizes = {
        path: len(path.read_text().splitlines()) for path in modules("inspection", "migrations")
    }

    long = [path for path, size in sizes.items() if size >= LINES_BELOW]

    assert sizes
    assert not long, f"split by noun: {shown(long)}"


def test_modules_say_their_duty() -> None:
    trees = {path: ast.parse(path.read_text()) for path in modules("inspection", "migrations")}

    silent = [path for path, tree in trees.items() if not ast.get_docstring(tree)]

    assert not silent, f"no docstring: {shown(silent)}"


def test_modules_are_named_after_what_they_hold() -> None:
    paths = list(modules("inspection", "migrations", "tests"))

    empty = [p for p in paths if EMPTY_NAMES & {*p.relative_to(REPOSITORY).with_suffix("").parts}]

    assert not empty, f"take a noun of the glossary: {shown(empty)}"
