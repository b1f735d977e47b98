"""Versions are tried in another process, whatever their code does there."""

from __future__ import annotations

from pathlib import Path

from nlapi.gateway.workers.processes import try_loading
from tests.gateway.versions import write

SOUND = "def predict(value):\n    return value\n"
FAULTS = {
    "import os\nos._exit(7)": "it ended its process while it was loaded (exit code 7)",
    "import os\nos.kill(os.getpid(), 9)": "it ended its process while it was loaded (exit code -9)",
    "import sys\nsys.exit()": "stages.py cannot be imported: SystemExit",
    "raise KeyboardInterrupt": "it ended its process while it was loaded (exit code 0)",
    "raise ValueError('x' * 100_000)": "stages.py cannot be imported: ValueError in stages.py, line 1: xxx",
    "x = 1": "has none of the stages",
}
HARMLESS = [
    "print('this must not get into the answers')",
    "import sys\nassert sys.stdin.read() == ''",
    "import os\nos.closerange(3, 6)",
    "import threading\nthreading.Thread(target=threading.Event().wait).start()",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''], check=True)",
]


def test_each_version_has_its_own_fault(tmp_path: Path) -> None:
    codes = [code for fault in FAULTS for code in (fault, "")]
    folders = [write(tmp_path / str(number), f"{code}\n") for number, code in enumerate(codes)]
    for folder, code in zip(folders, codes, strict=True):
        if not code:
            write(folder, SOUND)
    outcomes = try_loading(folders, timeout_s=60)
    for code, outcome in zip(codes, outcomes, strict=True):
        if code:
            assert outcome is not None, code
            assert FAULTS[code] in outcome.message
            assert len(outcome.message) <= 2000
        else:
            assert outcome is None


def test_code_that_goes_on_for_ever_is_ended(tmp_path: Path) -> None:
    (outcome,) = try_loading([write(tmp_path / "v1", "while True:\n    pass\n")], timeout_s=0.5)
    assert outcome is not None
    assert outcome.message == "it is not loaded within 0.5 s"


def test_what_a_version_does_at_import_disturbs_no_other(tmp_path: Path) -> None:
    folders = [write(tmp_path / str(number), f"{code}\n{SOUND}") for number, code in enumerate(HARMLESS)]
    for _ in range(2):
        outcomes = try_loading([folder for folder in folders for _ in range(2)], timeout_s=60)
        assert [outcome for index, outcome in enumerate(outcomes) if index // 2 != 2] == [None] * 8
