"""That the verb of the sentence is the operation's."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.changes.lexicon import (
    GENERIC_CREATES,
    GENERIC_UPDATES,
    TAKING_AWAY,
    alike,
    leading_verbs,
    operation_verbs,
    opposite,
)
from nlapi.changes.sentences import Case, said_by_verb
from nlapi.openapi.spec import Effect
from nlapi.resources.naming import pieces, stem

_RENAMES = frozenset(map(stem, ("rename", "retitle")))
_NAMES = frozenset(map(stem, ("name", "title", "label", "subject", "summary", "login")))
_SHARED = 4
"""Letters that a verb and the argument that it fills begin with: assign, assignees."""
_ON, _OFF = stem("enable"), stem("disable")


def opposed(case: Case) -> Iterator[str]:
    """An operation that undoes what is said, by its own verb or by the state that it sets."""
    command, operation = case.command, case.operation
    own = operation_verbs(operation)
    leading = leading_verbs(operation)
    if command not in own and (other := next((one for one in leading if opposite(command, one)), None)):
        yield f"{operation.id} does the opposite of {command_text(case)!r} ({other})"
        return
    states = [word for one in case.account.sources if isinstance(one.value, str) for word in pieces(one.value)[:2]]
    unsaid = [word for word in states if stem(word) not in case.said]
    if other := next((one for one in unsaid if opposite(command, stem(one))), None):
        yield f"{operation.id} would set the opposite of {command_text(case)!r} ({other})"


def taken_away(case: Case) -> Iterator[str]:
    """A thing is taken away only by a word that says so, or that the API itself says it does by."""
    operation, command = case.operation, case.command
    takes = operation.effect is Effect.DESTROY or operation.method == "DELETE"
    leading = leading_verbs(operation)
    if not takes or command in TAKING_AWAY or command in leading:
        return
    if any(alike(command, one) for one in leading if one not in TAKING_AWAY):
        return
    yield f"{command_text(case)!r} does not say that something is to be taken away, and {operation.id} does that"


def not_commanded(case: Case) -> Iterator[str]:
    """A change that the verb of the sentence does not ask for."""
    operation, command = case.operation, case.command
    if operation.effect is Effect.DESTROY or operation.method == "DELETE":
        return
    if not command:
        yield "the sentence has no verb"
        return
    item = operation.path.rstrip("/").endswith("}")
    updates = operation.method in ("PUT", "PATCH") or (operation.method == "POST" and item)
    if _is_own(case):
        return
    if updates and (command in GENERIC_UPDATES or said_by_verb(case) or _is_field(case) or _is_switch(case)):
        return
    if operation.method in ("POST", "PUT") and command in GENERIC_CREATES and not item:
        return
    if command in GENERIC_UPDATES and operation.method == "POST" and _says_last(case):
        return
    yield f"nothing in {operation.id} says {command_text(case)!r}"


def _is_own(case: Case) -> bool:
    """Whether the operation says of itself that it does what is commanded; what takes away needs a verb that does."""
    leading = leading_verbs(case.operation)
    if case.command in TAKING_AWAY:
        return not TAKING_AWAY.isdisjoint(leading)
    return case.command in operation_verbs(case.operation) or any(alike(case.command, one) for one in leading)


def _is_field(case: Case) -> bool:
    """Whether the verb names the argument that is set: rename -> name, assign -> assignees."""
    words = {stem(word) for one in case.account.sources for word in pieces(one.argument)}
    if case.command in _RENAMES:
        return not words.isdisjoint(_NAMES)
    return any(len(case.command) >= _SHARED and word.startswith(case.command) for word in words)


def _is_switch(case: Case) -> bool:
    """Whether the command switches something on or off, and a flag is set so."""
    flags = [one.value for one in case.account.sources if isinstance(one.value, bool)]
    return (alike(case.command, _ON) and True in flags) or (alike(case.command, _OFF) and False in flags)


def _says_last(case: Case) -> bool:
    """Whether the end of the path is said: set the [volume]."""
    words = pieces(case.operation.path.rstrip("/").rpartition("/")[2])
    return bool(words) and stem(words[-1]) in case.said


def command_text(case: Case) -> str:
    """The command as it was written."""
    begun = [word.text for word in case.words if word.start >= case.opening]
    return " ".join(begun[: max(1, min(case.command_length, 2))]).lower()
