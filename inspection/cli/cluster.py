"""The environment that Ray reads when it is imported."""

import os
import secrets
from contextlib import suppress

from inspection.settings import Settings, prepare_data_dir


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
