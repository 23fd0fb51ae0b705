"""What an inspector knows of the floor."""

from inspection.domain.recipe import LineRecipe, Recipe
from inspection.serving.floor import Floor
from tests import factories
from tests.factories import NOON

CRACKED = Recipe(product="washer", defects=("with a crack",))
CAMERAS = [factories.camera(), factories.camera(name="cam-2", line="line-2")]


def test_frame_has_the_recipe_of_its_cameras_line_and_its_product() -> None:
    recipe = LineRecipe(
        line="line-1", recipe=CRACKED, version=1, set_at=NOON, set_by="ann", reason=""
    )

    floor = Floor(cameras=CAMERAS, recipes=[recipe])

    assert floor.cameras == ["cam-1", "cam-2"]
    assert floor.recipe_of(factories.frame(product="washer")) == CRACKED
    assert floor.recipe_of(factories.frame(product=None)) == Recipe()
    assert floor.recipe_of(factories.frame(camera="cam-2")) == Recipe(product="washer")


def test_frame_has_the_reference_in_force_at_its_station_for_its_product() -> None:
    known = [
        factories.line_reference(version=1, content_hash="aa", is_in_force=False),
        factories.line_reference(version=2, content_hash="bb"),
        factories.line_reference(product="nut", content_hash="cc", is_in_force=False),
    ]

    floor = Floor(cameras=CAMERAS, references=known)

    assert floor.reference_of(factories.frame(product="washer")) == "bb"
    assert floor.reference_of(factories.frame(product="nut")) is None
    assert floor.reference_of(factories.frame(product=None)) is None
    assert floor.reference_of(factories.frame(camera="cam-2")) is None
