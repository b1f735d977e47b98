"""Tests of workflows that use the command line have their own folders, no keys and no colours."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("config", "state", "cache"):
        monkeypatch.setenv(f"NLAPI_{kind.upper()}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path
