"""`nlapi ask --again`: the last question of the transcripts, with its APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.cli import console
from nlapi.cli.log import find_transcript, resumed_setup
from nlapi.cli.options import Setup
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect


def last_question(setup: Setup, words: Sequence[str]) -> tuple[str, Setup]:
    """Return the last question and the options that it was asked with. UsageError beside another question.

    Where it changed something the last time, `--yes` consents to nothing: the change would be made twice.
    """
    from nlapi.agent.transcripts import read_transcript

    if words:
        raise UsageError("--again asks the last question, and there is another one", hint="leave one of them out")
    records = read_transcript(find_transcript("last")).records
    asked = [record for record in records if record.get("event") == "asked"]
    if not asked:
        raise UsageError("the last transcript has no question", hint="`nlapi log list` shows them")
    question = str(asked[-1].get("question") or "")
    console.dim(f"again: {question}")
    setup = replace(setup, known_values=[*_known_values(asked[-1]), *(setup.known_values or ())] or None)
    setup = resumed_setup(setup, records) if not setup.sources else setup
    if _has_changed(records) and (setup.yes or setup.yes_to is not None):
        console.note("it changed something the last time, so --yes is not enough: you are asked")
        setup = replace(setup, yes=False, yes_to=None)
    return question, setup


def _known_values(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values that were given with `--set`, as options."""
    known = record.get("known")
    for name, value in known.items() if isinstance(known, Mapping) else ():
        if isinstance(value, str) and "***" not in value:
            yield f"{name}={value}"


def _has_changed(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a change may have been carried out since the last question was asked."""
    last = max(index for index, record in enumerate(records) if record.get("event") == "asked")
    later = records[last:]
    has_change = any(
        record.get("event") in ("proposed", "workflow") and record.get("effect") != Effect.READ for record in later
    )
    was_sent = any(record.get("event") == "stepped" and isinstance(record.get("result"), Mapping) for record in later)
    return has_change and was_sent
