"""The figures of a run: tables by server and by kind, and what was not right, one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.servers.command import Reply
from benchmarks.servers.sentences import Sentence
from benchmarks.servers.verdict import Judgement, Verdict

HEAD = ("right", "asked", "refused", "failed", "wrong read", "wrong change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A sentence, what became of it, and the verdict."""

    sentence: Sentence
    reply: Reply
    judgement: Judgement


def tables(outcomes: Sequence[Outcome]) -> str:
    """Return two tables of Markdown, by server and by kind of sentence."""
    by_server = _table("server", outcomes, lambda outcome: outcome.sentence.server)
    by_kind = _table("kind", outcomes, lambda outcome: outcome.sentence.kind.value)
    return f"{by_server}\n\n{by_kind}"


def _table(what: str, outcomes: Sequence[Outcome], group: Callable[[Outcome], str]) -> str:
    groups = dict.fromkeys(map(group, outcomes))
    rows = [(name, [outcome for outcome in outcomes if group(outcome) == name]) for name in groups]
    lines = [f"| {what} | sentences | {' | '.join(HEAD)} |", f"| --- |{' --- |' * (len(HEAD) + 1)}"]
    for name, members in [*rows, ("all", list(outcomes))]:
        counts = Counter(outcome.judgement.verdict for outcome in members)
        cells = [str(counts[Verdict(verdict)]) for verdict in HEAD]
        lines.append(f"| {name} | {len(members)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def line(outcome: Outcome) -> str:
    """Return a line about one outcome: the sentence, the verdict, why, what was planned."""
    sentence, judgement = outcome.sentence, outcome.judgement
    reason = " ".join(judgement.reason.split())
    planned = outcome.reply.planned or "nothing"
    if judgement.verdict is Verdict.RIGHT:
        return f"{sentence.server} [{sentence.kind}] right: {sentence.text}  | planned {planned}"
    return f"{sentence.server} [{sentence.kind}] {judgement.verdict}: {sentence.text}  | {reason} | planned {planned}"
