"""The interface as a whole."""

from inspection.domain.access import Role
from tests.integration.api.conftest import Client


def test_unknown_path_of_the_interface_is_a_problem_and_not_a_page(client: Client) -> None:
    answer = client(Role.VIEWER).get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Not Found"
