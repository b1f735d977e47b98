"""Gateway processes as `nlapi gateway serve` starts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.store.store import GatewayStore

ROOT = Path(__file__).parents[2]
NLAPI = [sys.executable, "-c", "from nlapi.cli.main import main; main()"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeProcess:
    """A gateway in a process of its own: its URL, and the tokens of an admin and of the client web."""

    process: subprocess.Popen[str]
    url: str
    admin: str
    web: str

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def serve_process(
    folder: Path,
    *options: str,
    stderr: int = subprocess.DEVNULL,
    example: bool = True,
    waits: bool = True,
    environment: Mapping[str, str] | None = None,
    program: list[str] = NLAPI,
) -> Iterator[ServeProcess]:
    """`nlapi gateway serve --example` on a free port while the block lasts; `waits` for it to be ready."""
    database = folder / "gateway.db"
    store = GatewayStore(database)
    access = Access(store)
    admin = access.create_token("ana", Audience.ADMIN, role=Role.ADMIN)[1]
    web = access.create_token("web", Audience.SERVE)[1]
    store.close()
    what = ["--example"] if example else []
    command = [*program, "gateway", "serve", *what, "--port", "0", "--database", str(database), *options]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip() if waits else ""
            yield ServeProcess(process=process, url=url, admin=admin, web=web)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)
