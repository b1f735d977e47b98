"""`nlapi gateway`: a real process that serves, and the commands that look at it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from nlapi.cli.gateway import traffic as view
from tests.cli.kit import Ran, run
from tests.console.browser import Browser
from tests.gateway.kit import Talk
from tests.tables import table

RUN = "from nlapi.cli.main import main; main()"


def environment(folder: Path, token: str = "") -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    folders = {f"NLAPI_{name}_DIR": str(folder) for name in ("DATA", "CONFIG", "CACHE")}
    return {**kept, **folders, "COLUMNS": "80", "NO_COLOR": "1", **({"NLAPI_GATEWAY_TOKEN": token} if token else {})}


def nlapi(folder: Path, *words: str, token: str = "") -> Ran:
    """The command in this process, with these variables alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in environment(folder, token).items():
            patch.setenv(name, value)
        return run(*words)


def serve(folder: Path, *words: str) -> Ran:
    """A gateway that does not start, in a process of its own."""
    command = [sys.executable, "-c", RUN, "gateway", "serve", *words, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(folder), timeout=120)
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """The folder, the URL and the first token of a gateway that serves the example."""
    folder = tmp_path_factory.mktemp("gateway")
    command = [sys.executable, "-c", RUN, "gateway", "serve", "--example", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment(folder), **pipes) as process:  # type: ignore[call-overload]
        url = process.stdout.readline().strip()
        said = ""
        while "gateway status" not in said:
            said += process.stderr.readline()
        token = re.search(r"NLAPI_GATEWAY_TOKEN=(nlg_\S+)", said)
        assert token is not None, said
        yield folder, url, token[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130)


def test_the_example_is_served_and_operated(running: tuple[Path, str, str]) -> None:
    folder, url, token = running
    admin = Talk(int(url.rpartition(":")[2]), token)
    assert [one["name"] for one in admin.ok("GET", "/v1/objectives")["data"]] == [
        "continue-watching", "payment-fraud", "recommendations"]  # fmt: skip
    words = ["ask", "which objectives are there?", "-a", "gateway", "--base-url", url, "--planner", "offline"]
    asked = nlapi(folder, *words, "--auth", "admin=env:NLAPI_GATEWAY_TOKEN", "-o", "text", token=token)
    assert asked.code == 0, asked.err
    assert "payment-fraud" in asked.out
    browser = Browser(admin.port)
    assert "Continue watching" in browser.open("/console/sign-in", {"token": token}).text


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("stop the canary on continue-watching unless its error rate is below 1%", 7),
        ("raise the timeout of payment-fraud by 100", 6),
    ],
)
def test_what_was_not_done_is_no_success(running: tuple[Path, str, str], sentence: str, code: int) -> None:
    folder, url, token = running
    admin = Talk(int(url.rpartition(":")[2]), token)
    before = admin.ok("GET", "/v1/configuration")
    words = ["ask", sentence, "-a", "gateway", "--base-url", url, "--planner", "offline", "--yes"]
    asked = nlapi(folder, *words, "--auth", "admin=env:NLAPI_GATEWAY_TOKEN", token=token)
    assert asked.code == code, asked.err
    assert admin.ok("GET", "/v1/configuration") == before


def test_status_and_traffic_show_what_was_served(running: tuple[Path, str, str]) -> None:
    folder, url, token = running
    made = nlapi(folder, "gateway", "token", "tv", "--for", "serve", "--token-file", str(folder / "tv.token"))
    assert made.code == 0, made.err
    assert stat.S_IMODE((folder / "tv.token").stat().st_mode) == 0o600
    client = Talk(int(url.rpartition(":")[2]), (folder / "tv.token").read_text().strip())
    for user in range(5):
        body = {"input": {"watched": [], "limit": 2}, "context": {"user": f"u{user}"}}
        client.ok("POST", "/v1/objectives/recommendations/serve", body)
    found = nlapi(folder, "gateway", "status", "--url", url, token=token)
    rows = [row for row in json.loads(found.out)["data"] if row["objective"] == "recommendations"]
    assert sum(row["requests"] for row in rows) == 5
    assert all(row["digest"].startswith("sha256:") for row in rows)
    table = nlapi(folder, "gateway", "status", "--url", url, "--once", "-o", "table", token=token)
    assert re.search(r"recommendations +recommender@v\d +\d+\.\d %", table.out)
    assert re.search(r"continue-watching +ranker@v1 +- ", table.out)  # nothing was served of it
    canary = {"objective": "recommendations", "model": "recommender", "version": "v2", "percent": 10}
    steps = [{"percent": 10, "bake_seconds": 600}, {"percent": 50}]
    Talk(client.port, token).ok("POST", "/v1/canaries", {**canary, "steps": steps})
    table = nlapi(folder, "gateway", "status", "recommendations", "--url", url, "--once", "-o", "table", token=token)
    assert "canary recommender-v2 is running, with 10 % of recommendations, then 50 %" in table.out
    assert "ranker" not in table.out
    plot = nlapi(folder, "gateway", "traffic", "recommendations", "--url", url, "-o", "table", token=token)
    assert "recommendations, the last 15 minutes" in plot.out
    assert "█ recommender@v1" in plot.out
    assert re.search(r"15 minutes ago +now", plot.out)


@table("command", ["traffic", "status"])
@table("form", ["json", "table"])
def test_an_objective_that_is_not_there_is_an_error(running: tuple[Path, str, str], command: str, form: str) -> None:
    folder, url, token = running
    once = ("--once",) if command == "status" else ()
    shown = nlapi(folder, "gateway", command, "payment-frau", "--url", url, "-o", form, *once, token=token)
    assert (shown.code, shown.out) == (4, ""), shown.out
    assert "did you mean 'payment-fraud'" in shown.err


def test_a_start_that_fails_shows_no_token_and_makes_none(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"objectives": []}')
    words = ("--config", str(tmp_path / "bad.json"))
    refused = serve(tmp_path, *words, "--token-file", str(tmp_path / "token"))
    assert refused.code == 1
    assert "configuration" in refused.err
    assert "token" not in refused.err
    assert not (tmp_path / "token").exists()
    assert "NLAPI_GATEWAY_TOKEN=nlg_" not in serve(tmp_path, *words).err


def test_a_token_file_that_is_there_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("mine")
    refused = serve(tmp_path, "--example", "--token-file", str(tmp_path / "token"))
    assert (refused.code, refused.out) == (1, "")
    assert "it is there already" in refused.err
    assert (tmp_path / "token").read_text() == "mine"


def test_status_shows_versions_that_are_not_loaded() -> None:
    issue = {"level": "error", "where": "versions.ranker@v1", "message": "it is not loaded: its artifact is missing"}
    stream = StringIO()
    Console(file=stream, width=100).print(view.status_view({"revision": 1, "minutes": 5, "data": []}, (), (), [issue]))
    assert "versions.ranker@v1: it is not loaded: its artifact is missing" in stream.getvalue()


def test_a_prefix_of_sources_is_a_url(tmp_path: Path) -> None:
    for prefix in ("models.example.com", "ftp://models.example.com", "https://"):
        refused = nlapi(tmp_path, "gateway", "serve", "--example", "--allow-source", prefix)
        assert refused.code == 2
        assert f"--allow-source {prefix} is not an http, https or file URL" in " ".join(refused.err.split())


def test_what_cannot_be_done_says_what_to_do(running: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, url, token = running
    refused = nlapi(folder, "gateway", "status", "--url", url, token="wrong")
    assert refused.code == 4
    assert "the gateway answered 401: the token is not known" in refused.err
    assert "Traceback" not in refused.err
    assert token not in refused.err
    unnamed = nlapi(folder, "gateway", "status", "--url", url)
    assert unnamed.code == 2
    assert "export NLAPI_GATEWAY_TOKEN=" in unnamed.err
    nlapi(folder, "gateway", "token", "bob")
    again = nlapi(folder, "gateway", "token", "bob")
    assert "there is a token 'bob' already" in again.err
    assert nlapi(folder, "gateway", "token", "bob", "--revoke").code == 0
    done = Talk(int(url.rpartition(":")[2]), token).ok("GET", "/v1/audit", author="command-line")["data"]
    assert [(one["action"], one["detail"]) for one in done[:2]] == [
        ("revokeToken", "token bob (viewer)"), ("createToken", "token bob (viewer)")]  # fmt: skip
    assert done[-1]["detail"] == "token first-admin (admin)"
    second = serve(folder)
    assert (second.code, second.out) == (1, "")
    assert "another gateway serves from" in second.err
    faulty = tmp_path / "faulty.json"
    faulty.write_text('{"objectives": []}')
    stopped = serve(tmp_path, "--config", str(faulty))
    assert stopped.code == 1
    assert "models" in stopped.err
