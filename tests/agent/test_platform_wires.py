"""Claude at Amazon's and Google's platforms, on stand-ins of their wires, with the logins of their own packages.

The environment of the tests has neither package: `python -m benchmarks.claude_platforms` runs these in one that has.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.errors import PlannerError
from tests.agent.test_agent_connections import ANSWER, SSE, answer_of, sse
from tests.servers import Echo, Received, Reply

TOKEN = "platform-secret-0123456789"


def frame(kind: str, payload: bytes, message: str = "event") -> bytes:
    """A message of AWS's event stream: lengths and their CRC, headers, content, and the CRC of all."""
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in (
            (f":{message}-type", kind),
            (":content-type", "application/json"),
            (":message-type", message),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))


def bedrock_stream(events: Iterable[dict[str, Any]]) -> bytes:
    parts = (json.dumps({"bytes": b64encode(json.dumps(event).encode()).decode()}).encode() for event in events)
    return b"".join(frame("chunk", part) for part in parts)


def bedrock(url: str, patch: pytest.MonkeyPatch, **environment: str) -> ModelEndpoint:
    settings = {"AWS_REGION": "eu-west-1", "ANTHROPIC_BEDROCK_BASE_URL": url, **environment}
    for name, value in settings.items():
        patch.setenv(name, value)
    return find_endpoint("sonnet", {"CLAUDE_CODE_USE_BEDROCK": "1", **settings})


AWS_STREAM = {"content-type": "application/vnd.amazon.eventstream"}


@pytest.mark.parametrize("login", ["bearer", "keys"])
def test_bedrock_streams_and_signs(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": TOKEN}
    settings = {"AWS_BEARER_TOKEN_BEDROCK": TOKEN} if login == "bearer" else keys
    with Echo(Reply(200, bedrock_stream(ANSWER), AWS_STREAM)) as server:
        answer = answer_of(bedrock(server.url, monkeypatch, **settings))
    assert [block["type"] for block in answer.content] == ["thinking", "text", "tool_use"]
    sent = server.only
    assert "anthropic.claude-sonnet-5-5/invoke-with-response-stream" in sent.target.replace("%3A", ":")
    authorization = str({name.lower(): value for name, value in dict(sent.headers).items()}["authorization"])
    assert authorization.startswith(f"Bearer {TOKEN}" if login == "bearer" else "AWS4-HMAC-SHA256 ")
    assert TOKEN not in (sent.body.decode() if login == "bearer" else f"{sent.headers}{sent.body!r}")


def test_what_bedrock_refuses_is_said_without_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    body = {"message": f"the token {TOKEN} is expired"}
    for status in (403, 429, 500):
        with Echo(Reply(status, body)) as server, pytest.raises(PlannerError) as error:
            answer_of(bedrock(server.url, monkeypatch, AWS_BEARER_TOKEN_BEDROCK=TOKEN))
        text = f"{error.value.message} {error.value.hint}"
        assert "Amazon Bedrock" in text
        assert TOKEN not in text


def test_vertex_streams_with_a_login_that_is_renewed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    tokens: list[str] = []

    def answer(request: Received) -> Reply:
        if request.target == "/token":
            tokens.append(f"{TOKEN}-{len(tokens)}")
            return Reply(200, {"access_token": tokens[-1], "expires_in": 3600, "token_type": "Bearer"})
        return Reply(200, sse(ANSWER), SSE)

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with Echo(answer) as server:
        account = {
            "type": "service_account", "project_id": "p1", "private_key_id": "k1", "private_key": pem,
            "client_email": "robot@example.com", "client_id": "1", "token_uri": f"{server.url}/token",
        }  # fmt: skip
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account))
        for name, value in {
            "GOOGLE_APPLICATION_CREDENTIALS": str(file), "CLOUD_ML_REGION": "europe-west1",
            "ANTHROPIC_VERTEX_PROJECT_ID": "p1", "ANTHROPIC_VERTEX_BASE_URL": server.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        there = find_endpoint("sonnet", {"CLAUDE_CODE_USE_VERTEX": "1"})
        answers = [answer_of(there) for _ in range(2)]
    assert all(answer.content[1]["text"] == "Deleting it." for answer in answers)
    asked = [entry for entry in server.received if entry.target != "/token"]
    assert all(
        "/projects/p1/locations/europe-west1/publishers/anthropic/models/claude-sonnet-5-5:" in entry.target
        for entry in asked
    )
    assert len(tokens) == 2  # each connection logs in by itself


def test_no_login_of_google_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    file = tmp_path / "gone.json"
    for name, value in {
        "GOOGLE_APPLICATION_CREDENTIALS": str(file), "CLOUD_ML_REGION": "europe-west1",
        "ANTHROPIC_VERTEX_PROJECT_ID": "p1", "ANTHROPIC_VERTEX_BASE_URL": "http://127.0.0.1:9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(PlannerError, match="Google Vertex AI cannot be asked"):
        answer_of(find_endpoint("sonnet", {"CLAUDE_CODE_USE_VERTEX": "1"}))
