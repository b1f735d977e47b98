"""The rules by which the likeliest operation is refused, or certain by the words alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.sentences import find_change_command
from nlapi.openapi.spec import Effect
from nlapi.planner.language.text import Sentence
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.commanded import uncommanded
from nlapi.planner.operations.fallbacks import ALTERNATIVES, CLAUDE, call_of, nothing_does
from nlapi.planner.operations.intent_rewrites import says_all, says_plainly
from nlapi.planner.operations.operation_choice import CLEAR
from nlapi.planner.operations.reads import asks_for_health, asks_who_i_am, unlisted
from nlapi.planner.operations.vetoes import commands_change, forbids, refusal, supposes
from nlapi.planner.slots.known_values import wanted_in
from nlapi.resources.naming import IMPERATIVES, POSSIBLE_READS, VERBS, Intent, stem
from nlapi.tools.plan import Plan

# Words in the name of an argument that selects an action: without them two questions of the public set are refused.
_ACTION_WORDS = frozenset(map(stem, "type action operation mode method command op task".split()))
_CONJUNCTION = re.compile(r"(?:[,;.]\s*|\s+)(?:and\s+then|then|and\s+also|and|also)\s+(?=[a-z]+\b)", re.IGNORECASE)


def refusal_plan(best: Candidate, candidates: Sequence[Candidate], catalogue: Catalogue) -> Plan | None:
    """Return the plan that says why the likeliest operation is not planned; None where nothing is against it."""
    alternatives = tuple(map(call_of, candidates[:ALTERNATIVES]))
    if command := unlisted(best, catalogue) or unmet_command(best, catalogue):
        return replace(nothing_does(best.operation.spec, command, candidates), alternatives=alternatives)
    is_change = catalogue.index.is_change(best.operation)
    reason = (refusal(best, catalogue.index.is_entity) if is_change else "") or prohibition(best)
    return Plan(text=f"{CLAUDE}{reason}", confidence=0.1, alternatives=alternatives) if reason else None


def unmet_command(best: Candidate, catalogue: Catalogue) -> str:
    """Return the command of a sentence that an operation does not carry out; "" for none.

    That is a change where the operation reads, or another action than that of the operation.
    """
    text = best.scene.sentence.text
    if not catalogue.index.is_change(best.operation):
        command = find_change_command(text, best.operation, catalogue.index.is_entity)
        if command and not _is_choice(best, command):
            return command
    word = uncommanded(best, catalogue).lower()
    following = text.lower().partition(word)[2].split()[:1] if word else []
    # `power off` is one command of two words.
    phrase = f"{word} {following[0]}" if following and stem(word + following[0]) in IMPERATIVES else word
    return phrase if stem(phrase.replace(" ", "")) in IMPERATIVES - POSSIBLE_READS else ""


def _is_choice(best: Candidate, command: str) -> bool:
    """Return whether a command is a choice of an argument that selects an action: add a todo, by `type: add`."""
    slots = (slot for slot in best.scene.slots if not _ACTION_WORDS.isdisjoint(slot.words))
    return stem(command) in {stem(str(choice).lower()) for slot in slots for choice in slot.choices}


def prohibition(best: Candidate) -> str:
    """Return the reason why a sentence that forbids or supposes a change calls for no operation; "" for none."""
    sentence = best.scene.sentence
    if forbids(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    return "the sentence asks about a change rather than for it" if supposes(sentence) else ""


def separate_operations(sentence: Sentence, catalogue: Catalogue) -> list[str]:
    """Return the operations that the clauses of a sentence clearly name, where their intents differ; else nothing."""
    # `create a campaign and delete the audience Old Visitors` would create a campaign of that name.
    intents: dict[str, Intent] = {}
    for clause in filter(None, _CONJUNCTION.split(sentence.text)):
        intent = VERBS.get(stem(clause.split()[0].lower()))
        if intent is not None and (best := catalogue.index.search(clause, 1)) and best[0][1] >= CLEAR:
            intents.setdefault(best[0][0].id, intent)
    return list(intents) if len(set(intents.values())) > 1 else []


def is_certain(best: Candidate) -> bool:
    """Return whether the words alone make an operation certain, however unlike its API the sentence is."""
    text = best.scene.sentence.text
    return _names_everything(best) or says_plainly(best, ()) or asks_who_i_am(text) or asks_for_health(text)


def _names_everything(best: Candidate) -> bool:
    """Return whether a sentence names the item, and nothing else but what becomes of it."""
    has_lookup = any(wanted_in(option.value) is not None for option in best.filling.options)
    return has_lookup and not best.filling.missing and (best.tool.effect is not Effect.READ or says_all(best))
