"""Consoles of the tests have folders of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "NLAPI_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NLAPI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path
