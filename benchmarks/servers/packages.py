"""Installation of servers: Debian packages into the system, PyPI packages into environments in the cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.npm import cache

SECONDS = 600.0
"""The longest that an installation may take; LiteLLM's proxy, the largest, is 756 MB."""

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian puts servers; not on the PATH of every user."""


def program(name: str) -> str | None:
    """Return the path of an installed program, None where it is absent."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM_PATH)))


def install_debian(programs: Sequence[str], packages: Sequence[str]) -> str:
    """Install Debian packages unless all `programs` are present; return why that is impossible, or ""."""
    absent = [name for name in programs if program(name) is None]
    if not absent:
        return ""
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        return f"{', '.join(absent)} is absent, and so is apt-get"
    if os.geteuid() != 0:
        return f"{', '.join(absent)} is absent: run as root, or install it with `{command}`"
    if Path("/run/systemd/system").exists():
        # systemd starts a server of Debian's as soon as it is installed, on its public port.
        return f"{', '.join(absent)} is absent, and systemd would start it: install it yourself with `{command}`"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    reason = _run(["apt-get", "update", "-q"], environment)
    return reason or _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], environment)


def python_environment(package: str, version: str, extra: str = "", further: Sequence[str] = ()) -> Path | str:
    """Return the `bin` folder of an environment of its own with one PyPI package, or why there is none.

    `further` are requirements beside it.
    """
    folder = cache() / "servers" / f"{package}-{version}"
    finished = folder / ".installed"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        requirement = f"{package}[{extra}]=={version}" if extra else f"{package}=={version}"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, requirement, *further]):
            if reason := _run(command, environment):
                return f"{requirement} cannot be installed: {reason}"
        finished.touch()
    return folder / "bin"


def _run(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run a command; return the end of its messages where it fails, or ""."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {SECONDS:g} s"
    except OSError as error:
        return f"{command[0]}: {error}"
    messages = " ".join((done.stderr or done.stdout).split())[-300:]
    return (messages or f"exit code {done.returncode}") if done.returncode else ""
