"""Probes of orchestrators: whatever the host is, without a token, on either port, from the start to the end."""

from __future__ import annotations

import http.client
import json
import signal
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from nlapi.gateway.http.server import ServerTimeouts, StartingProbes
from nlapi.serving import open_listener
from tests.gateway.kit import Talk, document, gateway, write_models
from tests.gateway.processes import NLAPI, ROOT, serve_process
from tests.gateway.versions import write
from tests.waiting import until

PROBES = ("/livez", "/readyz")


def get(address: str, path: str, *, host: str = "10.1.2.3:8700", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_is_answered_whatever_the_host_is(talk: Talk, path: str) -> None:
    address = f"127.0.0.1:{talk.port}"
    assert get(address, path) == (200, b'{"status":"ok"}')
    assert get(address, f"{path}?verbose", host="") == (200, b'{"status":"ok"}')
    assert get(address, path, method="HEAD") == (200, b"")
    assert get(address, path, method="DELETE")[0] == 421
    assert talk("DELETE", path).status == 405
    assert get(address, "/v1/objectives")[0] == 421
    assert talk.as_("nlg_unknown")("GET", path).status == 200


def test_a_gateway_without_a_revision_is_ready_for_its_first(tmp_path: Path) -> None:
    with gateway(tmp_path, publish=False) as talk:
        assert talk("GET", "/livez").status == 200
        answer = talk("GET", "/readyz")
        assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_a_probe_port_answers_probes_alone_until_the_process_ends(tmp_path: Path) -> None:
    port = free_port()
    options = ("--probe-port", str(port), "--drain-delay", "60", "--drain-timeout", "5")
    with serve_process(tmp_path, *options) as running:
        probes = f"127.0.0.1:{port}"
        assert [get(probes, path)[0] for path in PROBES] == [200, 200]
        for path in ("/", "/v1/objectives", "/metrics", "/health"):
            assert get(probes, path)[0] == 404
        running.process.send_signal(signal.SIGTERM)
        until(lambda: get(probes, "/readyz")[0] == 503)
        assert json.loads(get(probes, "/readyz")[1]) == {"status": "draining"}
        assert get(probes, "/livez")[0] == 200
        # It still accepts: the load balancer may not have noticed yet.
        assert get(running.address, "/readyz")[0] == 503
        assert get(running.address, "/health", host=running.address)[0] == 200
        running.process.send_signal(signal.SIGINT)  # whoever insists does not wait
        running.process.wait(60)


def test_a_gateway_that_starts_is_alive_and_not_ready(tmp_path: Path) -> None:
    port, flag = free_port(), tmp_path / "loaded"
    write_models(tmp_path / "models")
    waiting = f"while not pathlib.Path({str(flag)!r}).exists():\n    threading.Event().wait(0.01)\n"
    stages = f"import pathlib, threading\n{waiting}def predict(value):\n    return value\n"
    write(tmp_path / "models" / "ranker-v7", stages)
    (tmp_path / "state.json").write_text(json.dumps(document()), encoding="utf-8")
    options = ("--config", str(tmp_path / "state.json"), "--models", str(tmp_path / "models"))
    with serve_process(tmp_path, *options, "--probe-port", str(port), example=False, waits=False):
        probes = f"127.0.0.1:{port}"

        def is_up() -> bool:
            try:
                return get(probes, "/livez")[0] == 200
            except ConnectionError:
                return False

        until(is_up)
        assert get(probes, "/readyz") == (503, b'{"status":"starting"}')
        flag.touch()
        until(lambda: get(probes, "/readyz")[0] == 200)


@pytest.mark.slow
def test_probes_are_answered_while_an_old_database_is_brought_up_to_date(tmp_path: Path) -> None:
    database, port = tmp_path / "gateway.db", free_port()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.executescript(Path(__file__).with_name("store_version_1.sql").read_text(encoding="utf-8"))
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN IMMEDIATE")  # which the migration waits for
        command = [*NLAPI, "gateway", "serve", "--port", "0", "--probe-port", str(port), "--database", str(database)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            probes = f"127.0.0.1:{port}"

            def is_up() -> bool:
                try:
                    return get(probes, "/livez") == (200, b'{"status":"ok"}')
                except ConnectionError:
                    return False

            until(is_up)
            assert get(probes, "/readyz") == (503, b'{"status":"starting"}')
            assert get(probes, "/readyz", method="HEAD") == (503, b"")
            assert get(probes, "/v1/objectives")[0] == 404
            other.execute("ROLLBACK")
            until(lambda: get(probes, "/readyz")[0] == 200)
            process.terminate()
            process.communicate(timeout=60)


def test_no_probe_is_lost_when_the_port_is_taken_over() -> None:
    answers: list[tuple[int, bytes]] = []
    stopping = threading.Event()
    with open_listener("127.0.0.1", 0) as (listener, url):
        listener.listen()
        probes = StartingProbes(listener)

        def ask() -> None:
            while not stopping.is_set():
                answers.append(get(url.removeprefix("http://"), "/livez"))

        with ThreadPoolExecutor(3) as pool:
            tasks = [pool.submit(ask) for _ in range(3)]
            for _ in range(30):
                before = len(answers)
                until(lambda before=before: len(answers) > before)  # type: ignore[misc]
                probes = StartingProbes(probes.take())
            stopping.set()
        probes.stop()
    for task in tasks:
        task.result()
    assert set(answers) == {(200, b'{"status":"ok"}')}


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    port = free_port()
    with serve_process(tmp_path, "--probe-port", str(port)):
        command = [*NLAPI, "gateway", "serve", "--example", "--port", "0", "--probe-port", str(port)]
        command += ["--database", str(tmp_path / "second.db")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_a_connection_is_kept_for_the_time_that_is_set(tmp_path: Path) -> None:
    with gateway(tmp_path, timeouts=ServerTimeouts(keep_alive_s=0.2)) as talk:
        connection = http.client.HTTPConnection("127.0.0.1", talk.port, timeout=120)
        connection.request("GET", "/livez")
        assert connection.getresponse().read()
        assert connection.sock.recv(1) == b""  # closed by the server, well before the read time-out
        connection.close()


def test_the_times_are_options_with_defaults_that_suit_proxies() -> None:
    command = [*NLAPI, "gateway", "serve", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    for option, default in (("keep-alive", 75), ("read-timeout", 60), ("drain-timeout", 30), ("drain-delay", 0)):
        (line,) = (line for line in text.splitlines() if f"--{option}" in line)
        assert f"[default: {default}" in line or f"[default: {default}" in text, line
    assert ServerTimeouts().keep_alive_s > 60
