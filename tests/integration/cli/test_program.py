"""The program keeps its embedded server running as well."""

from pathlib import Path

import pytest
import redis

from inspection.cli.program import Program
from inspection.cli.supervisor import Supervisor
from inspection.settings import Settings
from inspection.store.database import Database
from inspection.stream.embedded import EmbeddedServer
from tests import servers

pytestmark = pytest.mark.timeout(120)


def test_valkey_that_cannot_start_is_tried_again_and_does_not_end_the_program(
    tmp_path: Path,
) -> None:
    valkey = EmbeddedServer(tmp_path / "valkey")
    with redis.Redis.from_url(valkey.start()) as client:
        client.set("kept", "frame")
        program = Program(
            settings=Settings(data_dir=tmp_path),
            database=Database.open(f"sqlite:///{tmp_path}/inspection.sqlite"),
            streams=client,
            supervisor=Supervisor(environment={}, run_dir=tmp_path, log_dir=tmp_path),
            embedded=valkey,
            url="http://127.0.0.1:8080",
        )
        manifest = next((tmp_path / "valkey").rglob("*.manifest"))
        whole = manifest.read_bytes()
        valkey.stop()

        manifest.write_bytes(b"nonsense")
        program.tend()
        assert not valkey.is_running
        manifest.write_bytes(whole)
        servers.wait_until(lambda: program.tend() or valkey.is_running)

        assert client.get("kept") == b"frame"
        valkey.stop()
