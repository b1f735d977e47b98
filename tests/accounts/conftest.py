"""Every test of logins has its own folders, no keyring but a test's own, and a browser that follows redirects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from tests.accounts.kit import CONFIDENTIAL, PUBLIC, MemoryKeyring, browser
from tests.authorization_server import LoopbackAuthorizationServer


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for kind in ("config", "state", "cache"):
        monkeypatch.setenv(f"NLAPI_{kind.upper()}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("BROWSER", browser())
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    before: KeyringBackend = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield tmp_path / "config"
    keyring.set_keyring(before)


@pytest.fixture
def keys() -> MemoryKeyring:
    """A keyring of this system."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def server() -> Iterator[LoopbackAuthorizationServer]:
    with LoopbackAuthorizationServer(PUBLIC, CONFIDENTIAL) as server:
        yield server
