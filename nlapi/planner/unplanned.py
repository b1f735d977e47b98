"""Plans without a call of the goal: what no operation does, and what a change lacks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nlapi.changes.checks import commands_deletion
from nlapi.changes.sentences import QUANTIFIERS, find_change_command
from nlapi.english import lexicon
from nlapi.english.command_verbs import are_synonyms, parse_command
from nlapi.english.lexicon import stems
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.plan_confidence import UNSURE
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import RENAMES, operation_noun_stems
from nlapi.planner.slots.features import NAMELIKE
from nlapi.planner.slots.overrides import naming_slot
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.resources.command_verbs import leading_verbs
from nlapi.resources.nouns import singular_noun
from nlapi.tools.plan import Plan
from nlapi.tools.sending.state_reads import updates_item
from nlapi.tools.tool import Call

NEEDS_MODEL = "this needs a model: "
ALTERNATIVES = 3


def empty_plan(text: str, candidates: Sequence[OperationCandidate], sure: float) -> Plan:
    """Return a plan without calls, with the first candidates as alternatives."""
    return Plan(text=text, confidence=sure, alternatives=tuple(map(candidate_call, candidates[:ALTERNATIVES])))


def unsupported_plan(spec: Spec, command: str, candidates: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of a command that no operation carries out, with the nearest changes."""
    others = (candidate for candidate in candidates if candidate.operation.spec is spec)
    changes = [candidate for candidate in others if candidate.tool.effect is not Effect.READ][:ALTERNATIVES]
    near = ", ".join(candidate.operation.id for candidate in changes)
    text = f"Nothing in {spec.title} does that: {command}.{f' The nearest: {near}.' if near else ''}"
    return empty_plan(text, changes, 0.05)


def unmatched_plan(catalogue: Catalogue, candidates: Sequence[OperationCandidate], language: str) -> Plan:
    """Return the plan of a sentence that is not about the API, or not legible, with examples for the API."""
    title = ", ".join(spec.title for spec in catalogue.specs)
    can = abilities(catalogue)
    if language:
        text = f"{NEEDS_MODEL}the question is not in English but, it seems, in {language}. {can}"
    else:
        text = f"Nothing in {title or 'this API'} matches that. {can}"
    return empty_plan(text.strip(), candidates, 0.05)


def abilities(catalogue: Catalogue) -> str:
    """Return examples of what each of the APIs can do."""
    parts = [catalogue.api_catalogue(spec) for spec in catalogue.specs] if catalogue.several else [catalogue]
    return " ".join(
        operation_examples(part.operations, spec.title) for part, spec in zip(parts, catalogue.specs, strict=False)
    )


def unread_language_plan(plan: Plan, language: str) -> Plan:
    """Return a plan from a sentence in `language`, of which only values are read, with the confidence of a guess."""
    text = f"The question is not in English but, it seems, in {language}: check that this answers it."
    return replace(plan, text=f"{text} {plan.text}".strip(), confidence=min(UNSURE, plan.confidence))


def candidate_call(candidate: OperationCandidate) -> Call:
    """Return the call of a candidate with the arguments that need no look-up."""
    return Call(tool=candidate.tool, arguments=_without_names(candidate.assignment))


def _without_names(filling: Assignment) -> dict[str, object]:
    """Return the arguments that need no look-up."""
    plain = [option for option in filling.candidates if pending_lookup(option.value) is None]
    return replace(filling, candidates=tuple(plain)).arguments


def operation_examples(operations: tuple[Operation, ...], title: str) -> str:
    """Return up to five examples of what an API can do, one a tag."""
    examples: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if tag not in examples:
            examples[tag] = operation.summary.strip().rstrip(".") or operation.id
        if len(examples) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(examples.values())}." if examples else ""


_OPTIONAL = lexicon.pattern("planner/words", "optional", re.IGNORECASE)
_NEW = frozenset(map(stem, ("new", "body")))
_VALUE = (stem("value"),)


def missing_values(best: OperationCandidate, known_values: Mapping[str, object]) -> tuple[Slot, ...]:
    """Return the fields of a body of which a change needs one, where the sentence and `known` have none.

    A created item needs a name too, where the description requires no field of it.
    """
    assigned = _assigned_slots(best, known_values)
    has_body = any(slot.location == "body" for slot in assigned)
    name_slot = naming_slot(best.context)
    requires_body = any(
        slot.required or slot.required_by_object for slot in best.context.slots if slot.location == "body"
    )
    if best.tool.effect is Effect.READ or (has_body and (requires_body or name_slot is None or name_slot in assigned)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    is_collection = bool(last) and singular(last[-1]) != last[-1]
    if name_slot is not None and is_collection and not _OPTIONAL.search(name_slot.description):
        return (name_slot,)
    if not lacks_new_value(best):
        return ()
    stems = best.context.sentence.stem_set
    fields = [slot for slot in best.context.slots if slot.location == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    free = stems - set(operation_noun_stems(best.operation))
    mentioned = [slot for slot in fields if free.issuperset(slot.words)]
    return tuple(mentioned or (slot for slot in fields if slot.words == _VALUE))


def sweeping_plan(
    best: OperationCandidate, missing: Sequence[Slot], rivals: Sequence[OperationCandidate]
) -> Plan | None:
    """Return the plan of a change of one item that a sentence commands for any number of them: delete everything."""
    is_item = any(slot.location == "path" for slot in missing)
    if best.tool.effect is Effect.READ or not is_item or best.assignment.candidates:
        return None
    word = next((token.text for token in best.context.sentence.tokens if token.lower in QUANTIFIERS), "")
    return empty_plan(several_text(word, best.operation), rivals, 0.05) if word else None


def several_text(words: str, operation: Operation) -> str:
    """Return the answer to a change of several items for which only an operation on one is there."""
    effect = f"{operation.id} changes one {' '.join(singular_noun(operation)) or 'item'}"
    return f"{words!r} may be any number of items, and {effect}: nothing is sent. Name it, or list them first."


def valueless_plan(best: OperationCandidate, rivals: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of an update whose sentence names no field to set."""
    fields = [name for name, place in best.tool.places.items() if place[0] == "body"]
    text = f"{best.operation.id} needs a value, and the sentence does not name the field: {', '.join(fields[:8])}"
    return empty_plan(text, rivals, 0.05)


def lacks_every_value(best: OperationCandidate, known_values: Mapping[str, object]) -> bool:
    """Return whether an update has a body that is required, and no value for it."""
    has_body = best.operation.body is not None and best.operation.body.required
    in_body = (slot for slot in _assigned_slots(best, known_values) if slot.location == "body")
    return has_body and lacks_new_value(best) and next(in_body, None) is None


def lacks_new_value(best: OperationCandidate) -> bool:
    """Return whether an update has a target and no new value."""
    updates = updates_item(best.operation) and best.operation.body is not None
    return updates and all(option.slot.location == "path" for option in best.assignment.candidates)


def _assigned_slots(best: OperationCandidate, known_values: Mapping[str, object]) -> list[Slot]:
    """Return the slots with a value from the sentence or from `known`."""
    assigned = {option.slot for option in best.assignment.candidates}
    preset = {name.partition(".")[0] for name in known_values}
    return [slot for slot in best.context.slots if slot in assigned or slot.path[0] in preset]


# Words in the name of an argument that selects an action.
_ACTION_WORDS = stems("planner/operations/words", "action_arguments")


def commanded_change(
    command: str, candidates: Sequence[OperationCandidate], catalogue: Catalogue
) -> OperationCandidate | None:
    """Return the likeliest change that a command names, where the likeliest operation of all only reads."""
    verb, _ = parse_command(command.split())
    changes = (candidate for candidate in candidates if catalogue.index.is_change(candidate.operation))
    return next((change for change in changes if _names(verb, change.operation)), None)


def _names(verb: str, operation: Operation) -> bool:
    stated = map(stem, split_words(f"{operation.id} {operation.summary}"))
    is_deletion = operation.method == "DELETE" and commands_deletion(verb, operation)
    return is_deletion or verb in stated or any(are_synonyms(verb, leading) for leading in leading_verbs(operation))


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
