"""Logins of many processes, and those of real servers by the commands of docs/accounts.md.

`python -m benchmarks.logins [--processes 50]` lets many processes call an API with one token that has ended, and counts
the renewals: one, and no token refused. `python -m benchmarks.logins --servers` runs the commands that the page has for
Kinto, Jupyter Server, JupyterHub and Airflow against each of them, at its own address in place of the default one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.client import StatusError
from benchmarks.servers.documented import Airflow, Documented, Jupyter, JupyterHub, Kinto
from benchmarks.servers.processes import NotStartedError
from tests.accounts.kit import PUBLIC, browser, description, flows
from tests.authorization_server import LoopbackAuthorizationServer

PROGRAM = "from nlapi.cli.main import main; main()"


def run(count: int) -> int:
    """Print what came of `count` processes; return 0 where one renewed and none was refused."""
    with tempfile.TemporaryDirectory() as folder, LoopbackAuthorizationServer(PUBLIC) as server:
        names = {f"NLAPI_{kind}_DIR": f"{folder}/{kind}" for kind in ("CONFIG", "STATE", "CACHE")}
        backend = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        environment = {**os.environ, **names, **backend, "BROWSER": browser()}
        file = Path(folder) / "shop.json"
        file.write_text(json.dumps(description(server.url, {"oauth": {"type": "oauth2", "flows": flows(server.url)}})))

        def command(*words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *words],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        for words in (("api", "add", "shop", str(file)), ("auth", "login", "shop", "--client-id", "cli")):
            process = command(*words)
            _, errors = process.communicate()
            if process.returncode:
                sys.exit(errors.decode())
        (login,) = (Path(folder) / "CONFIG" / "logins").rglob("*.json")
        content = json.loads(login.read_text())
        content["login"]["expires_at"] = 1
        login.write_text(json.dumps(content))
        processes = [command("call", "shop", "listOrders") for _ in range(count)]
        codes = [process.communicate() and process.returncode for process in processes]
        refused = len(server.api_calls) - count
        print(
            f"{count} processes: {codes.count(0)} answered, {server.refreshed} renewals, "
            f"{server.reused} reused refresh tokens, {refused} refused calls"
        )
        return 0 if (codes.count(0), server.refreshed, server.reused, refused) == (count, 1, 0, 0) else 1


def documented_commands() -> dict[str, list[str]]:
    """Return the commands of docs/accounts.md for each server, by the name that it is registered with."""
    page = (Path(__file__).parents[1] / "docs" / "accounts.md").read_text(encoding="utf-8")
    block = page.partition("benchmarks.logins --servers")[2].partition("```sh\n")[2].partition("```")[0]
    groups = (group.splitlines() for group in block.split("\n\n"))
    return {re.search(r"api add (\w+)", "\n".join(group))[1]: group for group in groups}  # type: ignore[index]


def log_in(server: Documented, commands: Sequence[str], folder: Path) -> str:
    """Run the commands for a server; return what the last of them printed, or what went wrong."""
    if reason := server.install():
        return f"left out: {reason}"
    try:
        server.start()
        secret = server.secret or next(iter(server.credentials.values()))
        shutil.copy(server.folder / "description.json", folder / "rest-api.yml")
        names = {f"NLAPI_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, **names, "PATH": path, "JUPYTER_TOKEN": secret.removeprefix("token ")}
        printed = ""
        for command in commands:
            at_server = re.sub(r"http://127\.0\.0\.1:\d+", f"http://127.0.0.1:{server.port}", command)
            typed = secret if " auth login " in command else None
            done = subprocess.run(
                at_server, shell=True, input=typed, capture_output=True, text=True, env=env, cwd=folder
            )
            if done.returncode:
                return f"failed: {command}: {done.stderr.strip()}"
            printed = done.stdout
        return f"logged in: {printed.strip().splitlines()[-1]}"
    except (NotStartedError, StatusError, OSError) as error:
        return f"left out: {error}"
    finally:
        server.stop()


def run_servers() -> int:
    """Print what came of the login at each server; return 0 where every one that runs was logged in to."""
    servers = {kind.name: kind for kind in (Kinto, Jupyter, JupyterHub, Airflow)}
    results = []
    for name, commands in documented_commands().items():
        with tempfile.TemporaryDirectory() as folder:
            (place := Path(folder) / "home").mkdir()
            results.append(log_in(servers[name](Path(folder) / "server"), commands, place))
        print(f"{name}: {results[-1]}", flush=True)
    return int(any(result.startswith("failed") for result in results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--servers", action="store_true", help="real servers, by the commands of docs/accounts.md")
    options = parser.parse_args()
    sys.exit(run_servers() if options.servers else run(options.processes))
