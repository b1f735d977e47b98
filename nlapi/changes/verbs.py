"""Checks that the verb of the sentence is the operation's."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.changes.lexicon import (
    GENERIC_CREATES,
    GENERIC_UPDATES,
    TAKING_AWAY,
    alike,
    echoes,
    is_verb,
    is_verb_form,
    leading_verbs,
    operation_verbs,
    opposite,
    path_end,
)
from nlapi.changes.sentences import Case, said_by_verb, takes_choice
from nlapi.openapi.spec import Effect
from nlapi.resources.naming import pieces, singular, stem
from nlapi.resources.paths import EXTENSION
from nlapi.tools.account import Origin

_SAYING = frozenset((Origin.WORDS, Origin.VERB))
_RENAMES = frozenset(map(stem, ("rename", "retitle")))
_NAMES = frozenset(map(stem, ("name", "title", "label", "subject", "summary", "login")))
# Verbs for a part of an item that DELETE carries out: empty the trash.
_CLEARS = frozenset(map(stem, ("clear", "empty", "flush", "purge", "reset")))
# Verbs for a deletion or for another state of the item: `--yes=destroy` covers both.
_MAY_TAKE_AWAY = frozenset(map(stem, "cancel close stop end terminate disable revoke withdraw dismiss kick".split()))
_ONS, _OFFS = frozenset(("on", "enabled", "active", "true")), frozenset(("off", "disabled", "inactive", "false"))
_ON, _OFF, _CREATE = stem("enable"), stem("disable"), stem("create")


def opposed(case: Case) -> Iterator[str]:
    """Yield an operation that undoes the command, by its own verb or by the state that it sets."""
    command, operation = case.command, case.operation
    leading = leading_verbs(operation)
    # `Lock or unlock an issue` does both, and opposes neither.
    if command not in leading and (other := next((one for one in leading if opposite(command, one)), None)):
        yield f"{operation.id} does the opposite of {command_text(case)!r} ({other})"
        return
    chosen = [one for one in case.account.sources if takes_choice(case.call, one.argument)]
    states = [word for one in chosen for word in pieces(str(one.value))[:2]]
    unsaid = [word for word in states if stem(word) not in case.said]
    if other := next((one for one in unsaid if opposite(command, stem(one))), None):
        yield f"{operation.id} would set the opposite of {command_text(case)!r} ({other})"


def taken_away(case: Case) -> Iterator[str]:
    """Yield a deletion that the command does not name, and that the API itself does not call by the command's verb."""
    operation, command = case.operation, case.command
    leading = leading_verbs(operation)
    if not case.takes_away or command in TAKING_AWAY or command in leading:
        return
    if any(alike(command, one) for one in leading if one not in TAKING_AWAY):
        return
    tail = path_end(operation)
    words = list(map(stem, pieces(tail))) if "{" not in tail else []
    # `unfollow` is DELETE of /followers, as one undoes the other.
    if any(opposite(command, word) or (echoes(command, word) and command not in words) for word in words):
        return
    if command in _CLEARS and "{" not in tail:
        return
    # `cancel the event` may mean another state, unless the user has consented to deletions.
    if case.destroy and command in _MAY_TAKE_AWAY:
        return
    yield f"{command_text(case)!r} does not say that something is to be taken away, and {operation.id} does that"


def not_commanded(case: Case) -> Iterator[str]:
    """Yield a change that the verb of the sentence does not ask for."""
    operation, command = case.operation, case.command
    if operation.effect is Effect.DESTROY or operation.method == "DELETE":
        return
    if not command:
        yield "the sentence has no verb"
        return
    item = EXTENSION.sub("", operation.path.rstrip("/")).endswith("}")
    updates = operation.method in ("PUT", "PATCH") or (operation.method == "POST" and item)
    if _is_own(case) or _is_state(case):
        return
    if updates and (command in GENERIC_UPDATES or said_by_verb(case) or _is_field(case) or _is_switch(case)):
        return
    if operation.method in ("POST", "PUT") and command in GENERIC_CREATES and not item and _makes(case):
        return
    if command in GENERIC_UPDATES and operation.method == "POST" and _says_last(case):
        return
    yield f"nothing in {operation.id} says {command_text(case)!r}"


def sets_nothing(case: Case) -> Iterator[str]:
    """Yield an update with a target and without a new value."""
    operation, places = case.operation, case.call.tool.places
    if operation.method not in ("PUT", "PATCH") or not any(where == "body" for where, _ in places.values()):
        return
    sets_value = any(case.place(one) != "path" for one in case.account.sources)
    general = GENERIC_UPDATES | {stem("create")}
    if not sets_value and (case.command in general or not general.isdisjoint(leading_verbs(operation))):
        yield f"what {operation.id} shall set is not said"


def _is_own(case: Case) -> bool:
    """Return whether the operation states the commanded action itself; for a verb of deletion it needs such a verb."""
    leading = leading_verbs(case.operation)
    command, own = case.command, operation_verbs(case.operation)
    if command in TAKING_AWAY:
        # `remove the tag` is `untag`, although no word of the operation means removal.
        undone = (word.removeprefix("un") for word in own if word.startswith("un"))
        return not TAKING_AWAY.isdisjoint(leading) or any(stem(word) in case.said for word in undone)
    if any(alike(command, one) for one in leading):
        return True
    last = [stem(word) for word in pieces(path_end(case.operation))]
    kinds = set(map(stem, map(singular, pieces(case.operation.path)))) - set(last)
    if command in own and (is_verb(command) or command not in kinds):
        return True
    return "{" not in case.operation.path[-1:] and any(echoes(command, word) for word in last)


def _is_state(case: Case) -> bool:
    """Return whether a state is set that the command names: cancel -> CANCELLING, enable -> `enable_backups`."""
    texts = [one for one in case.account.sources if isinstance(one.value, str) and one.origin in _SAYING]
    choices = [one for one in texts if takes_choice(case.call, one.argument)]
    for one in choices:
        spoken = one.origin is Origin.VERB or case.is_first(one)
        if spoken and any(alike(case.command, stem(word)) for word in pieces(one.value)):
            return True
    return False


def _makes(case: Case) -> bool:
    """Return whether an operation may create an item: neither its names nor the end of its path are another verb."""
    leading = leading_verbs(case.operation)
    last = pieces(EXTENSION.sub("", path_end(case.operation)))
    plain = not last or not is_verb_form(last[-1]) or alike(stem(last[-1]), _CREATE)
    return plain and (not leading or any(alike(one, _CREATE) for one in leading))


def _is_field(case: Case) -> bool:
    """Return whether the verb names the argument that is set: rename -> name, assign -> assignees."""
    arguments = (one.argument for one in case.account.sources if case.place(one) != "path")
    words = {stem(word) for argument in arguments for word in pieces(argument)}
    if case.command in _RENAMES:
        return not words.isdisjoint(_NAMES)
    return any(echoes(case.command, word) for word in words)


def _is_switch(case: Case) -> bool:
    """Return whether the command switches a flag on or off, and the flag has that value."""
    flags = {str(one.value).lower() for one in case.account.sources}
    on, off = alike(case.command, _ON), alike(case.command, _OFF)
    return (on and not flags.isdisjoint(_ONS)) or (off and not flags.isdisjoint(_OFFS))


def _says_last(case: Case) -> bool:
    """Return whether the end of the path is in the sentence: set the [volume]."""
    words = pieces(path_end(case.operation))
    return bool(words) and stem(words[-1]) in case.said


def command_text(case: Case) -> str:
    """Return the command as it was written."""
    words = case.begun[: max(1, min(case.command_length, 2))]
    return " ".join(word.text for word in words).lower()
