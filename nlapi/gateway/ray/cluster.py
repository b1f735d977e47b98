"""A Ray cluster by the REST API of Ray Serve: `GET` and `PUT /api/serve/applications/` of its dashboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nlapi.errors import NlapiError
from nlapi.gateway.ray.messages import HostedContent
from nlapi.gateway.ray.replica import DEPLOYMENT, ReplicaSettings

if TYPE_CHECKING:
    import httpx2

APPLICATIONS = "/api/serve/applications/"
BUILDER = "nlapi.gateway.ray.replica:build"
REPLY_TIMEOUT_S = 20.0

_ALL_ADDRESSES = ("", "0.0.0.0", "::")  # noqa: S104 - compared, and not bound to

# A constructor that fails three times will fail again; Ray's own number is 20, and each takes seconds.
CONSTRUCTOR_RETRIES = 3

# Gateways and Envoys limit the calls in flight, by objective and client; Ray's own 5 would refuse what they admit.
MAX_CALLS = 1000

# Ray's own are 30 and 600. A replica is there 3 s after it was asked for, and a shorter lull ends none.
UPSCALE_DELAY_S = 5.0
DOWNSCALE_DELAY_S = 60.0


class RayError(NlapiError):
    """Ray's dashboard did not answer, or refused."""


class AppStatus(StrEnum):
    """The states of an application that decide on something; Ray has more."""

    RUNNING = "RUNNING"
    FAILED = "DEPLOY_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many replicas each version has, and what each takes of its node."""

    least: int = 1
    most: int = 1
    calls: float = 4
    """calls in flight of a replica, above which another one is started"""
    cpus: float = 1
    gpus: float = 0

    def as_json(self) -> dict[str, Any]:
        """Return the part of a deployment's configuration."""
        return {
            **self.number_json(),
            "ray_actor_options": {"num_cpus": self.cpus, "num_gpus": self.gpus},
            "max_ongoing_requests": MAX_CALLS,
            "max_constructor_retry_count": CONSTRUCTOR_RETRIES,
        }

    def number_json(self) -> dict[str, Any]:
        """Return the part of it that says how many replicas there are."""
        if self.least == self.most:
            return {"num_replicas": self.least}
        scaling = {
            "min_replicas": self.least,
            "max_replicas": self.most,
            "target_ongoing_requests": self.calls,
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": DOWNSCALE_DELAY_S,
        }
        return {"autoscaling_config": scaling}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApp:
    """One of our applications as Ray describes it."""

    config: Mapping[str, Any]
    """its configuration, as it was deployed"""
    status: str
    message: str = ""
    endpoints: tuple[str, ...] = ()
    """the URLs of its replicas"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The applications of a cluster: those of our shard by their content, and the configurations of the others."""

    apps: Mapping[HostedContent, RunningApp] = field(default_factory=dict)
    others: tuple[Mapping[str, Any], ...] = ()
    listen: str = ""
    """the address that replicas listen on, as Serve was started; "" while it was not"""


def app_name(shard: str, content: HostedContent) -> str:
    """Return the name of the application of a content on a shard, which is its path too."""
    # Ray takes a path for an application's that begins with the application's: no name is the beginning of another.
    return f"nlapi-{shard}-" + ("shadow-" if content.shadow else "") + content.digest.removeprefix("sha256:")[:24]


def replica_fault(url: str, path: str) -> str:
    """Return the reason why an address is none of a replica with that path; "" when it is one."""
    return "" if re.fullmatch(r"http://[^/?#]+" + re.escape(path), url) else f"is not http://ADDRESS:PORT{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """A Ray cluster whose Serve runs versions, each as an application of its own that is never replaced in place."""

    url: str
    shard: str
    read_token: Callable[[], str] | None
    listen: str
    """the address that replicas listen on"""
    proxy_port: int
    scale: Scale
    gateways: tuple[str, ...]
    token: str
    data: str = ""

    def open(self) -> httpx2.AsyncClient:
        """Return a client of the dashboard."""
        import httpx2

        return httpx2.AsyncClient(base_url=self.url, timeout=REPLY_TIMEOUT_S, trust_env=False)

    async def read(self, client: httpx2.AsyncClient) -> ClusterState:
        """Return what runs. RayError when the dashboard does not say it."""
        details = await self._request(client, "GET")
        try:
            return _parse_state(details, self.shard)
        except (KeyError, TypeError, AttributeError) as error:
            raise RayError("it gave no list of applications", hint="give the address of Ray's dashboard") from error

    async def deploy(
        self, client: httpx2.AsyncClient, contents: Collection[HostedContent], state: ClusterState
    ) -> None:
        """Let exactly these contents run beside the applications of others. RayError when Ray does not take it."""
        ours = [self._application(content, state.apps.get(content)) for content in sorted(contents)]
        document = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": self.listen, "port": self.proxy_port},
            "applications": [*state.others, *ours],
        }
        await self._request(client, "PUT", document)

    def _application(self, content: HostedContent, running: RunningApp | None) -> dict[str, Any]:
        settings = ReplicaSettings(
            digest=content.digest, shadow=content.shadow, gateways=self.gateways, token=self.token, data=self.data
        )
        name = app_name(self.shard, content)
        # A shadow's copies may be late, and need no second replica.
        scale = Scale(cpus=self.scale.cpus, gpus=self.scale.gpus) if content.shadow else self.scale
        if running is not None:
            # Other arguments or resources would let Ray replace its replicas in place: their number alone is changed.
            (deployment,) = running.config["deployments"]
            numbers = ("num_replicas", "autoscaling_config")
            unchanged = {key: value for key, value in deployment.items() if key not in numbers}
            return {**running.config, "deployments": [{**unchanged, **scale.number_json()}]}
        return {
            "name": name,
            "route_prefix": f"/{name}",
            "import_path": BUILDER,
            "args": asdict(settings),
            "deployments": [{"name": DEPLOYMENT, **scale.as_json()}],
        }

    async def _request(self, client: httpx2.AsyncClient, method: str, document: Mapping[str, Any] | None = None) -> Any:
        import httpx2

        headers = {"Authorization": f"Bearer {self.read_token()}"} if self.read_token else {}
        try:
            response = await client.request(method, APPLICATIONS, json=document, headers=headers)
        except httpx2.HTTPError as error:
            raise RayError(f"{self.url} does not answer: {type(error).__name__}") from error
        if response.status_code != 200:
            hint = "give the token with --ray-token" if response.status_code in (401, 403) else ""
            raise RayError(f"{self.url} answered {response.status_code}: {response.text[:300]}", hint=hint)
        if method == "PUT":
            return None
        try:
            return response.json()
        except ValueError as error:
            raise RayError(f"{self.url} gave no JSON", hint="give the address of Ray's dashboard") from error


def _parse_state(details: Mapping[str, Any], shard: str) -> ClusterState:
    listen = str((details.get("http_options") or {}).get("host") or "")
    endpoints: dict[str, tuple[str, ...]] = {}
    for group in details.get("target_groups") or ():
        # Without a running replica, Ray names its proxy.
        urls = [
            f"http://{_host(_address(target['ip'], listen))}:{target['port']}{group['route_prefix']}"
            for target in group["targets"]
            if f"#{DEPLOYMENT}#" in target["name"]
        ]
        if group["protocol"] == "HTTP" and urls:
            endpoints[group["app_name"]] = tuple(sorted(urls))
    apps: dict[HostedContent, RunningApp] = {}
    others: list[Mapping[str, Any]] = []
    for name, app in (details.get("applications") or {}).items():
        if not (config := app.get("deployed_app_config")):
            continue  # of `serve.run`, which a configuration neither names nor ends
        content = HostedContent.from_json(config["args"]) if config.get("import_path") == BUILDER else None
        if content is not None and name == app_name(shard, content):
            reasons = [app["message"], *(part["message"] for part in (app.get("deployments") or {}).values())]
            message = next((text for text in reversed(reasons) if text), "")
            apps[content] = RunningApp(
                config=config, status=app["status"], message=message, endpoints=endpoints.get(name, ())
            )
        else:
            others.append(config)
    return ClusterState(apps=apps, others=tuple(others), listen=listen)


def _address(node_ip: str, listen: str) -> str:
    """Return where a replica is called: Ray names its node, and it may listen on one address of that alone."""
    return node_ip if listen in _ALL_ADDRESSES else listen


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
