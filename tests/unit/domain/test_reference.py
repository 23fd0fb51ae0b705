"""Which reference a frame is scored with."""

from inspection.domain.reference import ReferencePlace, reference_in_force

TOP = ReferencePlace(line="line-1", station="top", product="washer")
GENERAL = ReferencePlace(line="line-1", station="top")
IN_FORCE = {TOP: "aa", GENERAL: "bb"}


def test_frame_has_the_reference_of_its_line_station_and_product() -> None:
    def found(line: str, station: str, product: str | None) -> str | None:
        return reference_in_force(IN_FORCE, line=line, station=station, product=product)

    assert found("line-1", "top", "washer") == "aa"
    assert found("line-2", "top", "washer") is None
    assert found("line-1", "side", "washer") is None
    assert found("line-1", "top", "nut") is None


def test_frame_of_which_nobody_said_what_is_on_it_has_the_reference_of_the_general_product() -> (
    None
):
    found = reference_in_force(IN_FORCE, line="line-1", station="top", product=None)

    assert GENERAL.product == "object"
    assert found == "bb"
