"""The settings of a process: INSPECTION_* environment variables, read once and checked.

Secrets may be files: `INSPECTION_REDIS_URL_FILE=/run/secrets/redis` is read for
`INSPECTION_REDIS_URL`. An unknown INSPECTION_* variable or a malformed value stops the process.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from inspection.domain.evidence import Limits
from inspection.errors import ConfigurationError

PREFIX = "INSPECTION_"

#: Settings that may be given as a file.
SECRETS = ("redis_url", "database_url", "audit_key", "oidc_client_secret")


class Settings(BaseModel):
    """What can be set from outside; everything else is a constant beside its use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: str | None = Field(
        default=None,
        description="Redis >= 7 or Valkey >= 8 that carries the frames; "
        "unset: an embedded Valkey below the data directory",
    )
    database_url: str | None = Field(
        default=None,
        description="PostgreSQL >= 15 (`postgresql://…`) or SQLite (`sqlite:///…`); "
        "unset: a SQLite file below the data directory",
    )
    audit_key: str | None = Field(
        default=None,
        description="Secret that the audit is sealed with, the same for every process: 32 "
        "characters or more; former ones after a comma. Unset: a file below the data directory",
    )
    picture_url: str | None = Field(
        default=None,
        description="Where pictures are kept: a folder or an fsspec URL (`s3://bucket/path`); "
        "unset: a folder below the data directory",
    )
    data_dir: Path = Field(
        default=Path("inspection-data"),
        description="Folder for everything this program keeps on this machine",
    )
    checkpoint: str = Field(
        default="pocket", description="Checkpoint folder, or `pocket` for the one in the package"
    )
    backbone: str | None = Field(
        default=None,
        description="Where the checkpoint's backbone is on this machine (folder, file or "
        "repository); unset: where the checkpoint says",
    )
    text_tower: str | None = Field(
        default=None,
        description="Where the checkpoint's text tower is on this machine; unset: where the "
        "checkpoint says",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="Where replicas compute: `auto` (a GPU if there is one), `cpu`, `cuda`, `mps`",
    )
    replicas: int = Field(default=1, ge=1, le=256, description="Replicas of the detector")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="CPU threads of a replica; unset: the machine's cores shared by the replicas",
    )
    ray_address: str | None = Field(
        default=None,
        description="Address of a Ray cluster to serve on; unset: a local Ray for this program",
    )
    webhook_hosts: str | None = Field(
        default=None,
        description="Hosts that are not on the public internet and yet may be posted to: names, "
        "addresses or networks with commas between them; unset: none",
    )
    entry_limit_mb: float = Field(
        default=32, gt=0, le=512, description="Largest encoded picture that is taken, in MB"
    )
    picture_limit_mp: float = Field(
        default=64, gt=0, le=170, description="Largest picture that is decoded, in megapixels"
    )
    dead_letter_mb: float = Field(
        default=64,
        gt=0,
        le=65536,
        description="Bytes of uninspected frames kept for each camera in its dead-letter stream, "
        "in MB; the oldest go first",
    )
    metrics_address: str | None = Field(
        default=None,
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):\d{1,5}$",
        description="Where the alerter serves /metrics for Prometheus, `127.0.0.1:9464`; "
        "unset: nowhere",
    )
    api_address: str | None = Field(
        default=None,
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):\d{1,5}$",
        description="Where `inspection api` listens, `0.0.0.0:8443`; unset: 127.0.0.1:8080, and "
        "for `up` and `demo` a free port where that one is taken",
    )
    api_certificate: Path | None = Field(
        default=None, description="PEM file of the interface's TLS certificate; unset: no TLS"
    )
    api_certificate_key: Path | None = Field(
        default=None, description="PEM file of its key; unset: it is in the certificate's file"
    )
    api_proxies: str | None = Field(
        default=None,
        description="Addresses or networks of proxies, with commas between them, whose "
        "X-Forwarded-For and X-Forwarded-Proto are believed; unset: nobody's",
    )
    keep_days: float = Field(
        default=365, ge=1, le=36_500, description="Days after which rows of inspections go"
    )
    keep_ok_days: float = Field(
        default=30,
        gt=0,
        le=36_500,
        description="Days after which pictures and maps of OK inspections go",
    )
    keep_ng_days: float = Field(
        default=365, gt=0, le=36_500, description="Days after which all other pictures and maps go"
    )
    keep_gb: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="What pictures and maps together may have, in GB; unset: what the disk holds",
    )
    disk_reserve_gb: float = Field(
        default=2,
        ge=0,
        le=100_000,
        description="Free space on the disk of the pictures that they never use, in GB",
    )
    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect provider where users may sign in; unset: none"
    )
    oidc_client_id: str | None = Field(default=None, description="What it calls this program")
    oidc_client_secret: str | None = Field(default=None, description="What it knows us by")
    oidc_role_claim: str = Field(
        default="groups", description="Claim with what a user is; dots lead into it"
    )
    oidc_roles: str | None = Field(
        default=None,
        description="Role of each value of it, `plant-admins=administrator,*=viewer`; others may "
        "not sign in",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Log records for people (`console`) or machines (`json`)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level of log records shown"
    )

    @property
    def database(self) -> str:
        """URL of the database, also when none was set."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'inspection.sqlite'}"

    @property
    def pictures(self) -> str:
        """URL of the picture store, also when none was set."""
        return self.picture_url or str(self.data_dir.absolute() / "pictures")

    @property
    def allowed_webhook_hosts(self) -> tuple[str, ...]:
        """The hosts of `webhook_hosts`."""
        names = (name.strip() for name in (self.webhook_hosts or "").split(","))
        return tuple(name for name in names if name)

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """The addresses and networks of `api_proxies`."""
        names = (name.strip() for name in (self.api_proxies or "").split(","))
        return tuple(name for name in names if name)

    @field_validator("api_proxies")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        for name in (value or "").split(","):
            if name.strip():
                ip_network(name.strip())
        return value

    @property
    def limits(self) -> Limits:
        """How long and how much is kept."""
        return Limits(
            rows=timedelta(days=self.keep_days),
            ok_evidence=timedelta(days=self.keep_ok_days),
            other_evidence=timedelta(days=self.keep_ng_days),
            budget_bytes=None if self.keep_gb is None else int(self.keep_gb * 2**30),
            reserve_bytes=int(self.disk_reserve_gb * 2**30),
        )

    @property
    def journals(self) -> Path:
        """Folder of the cameras' journals."""
        return self.data_dir.absolute() / "journals"

    @property
    def cache_dir(self) -> Path:
        """Folder of what can be computed again: encoded sentences, features."""
        return self.data_dir.absolute() / "cache"

    @property
    def valkey_dir(self) -> Path:
        """Folder of the embedded Valkey."""
        return self.data_dir.absolute() / "valkey"

    @property
    def run_dir(self) -> Path:
        """Folder of what lives only while processes run: pid files, the local Ray's address."""
        return self.data_dir.absolute() / "run"

    @property
    def ray_address_file(self) -> Path:
        """Where the local Ray's address stands while its replicas can be called."""
        return self.run_dir / "ray-address"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Build the settings of this process.

    Args:
        environment: variables to read; the process's own when None.

    Raises:
        ConfigurationError: a variable is unknown or malformed, or a secret's file is unreadable.
    """
    given = dict(os.environ if environment is None else environment)
    values: dict[str, str] = {}
    for variable, value in given.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        secret = name.removesuffix("_file")
        if name.endswith("_file") and secret in SECRETS:
            values[secret] = _not_empty(variable, _file_content(variable, value))
        elif name in Settings.model_fields:
            values.setdefault(name, _not_empty(variable, value))
        else:
            known = ", ".join(PREFIX + field.upper() for field in Settings.model_fields)
            raise ConfigurationError(f"{variable} is not a setting; the settings are {known}")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise ConfigurationError(f"{name}: {first['msg']} (is {first['input']!r})") from error


def _not_empty(variable: str, value: str) -> str:
    # Taken for "not set", an empty address would let a plant run on embedded servers unnoticed.
    if not value:
        raise ConfigurationError(f"{variable} is empty; give it a value, or unset it")
    return value


def _file_content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{variable}: cannot read {path!r} ({error.strerror}); give a readable file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{variable}: {path!r} is not a text file in UTF-8") from error
