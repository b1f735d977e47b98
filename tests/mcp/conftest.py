"""Servers of the tests have folders of their own, and an API to stand for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.sandbox import running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NLAPI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture(scope="module")
def ads() -> Spec:
    return nlapi.load("ads")


@pytest.fixture
def sandbox(ads: Spec) -> Iterator[str]:
    """The URL of a fresh sandbox of `ads`."""
    with running(ads) as server:
        yield server.url
