"""Environments of Python in .venvs/ for what the one of the tests cannot have, each made once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venvs"
STEP_S = 300.0
"""Seconds for one step, such as the installation of packages."""


class StepError(Exception):
    """A step ended with another code than 0, or not in time; the text is the end of what it printed."""

    @property
    def reason(self) -> str:
        """The last line: the first ones of pip name long URLs, and the last one says what went wrong."""
        lines = str(self).strip().splitlines() or ["it printed nothing"]
        return lines[-1].strip()[:200]


def run(command: Iterable[str | Path], limit_s: float = STEP_S, **variables: str) -> str:
    """Return the output of a command in the folder of the project, both streams together. StepError."""
    # A key would let Claude plan in the demo, and settings of the user's would be read.
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "NLAPI_"))}
    arguments = list(map(str, command))
    try:
        done = subprocess.run(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            timeout=limit_s,
            env={**settings, **variables},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"{' '.join(arguments[:4])} did not end within {limit_s:g} s") from None
    except OSError as error:
        raise StepError(str(error)) from None
    if done.returncode:
        raise StepError("\n".join(done.stdout.strip().splitlines()[-30:]))
    return done.stdout


def environment(
    name: str, *requirements: str, python: str = sys.executable, inputs: Iterable[Path] = (), limit_s: float = STEP_S
) -> Path:
    """Return the interpreter of .venvs/`name`, which is made where it is not there or has been made otherwise.

    Args:
        requirements: What `pip install` is given: packages, and options such as `--group`.
        inputs: Files that the requirements refer to; a newer one has the environment made anew.
        limit_s: Seconds for the installation.

    Raises:
        StepError: A package cannot be had.
    """
    folder = FOLDER / name
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp, content = folder / ".done", "\n".join(requirements)
    newest = max((file.stat().st_mtime for file in inputs), default=0.0)
    if not stamp.exists() or stamp.stat().st_mtime < newest or stamp.read_text(encoding="utf-8") != content:
        run([python, "-m", "venv", "--clear", folder])
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Groups of pyproject.toml need it.
        run([*pip, "--upgrade", "pip>=25.1"])
        run([*pip, *requirements], limit_s)
        stamp.write_text(content, encoding="utf-8")
    return interpreter
