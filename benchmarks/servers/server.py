"""What a server of the benchmark is: installed, started and seeded, looked at, restored, stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from benchmarks.servers.client import Client
from benchmarks.servers.processes import Process, free_port
from benchmarks.servers.state import State


class Server(ABC):
    """One real server in a folder of its own, on a free port of 127.0.0.1."""

    name: ClassVar[str]
    description: ClassVar[str]
    """Its description among the shared ones."""

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

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None
