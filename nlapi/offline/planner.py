"""The embedded planner: a sentence to a call without a model, a key or a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidates
from nlapi.offline.confidence import confidence, features, is_meant
from nlapi.offline.fill import Filling
from nlapi.offline.given import complete, wanted_in
from nlapi.offline.guard import commands_change, forbids, refusal, supposes, unexpressed, unused, unused_value
from nlapi.offline.read import read_sentence
from nlapi.offline.sentence import Sentence
from nlapi.offline.steps import Goal, can_do, go_on, plan_for
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.tool import Call, Tool
from nlapi.tools.words import METHODS, VERBS, Intent, stem

ALTERNATIVES = 3
UNSURE = 0.35
"""The most that a plan is sure of which leaves out a condition, or changes something that nobody commanded."""
CLEAR = 6.0
"""Index score from which a part of a sentence clearly names an operation by itself."""

_PARTS = re.compile(r"(?:[,;.]\s*|\s+)(?:and\s+then|then|and\s+also|and|also)\s+(?=[a-z]+\b)", re.IGNORECASE)


def plan(
    question: str, tools: Iterable[Tool | Spec], known: Mapping[str, Any] | None = None, *, today: date | None = None
) -> Plan:
    """One decision: the call that `question` asks for, among `tools` (or the operations of whole Specs).

    `known` are values by argument name. What is required and not said is in `Plan.missing`; nothing is made up.
    """
    return OfflinePlanner(tools, today=today).plan(question, known=known)


class OfflinePlanner:
    """A Planner that needs nothing but the description. All it remembers between rounds is in the conversation."""

    name = "offline"

    def __init__(self, sources: Iterable[Spec | Tool], *, today: date | None = None) -> None:
        self.catalogue = Catalogue.of(sources)
        self.today = today

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        """The next Plan, and no text before it."""
        turn = conversation.current
        if any(round.steps for round in turn.rounds):
            yield go_on(turn, self.catalogue, conversation.known)
        else:
            yield self.plan(turn.question, known=conversation.known)

    def plan(self, question: str, *, known: Mapping[str, Any] | None = None) -> Plan:
        """The first Plan for a question."""
        known = known or {}
        sentence = read_sentence(question, self.today or date.today())
        found = candidates(sentence, self.catalogue, known)
        if not found or not is_meant(found[0]):
            return self._unmatched(found)
        if wants := self._several(sentence):
            text = f"this needs Claude: the sentence asks for {len(wants)} things ({', '.join(wants)})"
            return replace(self._unmatched(found), text=f"{text}; ask for one at a time")
        best, others = found[0], found[1:]
        changes = self.catalogue.index.changes(best.operation)
        if (changes and (why := refusal(best, self.catalogue.index.names))) or (why := _forbidden(best)):
            return replace(self._unmatched(found), text=f"this needs Claude: {why}", confidence=0.1)
        return self._planned(best, others, known, question, changes=changes)

    def _planned(
        self, best: Candidate, others: Sequence[Candidate], known: Mapping[str, Any], question: str, *, changes: bool
    ) -> Plan:
        values = {option.slot.path: option.value for option in best.filling.options}
        _, missing = complete(values, best.scene.slots, known)
        sure = confidence(features(best, others, len(missing)))
        unsaid = () if changes else tuple(unexpressed(best))
        half = changes and (_changes_nothing(best) or any(map(unused_value, best.filling.unused)))
        if best.unasked or unsaid or half:
            sure = min(sure, UNSURE)
        left = ", ".join((*unsaid, *(one for one in unused(best) if not any(one in said for said in unsaid))))
        note = f"not used: {left}" if left else ""
        goal = Goal(tool=best.tool, values=values, confidence=round(sure, 3), question=question, note=note)
        made = plan_for(goal, self.catalogue, known)
        return replace(made, alternatives=tuple(map(_call, others[:ALTERNATIVES])))

    def _unmatched(self, found: Sequence[Candidate]) -> Plan:
        """Nothing in the API is meant: say so, and what it can do."""
        operations = self.catalogue.operations
        title = operations[0].spec.title if operations else ""
        text = f"Nothing in {title or 'this API'} matches that. {can_do(operations, title)}".strip()
        return Plan(text=text, confidence=0.05, alternatives=tuple(map(_call, found[:ALTERNATIVES])))

    def _several(self, sentence: Sentence) -> list[str]:
        """The operations asked for when a sentence plainly asks for several unrelated ones, else nothing."""
        parts = [part for part in _PARTS.split(sentence.text) if part]
        wants: list[tuple[str, Intent]] = []
        for part in parts:
            intent = VERBS.get(stem(part.split()[0].lower()))
            top = self.catalogue.index.search(part, 1) if intent is not None else []
            if intent is None or not top or top[0][1] < CLEAR:
                continue
            wants.append((top[0][0].id, intent))
        ids = list(dict.fromkeys(id for id, _ in wants))
        return ids if len(ids) > 1 and len({intent for _, intent in wants}) > 1 else []


def _changes_nothing(best: Candidate) -> bool:
    """Is it an update that says which thing, but not what shall become of it?"""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.where == "path" for option in best.filling.options)


def _forbidden(best: Candidate) -> str:
    """A prohibition calls for nothing that may change something, and a question about a change for nothing at all."""
    sentence = best.scene.sentence
    if forbids(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    return "the sentence asks about a change rather than for it" if supposes(sentence) else ""


def _call(candidate: Candidate) -> Call:
    return Call(tool=candidate.tool, arguments=_without_names(candidate.filling))


def _without_names(filling: Filling) -> dict[str, Any]:
    """The arguments that need no look-up."""
    plain = [option for option in filling.options if wanted_in(option.value) is None]
    return replace(filling, options=tuple(plain)).arguments
