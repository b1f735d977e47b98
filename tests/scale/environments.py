"""Virtual environments of packages that are too large for the one of the other tests, in .venvs/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# Seconds. ray[serve] is the largest: 492 MB in 63 s on a quiet machine; MLServer took 300 with eight others at work.
INSTALL_S = 600


def environment_python(name: str, *packages: str) -> Path:
    """Return the Python of an environment with the packages. The test is skipped, with the reason, without them."""
    folder = ROOT / ".venvs" / name
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    requirements = "\n".join(packages)
    if stamp.exists() and stamp.read_text() == requirements:
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    try:
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], install):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} was not installed within {INSTALL_S} s")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason on standard error"]
        pytest.skip(f"{name} cannot be installed: {lines[-1][:200]}")
    stamp.write_text(requirements)
    return python
