"""What tests take for a Ray cluster: the REST API of Ray Serve's dashboard, and replicas that really run."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from nlapi.gateway.ray.cluster import APPLICATIONS, BUILDER
from nlapi.gateway.ray.replica import DEPLOYMENT, ReplicaApp, ReplicaSettings, open_app
from nlapi.serving import open_listener

TOKEN = "ray-token"


class RayCluster:
    """One node. Each application has one replica, which answers below its path at the port of the dashboard."""

    def __init__(self) -> None:
        self.url = ""
        self.is_away = False
        """whether the dashboard fails, as without Ray's head; replicas answer all the same"""
        self.forgets = False
        """whether it names no replica, as a controller that has just started"""
        self.configs: dict[str, dict[str, Any]] = {}
        self.puts: list[dict[str, Any]] = []
        self.reads = 0
        self.strays = 0
        """requests of paths that no replica has"""
        self.replicas: dict[str, ReplicaApp] = {}
        self.reasons: dict[str, str] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == APPLICATIONS:
            status, body = await self._dashboard(scope, receive)
            await _send(send, status, body)
        elif app := self.replicas.get(scope["path"].strip("/")):
            await app(scope, receive, send)
        else:
            self.strays += 1
            await _send(send, 404, b"{}")

    async def _dashboard(self, scope: Any, receive: Any) -> tuple[int, bytes]:
        if self.is_away:
            return 503, b"no head"
        if (b"authorization", f"Bearer {TOKEN}".encode()) not in scope["headers"]:
            return 401, b"Unauthorized: Missing authentication token"
        if scope["method"] == "GET":
            self.reads += 1
        if scope["method"] == "PUT":
            content = b""
            while (message := await receive())["body"] or message.get("more_body"):
                content += message["body"]
                if not message.get("more_body"):
                    break
            document = json.loads(content)
            self.puts.append(document)
            await asyncio.to_thread(self._deploy, {item["name"]: item for item in document["applications"]})
        return 200, json.dumps(self._details()).encode()

    def _deploy(self, configs: dict[str, dict[str, Any]]) -> None:
        self.configs = configs
        for name in self.replicas.keys() - configs.keys():
            del self.replicas[name]
        for name, config in configs.items():
            if config["import_path"] == BUILDER and name not in self.replicas:
                try:
                    self.replicas[name] = open_app(ReplicaSettings.from_json(config["args"]))
                except Exception as error:  # Ray reports whatever a constructor raises, with the name of its class
                    kind = type(error)
                    self.reasons[name] = f"Traceback:\n\x1b[36m{kind.__module__}.{kind.__name__}: {error}\x1b[39m\n"

    def _details(self) -> dict[str, Any]:
        port, groups, applications = int(self.url.rpartition(":")[2]), [], {}
        for name, config in self.configs.items():
            is_running = name in self.replicas or config["import_path"] != BUILDER
            applications[name] = {
                "status": "RUNNING" if is_running else "DEPLOY_FAILED",
                "message": "",
                "deployed_app_config": config,
                "deployments": {DEPLOYMENT: {"message": self.reasons.get(name, "")}},
            }
            is_named = name in self.replicas and not self.forgets
            target = f"SERVE_REPLICA::{name}#{DEPLOYMENT}#1" if is_named else "SERVE_PROXY_ACTOR-1"
            groups.append(
                {
                    "protocol": "HTTP",
                    "route_prefix": f"/{name}",
                    "app_name": name,
                    "targets": [{"ip": "192.0.2.7", "port": port, "name": target}],
                }
            )
        http = {"host": "127.0.0.1", "port": 8000}
        return {"applications": applications, "target_groups": groups, "http_options": http}


async def _send(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A cluster on loopback while the block lasts."""
    cluster = RayCluster()
    with open_listener("127.0.0.1", 0) as (listener, _):
        cluster.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(cluster, lifespan="off", log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield cluster
        finally:
            server.should_exit = True
            thread.join()
