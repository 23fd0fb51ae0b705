"""What this machine itself must have: settings that go together, disk, limits."""

import resource
import shutil

from inspection.errors import ConfigurationError, UnavailableError
from inspection.settings import Settings
from inspection.settings.preparation import prepare_data_dir

#: Less free disk than this is a fault, in bytes.
FREE_LIMIT_BYTES = 2 * 2**30

#: Files and connections that a process must be allowed to have open.
OPEN_FILES = 1024


def settings_set(settings: Settings) -> str:
    """See that what is set goes together."""
    if settings.ray_address is not None and settings.redis_url is None:
        raise ConfigurationError(
            "INSPECTION_RAY_ADDRESS names a cluster, but the stream server is the embedded one of "
            "this machine: set INSPECTION_REDIS_URL and INSPECTION_DATABASE_URL as well"
        )
    streams = "embedded" if settings.redis_url is None else "by INSPECTION_REDIS_URL"
    database = "SQLite" if settings.database.startswith("sqlite") else "PostgreSQL"
    replicas = "on this machine" if settings.ray_address is None else "on a cluster"
    return f"streams {streams}, {database}, replicas {replicas}"


def disk(settings: Settings) -> str:
    """See that the data directory can be written and has room."""
    prepare_data_dir(settings)
    folder = settings.data_dir.absolute()
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < FREE_LIMIT_BYTES:
        raise UnavailableError(
            f"{free_bytes / 2**30:.1f} GiB are free at {folder}: make room, or set "
            "INSPECTION_DATA_DIR to another disk"
        )
    return f"{free_bytes / 2**30:.0f} GiB free at {folder}"


def limits(settings: Settings) -> str:
    """See that processes may open enough files."""
    del settings
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        raise ConfigurationError(
            f"a process may have {soft} files open, Ray and the cameras need {OPEN_FILES}: run "
            f"`ulimit -n {OPEN_FILES}` before the program, or raise the limit of the service"
        )
    return f"{soft} open files of {hard}"
