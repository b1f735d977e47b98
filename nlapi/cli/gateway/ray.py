"""`nlapi gateway ray`: let a Ray cluster run the versions of a shard."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from nlapi.cli.options import option, options_of
from nlapi.cli.render import console
from nlapi.errors import UsageError, require_extra

if TYPE_CHECKING:
    from nlapi.gateway.ray.cluster import Scale

EXAMPLES = """nlapi gateway token ray --for host --token-file host.token
nlapi gateway ray --shard ranking --token file:host.token
nlapi gateway ray --shard ranking --token file:/run/secrets/host.token --replicas 1-4 --calls 8 --listen 0.0.0.0"""

_RAY_TOKEN_FILE = Path(".ray", "auth_token")
"""where Ray keeps the token of its cluster, in the user's home"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySetup:
    """The options of `nlapi gateway ray`."""

    shard: Annotated[str, option("--shard NAME", "The shard (protocol `ray`) whose versions the cluster runs.")]
    gateway: Annotated[
        list[str] | None,
        option("--gateway URL", "A gateway, at every address its name resolves to. Default: http://127.0.0.1:8700."),
    ] = None
    token: Annotated[
        str,
        option("--token REFERENCE", "The gateway's token for hosts: env:NAME or file:PATH, here and on Ray's nodes."),
    ] = "env:NLAPI_HOST_TOKEN"  # noqa: S105 - where the token is, and not the token
    dashboard: Annotated[str, option("--ray URL", "The dashboard of Ray's head node.")] = "http://127.0.0.1:8265"
    ray_token: Annotated[
        str | None,
        option(
            "--ray-token REFERENCE", "Ray's token: env:NAME or file:PATH. Default: RAY_AUTH_TOKEN, then Ray's file."
        ),
    ] = None
    name: Annotated[str | None, option("--name", "A unique name for the cluster. Default: machine and port.")] = None
    listen: Annotated[
        str, option("--listen ADDRESS", "The address that replicas listen on: one for all nodes, or 0.0.0.0.")
    ] = "127.0.0.1"
    proxy_port: Annotated[
        int, option("--proxy-port PORT", "The port of Ray's own proxy, which nobody calls.", min=1, max=65535)
    ] = 8000
    replicas: Annotated[
        str, option("--replicas N|LEAST-MOST", "Replicas of each version; with two numbers, as many as calls need.")
    ] = "1"
    calls: Annotated[
        float, option("--calls N", "Calls in flight of a replica, above which Ray starts another one.", min=0.1)
    ] = 4
    cpus: Annotated[float, option("--cpus N", "Cores that Ray reserves for a replica.", min=0)] = 1
    gpus: Annotated[float, option("--gpus N", "GPUs that Ray reserves for a replica.", min=0)] = 0
    data: Annotated[
        Path | None,
        option("--data DIR", "A folder on each node for the content of versions. Default: a temporary one."),
    ] = None


@options_of(RaySetup, "setup")
def ray(setup: RaySetup) -> None:
    """Let a Ray cluster run the versions of a shard.

    It deploys what gateways demand, each version as an application of its own, and tells the gateways where the
    replicas are. Replicas are called directly, and go on serving when this command, the gateways or Ray's head end.
    Start Ray with RAY_SERVE_ENABLE_DIRECT_INGRESS=1 and RAY_SERVE_COLLECT_AUTOSCALING_METRICS_ON_HANDLE=0, and nlapi
    installed on its nodes.
    """
    from nlapi.gateway.control.codec import slug
    from nlapi.gateway.ray.cluster import RayCluster
    from nlapi.gateway.ray.gateways import HostIdentity
    from nlapi.gateway.ray.reconciler import RayReconciler
    from nlapi.gateway.shards.secret_references import SecretReference

    require_extra("gateway", "`nlapi gateway ray`")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    gateways = tuple(setup.gateway or ["http://127.0.0.1:8700"])
    for address in (*gateways, setup.dashboard):
        _check_url(address)
    shard = slug(setup.shard)
    secret = SecretReference(_reference(setup.token, "--token"), os.environ)
    try:
        secret.read()  # at once: an error in the option must not end as a heartbeat that is refused
    except UsageError as error:
        hint = "make one with `nlapi gateway token ray --for host --token-file FILE`, and give --token file:FILE"
        raise UsageError(error.message, hint=hint) from None
    ray_reference = setup.ray_token or _ray_reference()
    ray_secret = SecretReference(_reference(ray_reference, "--ray-token"), os.environ) if ray_reference else None
    cluster = RayCluster(
        url=setup.dashboard.rstrip("/"),
        shard=shard,
        read_token=ray_secret.read if ray_secret else None,
        listen=setup.listen,
        proxy_port=setup.proxy_port,
        scale=_scale(setup),
        gateways=gateways,
        token=setup.token,
        data=str(setup.data) if setup.data else "",
    )
    identity = HostIdentity(name=setup.name or _default_name(setup.dashboard), read_token=secret.read)
    console.note(f"connecting shard {shard} with {setup.dashboard} until Ctrl-C; versions go on after it")
    try:
        asyncio.run(RayReconciler(cluster, identity).run())
    except KeyboardInterrupt:
        return


def _scale(setup: RaySetup) -> Scale:
    from nlapi.gateway.ray.cluster import Scale

    match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", setup.replicas)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise UsageError(f"--replicas {setup.replicas} is no number of replicas", hint="such as 2, or 1-4")
    return Scale(least=least, most=most, calls=setup.calls, cpus=setup.cpus, gpus=setup.gpus)


def _reference(text: str, name: str) -> str:
    from nlapi.gateway.shards.secret_references import is_reference

    if not is_reference(text):
        hint = "env:NAME or file:PATH; a token itself would stand in `ps`"
        raise UsageError(f"{name} is not a reference", hint=hint)
    return text


def _ray_reference() -> str:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "env:RAY_AUTH_TOKEN"
    file = Path.home() / _RAY_TOKEN_FILE
    return f"file:{file}" if file.is_file() else ""


def _check_url(url: str) -> None:
    hint = "such as http://127.0.0.1:8700"
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise UsageError("a URL has a credential in it", hint=hint)
    try:
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port above 65535
        is_address = False
    if not is_address or parts.query:
        raise UsageError(f"{url!r} is not an http or https URL", hint=hint)


def _default_name(dashboard: str) -> str:
    # Two clusters of one machine have two dashboards.
    name = f"{socket.gethostname()}-{urlsplit(dashboard).port or 80}"
    return re.sub(r"[^A-Za-z0-9-]", "-", name)[:80].strip("-")
