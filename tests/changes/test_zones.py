"""Moments of a model's call in the zone of the user, who says a time of day without one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from datetime import date
import sys
from nlapi.changes.sentences import UserSentence
from nlapi.changes.value_mentions import find_day
print(find_day(sys.argv[2], UserSentence(text=sys.argv[1], today=date(2026, 11, 1))) is not None)
"""
PLAIN, ZONED = "start it on 1 December 2026 at 18:00", "start it on 1 December 2026 at 18:00 UTC"


@pytest.mark.parametrize(
    ("sentence", "value", "is_said"),
    [
        (PLAIN, "2026-12-01T17:00:00Z", True),
        (PLAIN, "2026-12-01T18:00:00+01:00", True),
        (PLAIN, "2026-12-01T18:00:00", True),
        (PLAIN, "2026-12-01T18:00:00Z", False),
        (ZONED, "2026-12-01T18:00:00Z", True),
        (ZONED, "2026-12-01T18:00:00+01:00", False),
        ("start it on 1 December 2026", "2026-12-01T00:00:00Z", True),
    ],
)
def test_local_time_is_not_sent_as_utc(sentence: str, value: str, is_said: bool) -> None:
    environment = {**os.environ, "TZ": "Europe/Paris"}
    command = [sys.executable, "-c", PROGRAM, sentence, value]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == str(is_said)
