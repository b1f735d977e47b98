"""What a server of the benchmark is: installed, started and seeded, looked at, restored, stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from benchmarks.descriptions import shared
from benchmarks.ports import free_port
from benchmarks.servers.client import Client
from benchmarks.servers.processes import Process
from benchmarks.servers.state import State

SPECS = "data/specs/servers"


class Server(ABC):
    """One real server in a folder of its own, on a free port of 127.0.0.1."""

    name: ClassVar[str]
    description: ClassVar[str]
    """Its description among the shared ones; "" where the server itself has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: Process | None = None
        self.references: dict[str, str] = {}
        """Ids that the server gave in the seeded state, for `{placeholders}` in sentences."""
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def install(self) -> str:
        """Install the server; return why that is impossible, or ""."""

    @abstractmethod
    def start(self) -> None:
        """Start the server and bring about the seeded state. NotStartedError when it does not come up."""

    @abstractmethod
    def restore(self) -> None:
        """Bring about the seeded state again."""

    @abstractmethod
    def snapshot(self) -> State:
        """Return the state that sentences can change."""

    @property
    @abstractmethod
    def client(self) -> Client:
        """A client that is not nlapi."""

    @property
    def base_url(self) -> str:
        """The value of `--base-url`."""
        return f"http://127.0.0.1:{self.port}{self.client.prefix}"

    @property
    def credentials(self) -> Mapping[str, str]:
        """The credential for each security scheme of the description that needs one."""
        return {}

    def description_file(self) -> Path | None:
        """Return the file with its description, once it runs; None where there is none."""
        return shared(f"{SPECS}/{self.description}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None
