"""Alertmanager with eight alerts, one of them silenced and one inhibited, and four silences."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from benchmarks.servers.client import Client
from benchmarks.servers.packages import install_debian, program
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

CONFIGURATION = """\
route:
  receiver: oncall
  group_by: [alertname]
  routes:
    - receiver: database-team
      matchers: [team="database"]
    - receiver: web-team
      matchers: [team="web"]
receivers:
  - name: oncall
  - name: database-team
  - name: web-team
inhibit_rules:
  - source_matchers: [alertname="DatacenterDown"]
    target_matchers: [severity="warning"]
    equal: [datacenter]
"""

LABELS = ("alertname", "severity", "team", "instance", "datacenter")
ALERTS = (
    # name, severity, team, instance, datacenter, minutes since it began
    ("HighCPU", "critical", "web", "web-1", "fra", 180),
    ("HighCPU", "warning", "web", "web-2", "fra", 60),
    ("DiskFull", "critical", "database", "db-1", "ams", 1560),
    ("ReplicationLag", "warning", "database", "db-2", "ams", 30),
    ("CertificateExpiring", "info", "platform", "edge-1", "fra", 7200),
    ("DatacenterDown", "critical", "platform", "par-core", "par", 10),
    ("SlowDisk", "warning", "database", "db-9", "par", 45),
    ("BackupFailed", "warning", "database", "db-1", "ams", 300),
)

SILENCES = (
    # reference, (label, value, is it a regular expression), author, comment, starts in minutes, ends in minutes
    ("backup", ("alertname", "BackupFailed", False), "maria", "backup storage migration", 0, 360),
    ("lab", ("instance", "lab-.*", True), "priya", "lab machines are rebuilt", 0, 4320),
    ("network", ("datacenter", "fra", False), "jonas", "planned network maintenance", 1440, 1560),
    ("replica", ("alertname", "ReplicationLag", False), "maria", "old replica rebuild", 0, 120),
)


class Alertmanager(Server):
    name = "alertmanager"
    description = "alertmanager.yaml"

    def install(self) -> str:
        return install_debian(["prometheus-alertmanager"], ["prometheus-alertmanager"])

    @property
    def client(self) -> Client:
        return Client(port=self.port, prefix="/api/v2")

    def start(self) -> None:
        configuration = self.folder / "alertmanager.yml"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        command = [
            program("prometheus-alertmanager") or "",
            f"--config.file={configuration}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        ready = Client(port=self.port)
        self.process = start(
            command, self.folder / "log", lambda: ready.answers("/-/ready"), seconds=30, folder=self.folder
        )
        self._seed()

    def restore(self) -> None:
        # Silences cannot be removed, only ended: a fresh server is the shortest way back.
        self.stop()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self.start()

    def _seed(self) -> None:
        now = datetime.now(UTC)
        alerts = [
            {
                "labels": dict(zip(LABELS, (name, severity, team, instance, datacenter), strict=True)),
                "annotations": {"summary": f"{name} on {instance}"},
                "startsAt": _moment(now - timedelta(minutes=age)),
                "endsAt": _moment(now + timedelta(days=7)),
            }
            for name, severity, team, instance, datacenter, age in ALERTS
        ]  # fmt: skip
        self.client.post("/alerts", alerts)
        for reference, (label, value, is_regex), author, comment, first, last in SILENCES:
            silence = {
                "matchers": [{"name": label, "value": value, "isRegex": is_regex, "isEqual": True}],
                "createdBy": author,
                "comment": comment,
                "startsAt": _moment(now + timedelta(minutes=first)),
                "endsAt": _moment(now + timedelta(minutes=last)),
            }
            self.references[f"silence_{reference}"] = self.client.post("/silences", silence)["silenceID"]
        starts = self.client.get(f"/silence/{self.references['silence_backup']}")["startsAt"]
        self.references |= {"now": _moment(now), "silence_backup_starts": starts}
        for minutes in (30, 120, 600, 1440):
            self.references[f"in_{minutes}"] = _moment(now + timedelta(minutes=minutes))
        self.client.delete(f"/silence/{quote(self.references['silence_replica'])}")
        self.references["version"] = self.client.get("/status")["versionInfo"]["version"].partition("+")[0]
        for alert in self.client.get("/alerts"):
            self.references[f"starts_{alert['labels']['alertname']}"] = alert["startsAt"].partition("T")[0]

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        for alert in self.client.get("/alerts"):
            labels = alert["labels"]
            state[f"alert {labels.get('alertname')} {labels.get('instance')}"] = {**labels, **alert["annotations"]}
        for silence in self.client.get("/silences"):
            name = f"silence {silence['comment']}"
            while name in state:
                name += " again"
            state[name] = _silence(silence)
        return state


def _silence(silence: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a silence; times in minutes, as the absolute ones differ from run to run."""
    kind = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
    matchers = [
        f"{matcher['name']}{kind[matcher['isRegex'], matcher.get('isEqual', True)]}{matcher['value']}"
        for matcher in silence["matchers"]
    ]
    first, last = (datetime.fromisoformat(silence[key]) for key in ("startsAt", "endsAt"))
    state = silence["status"]["state"]
    return {
        "state": state,
        "matchers": sorted(matchers),
        "author": silence["createdBy"],
        "minutes": None if state == "expired" else round((last - first).total_seconds() / 60),
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
