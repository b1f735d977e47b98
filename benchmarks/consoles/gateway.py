"""A gateway of the shipped example with traffic and a canary, for the walks through its console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from runpy import run_path
from typing import Any
from urllib.parse import urlsplit

NLAPI = str(Path(sys.executable).with_name("nlapi"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "gateway"
REQUESTS = 300


@contextmanager
def gateway_stage(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the address and the tokens of a gateway: a canary of ranker v2 has traffic."""
    token_file = folder / "admin.token"
    command = [NLAPI, "gateway", "serve", "--example", "--port", "0", "--database", str(folder / "gateway.db")]
    command += ["--token-file", str(token_file)]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=folder
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            yield _prepared(url, token_file.read_text().strip())
        finally:
            server.terminate()
            server.wait(60)


def _prepared(url: str, admin: str) -> dict[str, str]:
    def call(method: str, path: str, body: Any = None, token: str = admin) -> Any:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, content
        return json.loads(content)

    tokens = {
        name: call("POST", "/v1/tokens", {"name": name, **token})["token"]
        for name, token in (
            ("ana", {"audience": "admin", "role": "operator"}),
            ("vera", {"audience": "admin", "role": "viewer"}),
            ("web", {"audience": "serve"}),
        )
    }
    canary = {"objective": "continue-watching", "model": "ranker", "version": "v2", "percent": 30}
    steps = [{"percent": 30, "bake_seconds": 900}, {"percent": 100, "bake_seconds": 900}]
    guards = [{"metric": "error_rate", "limit": 0.02}, {"metric": "p99_ms", "ratio": 20}]
    call("POST", "/v1/canaries?why=v2+ranks+better+offline", {**canary, "steps": steps, "guards": guards})
    requests = run_path(str(EXAMPLE / "data.py"))["requests"]
    served = [
        call("POST", f"/v1/objectives/{objective}/serve", {"input": given, "context": context}, tokens["web"])
        for objective, given, context in islice(requests(1), REQUESTS)
    ]
    moved = next(row for row in served if (row["decision"]["model"], row["decision"]["version"]) == ("ranker", "v2"))
    return {"url": url, "request": moved["request_id"], **tokens}
