"""The Ray Serve application: replicas of the detector, on a local Ray or on a cluster."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from inspection.errors import UnavailableError
from inspection.serving.replica import BATCH_CALLS, Replica

APPLICATION = "inspection"
NAMESPACE = "inspection"

#: Calls a replica may have at once: one batch computing, one decoding, one waiting.
ONGOING_CALLS = 3 * BATCH_CALLS

#: Shared memory for calls on a local Ray, in bytes; the window of an inspector fits many times.
OBJECT_STORE_BYTES = 128 * 2**20


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """How replicas are made."""

    #: Checkpoint folder or `pocket`.
    checkpoint: str = "pocket"
    #: Where its backbone is (folder, file or repository); None for where the checkpoint says.
    backbone: str | None = None
    #: Where its text tower is, likewise.
    text: str | None = None
    #: Folder for encoded sentences, which replicas may share; None to encode them anew.
    cache: str | None = None
    #: `cpu`, `cuda` or `mps`.
    device: str = "cpu"
    replicas: int = 1
    #: CPU threads of each replica.
    threads: int = 1
    #: Largest picture that is decoded, in pixels.
    picture_limit_px: int = 64_000_000


def build(arguments: dict[str, str | int | None]) -> serve.Application:
    """Make the application from the `args` of a Ray Serve configuration file.

    Keys are those of `Deployment`.
    """
    deployment = Deployment(**arguments)  # type: ignore[arg-type]
    actor_options = {
        # Never left unset: Ray would give the replica one OpenMP thread.
        "num_cpus": deployment.threads,
        "num_gpus": 1 if deployment.device.startswith("cuda") else 0,
        # Computing threads that wait for one another would spin, on the cores that decoding and
        # the other processes of the line need.
        "runtime_env": {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},
    }
    configured: Callable[[type[Replica]], serve.Deployment] = serve.deployment(
        name="Replica",
        num_replicas=deployment.replicas,
        max_ongoing_requests=ONGOING_CALLS,
        max_queued_requests=4 * ONGOING_CALLS * deployment.replicas,
        ray_actor_options=actor_options,
        health_check_period_s=2,
        health_check_timeout_s=30,
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=10,
    )
    return configured(Replica).bind(**replica_arguments(deployment))


def replica_arguments(deployment: Deployment) -> dict[str, Any]:
    """Return what each replica is made with."""
    values = asdict(deployment)
    del values["replicas"]
    values["sources"] = {name: values.pop(name) for name in ("backbone", "text", "cache")}
    return values


def start_local_ray(*, temporary_dir: Path, cpus: int) -> str:
    """Start a Ray of our own on this machine and return its address.

    Args:
        temporary_dir: for Ray's sockets and logs; a short path (sockets allow 107 characters).
        cpus: what Ray may plan with; at least what the replicas ask for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's announcements of its own future defaults
        ray.init(
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(temporary_dir),
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
        )
    address: str = ray.get_runtime_context().gcs_address
    return address


def connect(address: str) -> None:
    """Join the Ray at `address`.

    Raises:
        UnavailableError: nothing answers there.
    """
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            ignore_reinit_error=True,
        )
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        raise UnavailableError(f"no Ray answers at {address}: {error}") from error


def deploy(deployment: Deployment) -> None:
    """Bring the replicas up and wait until they can be called.

    Raises:
        UnavailableError: Ray Serve could not start them.
    """
    serve.start(proxy_location="Disabled")
    try:
        serve.run(build(asdict(deployment)), name=APPLICATION, route_prefix=None)
    except RuntimeError as error:
        raise UnavailableError(f"Ray Serve could not start the replicas: {error}") from error


def handle() -> DeploymentHandle[Replica]:
    """Return the handle that calls go through.

    Raises:
        UnavailableError: the application is not deployed.
    """
    try:
        return serve.get_app_handle(APPLICATION)
    except serve.exceptions.RayServeException as error:
        raise UnavailableError(f"the detector is not served: {error}") from error


def stop_local_ray() -> None:
    """Take the application and our own Ray down."""
    if ray.is_initialized():
        serve.shutdown()
    ray.shutdown()


def device(setting: str) -> str:
    """Return the device of a replica; `auto` takes a GPU if the Ray we joined has one."""
    if setting != "auto":
        return setting
    return "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
