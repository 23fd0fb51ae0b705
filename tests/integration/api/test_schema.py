"""Schemathesis asks every operation of the document whatever comes to its mind, with a real key.

No answer may be a 500, have a status or media type that the document does not declare, or a body
that is not as it says. `make fuzz-api` asks more (FUZZ_EXAMPLES of each operation, other ones each
time).
"""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_asgi
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from inspection.api.app import PREFIX, create_app
from inspection.api.gate import Doorkeeper
from inspection.api.installation import Installation
from inspection.cli.trial import ChannelTrial
from inspection.domain.access import Permission
from inspection.domain.channel import Channel
from inspection.domain.inspection import Verdict
from inspection.domain.recipe import Recipe
from inspection.errors import DeliveryError
from inspection.store import ledger, lines, recipes, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.stream.connection import connect
from tests import factories
from tests.factories import NOON
from tests.integration.api.conftest import QUICK, add_key

#: Examples of each operation; those of CI are always the same.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
IS_FUZZING = "FUZZ_EXAMPLES" in os.environ

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

#: What is there, by the name of the parameter that names it; half of the requests ask for that.
THERE: dict[str, Any] = {
    "line": "line-1",
    "station": "station-1",
    "camera": "cam-1",
    "product": "washer",
    "channel": "log",
    "rule": "ng",
    "user": "engineer",
    "shift": "early",
}
#: Rows are counted from here.
FIRST_ID = 1


def document() -> dict[str, Any]:
    """Return the document; it asks no server."""
    database = Database.open("postgresql://nobody@localhost/none")
    installation = Installation(
        database=database,
        pictures=PictureStore("/nowhere"),
        gate=Doorkeeper(database, lambda: NOON),
        clock=lambda: NOON,
    )
    interface: Any = next(
        route for route in create_app(installation).routes if getattr(route, "path", "") == PREFIX
    )
    described: dict[str, Any] = interface.app.openapi()
    return described


def operations() -> list[str]:
    """Return `METHOD path` of every operation whose answer ends."""
    return sorted(
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if "text/event-stream" not in str(operation["responses"])
    )


class Deaf(ChannelTrial):
    """Tries nothing out in the world: what schemathesis thinks up may be there."""

    def send(self, channel: Channel) -> None:
        raise DeliveryError(f"channel {channel.name} is deaf", is_permanent=True)


@pytest.fixture(scope="module")
def installation(
    migrated_sqlite: Path, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("schema")
    file = folder / "inspection.sqlite"
    file.write_bytes(migrated_sqlite.read_bytes())
    with closing(Database.open(f"sqlite:///{file}")) as database, connect(redis_url) as streams:
        _fill(database)
        yield Installation(
            database=database,
            pictures=PictureStore(str(folder / "pictures")),
            gate=Doorkeeper(database, lambda: NOON),
            clock=lambda: NOON,
            passwords=QUICK,
            redis_url=redis_url,
            streams=streams,
            trial=Deaf(),
            checkpoint="pocket",
            journal_dir=folder / "journals",
        )


@pytest.fixture(scope="module")
def schema(installation: Installation) -> Any:
    return from_asgi(f"{PREFIX}/openapi.json", create_app(installation))


@pytest.fixture(scope="module")
def session(schema: Any) -> Iterator[Any]:
    """One client for all requests: making one costs more than asking."""
    with asgi.get_client(schema.app) as client:
        yield client


@pytest.fixture(scope="module")
def key(installation: Installation) -> dict[str, str]:
    _, text = add_key(installation, *Permission, name="key-of-this-test")
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("operation", operations())
@pytest.mark.timeout(600 if IS_FUZZING else 60)
def test_operation_answers_as_the_document_says(
    operation: str, schema: Any, session: Any, key: dict[str, str]
) -> None:
    method, _, path = operation.partition(" ")
    described = schema[path][method]
    cases = st.one_of(
        *(described.as_strategy(generation_mode=mode) for mode in GenerationMode if mode)
    )

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=not IS_FUZZING,
        phases=[Phase.generate, Phase.shrink] if IS_FUZZING else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.booleans())
    def asked(case: schemathesis.Case, is_there: bool) -> None:
        if is_there:
            _aim(case)
        case.call_and_validate(checks=CHECKS, headers=key, session=session)

    asked()


def _aim(case: schemathesis.Case) -> None:
    """Have a request ask for what is there."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = THERE.get(name.partition(":")[0], FIRST_ID)
    if any(header.lower() == "if-match" for header in case.headers or {}):
        case.headers["If-Match"] = "*"


def _fill(database: Database) -> None:
    site = factories.site(
        cameras=(
            factories.camera(source=factories.source(kind="push")),
            factories.camera(name="cam-2", station="station-2"),
        )
    )
    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")
        thresholds.set_threshold(
            connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
        )
        recipe = Recipe(product="washer", defects=("with a crack",))
        recipes.set_recipe(connection, "line-1", recipe, at=NOON, by="test", reason="first")
    for number in range(1, 6):
        verdict = Verdict.NG if number / 6 > 0.5 else Verdict.OK
        entry = factories.inspected(
            sequence_number=number,
            captured_at=NOON - timedelta(minutes=number),
            score=number / 6,
            verdict=verdict,
        )
        with database.write() as connection:
            ledger.record(connection, [entry], at=NOON)
