"""Prefect's server with four flows, three deployments, eight flow runs, work pools, variables and limits."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.servers.client import Client
from benchmarks.servers.packages import python_environment
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

VERSION = "3.9.1"
"""The release that published the shared description."""

FLOWS = {"nightly-etl": ["data"], "send-invoices": ["finance"], "train-model": ["ml"], "cleanup": []}

DEPLOYMENTS: tuple[tuple[str, str, str, bool, list[str]], ...] = (
    # flow, name, work pool, is it paused, tags
    ("nightly-etl", "production", "k8s-pool", False, ["prod"]),
    ("nightly-etl", "staging", "local-pool", True, ["stage"]),
    ("send-invoices", "monthly", "k8s-pool", False, ["prod", "finance"]),
)

FLOW_RUNS: tuple[tuple[str, str, str], ...] = (
    # flow, name, state type
    ("nightly-etl", "brave-otter", "COMPLETED"),
    ("nightly-etl", "calm-fox", "FAILED"),
    ("nightly-etl", "kind-wren", "COMPLETED"),
    ("send-invoices", "quick-lynx", "RUNNING"),
    ("send-invoices", "shy-mole", "FAILED"),
    ("train-model", "lazy-heron", "SCHEDULED"),
    ("train-model", "old-newt", "CRASHED"),
    ("train-model", "wise-crane", "COMPLETED"),
)

LOGS = (
    ("calm-fox", 20, "Extracting 1200 orders"),
    ("calm-fox", 40, "Warehouse refused the connection"),
    ("quick-lynx", 20, "Sending invoice 17 of 60"),
)

WORK_POOLS: tuple[dict[str, Any], ...] = (
    {"name": "k8s-pool", "type": "kubernetes", "description": "production cluster", "concurrency_limit": 5},
    {"name": "local-pool", "type": "process", "description": "the build machine"},
    {"name": "gpu-pool", "type": "docker", "description": "two GPUs", "is_paused": True, "concurrency_limit": 2},
)

VARIABLES: dict[str, Any] = {"region": "eu-west-1", "max_retries": 3, "invoice_day": 28}
KINDS = ("flow_runs", "deployments", "flows", "variables", "concurrency_limits", "automations", "artifacts")
"""What is removed by its id, runs before what they are runs of."""

TAG_LIMITS = {"database": 4, "gpu": 1}
GLOBAL_LIMITS = {"api-calls": 10}


class Prefect(Server):
    name = "prefect"
    description = "prefect.json"
    _programs: Path

    def install(self) -> str:
        environment = python_environment("prefect", VERSION)
        if isinstance(environment, str):
            return environment
        self._programs = environment
        return ""

    @property
    def client(self) -> Client:
        return Client(port=self.port, prefix="/api")

    def start(self) -> None:
        home = self.folder / "home"
        home.mkdir()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PREFECT_HOME": str(home),
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        # Without its services it creates and ends no runs by itself.
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-ui", "--no-services"]
        command = [str(self._programs / "prefect"), "server", "start", *options]
        self.process = start(
            command, self.folder / "log", lambda: self.client.answers("/health"), seconds=90, environment=environment,
            folder=self.folder,
        )  # fmt: skip
        self._seed()

    def restore(self) -> None:
        for kind in KINDS:
            for item in self._all(kind):
                self.client.delete(f"/{kind}/{item['id']}")
        for item in self._all("v2/concurrency_limits"):
            # Limits of tags are among these as well, and go with the others.
            if not item["name"].startswith("tag:"):
                self.client.delete(f"/v2/concurrency_limits/{item['id']}")
        for pool in self._all("work_pools"):
            self.client.delete(f"/work_pools/{pool['name']}")
        self._seed()

    def _all(self, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.post(f"/{kind}/filter", {})
        return items

    def _seed(self) -> None:
        now = datetime.now(UTC)
        flows = {
            name: self.client.post("/flows/", {"name": name, "tags": tags})["id"] for name, tags in FLOWS.items()
        }  # fmt: skip
        self.references = {f"flow_{name}": identity for name, identity in flows.items()}
        for pool in WORK_POOLS:
            self.client.post("/work_pools/", pool)
        for flow, name, pool_name, paused, tags in DEPLOYMENTS:
            deployment = {
                "name": name, "flow_id": flows[flow], "work_pool_name": pool_name, "paused": paused, "tags": tags,
                "entrypoint": "flows.py:run",
                "schedules": [{"schedule": {"cron": "0 2 * * *"}, "active": True}] if name == "production" else [],
            }  # fmt: skip
            self.references[f"deployment_{name}"] = self.client.post("/deployments/", deployment)["id"]
        runs: dict[str, str] = {}
        for flow, name, kind in FLOW_RUNS:
            state: dict[str, Any] = {"type": kind, "name": kind.capitalize()}
            if kind == "SCHEDULED":
                state["state_details"] = {"scheduled_time": (now + timedelta(hours=20)).isoformat()}
            run = {"name": name, "flow_id": flows[flow], "state": state, "tags": FLOWS[flow]}
            runs[name] = self.client.post("/flow_runs/", run)["id"]
            self.references[f"run_{name}"] = runs[name]
        logs = [
            {"name": "prefect.flow_runs", "level": level, "message": message, "timestamp": now.isoformat(),
             "flow_run_id": runs[name]}
            for name, level, message in LOGS
        ]  # fmt: skip
        self.client.post("/logs/", logs)
        for name, value in VARIABLES.items():
            self.client.post("/variables/", {"name": name, "value": value})
        for tag, limit in TAG_LIMITS.items():
            self.client.post("/concurrency_limits/", {"tag": tag, "concurrency_limit": limit})
        for name, limit in GLOBAL_LIMITS.items():
            self.client.post("/v2/concurrency_limits/", {"name": name, "limit": limit})

    def snapshot(self) -> State:
        return self._work() | self._pools() | self._settings()

    def _work(self) -> dict[str, dict[str, Any]]:
        """Flows, their deployments and runs."""
        state: dict[str, dict[str, Any]] = {}
        flows = {flow["id"]: flow["name"] for flow in self._all("flows")}
        for flow in self._all("flows"):
            state[f"flow {flow['name']}"] = {"tags": sorted(flow["tags"])}
        for run in self._all("flow_runs"):
            name = f"flow run {run['name']}"
            # A run that a sentence creates has a name of the server's invention.
            if run["name"] not in {seeded for _, seeded, _ in FLOW_RUNS} and run.get("deployment_id"):
                name = f"flow run of {flows.get(run['flow_id'])}"
            while name in state:
                name += " again"
            state[name] = {
                "flow": flows.get(run["flow_id"]), "state": run["state_type"], "tags": sorted(run["tags"]),
                "parameters": run["parameters"],
            }  # fmt: skip
        for deployment in self._all("deployments"):
            active = [one["schedule"].get("cron", "") for one in deployment["schedules"] if one["active"]]
            state[f"deployment {flows.get(deployment['flow_id'])}/{deployment['name']}"] = {
                "paused": deployment["paused"],
                "tags": sorted(deployment["tags"]),
                "pool": deployment["work_pool_name"],
                "description": deployment.get("description"),
                "limit": deployment.get("global_concurrency_limit"),
                "schedules": active,
            }
        return state

    def _pools(self) -> dict[str, dict[str, Any]]:
        state: dict[str, dict[str, Any]] = {}
        for pool in self._all("work_pools"):
            state[f"work pool {pool['name']}"] = {
                "type": pool["type"], "paused": pool["is_paused"], "limit": pool["concurrency_limit"],
                "description": pool["description"],
            }  # fmt: skip
            for queue in self.client.post(f"/work_pools/{pool['name']}/queues/filter", {}):
                state[f"work queue {pool['name']}/{queue['name']}"] = {
                    "paused": queue["is_paused"], "limit": queue["concurrency_limit"], "priority": queue["priority"],
                }  # fmt: skip
        return state

    def _settings(self) -> dict[str, dict[str, Any]]:
        """Variables, limits, automations and artifacts."""
        state: dict[str, dict[str, Any]] = {}
        for variable in self._all("variables"):
            state[f"variable {variable['name']}"] = {"value": variable["value"], "tags": sorted(variable["tags"])}
        for limit in self._all("concurrency_limits"):
            state[f"tag limit {limit['tag']}"] = {"limit": limit["concurrency_limit"]}
        for limit in self._all("v2/concurrency_limits"):
            if not limit["name"].startswith("tag:"):
                state[f"global limit {limit['name']}"] = {"limit": limit["limit"], "active": limit["active"]}
        for automation in self._all("automations"):
            state[f"automation {automation['name']}"] = {"enabled": automation["enabled"]}
        for artifact in self._all("artifacts"):
            state[f"artifact {artifact['key']}"] = {"type": artifact["type"]}
        return state
