"""What a change has to be asked for that the description leaves optional: a name for what is made, a value to set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import RENAMES, noun_stems
from nlapi.planner.slots.features import NAMELIKE
from nlapi.planner.slots.overrides import naming_slot
from nlapi.planner.slots.slot import Slot
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, singular, split_words, stem

_OPTIONAL = re.compile(
    r"\b(?:defaults?|optional\w*|random\w*|generated|if (?:not|none|omitted|empty))\b", re.IGNORECASE
)
_MAKING = frozenset(map(stem, ("add", "create", "make", "register", "new")))
_NEW = frozenset(map(stem, ("new", "body")))
_VALUE = (stem("value"),)
_HALF_DELETING = frozenset(map(stem, ("cancel", "clear")))
"""What may be done with a thing by deleting it, or by leaving it there in another state."""


def unsaid_values(best: Candidate, known: Mapping[str, Any]) -> tuple[Slot, ...]:
    """The fields of a body that make a change one at all, where nothing of the body is said or known.

    A name for what is made is needed too where the description requires no field of it.
    """
    filled = _filled(best, known)
    told = [slot for slot in filled if slot.where == "body"]
    unnamed = naming_slot(best.scene)
    explicit = any(slot.required or slot.needed for slot in best.scene.slots if slot.where == "body")
    if best.tool.effect is Effect.READ or (told and (explicit or unnamed is None or unnamed in filled)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    collection = bool(last) and singular(last[-1]) != last[-1]
    if unnamed is not None and collection and not _OPTIONAL.search(unnamed.description):
        return (unnamed,)
    if not changes_nothing(best):
        return ()
    stems = best.scene.sentence.stem_set
    fields = [slot for slot in best.scene.slots if slot.where == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    said = [slot for slot in fields if (stems - set(noun_stems(best.operation))).issuperset(slot.words)]
    return tuple(said or (slot for slot in fields if slot.words == _VALUE))


def changes_nothing(best: Candidate) -> bool:
    """Is it an update that says which thing, but not what shall become of it?"""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.where == "path" for option in best.filling.options)


def is_half_said(best: Candidate) -> bool:
    """Does a sentence leave out what shall become of a thing, or which kind of thing is made or done away with?"""
    return changes_nothing(best) or deletes_unsaid(best) or makes_unsaid(best) or _makes_of_nothing(best)


def _makes_of_nothing(best: Candidate) -> bool:
    """Is a thing to be made of a body that has to be sent, and not a word of it is said?"""
    body = best.operation.body
    makes = best.operation.method == "POST" and body is not None and body.required and not best.filling.options
    return makes and any(slot.where == "body" for slot in best.scene.slots)


def makes_unsaid(best: Candidate) -> bool:
    """Would `add` or `create` make something with a noun that is not said: add [a nameserver] to example.com?"""
    start, tokens = opening_length(best.scene.sentence.text), best.scene.sentence.tokens
    verb = next((token.stem for token in tokens if token.start >= start and token.word), "")
    if best.operation.method != "POST" or verb not in _MAKING:
        return False
    path = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    told = (*path, *split_words(f"{best.operation.id} {best.operation.summary}"))
    words = {stem(word) for word in told if word not in STOPWORDS}
    named = {word for slot in best.scene.slots for word in slot.words}
    return not {*(words - named - VERBS.keys()), *noun_stems(best.operation)} & best.scene.sentence.stem_set


def deletes_unsaid(best: Candidate) -> bool:
    """Would an operation delete a thing that the sentence wants cancelled or cleared, and not say that this does so?"""
    said = _HALF_DELETING & best.scene.sentence.stem_set
    return best.operation.method == "DELETE" and bool(said) and said.isdisjoint(best.scene.common | best.scene.talked)


def _filled(best: Candidate, known: Mapping[str, Any]) -> list[Slot]:
    """The slots that the sentence fills, or the user by name."""
    filled = {option.slot for option in best.filling.options}
    given = {name.partition(".")[0] for name in known}
    return [slot for slot in best.scene.slots if slot in filled or slot.path[0] in given]
