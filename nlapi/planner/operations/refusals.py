"""The rules by which the likeliest operation is refused, or certain by the words alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.change_commands import find_change_command
from nlapi.english.lexicon import stems
from nlapi.english.words import stem
from nlapi.openapi.spec import Effect
from nlapi.planner.language.text import Sentence
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.fallbacks import ALTERNATIVES, NEEDS_CLAUDE, candidate_call, unsupported_plan
from nlapi.planner.operations.operation_choice import CLEAR_SCORE, is_about_caller, is_about_health
from nlapi.planner.operations.purposes import is_hypothetical, simulates
from nlapi.planner.operations.sentence_coverage import explains_all_words, explains_plainly
from nlapi.planner.operations.vetoes import (
    asks_about_change,
    commands_change,
    is_prohibition,
    refusal_reason,
    supposes_deletion,
)
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.resources.naming import VERBS, Intent
from nlapi.tools.plan import Plan

_CONJUNCTION = re.compile(r"(?:[,;.]\s*|\s+)(?:and\s+then|then|and\s+also|and|also)\s+(?=[a-z]+\b)", re.IGNORECASE)
# Words in the name of an argument that selects an action.
_ACTION_WORDS = stems("planner/operations/words", "action_arguments")


def refusal_plan(
    best: OperationCandidate, candidates: Sequence[OperationCandidate], catalogue: Catalogue
) -> Plan | None:
    """Return the plan that says why the likeliest operation is not planned; None where nothing is against it."""
    alternatives = tuple(map(candidate_call, candidates[:ALTERNATIVES]))
    if command := unmet_command(best, catalogue):
        return replace(unsupported_plan(best.operation.spec, command, candidates), alternatives=alternatives)
    is_change = catalogue.index.is_change(best.operation)
    reason = (refusal_reason(best, catalogue.index.is_entity) if is_change else "") or prohibition(best)
    return Plan(text=f"{NEEDS_CLAUDE}{reason}", confidence=0.1, alternatives=alternatives) if reason else None


def unmet_command(best: OperationCandidate, catalogue: Catalogue) -> str:
    """Return the command of a sentence for a change, where the operation only reads; "" for none."""
    if catalogue.index.is_change(best.operation):
        return ""
    command = find_change_command(best.context.sentence.text, best.operation, catalogue.index.is_entity)
    return command if command and not _is_choice(best, command) else ""


def _is_choice(best: OperationCandidate, command: str) -> bool:
    """Return whether a command is a choice of an argument that selects an action: add a todo, by `type: add`."""
    # Without this two of the 1,111 public questions are refused (benchmarks/OFFLINE.md).
    slots = (slot for slot in best.context.slots if not _ACTION_WORDS.isdisjoint(slot.words))
    return stem(command) in {stem(str(choice).lower()) for slot in slots for choice in slot.choices}


def prohibition(best: OperationCandidate) -> str:
    """Return the reason why a sentence that forbids or supposes a change calls for no operation; "" for none."""
    sentence = best.context.sentence
    if is_prohibition(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    if is_hypothetical(sentence.text) and simulates(best.operation):
        return "the sentence supposes a deletion" if supposes_deletion(sentence) else ""
    return "the sentence asks about a change rather than for it" if asks_about_change(sentence) else ""


def separate_operations(sentence: Sentence, catalogue: Catalogue) -> list[str]:
    """Return the operations that the clauses of a sentence clearly name, where their intents differ; else nothing."""
    # `create a campaign and delete the audience Old Visitors` would create a campaign of that name.
    intents: dict[str, Intent] = {}
    for clause in filter(None, _CONJUNCTION.split(sentence.text)):
        intent = VERBS.get(stem(clause.split()[0].lower()))
        if intent is not None and (best := catalogue.index.search(clause, 1)) and best[0][1] >= CLEAR_SCORE:
            intents.setdefault(best[0][0].id, intent)
    return list(intents) if len(set(intents.values())) > 1 else []


def is_certain(best: OperationCandidate) -> bool:
    """Return whether the words alone make an operation certain, however unlike its API the sentence is."""
    text = best.context.sentence.text
    return _names_everything(best) or explains_plainly(best, ()) or is_about_caller(text) or is_about_health(text)


def _names_everything(best: OperationCandidate) -> bool:
    """Return whether a sentence names the item, and nothing else but what becomes of it."""
    has_lookup = any(pending_lookup(option.value) is not None for option in best.assignment.candidates)
    return (
        has_lookup and not best.assignment.missing and (best.tool.effect is not Effect.READ or explains_all_words(best))
    )
