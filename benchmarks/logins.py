"""Lets many processes call an API with one token that has ended, and counts the renewals: one, and no token refused.

usage: python -m benchmarks.logins [--processes 50]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=50)
    sys.exit(run(parser.parse_args().processes))
