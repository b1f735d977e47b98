"""A credential that Anthropic's own tools keep on the machine is used where no key is set."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.errors import PlannerError
from nlapi.tools.plan import Plan, ask
from tests.agent.kit import boards
from tests.messages_server import MessagesServer, say
from tests.servers import Echo, Received, Reply

TOKEN = "sk-ant-oat-0123456789-profile"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of profiles whose token another program renews."""
    folder = tmp_path / "anthropic"
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(folder))
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    write(folder / "configs" / "default.json", {"authentication": {"type": "user_oauth"}})
    write(folder / "credentials" / "default.json", {"access_token": TOKEN})
    return folder


def write(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))
    file.chmod(0o600)


def answer(url: str, folder: Path, tmp_path: Path, **environment: str) -> str:
    endpoint = find_endpoint("haiku", {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_CONFIG_DIR": str(folder), **environment})
    planner = ModelPlanner((boards(tmp_path),), endpoint, max_retries=0)

    async def run() -> str:
        return "".join([piece.text async for piece in planner.next(ask("hello")) if isinstance(piece, Plan)])

    return asyncio.run(run())


def test_a_profile_is_the_credential_where_no_key_is_set(folder: Path, tmp_path: Path) -> None:
    with MessagesServer([say("Hello.")], key=TOKEN) as server:
        assert answer(server.url, folder, tmp_path) == "Hello."


def test_the_token_of_a_profile_is_in_no_error_of_the_server(folder: Path, tmp_path: Path) -> None:
    refusal = Reply(403, {"error": {"message": f"{TOKEN} may not"}})
    with Echo(refusal) as server, pytest.raises(PlannerError, match=r"\*\*\* may not") as raised:
        answer(server.url, folder, tmp_path)
    assert TOKEN not in str(raised.value)


def test_a_key_counts_before_a_profile(folder: Path, tmp_path: Path) -> None:
    with MessagesServer([say("Hello.")], key="sk-ant-key") as server:
        assert answer(server.url, folder, tmp_path, ANTHROPIC_API_KEY="sk-ant-key") == "Hello."


def test_a_token_that_was_renewed_meanwhile_is_read_again_once(folder: Path, tmp_path: Path) -> None:
    with MessagesServer([say("Hello.")], key="renewed-0123456789") as server:

        def renew(request: Received) -> Reply:
            write(folder / "credentials" / "default.json", {"access_token": "renewed-0123456789"})
            response = httpx2.post(
                f"{server.url}{request.path}",
                content=request.body,
                headers={
                    name: value for name, value in request.headers if name.lower() not in ("host", "content-length")
                },
            )
            return Reply(response.status_code, response.content, {"content-type": response.headers["content-type"]})

        with Echo(renew) as proxy:
            assert answer(proxy.url, folder, tmp_path) == "Hello."
    sent = [request.header("authorization") for request in proxy.received]
    assert sent == [f"Bearer {TOKEN}", "Bearer renewed-0123456789"]
    assert "oauth-" in (proxy.received[0].header("anthropic-beta") or "")


@pytest.mark.parametrize(
    ("config", "credentials", "reason"),
    [
        ({"authentication": {"type": "user_oauth"}}, {}, "no credential"),
        ({"authentication": {"type": "smoke_signals"}}, {"access_token": TOKEN}, "no credential"),
    ],
)
def test_a_damaged_profile_is_one_line_without_its_token(
    folder: Path, tmp_path: Path, config: Any, credentials: Any, reason: str
) -> None:
    write(folder / "configs" / "default.json", config)
    write(folder / "credentials" / "default.json", credentials)
    with MessagesServer([say("Hello.")]) as server, pytest.raises(PlannerError) as raised:
        answer(server.url, folder, tmp_path)
    assert reason in str(raised.value)
    assert "ANTHROPIC_API_KEY" in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert not server.requests


def test_without_a_profile_a_key_is_missing(tmp_path: Path) -> None:
    assert not find_endpoint("haiku", {"ANTHROPIC_CONFIG_DIR": str(tmp_path)}).has_credential
