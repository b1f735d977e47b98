"""Tells by words which things a person makes, which states a machine reaches, and what the end of a path commands."""

from __future__ import annotations

from collections.abc import Sequence

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular, singular_words, stem
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.grouping import Resource
from nlapi.resources.naming import IMPERATIVES, VERBS, Intent
from nlapi.resources.paths import Path

# Kinds of things that nobody has made at the beginning of a task: they are there already, and are asked for.
_EXISTING_NOUNS = lexicon.words("workflows/words", "existing_nouns")

# Kinds of things that are about access to the API itself.
_ACCESS_NOUNS = lexicon.words("workflows/words", "access_nouns")

_ACCESS_ENDINGS = ("key", "keys", "token", "tokens", "password", "secret")

# Ends of paths below one item that check it, and that put it to use, the likeliest first.
CHECK_VERBS = "validate check verify preview calculate simulate lint test".split()
PUBLISH_VERBS = "publish submit send activate launch deploy finalize confirm execute start release post".split()

# Names of the field that chooses what an operation does. Twilio's `Method` chooses between GET and POST.
ACTION_NAMES = frozenset(("action", "operation", "command"))

# Names of the field with the name of a new item, the likeliest first.
NAME_FIELDS = ("name", "title", "displayname", "friendlyname", "label", "subject")

# Names of the field with the state of an item.
STATE_NAMES = ("status", "state", "phase", "processingstatus", "jobstatus")

# States of work that a machine does, in the order in which they tell that it is done; and those before, and of failure.
_DONE_STATES = (
    *("completed", "complete", "succeeded", "success", "successful", "finished", "done", "processed", "generated"),
    *("ready", "available", "rendered", "built", "deployed", "imported", "exported", "online", "active", "running"),
)
_WORK_STATES = lexicon.words("workflows/words", "work_states")
FAILED_STATES = lexicon.words("workflows/words", "failed_states")
# States that a person brings about, for which no machine waits.
_HUMAN_STATES = lexicon.words("workflows/words", "human_states")

# Kinds of things that are over when people are done, whatever the names of their states.
_HUMAN_NOUNS = lexicon.words("workflows/words", "human_nouns")

# Ends of paths below an item whose work is done.
RESULT_NOUNS = frozenset("result results output download content file report document data transcript".split())


def is_named(resource: Resource) -> bool:
    """Return whether the things of a resource have a name that a person would say, and are not about access."""
    words = name_words(resource.label)
    is_access = any(word in _ACCESS_NOUNS or word.endswith(_ACCESS_ENDINGS) for word in words)
    return bool(words) and all(word.isalpha() for word in words) and not is_access


def may_create(resource: Resource) -> bool:
    """Return whether a person may want a new one at the beginning of a task."""
    return is_named(resource) and not _EXISTING_NOUNS & set(resource.noun[-1:])


def has_draft_segment(path: Path) -> bool:
    """Return whether a path leads through drafts: /drafts/campaigns."""
    return any(not segment.parameter and singular_words(segment.text) == ("draft",) for segment in path[:-1])


def is_draft(resource: Resource) -> bool:
    """Return whether the items of a resource are drafts of others, which are live."""
    return any(has_draft_segment(collection.path) for collection in resource.collections)


def item_label(resource: Resource) -> str:
    """Return the name of one item, for a person, that says of a draft that it is one."""
    return f"{resource.label} draft" if is_draft(resource) else resource.label


def operations_by_verb(
    below: Sequence[tuple[str, Operation]], verbs: Sequence[str], effect: Effect | None
) -> list[tuple[str, Operation]]:
    """Return the operations whose last segment begins with one of the verbs, in the order of these."""
    matches = [
        (verbs.index(name_words(text)[0]), " ".join(name_words(text)), operation)
        for text, operation in below
        if len(name_words(text)) == 1 and name_words(text)[0] in verbs and operation.method in ("POST", "PUT")
        if effect is None or operation.effect is effect
    ]
    return [(text, operation) for _, text, operation in sorted(matches, key=lambda match: match[0])]


def is_act(text: str, operation: Operation) -> bool:
    """Return whether the end of a path commands a change of the item, and no removal: /campaigns/{id}/pause."""
    words = name_words(text)
    if len(words) != 1 or singular(words[0]) != words[0] or operation.method not in ("POST", "PUT"):
        return False
    intent = VERBS.get(stem(words[0]))
    is_verb = stem(words[0]) in IMPERATIVES or intent in (Intent.CREATE, Intent.UPDATE)
    return is_verb and intent not in (Intent.READ, Intent.DELETE) and operation.effect is Effect.WRITE


def waited_states(resource: Resource, states: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the state in which the work on an item is done, and those in which it failed; "" where no machine works.

    `states` are the described choices of the state of an item.
    """
    by_key = {name_key(state): state for state in states}
    done = next((by_key[key] for key in _DONE_STATES if key in by_key), "")
    is_work = bool((_WORK_STATES & by_key.keys()) - {name_key(done)})
    is_human = bool(_HUMAN_STATES & by_key.keys()) or bool(_HUMAN_NOUNS & set(resource.noun[-1:]))
    failures = tuple(state for state in states if name_key(state) in FAILED_STATES)
    return (done, failures) if done and is_work and not is_human else ("", ())


def spoken_state(state: str) -> str:
    """Return a state as a person says it: `IN_PROGRESS` is in progress."""
    words = " ".join(name_words(state))
    return "successful" if words in ("success", "succeeded") else words
