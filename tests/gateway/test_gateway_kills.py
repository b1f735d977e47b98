"""A few rounds of benchmarks.gateway_kills: kills, harm and pruning lose and change nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_versions_are_what_they_were_after_kills() -> None:
    command = [sys.executable, "-m", "benchmarks.gateway_kills", "--kills", "4", "--seconds", "120", "--seed", "7"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.startswith("4 kills, 5 starts of ")
    assert finished.stdout.endswith("0 faults \n")
