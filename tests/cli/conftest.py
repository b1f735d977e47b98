"""Every test of the command line has its own folders, no keys, no colours, and 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.kit import notes_api
from tests.messages_server import MessagesServer
from tests.servers import Echo


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "NLAPI_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NLAPI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def api() -> Iterator[Echo]:
    """The API of the kit's notes."""
    with notes_api() as server:
        yield server


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    """A stand-in for the Claude API, without a script yet; the command is told where it is."""
    with MessagesServer([], key="sk-test") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield server
