"""Every script in examples/ runs and prints what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISES = {
    "tools.py": ["Ads 1.0.0:", '"name": "listAccounts"', '"input_schema"'],
    "plan.py": ["listCampaigns", "GET https://ads.example.com/v1/campaigns?status=ACTIVE"],
    "call.py": ["200 [", "needs your consent", "200 PAUSED"],
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_the_example_runs(name: str) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [promise for promise in PROMISES[name] if promise not in done.stdout] == []
