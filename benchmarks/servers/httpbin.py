"""httpbin, which has no state: what it answers tells what was sent."""

from __future__ import annotations

from pathlib import Path

from benchmarks.servers.client import Client
from benchmarks.servers.packages import python_environment
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

VERSION = "0.10.4"


class Httpbin(Server):
    name = "httpbin"
    description = "httpbin.json"
    _programs: Path

    def install(self) -> str:
        environment = python_environment("httpbin", VERSION)
        if isinstance(environment, str):
            return environment
        self._programs = environment
        return ""

    @property
    def client(self) -> Client:
        return Client(port=self.port)

    def start(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [str(self._programs / "python"), "-m", "httpbin.core", *options]
        self.process = start(
            command, self.folder / "log", lambda: self.client.answers("/status/200"), seconds=30, folder=self.folder
        )  # fmt: skip

    def restore(self) -> None:
        """There is nothing to restore."""

    def snapshot(self) -> State:
        return {}
