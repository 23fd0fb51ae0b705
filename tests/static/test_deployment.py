"""The files that deploy the product name things that exist."""

import importlib
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from inspection.serving.application import Deployment, build
from inspection.settings import PREFIX, SECRETS, Settings

REPOSITORY = Path(__file__).parents[2]
#: Services and their commands.
PROCESSES = {
    "serve": "serve",
    "inspector": "inspector",
    "learner": "reference learn",
    "alerter": "alerter",
    "keeper": "keeper",
    "api": "api",
    "capture": "capture",
}


@pytest.fixture(scope="module")
def serve_config() -> ServeDeploySchema:
    text = (REPOSITORY / "deploy" / "serve.yaml").read_text()
    return ServeDeploySchema.model_validate(yaml.safe_load(text))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker" / "compose.yaml").read_text())
    return loaded


def test_serve_config_builds_the_application_with_arguments_it_has(
    serve_config: ServeDeploySchema,
) -> None:
    (application,) = serve_config.applications

    module, _, name = application.import_path.partition(":")
    assert getattr(importlib.import_module(module), name) is build
    assert {*application.args} <= {field.name for field in fields(Deployment)}


def test_compose_runs_every_process(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert services.keys() >= PROCESSES.keys()
    assert all(services[name]["command"] == command for name, command in PROCESSES.items())


def test_compose_keeps_frames_in_a_redis_that_neither_forgets_nor_evicts(
    compose: dict[str, Any],
) -> None:
    command = compose["services"]["redis"]["command"]

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_deployment_files_use_settings_that_exist() -> None:
    files = [path for name in ("docker", "deploy") for path in (REPOSITORY / name).rglob("*")]
    used = {word for path in files for word in re.findall(rf"\b{PREFIX}[A-Z_]+", path.read_text())}
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}

    assert used
    assert used <= known
