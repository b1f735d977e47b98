"""PowerDNS authoritative with five zones of three kinds, two TSIG keys, an autoprimary and metadata."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from benchmarks.servers.client import Client
from benchmarks.servers.packages import install_debian, program
from benchmarks.servers.processes import NotStartedError, start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

SCHEMAS = (
    "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql",
    "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql",
)

NAMESERVERS = ["ns1.example.net."]
ZONES: tuple[dict[str, Any], ...] = (
    {"name": "example.com.", "kind": "Native", "account": "acme", "nameservers": NAMESERVERS},
    {"name": "example.org.", "kind": "Master", "account": "acme", "nameservers": NAMESERVERS},
    {"name": "example.net.", "kind": "Native", "account": "internal", "nameservers": NAMESERVERS},
    {"name": "shop.example.", "kind": "Master", "account": "retail", "nameservers": NAMESERVERS, "dnssec": True},
    {"name": "internal.lan.", "kind": "Slave", "account": "internal", "masters": ["192.0.2.53"]},
)

RECORDS = (
    ("example.com.", "www.example.com.", "A", 3600, ["198.51.100.10"]),
    ("example.com.", "api.example.com.", "A", 300, ["198.51.100.20", "198.51.100.21"]),
    ("example.com.", "example.com.", "MX", 3600, ["10 mail.example.com."]),
    ("example.com.", "mail.example.com.", "A", 3600, ["198.51.100.25"]),
    ("example.com.", "example.com.", "TXT", 3600, ['"v=spf1 mx -all"']),
    ("example.org.", "www.example.org.", "CNAME", 600, ["www.example.com."]),
    ("example.net.", "ns1.example.net.", "A", 86400, ["192.0.2.1"]),
    ("shop.example.", "shop.example.", "A", 60, ["203.0.113.80"]),
)


class PowerDNS(Server):
    name = "pdns"
    description = "pdns.yaml"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.key = secrets.token_hex(16)
        self.dns_port = free_port()

    def install(self) -> str:
        return install_debian(["pdns_server"], ["pdns-server", "pdns-backend-sqlite3"])

    @property
    def client(self) -> Client:
        return Client(port=self.port, prefix="/api/v1", headers={"X-API-Key": self.key})

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"APIKeyHeader": self.key}

    @property
    def database(self) -> Path:
        return self.folder / "zones.sqlite3"

    @property
    def seeded(self) -> Path:
        return self.folder / "seeded.sqlite3"

    def start(self) -> None:
        schema = next((path for path in map(Path, SCHEMAS) if path.exists()), None)
        if schema is None:
            raise NotStartedError("pdns-backend-sqlite3 has no schema.sqlite3.sql")
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(schema.read_text("utf-8"))
        self._configure()
        self._run()
        self._seed()
        self.stop()
        # PowerDNS writes ahead: a copy of the file alone would lack what is in its log.
        connections = (contextlib.closing(sqlite3.connect(path)) for path in (self.database, self.seeded))
        with next(connections) as source, next(connections) as target:
            source.backup(target)
        self._run()

    def restore(self) -> None:
        self.stop()
        for path in self.folder.glob(f"{self.database.name}*"):
            path.unlink()
        shutil.copy(self.seeded, self.database)
        self._run()

    def _configure(self) -> None:
        settings = {
            "launch": "gsqlite3", "gsqlite3-database": self.database, "gsqlite3-dnssec": "yes",
            "local-address": "127.0.0.1", "local-port": self.dns_port, "socket-dir": self.folder,
            "webserver": "yes", "webserver-address": "127.0.0.1", "webserver-port": self.port,
            "webserver-allow-from": "127.0.0.0/8", "api": "yes", "api-key": self.key,
            "daemon": "no", "guardian": "no", "primary": "yes", "secondary": "no", "security-poll-suffix": "",
            "only-notify": "127.0.0.0/8",
            "default-soa-content": "ns1.example.net. hostmaster.@ 0 10800 3600 604800 3600",
        }  # fmt: skip
        lines = [f"{name}={value}" for name, value in settings.items()]
        (self.folder / "pdns.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _run(self) -> None:
        command = [program("pdns_server") or "", f"--config-dir={self.folder}"]
        self.process = start(command, self.folder / "log", lambda: self.client.answers("/servers"), seconds=30)

    def _seed(self) -> None:
        self.references["version"] = self.client.get("/servers/localhost")["version"]
        for zone in ZONES:
            self.client.post("/servers/localhost/zones", zone)
        for zone_name, name, kind, ttl, contents in RECORDS:
            records = [{"content": content, "disabled": False} for content in contents]
            change = {"name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE", "records": records}
            self.client.send("PATCH", f"/servers/localhost/zones/{zone_name}", {"rrsets": [change]})
        for name, algorithm in (("transfer-key", "hmac-sha256"), ("backup-key", "hmac-sha512")):
            self.client.post("/servers/localhost/tsigkeys", {"name": name, "algorithm": algorithm})
        autoprimary = {"ip": "192.0.2.10", "nameserver": "ns1.provider.example", "account": "provider"}
        self.client.post("/servers/localhost/autoprimaries", autoprimary)
        metadata = {"kind": "ALLOW-AXFR-FROM", "metadata": ["192.0.2.0/24"]}
        self.client.post("/servers/localhost/zones/example.org./metadata", metadata)

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        for zone in self.client.get("/servers/localhost/zones"):
            name = zone["name"]
            state[f"zone {name}"] = {key: zone.get(key) for key in ("kind", "account", "masters", "dnssec")}
            address = f"/servers/localhost/zones/{zone['id']}"
            for rrset in self.client.get(address)["rrsets"]:
                attributes = {"ttl": rrset["ttl"], "contents": sorted(one["content"] for one in rrset["records"])}
                # The SOA's serial moves with every change of a zone.
                attributes |= {"contents": []} if rrset["type"] == "SOA" else {}
                attributes["disabled"] = sum(one["disabled"] for one in rrset["records"])
                attributes["comments"] = sorted(one["content"] for one in rrset.get("comments", ()))
                state[f"rrset {name} {rrset['name']} {rrset['type']}"] = attributes
            for metadata in self.client.get(f"{address}/metadata"):
                # PowerDNS adds SOA-EDIT-API to each zone that its API creates.
                state[f"metadata {name} {metadata['kind']}"] = {"values": sorted(metadata["metadata"])}
            for key in self.client.get(f"{address}/cryptokeys"):
                state[f"cryptokey {name} {key['id']}"] = {"active": key["active"], "type": key["keytype"]}
        for key in self.client.get("/servers/localhost/tsigkeys"):
            state[f"tsigkey {key['name']}"] = {"algorithm": key["algorithm"]}
        for primary in self.client.get("/servers/localhost/autoprimaries"):
            state[f"autoprimary {primary['ip']} {primary['nameserver']}"] = {"account": primary.get("account", "")}
        return state
