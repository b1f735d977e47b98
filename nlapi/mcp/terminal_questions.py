"""Questions of an MCP server that the user answers in a terminal (`nlapi approve`), through files for that user alone.

The server writes the question, the terminal the answer, and the server what came of it: it sends, as it has the
credentials, and knows what was sent before.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nlapi import registry
from nlapi.errors import UsageError, file_faults
from nlapi.local_files import read_file, write_file, write_new_file
from nlapi.processes import is_running

# Letters and digits that nobody takes for one another.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_CODE_LENGTH = 5


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalQuestion:
    """A change that waits. `digest` is of all that `text` shows, `ends` in seconds since 1970, `pid` the server's."""

    title: str
    text: str
    digest: str
    ends: float
    pid: int = field(default_factory=os.getpid)
    code: str = field(default_factory=_new_code)

    def publish(self) -> None:
        """Write the question. NlapiError when it cannot be written."""
        with file_faults(f"{_folder()} cannot be written", hint="set NLAPI_STATE_DIR"):
            write_file(_file(self.code, "question"), json.dumps(asdict(self)))

    def answer(self) -> bool | None:
        """Return what the user answered to this very text; None before an answer."""
        answer = _read(_file(self.code, "answer"))
        return answer.get("agrees") is True and answer.get("digest") == self.digest if answer else None

    def end(self, outcome: str = "") -> None:
        """Remove the question, and leave what came of it to the terminal that answered, if one did."""
        with suppress(OSError):
            if outcome and _file(self.code, "answer").exists():
                write_file(_file(self.code, "outcome"), json.dumps({"text": outcome}))
            for kind in ("question", "answer"):
                _file(self.code, kind).unlink(missing_ok=True)

    # The side of the terminal

    def reply(self, *, agrees: bool) -> None:
        """Write the user's answer. UsageError where another terminal has answered."""
        try:
            write_new_file(_file(self.code, "answer"), json.dumps({"agrees": agrees, "digest": self.digest}))
        except FileExistsError:
            raise UsageError(f"{self.code} was answered in another terminal") from None

    def take_outcome(self) -> str | None:
        """Return what came of an answer, once; None as long as the server sends."""
        outcome = _read(file := _file(self.code, "outcome"))
        if outcome:
            file.unlink(missing_ok=True)
            return str(outcome.get("text", ""))
        return None

    @property
    def is_open(self) -> bool:
        """Whether the server that asks still runs and waits."""
        return self.is_running and time.time() < self.ends and _file(self.code, "question").exists()

    @property
    def is_running(self) -> bool:
        """Whether the server that asks still runs."""
        return is_running(self.pid)


def waiting_questions() -> list[TerminalQuestion]:
    """Return the questions that wait, the one that ends first at the beginning; what nobody waits for is removed."""
    waiting = []
    for file in sorted(_folder().glob("*.question")):
        with suppress(TypeError):
            question = TerminalQuestion(**_read(file))
            waiting += [question] if question.is_open else []
            if not question.is_open:
                question.end()
    return sorted(waiting, key=lambda question: question.ends)


def _folder() -> Path:
    return registry.user_folder("state") / "questions"


def _file(code: str, kind: str) -> Path:
    return _folder() / f"{code}.{kind}"


def _read(file: Path) -> Mapping[str, Any]:
    """Return the object in a file; {} where it is not there, or is none."""
    with suppress(OSError, ValueError):
        content = json.loads(read_file(file) or b"{}")
        return content if isinstance(content, dict) else {}
    return {}
