"""Several things asked for one after the other: the clauses of a question, each planned for itself, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.steps.coreference import NobodySaid, resolve
from nlapi.planner.steps.steps import answers_to_rounds, clauses_of, final_answer
from nlapi.resources.naming import METHODS, VERBS, Intent, singular, split_words, stem
from nlapi.tools.answer_view import AnswerView
from nlapi.tools.plan import Conversation, Outcome, Plan, Round

_POSSESSED = re.compile(r"^(?:all )?(?:the|my|its|their) [a-z]+(?: [a-z]+)? (?:of|for|in) \S", re.IGNORECASE)
MOST = 4
SURE = 0.35
"""Each clause has to be planned this surely by itself; else the question is taken as a whole."""
READ_SURE = 0.2
"""So a read has to be, of which there is nothing to fear."""
_BOUNDARY = re.compile(
    r"(?<=[.;!?])\s+|\s*,\s*(?:and\s+)?(?:then\s+|also\s+)?|\s+(?:and|then)\s+(?:then\s+|also\s+)?", re.IGNORECASE
)
_PROLOGUE = re.compile(
    r"^\W*(?:hey|hi|hello|i(?:['’]m| am| have|['’]ve)|we(?:['’]re| are| have)?|my|our)\b", re.IGNORECASE
)
"""How a clause begins that says why something is asked."""
_ASIDE = re.compile(r"^(?:make|be) sure (?:i|we|you|it)\b", re.IGNORECASE)
"""Says what the rest is for, and commands nothing: make sure I miss none."""
_POLITE = re.compile(
    r"^(?:(?:also|additionally|then|next|afterwards?|finally|please|kindly|and|after (?:that|this)"
    r"|i(?:['’]d| would)? (?:also )?(?:like|want|need) (?:you )?to|i(?:['’]ll| will) (?:also )?need (?:you )?to"
    r"|(?:can|could|would|will) you(?: please)?(?: also)?)\b[,\s]*)+",
    re.IGNORECASE,
)


def clauses(question: str, verbs: frozenset[str]) -> list[str]:
    """The parts of a question that begin with a verb of their own (one that is known, or in `verbs`), in order."""
    ends = [match for match in _BOUNDARY.finditer(question) if not _quoted(question, match.start())]
    parts: list[str] = []
    start = 0
    for match in ends:
        rest = _POLITE.sub("", question[match.end() :])
        if question[start : match.start()].strip() and (_begins_with_verb(rest, verbs) or _asks_for_more(rest)):
            parts.append(question[start : match.start()])
            start = match.end()
    parts.append(question[start:])
    return [bare for part in parts if (bare := _POLITE.sub("", part.strip()).strip(" ,;"))]


def own_verbs(catalogue: Catalogue) -> frozenset[str]:
    """The first words of the ids and summaries of an API's operations."""
    first = (
        words[0] for one in catalogue.operations for words in (split_words(one.id), split_words(one.summary)) if words
    )
    return frozenset(word for word in map(stem, first) if not catalogue.index.is_entity(word))


def _quoted(text: str, at: int) -> bool:
    return text.count('"', 0, at) % 2 == 1


def _asks_for_more(text: str) -> bool:
    """Is a clause a thing with its owner: and [the ads of Summer Sale]? It asks to be shown it."""
    return _POSSESSED.match(text) is not None


def _begins_with_verb(text: str, verbs: frozenset[str]) -> bool:
    words = split_words(text[:80])
    if not words or singular(words[0]) != words[0] or words[0].endswith(("ed", "ing")):
        return False
    return stem(words[0]) in VERBS or stem(words[0]) in verbs


def chained(question: str, catalogue: Catalogue, plan: Callable[[str], Plan]) -> list[tuple[str, Plan]]:
    """The clauses with their plans, when each is clearly planned by itself and no two lead to the same call."""
    parts = _with_prologues(clauses(question, own_verbs(catalogue)))
    if not 1 < len(parts) <= MOST:
        return []
    made: list[tuple[str, Plan]] = []
    for part in parts:
        asks_for_more = bool(made) and _asks_for_more(part)
        one = plan(f"show {part}" if asks_for_more else part)
        reads = _is_read(one)
        if not one.calls or one.missing or one.confidence < (READ_SURE if reads else SURE):
            return []
        if asks_for_more and not (reads and _is_read(made[0][1])):
            return []
        made.append((f"show {part}" if asks_for_more else part, one))
    return made if len({_operation(one) for _, one in made}) == len(made) else []


def _with_prologues(parts: list[str]) -> list[str]:
    """The clauses, each with what says before it why it is asked: I have 5 euros. [How much is that in dollars?]"""
    whole: list[str] = []
    before = ""
    for part in parts:
        if _ASIDE.match(part):
            continue
        if _PROLOGUE.match(part) and part is not parts[-1]:
            before = f"{before} {part}".strip()
            continue
        whole.append(f"{before} {part}".strip())
        before = ""
    return whole


def _is_read(plan: Plan) -> bool:
    operation = _operation(plan)
    return operation is not None and operation.effect is Effect.READ


def _operation(plan: Plan) -> Operation | None:
    call = plan.goal or (plan.calls[-1] if plan.calls else None)
    return call.tool.operation if call is not None else None


def unrelated(made: Sequence[tuple[str, Plan]], catalogue: Catalogue) -> list[str]:
    """The operations, when changes of different kinds are asked for (create this, delete that); else nothing."""
    changes = [one for _, plan in made if (one := _operation(plan)) is not None and catalogue.index.is_change(one)]
    return [one.id for one in changes] if len(set(map(_kind, changes))) > 1 else []


def _kind(operation: Operation) -> Intent:
    """What an operation does; a POST to what is no collection (/player/next) changes the state of what is there."""
    words = noun_stems(operation)
    last = split_words(operation.path.rstrip("/").rpartition("/")[2])
    creates = bool(words) and bool(last) and singular(last[-1]) != last[-1]
    if operation.method == "POST":
        return Intent.CREATE if creates else Intent.UPDATE
    return Intent.DELETE if operation.method in METHODS[Intent.DELETE] else Intent.UPDATE


def begun(made: Sequence[tuple[str, Plan]]) -> Plan:
    """The Plan of the first clause, which says what comes after it."""
    (asked, first), *rest = made
    later = "; then ".join(plan.understood for _, plan in rest)
    raw: Mapping[str, Any] = first.raw if isinstance(first.raw, Mapping) else {}
    chain = {"asked": asked, "then": [part for part, _ in rest]}
    sure = min(plan.confidence for _, plan in made)
    return replace(
        first,
        understood=f"{first.understood}; then {later}",
        confidence=sure,
        raw={**raw, "chain": chain},
        alternatives=(),
    )


def next_clause(
    conversation: Conversation, ended: Plan, plan: Callable[[str], Plan], *, several: bool, today: date | None
) -> Plan:
    """Return `ended` unless the question has several clauses: the Plan of the next, or the answers to all of them."""
    turn = conversation.current
    chain = next((found for round in reversed(turn.rounds) if (found := _chain(round)) is not None), None)
    if chain is None or not turn.steps:
        return ended
    clauses = clauses_of(turn)[:-1]
    views = [
        view for asked, rounds in clauses for view in answers_to_rounds(asked, rounds, several=several, today=today)
    ]
    views += ended.views or (AnswerView(text=ended.text),)
    last = turn.steps[-1]
    failed = last.outcome is not Outcome.ANSWERED or last.result is None or not last.result.ok
    if failed or not chain["then"]:
        return final_answer(views, f" Not done: {'; '.join(chain['then'])}." if failed and chain["then"] else "")
    asked, *then = chain["then"]
    try:
        following = plan(resolve(asked, conversation))
    except NobodySaid as unsaid:
        return final_answer([*views, AnswerView(text=str(unsaid))])
    raw = following.raw if isinstance(following.raw, Mapping) else {}
    if not following.calls:
        return final_answer([*views, AnswerView(text=following.text)])
    return replace(following, alternatives=(), raw={**raw, "chain": {"asked": asked, "then": then}})


def _chain(round: Round) -> Mapping[str, Any] | None:
    """The clause that a round is the first of, and those after it; None for any other round."""
    chain = round.plan.raw.get("chain") if isinstance(round.plan.raw, Mapping) else None
    return chain if isinstance(chain, Mapping) else None
