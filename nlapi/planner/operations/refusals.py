"""The rules by which the likeliest operation is refused, or certain by the words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.sentences import find_change_command
from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.fallbacks import ALTERNATIVES, CLAUDE, call_of, nothing_does
from nlapi.planner.operations.intent_rewrites import says_all, says_plainly
from nlapi.planner.operations.operation_choice import asks_for_health, asks_who_i_am
from nlapi.planner.operations.vetoes import commands_change, forbids, refusal, supposes
from nlapi.planner.slots.known_values import wanted_in
from nlapi.tools.plan import Plan


def refusal_plan(best: Candidate, candidates: Sequence[Candidate], catalogue: Catalogue) -> Plan | None:
    """Return the plan that says why the likeliest operation is not planned; None where nothing is against it."""
    alternatives = tuple(map(call_of, candidates[:ALTERNATIVES]))
    if command := unmet_command(best, catalogue):
        return replace(nothing_does(best.operation.spec, command, candidates), alternatives=alternatives)
    is_change = catalogue.index.is_change(best.operation)
    reason = (refusal(best, catalogue.index.is_entity) if is_change else "") or prohibition(best)
    return Plan(text=f"{CLAUDE}{reason}", confidence=0.1, alternatives=alternatives) if reason else None


def unmet_command(best: Candidate, catalogue: Catalogue) -> str:
    """Return the command of a sentence for a change, where the operation only reads; "" for none."""
    if catalogue.index.is_change(best.operation):
        return ""
    return find_change_command(best.scene.sentence.text, best.operation, catalogue.index.is_entity) or ""


def prohibition(best: Candidate) -> str:
    """Return the reason why a sentence that forbids or supposes a change calls for no operation; "" for none."""
    sentence = best.scene.sentence
    if forbids(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    return "the sentence asks about a change rather than for it" if supposes(sentence) else ""


def is_certain(best: Candidate) -> bool:
    """Return whether the words alone make an operation certain, however unlike its API the sentence is."""
    text = best.scene.sentence.text
    return _names_everything(best) or says_plainly(best, ()) or asks_who_i_am(text) or asks_for_health(text)


def _names_everything(best: Candidate) -> bool:
    """Return whether a sentence names the item, and nothing else but what becomes of it."""
    has_lookup = any(wanted_in(option.value) is not None for option in best.filling.options)
    return has_lookup and not best.filling.missing and (best.tool.effect is not Effect.READ or says_all(best))
