"""Recipes: versions that are never changed, and refusals."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from inspection.domain.recipe import LineRecipe, Recipe
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import audit, recipes, tables
from inspection.store.database import Database
from tests.factories import NOON

LATER = NOON + timedelta(hours=1)
NUT = Recipe(product="metal nut", defects=("with a crack", "without größere Bohrung"))


def set_recipe(database: Database, recipe: Recipe, *, line: str = "line-1") -> LineRecipe:
    with database.write() as connection:
        return recipes.set_recipe(connection, line, recipe, at=LATER, by="ann", reason="why")


def test_recipe_gets_the_next_version_and_the_newest_counts(site_database: Database) -> None:
    set_recipe(site_database, NUT)

    second = set_recipe(site_database, Recipe(product="metal nut", defects=("with a bent pin",)))

    with site_database.read() as connection:
        assert recipes.list_recipes(connection) == [second]
        assert connection.scalars(select(tables.recipes.c.version)).all() == [1, 2]
    assert second == LineRecipe(
        line="line-1",
        recipe=Recipe(product="metal nut", defects=("with a bent pin",)),
        version=2,
        set_at=LATER,
        set_by="ann",
        reason="why",
    )


def test_recipes_of_every_line_and_product_stand_by_themselves(site_database: Database) -> None:
    of_line_2 = set_recipe(site_database, NUT, line="line-2")
    nut = set_recipe(site_database, NUT)
    board = set_recipe(site_database, Recipe(product="board", defects=("with a crack",)))

    with site_database.read() as connection:
        assert recipes.list_recipes(connection) == [board, nut, of_line_2]
        assert recipes.list_recipes(connection, line="line-2") == [of_line_2]
    assert {nut.version, board.version, of_line_2.version} == {1}


def test_withdrawn_recipe_is_the_newest_version(site_database: Database) -> None:
    set_recipe(site_database, NUT)

    withdrawn = set_recipe(site_database, Recipe(product="metal nut"))

    with site_database.read() as connection:
        assert recipes.list_recipes(connection) == [withdrawn]
    assert (withdrawn.version, withdrawn.recipe.defects) == (2, ())


def test_recipe_is_audited_with_what_it_replaced(site_database: Database) -> None:
    set_recipe(site_database, NUT)
    set_recipe(site_database, Recipe(product="metal nut", defects=("with a bent pin",)))

    with site_database.read() as connection:
        newest, first = audit.list_changes(
            connection, thing="recipe", name="line=line-1 product=metal nut"
        )
    assert newest == audit.Change(
        at=LATER,
        who="ann",
        action="set",
        thing="recipe",
        name="line=line-1 product=metal nut",
        before={"version": 1, "defects": list(NUT.defects)},
        after={"version": 2, "defects": ["with a bent pin"], "reason": "why"},
    )
    assert first.before is None


def test_defects_are_kept_without_superfluous_blanks_and_each_once(
    site_database: Database,
) -> None:
    untidy = Recipe(product="nut", defects=("  with a\ncrack ", "with a crack"))

    assert set_recipe(site_database, untidy).recipe.defects == ("with a crack",)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(product=" ", defects=("with a crack",)), "needs a name"),
        (Recipe(product="nut", defects=(" ",)), "says nothing"),
        (Recipe(product="nut", defects=("a\0b",)), "control characters"),
    ],
)
def test_recipe_that_cannot_be_used_is_refused(
    site_database: Database, recipe: Recipe, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        set_recipe(site_database, recipe)

    with site_database.read() as connection:
        assert recipes.list_recipes(connection) == []


def test_recipe_of_an_unknown_line_is_refused_with_those_there_are(
    site_database: Database,
) -> None:
    there_are = "there is no line 'line-9'; there are: line-1, line-2"

    with pytest.raises(NotFoundError, match=there_are):
        set_recipe(site_database, NUT, line="line-9")
    with site_database.read() as connection, pytest.raises(NotFoundError, match=there_are):
        recipes.list_recipes(connection, line="line-9")


def test_recipes_set_at_the_same_time_all_get_a_version(site_database: Database) -> None:
    def set_some() -> None:
        for _ in range(5):
            set_recipe(site_database, NUT)

    threads = [threading.Thread(target=set_some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with site_database.read() as connection:
        versions = connection.scalars(select(tables.recipes.c.version)).all()
    assert sorted(versions) == list(range(1, 16))
