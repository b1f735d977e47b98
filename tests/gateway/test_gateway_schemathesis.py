"""Schemathesis finds nothing: what the gateway does is what its description says, whatever is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.kit import gateway

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "specs" / "gateway.yaml"
RUN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "25"))
"""For how long it looks; a whole look takes about four minutes, and `-o faulthandler_timeout=0`."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "chosen"),
    [("admin", ["--exclude-operation-id", "serveObjective"]), ("web", ["--include-tag", "serving"])],
)
def test_schemathesis_finds_nothing(tmp_path: Path, token: str, chosen: list[str]) -> None:
    pytest.importorskip("schemathesis")
    with gateway(tmp_path) as talk:
        command = [
            *(sys.executable, "-c", RUN, "--config-file", str(HERE / "schemathesis.toml"), "run", str(SPEC)),
            *("--url", f"http://127.0.0.1:{talk.port}", "--header", f"Authorization: Bearer {talk.tokens[token]}"),
            *("--max-examples", "5", "--max-time", str(SECONDS), "--generation-deterministic", "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--request-timeout", "20"),
            *chosen,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=8 * SECONDS)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert talk.ok("GET", "/health")["status"] == "ok"
