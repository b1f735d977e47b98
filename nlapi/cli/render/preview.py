"""Lines about a change beside its request: the source of its values, the fields it changes, the report of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nlapi.cli.render import console
from nlapi.client.safe_text import json_line, single_line
from nlapi.openapi.spec import Effect
from nlapi.tools.tool import Call, Origin, ValueSource

if TYPE_CHECKING:
    from nlapi.agent.events import ChangesReported
    from nlapi.tools.plan import FollowingCall

# Characters of quoted words in a line.
MAX_QUOTED = 60

# Removed at the ends of quoted words: JSON's own quotes stand around them.
QUOTES = "\"'“”‘’«»`"

_ORIGINS = {
    Origin.LOOKUP: "looked up",
    Origin.SETTING: "set beforehand",
    Origin.CURRENT: "as it is now",
    Origin.REPLY: "you, when asked",
    Origin.DESCRIPTION: "the API's description",
    Origin.VERB: "the verb",
    Origin.WORKFLOW: "the workflow",
    Origin.ANSWER: "an answer of the API, not you",
    Origin.NOBODY: "nobody",
}


def account(call: Call) -> Iterator[str]:
    """Yield a line with the source of each value, and a line with the words of the question that were not used."""
    if call.account is None or call.effect is Effect.READ:
        return
    if call.account.sources:
        yield "; ".join(_source(source) for source in call.account.sources)
    if call.account.unused:
        yield f"not used: {', '.join(_quoted(words) for words in call.account.unused)}"


def _source(source: ValueSource) -> str:
    words = _quoted(source.words) if source.words else ""
    origin = origin_text(source)
    if source.origin is Origin.LOOKUP and words:
        origin = f"{origin} by {words}"
    elif source.origin is Origin.ANSWER and words:
        origin = f"{origin}, for {words}"
    elif source.origin in (Origin.WORDS, Origin.VERB) and words:
        origin = words
    return f"{single_line(source.argument)} <- {origin}"


def origin_text(source: ValueSource) -> str:
    """Return the kind of a source in words."""
    return _ORIGINS.get(source.origin, "your words")


def report(event: ChangesReported) -> Iterator[str]:
    """Yield the report of the changes of a plan: counts, then a line for each change unless all were carried out."""
    from nlapi.agent.events import ChangeOutcome, change_outcome

    counts = [f"{len(event.with_outcome(fate))} {fate}" for fate in ChangeOutcome if event.with_outcome(fate)]
    yield f"{len(event.steps)} changes: {', '.join(counts)}"
    if len(event.with_outcome(ChangeOutcome.SUCCEEDED)) == len(event.steps):
        return
    for step in event.steps:
        fate = change_outcome(step)
        status = f" ({step.result.status})" if step.result is not None and fate is not ChangeOutcome.SUCCEEDED else ""
        reason = (
            f" ({single_line(step.message)})"
            if step.message and fate in (ChangeOutcome.FAILED, ChangeOutcome.REFUSED)
            else ""
        )
        yield f"  {fate}: {single_line(step.call.operation_id)}{_arguments(step.call)}{status}{reason}"


def _arguments(call: Call) -> str:
    """Return the path arguments of a call, which identify the item that it changes."""
    path_arguments = [
        f"{name}={json_line(call.arguments[name])}"
        for name, (location, _) in call.tool.places.items()
        if location == "path" and name in call.arguments
    ]
    return f" {', '.join(path_arguments)}" if path_arguments else ""


def _quoted(words: str) -> str:
    """Return words in JSON quotes, without quotes that the user typed."""
    return console.shorten(json.dumps(single_line(words).strip(QUOTES), ensure_ascii=False), MAX_QUOTED)


def following(entry: FollowingCall) -> str:
    """Return a later call of a whole plan on one line: the values that are known, and where the others come from."""
    operation = entry.call.tool.operation
    texts = ((name, single_line(json.dumps(value, default=str))) for name, value in entry.call.arguments.items())
    known = (f"{name}={console.shorten(text, MAX_QUOTED)}" for name, text in texts)
    pending = (f"{name} <- {single_line(source)}" for name, source in entry.pending)
    mark = "" if operation.effect is Effect.READ else f"  ! {operation.effect.phrase}"
    values = ", ".join((*known, *pending))
    line = f"{single_line(operation.id)}: {operation.method} {single_line(operation.path)}{mark}"
    return f"{line}  {values}" if values else line
