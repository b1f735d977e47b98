"""The real clients are left out, in little time, where npm does not give them or they do not come to their end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import npm
from benchmarks.client import GaveOutError, run


def test_a_registry_that_refuses_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "npm"
    program.write_text(f'#!/bin/sh\necho asked >> "{tmp_path}/log"\necho "403 Forbidden" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(npm, "_silent", [])
    said = [npm.fetched(tmp_path / "a", "one@1"), npm.packed(tmp_path / "b", "other@2")]
    assert said == ["npm does not answer: 403 Forbidden"] * 2
    assert (tmp_path / "log").read_text() == "asked\n"


def test_a_client_that_was_ended_is_told_from_one_that_failed() -> None:
    def python(code: str, seconds: float = 60) -> int:
        return run([sys.executable, "-c", code], seconds).returncode

    assert python("raise SystemExit(1)") == 1
    with pytest.raises(GaveOutError, match="ended by SIGKILL"):
        python("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(GaveOutError, match="ended by SIGABRT"):
        python("raise SystemExit(134)")
    with pytest.raises(GaveOutError, match="longer than 0"):
        python("input()", 0.0001)
