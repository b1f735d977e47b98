"""Lines about a change beside its request: the source of its values, the fields it changes, the report of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nlapi.cli import show
from nlapi.client.clean import one_line
from nlapi.openapi.spec import Effect
from nlapi.tools.account import Origin, Source
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.agent.events import Reported
    from nlapi.agent.preview import FieldChange

# Characters of a value, or of quoted words, in a line.
MAX_VALUE = 60

# Removed at the ends of quoted words: JSON's own quotes stand around them.
QUOTES = "\"'“”‘’«»`"

_ORIGINS = {
    Origin.LOOKUP: "looked up",
    Origin.SETTING: "set beforehand",
    Origin.REPLY: "you, when asked",
    Origin.DESCRIPTION: "the API's description",
    Origin.VERB: "the verb",
    Origin.ANSWER: "an answer of the API, not you",
    Origin.NOBODY: "nobody",
}


def account(call: Call) -> Iterator[str]:
    """Yield a line with the source of each value, and a line with the words of the question that were not used."""
    if call.account is None or call.tool.effect is Effect.READ:
        return
    if call.account.sources:
        yield "; ".join(_source(source) for source in call.account.sources)
    if call.account.unused:
        yield f"not used: {', '.join(_quoted(words) for words in call.account.unused)}"


def _source(source: Source) -> str:
    words = _quoted(source.words) if source.words else ""
    told = _ORIGINS.get(source.origin, "your words")
    if source.origin is Origin.LOOKUP and words:
        told = f"{told} by {words}"
    elif source.origin in (Origin.WORDS, Origin.VERB) and words:
        told = words
    return f"{one_line(source.argument)} <- {told}"


def changes(fields: tuple[FieldChange, ...]) -> Iterator[str]:
    """Yield a line for each field of an update, with its value before and after, or that it stays."""
    from nlapi.agent.preview import FieldState

    for change in fields:
        name, after = one_line(change.field), _shown(change.after)
        if change.state is FieldState.SAME:
            yield f"{name} is already {after}"
        elif change.state is FieldState.CHANGES:
            yield f"{name}: {_shown(change.before)} -> {after}"
        else:
            yield f"{name}: not shown by the API -> {after}"
    if fields and all(change.state is FieldState.SAME for change in fields):
        yield "nothing would change"


def report(event: Reported) -> Iterator[str]:
    """Yield the report of the changes of a plan: counts, then a line for each change unless all were carried out."""
    from nlapi.agent.events import Fate, fate_of

    counts = [f"{len(event.of(fate))} {fate}" for fate in Fate if event.of(fate)]
    yield f"{len(event.steps)} changes: {', '.join(counts)}"
    if len(event.of(Fate.DONE)) == len(event.steps):
        return
    for step in event.steps:
        fate = fate_of(step)
        status = f" ({step.result.status})" if step.result is not None and fate is not Fate.DONE else ""
        told = f" ({one_line(step.message)})" if step.message and fate in (Fate.FAILED, Fate.REFUSED) else ""
        yield f"  {fate}: {one_line(step.call.operation_id)}{_arguments(step.call)}{status}{told}"


def _arguments(call: Call) -> str:
    """Return the path arguments of a call, which identify the item that it changes."""
    named = [
        f"{name}={_shown(call.arguments[name])}"
        for name, (where, _) in call.tool.places.items()
        if where == "path" and name in call.arguments
    ]
    return f" {', '.join(named)}" if named else ""


def _quoted(words: str) -> str:
    """Return words in JSON quotes, without quotes that the user typed."""
    return show.shorten(json.dumps(one_line(words).strip(QUOTES), ensure_ascii=False), MAX_VALUE)


def _shown(value: Any) -> str:
    # One line without control characters: the value may come from an API, and must not move the cursor.
    return show.shorten(one_line(json.dumps(value, ensure_ascii=False, default=str)), MAX_VALUE)
