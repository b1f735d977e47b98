"""`nlapi demo` and `nlapi sandbox`, as real processes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess

import pytest

from tests.cli.kit import NLAPI, PATIENCE, command
from tests.messages_server import MessagesServer, say, use
from tests.tables import table


@pytest.fixture(scope="module")
def demo() -> str:
    """What the demo prints without a key, both streams."""
    ran = command("demo", ANTHROPIC_API_KEY="")
    assert ran.code == 0
    return ran.out + ran.err


@table(
    "shown",
    [
        "listCampaigns: GET http://127.0.0.1",
        "/campaigns?status=ACTIVE",
        "find the campaign called 'Summer Sale', then Get a campaign",
        "createCampaign: POST http://127.0.0.1",
        '"daily_budget_micros": 50000000',
        "createCampaign needs consent; the demo says yes",
        "Created the campaign Back to School",
        "find the campaign called 'Summer Sale', then List ads",
        "status is now PAUSED",
        "5 questions answered in",
        "The sandbox is stopped.",
        "continue-watching, payment-fraud, recommendations",
        '"country": "BR"',
        "ranker@v1",
        "startCanary needs consent; the demo says yes",
        "Created the canary ranker-v2",
        "status.canary.error_percent         0.0",
        "rollBackCanary needs consent; the demo says yes",
        "rolled back by demo",
        "The gateway is stopped.",
    ],
)
def test_the_demo_shows_what_was_understood_the_call_and_the_answer(demo: str, shown: str) -> None:
    assert shown in demo


def test_each_question_of_the_demo_shows_a_curl_line_without_the_credential(demo: str) -> None:
    assert demo.count("  curl ") >= 10
    assert "Bearer $BEARER_TOKEN" in demo
    assert "Bearer $ADMIN_TOKEN" in demo
    assert "demo-token" not in demo
    assert "nlg_" not in demo


def test_the_traffic_of_the_demo_moves_to_the_canary_and_back(demo: str) -> None:
    served = [line.partition(" were served ")[2] for line in demo.splitlines() if "made-up requests were sent" in line]
    assert [re.findall(r"ranker@v\d", line) for line in served] == [
        ["ranker@v1"], ["ranker@v1", "ranker@v2"], ["ranker@v1"]]  # fmt: skip


def test_the_demo_leaves_nothing_running(demo: str) -> None:
    urls = set(re.findall("http://127.0.0.1:[0-9]+", demo))
    assert len(urls) == 2
    for url in urls:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)


def test_with_a_key_the_demo_asks_claude() -> None:
    script = [use("listCampaigns", {"status": ["ACTIVE"]}), say("Two are active."), *[say("Done.")] * 9]
    with MessagesServer(script, key="sk-test") as server:
        ran = command("demo", ANTHROPIC_API_KEY="sk-test", ANTHROPIC_BASE_URL=server.url)
    assert ran.code == 0
    assert "The planner is claude." in ran.err
    assert "Two are active." in ran.out
    assert len(server.requests) == 11


def test_a_sandbox_says_where_it_is_answers_and_stops_when_told() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([NLAPI, "sandbox", "ads", "--port", "0"], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout and process.stderr
        url = process.stdout.readline().strip()
        asked = command("call", "ads", "listCampaigns", "limit=1", "--base-url", url, "--auth", "bearer=any")
        other = command("call", "ads", "listCampaigns", "limit=1", "--base-url", url, "--auth", "oauth2=any")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE)[1]
    assert asked.code == other.code == 0
    assert len(asked.json["data"]) == 1
    assert process.returncode == 0
    assert "200 GET /campaigns" in said
    assert f"-a ads --base-url {url} --auth" in said


def test_a_port_that_is_taken_is_said() -> None:
    with subprocess.Popen([NLAPI, "sandbox", "ads", "--port", "0"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        port = first.stdout.readline().strip().rpartition(":")[2]
        ran = command("sandbox", "ads", "--port", port)
        first.send_signal(signal.SIGINT)
    assert ran.code == 2
    assert port in ran.complaint
