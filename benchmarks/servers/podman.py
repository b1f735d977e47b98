"""podman's Docker-compatible API with six real containers of a BusyBox image, two volumes and a network."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from benchmarks.servers.client import Client
from benchmarks.servers.packages import install_debian, program
from benchmarks.servers.processes import NotStartedError, start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

IMAGE = "localhost/busybox:1.37"
TOOLS = "localhost/tools:latest"
APPLETS = ("sh", "sleep", "echo", "true", "cat", "ls", "ps", "date", "env")

CONFIGURATION = """\
[containers]
netns = "host"
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{folder}/tmp"
[network]
network_config_dir = "{folder}/networks"
"""

_SERVE = "trap 'exit 0' TERM; {lines}; while true; do sleep 1; done"
WEB = ("listening on port 8080", "GET /checkout 200", "ERROR payment gateway timed out", "GET /cart 200")

CONTAINERS: tuple[tuple[str, dict[str, str], str], ...] = (
    # name, labels, what its shell does
    ("web", {"app": "shop", "tier": "front"}, _SERVE.format(lines="; ".join(f"echo '{line}'" for line in WEB))),
    ("api", {"app": "shop", "tier": "back"}, _SERVE.format(lines="echo 'api ready'")),
    ("worker", {"app": "mailer"}, _SERVE.format(lines="echo 'worker ready'")),
    ("import-job", {"app": "etl"}, "echo 'imported 42 rows'; exit 0"),
    ("report-job", {"app": "etl"}, "echo 'Traceback: cannot reach warehouse'; exit 3"),
)
CREATED = "cache"
"""A container that was created and never started."""
PAUSED = "worker"


class Podman(Server):
    name = "docker"
    description = "docker.yaml"

    def install(self) -> str:
        return install_debian(
            ["podman", "runc", "conmon", "busybox"], ["podman", "runc", "conmon", "busybox-static"]
        )  # fmt: skip

    @property
    def client(self) -> Client:
        return Client(port=self.port, prefix="/v1.41")

    def start(self) -> None:
        (self.folder / "containers.conf").write_text(CONFIGURATION.format(folder=self.folder), encoding="utf-8")
        self._podman("import", "-q", "-c", "ENV PATH=/bin", "-c", 'CMD ["/bin/sh"]', str(self._image()), IMAGE)
        command = [*self._command, "system", "service", "--time=0", f"tcp:127.0.0.1:{self.port}"]
        self.process = start(
            command,
            self.folder / "log",
            lambda: self.client.answers("/_ping"),
            seconds=30,
            environment=self._environment,
        )
        self._seed()

    def restore(self) -> None:
        self._empty()
        self._seed()

    def stop(self) -> None:
        if self.process is not None:
            # Containers outlive the service that started them.
            with contextlib.suppress(NotStartedError, subprocess.SubprocessError):
                self._empty()
        super().stop()

    def _image(self) -> Path:
        """Return an archive of a file system with BusyBox alone."""
        archive = self.folder / "busybox.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(program("busybox") or "", "bin/busybox")
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        return archive

    @property
    def _environment(self) -> dict[str, str]:
        settings = {"CONTAINERS_CONF": str(self.folder / "containers.conf"), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
        return {**os.environ, **settings}

    @property
    def _command(self) -> list[str]:
        folders = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return [program("podman") or "", *folders, "--storage-driver", "vfs"]

    def _podman(self, *words: str) -> str:
        """Run podman's command line. NotStartedError when it fails."""
        done = subprocess.run(
            [*self._command, *words], capture_output=True, text=True, timeout=60, env=self._environment
        )
        if done.returncode:
            raise NotStartedError(f"podman {words[0]}: {' '.join(done.stderr.split())[-300:]}")
        return done.stdout

    def _seed(self) -> None:
        self._podman("tag", IMAGE, TOOLS)
        for name, labels, script in CONTAINERS:
            options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            self._podman("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", script)
        self._podman("create", "--name", CREATED, "--label", "app=shop", IMAGE, "sleep", "1000")
        self._podman("wait", "import-job", "report-job")
        self._podman("pause", PAUSED)
        self._podman("volume", "create", "--label", "app=shop", "pgdata")
        self._podman("volume", "create", "uploads")
        self._podman("network", "create", "backend")
        self.references = {f"id_{one['Names'][0]}": one["Id"][:12] for one in json.loads(self._ps())}
        started = json.loads(self._podman("inspect", "web"))[0]["State"]["StartedAt"]
        self.references |= {"cpus": str(os.cpu_count()), "web_started": started.partition("T")[0]}
        self.references["version"] = self.client.get("/version")["Version"]

    def _ps(self) -> str:
        return self._podman("ps", "-a", "--format", "json")

    def _empty(self) -> None:
        """Remove all but the image."""
        self._podman("rm", "-a", "-f", "-t", "0")
        self._podman("volume", "rm", "-a", "-f")
        for network in json.loads(self._podman("network", "ls", "--format", "json")):
            if network["name"] != "podman":
                self._podman("network", "rm", "-f", network["name"])
        images = json.loads(self._podman("images", "-a", "--format", "json"))
        for identity, name in {(image["Id"], name) for image in images for name in image.get("Names") or ()}:
            if name != IMAGE:
                self._podman("untag", identity, name)
        if IMAGE not in self._podman("images", "--format", "{{.Repository}}:{{.Tag}}"):
            archive = str(self.folder / "busybox.tar")
            self._podman("import", "-q", "-c", "ENV PATH=/bin", "-c", 'CMD ["/bin/sh"]', archive, IMAGE)

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        containers = json.loads(self._ps())
        details = json.loads(self._podman("inspect", *(one["Id"] for one in containers))) if containers else []
        for container in details:
            config, running = container["Config"], container["State"]
            state[f"container {container['Name'].lstrip('/')}"] = {
                "state": running["Status"],
                "started": running["StartedAt"],
                "exit": running["ExitCode"],
                "image": container["ImageName"],
                "command": config.get("Cmd"),
                "labels": config.get("Labels") or {},
                "environment": [one for one in config.get("Env") or () if "=" in one and one[:4] not in _OWN_VARIABLES],
                "memory": container["HostConfig"].get("Memory"),
                "restart": container["HostConfig"].get("RestartPolicy", {}).get("Name"),
            }
        for image in json.loads(self._podman("images", "--format", "json")):
            for name in image.get("Names") or ["<none>"]:
                state[f"image {name}"] = {}
        for volume in json.loads(self._podman("volume", "ls", "--format", "json")):
            state[f"volume {volume['Name']}"] = {"driver": volume["Driver"], "labels": volume.get("Labels") or {}}
        for network in json.loads(self._podman("network", "ls", "--format", "json")):
            state[f"network {network['name']}"] = {"driver": network["driver"], "internal": network["internal"]}
        return state


_OWN_VARIABLES = ("PATH", "HOME", "HOST", "cont", "TERM")
"""The first letters of the variables that podman sets in each container."""
