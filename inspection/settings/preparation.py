"""What a process makes of its settings before it starts: folders, environments of children, Ray."""

import os
import secrets
from contextlib import suppress
from tempfile import TemporaryFile

from inspection.errors import ConfigurationError
from inspection.settings import PREFIX, Settings


def child_environment(settings: Settings, *, redis_url: str) -> dict[str, str]:
    """Return the environment of child processes: this one's, with exactly these settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    children = settings.model_copy(
        update={
            "data_dir": settings.data_dir.absolute(),
            "redis_url": redis_url,
            "database_url": settings.database,
            "log_format": "json",
        }
    )
    values = {name: getattr(children, name) for name in Settings.model_fields}
    return others | {
        PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None
    }


def prepare_data_dir(settings: Settings) -> None:
    """Make the data directory, and see that it can be written.

    Raises:
        ConfigurationError: it cannot be made or written.
    """
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.run_dir):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"INSPECTION_DATA_DIR: {settings.data_dir.absolute()} cannot be written "
            f"({error.strerror}); name a folder that this user may write"
        ) from error


def prepare_ray(settings: Settings) -> None:
    """Set the environment Ray reads when it is imported; what is set already stays.

    Ray listens on all interfaces, so its token authentication is always on: the token is made
    once and kept, readable for this user only, with what else lives while processes run.

    Raises:
        ConfigurationError: the data directory cannot be written.
    """
    prepare_data_dir(settings)
    token = settings.run_dir / "ray-token"
    with suppress(FileExistsError):
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    # Ray would run replicas at the lowest priority (15), behind everything else on the machine.
    os.environ.setdefault("RAY_worker_niceness", "0")
    if "RAY_AUTH_TOKEN" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token))
