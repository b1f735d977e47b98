"""Chroma with three collections in its default database and a second database with one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.servers.client import Client, StatusError
from benchmarks.servers.packages import python_environment
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

VERSION = "1.5.9"
TENANT = "/tenants/default_tenant"

COLLECTIONS: tuple[tuple[str, str, dict[str, Any], list[tuple[str, str]]], ...] = (
    # database, name, metadata, records
    (
        "default_database", "faq", {"team": "support", "language": "en"},
        [
            ("faq-1", "How do I reset my password?"), ("faq-2", "Where is my invoice?"),
            ("faq-3", "Can I change my plan?"),
        ],
    ),
    (
        "default_database", "products", {"team": "catalogue"},
        [(f"sku-{number}", f"Product number {number}") for number in range(1, 6)],
    ),
    ("default_database", "reviews", {"team": "support"}, []),
    ("archive", "tickets-2024", {"team": "support"}, [("t-1", "Printer does not print"), ("t-2", "Screen is dark")]),
)  # fmt: skip

CONFIGURATION = """\
port: {port}
listen_address: "127.0.0.1"
persist_path: "{folder}/data"
allow_reset: true
"""


class Chroma(Server):
    name = "chroma"
    description = "chroma.json"
    _programs: Path

    def install(self) -> str:
        environment = python_environment("chromadb", VERSION)
        if isinstance(environment, str):
            return environment
        self._programs = environment
        return ""

    @property
    def client(self) -> Client:
        return Client(port=self.port)

    @property
    def credentials(self) -> Mapping[str, str]:
        # The description declares a credential for some operations, which this server does not look at.
        return {"ApiKeyAuth": "any"}

    @property
    def _api(self) -> Client:
        return Client(port=self.port, prefix="/api/v2")

    def start(self) -> None:
        configuration = self.folder / "chroma.yaml"
        configuration.write_text(CONFIGURATION.format(port=self.port, folder=self.folder), encoding="utf-8")
        command = [str(self._programs / "chroma"), "run", str(configuration)]
        self.process = start(
            command, self.folder / "log", lambda: self._api.answers("/heartbeat"), seconds=60, folder=self.folder
        )
        self._seed()

    def restore(self) -> None:
        self._api.post("/reset")
        self._seed()

    def _seed(self) -> None:
        self._api.post("/tenants", {"name": "acme"})
        self._api.post(f"{TENANT}/databases", {"name": "archive"})
        for database, name, metadata, records in COLLECTIONS:
            address = f"{TENANT}/databases/{database}/collections"
            identity = self._api.post(address, {"name": name, "metadata": metadata})["id"]
            self.references[f"collection_{name}"] = identity
            if records:
                body = {
                    "ids": [record for record, _ in records],
                    "embeddings": [[float(place), 1.0, 0.5] for place, _ in enumerate(records)],
                    "documents": [text for _, text in records],
                    "metadatas": [{"source": "import"} for _ in records],
                }
                self._api.post(f"{address}/{identity}/add", body)

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        # There is no list of tenants: those that sentences speak of are looked for by their names.
        for tenant in ("default_tenant", "acme", "globex"):
            try:
                self._api.get(f"/tenants/{tenant}")
            except StatusError:
                continue
            state[f"tenant {tenant}"] = {}
            for database in self._api.get(f"/tenants/{tenant}/databases"):
                path = f"/tenants/{tenant}/databases/{database['name']}"
                state[f"database {tenant}/{database['name']}"] = {}
                for collection in self._api.get(f"{path}/collections"):
                    state |= self._collection(f"{tenant}/{database['name']}", path, collection)
        return state

    def _collection(self, place: str, path: str, collection: dict[str, Any]) -> dict[str, dict[str, Any]]:
        name = f"{place}/{collection['name']}"
        space = collection["configuration_json"].get("hnsw") or {}
        state = {f"collection {name}": {"metadata": collection["metadata"], "space": space.get("space")}}
        include = {"include": ["documents", "metadatas"]}
        records = self._api.post(f"{path}/collections/{collection['id']}/get", include)
        for place_in, record in enumerate(records["ids"]):
            metadata = records["metadatas"][place_in]
            state[f"record {name}/{record}"] = {"document": records["documents"][place_in], "metadata": metadata}
        return state
