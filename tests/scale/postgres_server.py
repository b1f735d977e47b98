"""A real PostgreSQL on loopback, in a temporary folder, that tests may kill and start again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from nlapi.serving import open_listener

PASSWORD = "long-live-the-store"
USER = "nlapi"
START_S = 60


def postgres_programs() -> Path:
    """The folder of postgres and initdb. The test is skipped, with the reason, where there is none."""
    folders = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folder = next((folder for folder in folders if (folder / "postgres").exists()), None)
    if folder is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the PATH or below /usr/lib/postgresql")
    return folder


def _account() -> str | None:
    """The account to run as: PostgreSQL refuses to run as root."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresServer:
    """One cluster in `folder`; `settings` are those of postgresql.conf."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._programs = postgres_programs()
        self._account = _account()
        self.folder = folder
        self.data = folder / "data"
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        with open_listener("127.0.0.1", 0) as (listener, _):
            self.port = int(listener.getsockname()[1])
        password = folder / "password"
        password.write_text(PASSWORD)
        if self._account:
            for path in (folder, password):
                shutil.chown(path, self._account)
        options = ["-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        self.run("initdb", "-D", str(self.data), *options)

    def run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), *words]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, user=self._account, timeout=START_S)

    @property
    def url(self) -> str:
        """The address of the database postgres, without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def execute(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Carry out a statement as somebody else; return its rows."""
        url = self.url.replace("/postgres", f"/{database}")
        with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def own(self, folder: Path) -> None:
        """Give a folder to the account of the server."""
        if self._account:
            shutil.chown(folder, self._account)

    def database(self, name: str, options: str = "") -> str:
        """Make a database and return its address."""
        self.execute(f'CREATE DATABASE "{name}" {options}')
        return self.url.replace("/postgres", f"/{name}")

    def start(self) -> None:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "max_wal_size": "64MB",
            **self.settings,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), *words]
        end = time.monotonic() + START_S
        while True:
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    command, stdout=log, stderr=log, cwd=self.folder, user=self._account, start_new_session=True
                )
            while self.process.poll() is None:
                if self._answers():
                    return
                assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.05)
            # The children of a killed postmaster hold its memory until they notice.
            assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, password=PASSWORD, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the postmaster and all of its children."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the postmaster and to each of its children, which have sessions of their own."""
        assert self.process is not None
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == self.process.pid:
                os.kill(int(status.parent.name), number)
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # nothing of it is needed any more
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """A server that runs while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="nlapi-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(folder, **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
