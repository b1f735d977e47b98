"""Checks that the verb of the sentence is the operation's."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.changes.lexicon import (
    CREATE_VERBS,
    UPDATE_VERBS,
    DELETE_VERBS,
    are_synonyms,
    is_root_of,
    is_verb,
    is_verb_form,
    leading_verbs,
    operation_verbs,
    are_opposites,
    path_end,
)
from nlapi.changes.sentences import Case, is_value_in_command, has_closed_values
from nlapi.openapi.spec import Effect
from nlapi.resources.naming import split_words, singular, stem
from nlapi.resources.paths import EXTENSION
from nlapi.tools.account import Origin

_SPOKEN_ORIGINS = frozenset((Origin.WORDS, Origin.VERB))
_RENAME_VERBS = frozenset(map(stem, ("rename", "retitle")))
_NAME_STEMS = frozenset(map(stem, ("name", "title", "label", "subject", "summary", "login")))
# Verbs for a part of an item that DELETE carries out: empty the trash.
_CLEAR_VERBS = frozenset(map(stem, ("clear", "empty", "flush", "purge", "reset")))
# Verbs for a deletion or for another state of the item: `--yes=destroy` covers both.
_POSSIBLE_DELETE_VERBS = frozenset(map(stem, "cancel close stop end terminate disable revoke withdraw dismiss kick".split()))
_ON_WORDS, _OFF_WORDS = frozenset(("on", "enabled", "active", "true")), frozenset(("off", "disabled", "inactive", "false"))
_ENABLE_STEM, _DISABLE_STEM, _CREATE_STEM = stem("enable"), stem("disable"), stem("create")


def check_opposite(case: Case) -> Iterator[str]:
    """Yield an operation that undoes the command, by its own verb or by the state that it sets."""
    command, operation = case.command, case.operation
    leading = leading_verbs(operation)
    # `Lock or unlock an issue` does both, and opposes neither.
    if command not in leading and (opposite_verb := next((candidate for candidate in leading if are_opposites(command, candidate)), None)):
        yield f"{operation.id} does the opposite of {command_text(case)!r} ({opposite_verb})"
        return
    choices = [candidate for candidate in case.account.sources if has_closed_values(case.call, candidate.argument)]
    states = [word for candidate in choices for word in split_words(str(candidate.value))[:2]]
    missing = [word for word in states if stem(word) not in case.stems]
    if opposite_verb := next((candidate for candidate in missing if are_opposites(command, stem(candidate))), None):
        yield f"{operation.id} would set the opposite of {command_text(case)!r} ({opposite_verb})"


def check_deletion(case: Case) -> Iterator[str]:
    """Yield a deletion that the command does not name, and that the API itself does not call by the command's verb."""
    operation, command = case.operation, case.command
    leading = leading_verbs(operation)
    if not case.deletes or command in DELETE_VERBS or command in leading:
        return
    if any(are_synonyms(command, verb) for verb in leading if verb not in DELETE_VERBS):
        return
    tail = path_end(operation)
    words = list(map(stem, split_words(tail))) if "{" not in tail else []
    # `unfollow` is DELETE of /followers, as one undoes the other.
    if any(are_opposites(command, word) or (is_root_of(command, word) and command not in words) for word in words):
        return
    if command in _CLEAR_VERBS and "{" not in tail:
        return
    # `cancel the event` may mean another state, unless the user has consented to deletions.
    if case.destroy and command in _POSSIBLE_DELETE_VERBS:
        return
    yield f"{command_text(case)!r} does not say that something is to be taken away, and {operation.id} does that"


def check_verb(case: Case) -> Iterator[str]:
    """Yield a change that the verb of the sentence does not ask for."""
    operation, command = case.operation, case.command
    if operation.effect is Effect.DESTROY or operation.method == "DELETE":
        return
    if not command:
        yield "the sentence has no verb"
        return
    is_item = EXTENSION.sub("", operation.path.rstrip("/")).endswith("}")
    is_update = operation.method in ("PUT", "PATCH") or (operation.method == "POST" and is_item)
    if _has_verb(case) or _sets_commanded_state(case):
        return
    if is_update and (command in UPDATE_VERBS or is_value_in_command(case) or _names_argument(case) or _is_switch(case)):
        return
    if operation.method in ("POST", "PUT") and command in CREATE_VERBS and not is_item and _may_create(case):
        return
    if command in UPDATE_VERBS and operation.method == "POST" and _mentions_path_end(case):
        return
    yield f"nothing in {operation.id} says {command_text(case)!r}"


def check_update_value(case: Case) -> Iterator[str]:
    """Yield an update with a target and without a new value."""
    operation, places = case.operation, case.call.tool.places
    if operation.method not in ("PUT", "PATCH") or not any(location == "body" for location, _ in places.values()):
        return
    sets_value = any(case.location(source) != "path" for source in case.account.sources)
    generic_verbs = UPDATE_VERBS | {stem("create")}
    if not sets_value and (case.command in generic_verbs or not generic_verbs.isdisjoint(leading_verbs(operation))):
        yield f"what {operation.id} shall set is not said"


def _has_verb(case: Case) -> bool:
    """Return whether the operation states the commanded action itself; for a verb of deletion it needs such a verb."""
    leading = leading_verbs(case.operation)
    command, verbs = case.command, operation_verbs(case.operation)
    if command in DELETE_VERBS:
        # `remove the tag` is `untag`, although no word of the operation means removal.
        base_verbs = (word.removeprefix("un") for word in verbs if word.startswith("un"))
        return not DELETE_VERBS.isdisjoint(leading) or any(stem(word) in case.stems for word in base_verbs)
    if any(are_synonyms(command, verb) for verb in leading):
        return True
    last = [stem(word) for word in split_words(path_end(case.operation))]
    kinds = set(map(stem, map(singular, split_words(case.operation.path)))) - set(last)
    if command in verbs and (is_verb(command) or command not in kinds):
        return True
    return "{" not in case.operation.path[-1:] and any(is_root_of(command, word) for word in last)


def _sets_commanded_state(case: Case) -> bool:
    """Return whether a state is set that the command names: cancel -> CANCELLING, enable -> `enable_backups`."""
    texts = [source for source in case.account.sources if isinstance(source.value, str) and source.origin in _SPOKEN_ORIGINS]
    choices = [source for source in texts if has_closed_values(case.call, source.argument)]
    for source in choices:
        is_spoken = source.origin is Origin.VERB or case.is_command_word(source)
        if is_spoken and any(are_synonyms(case.command, stem(word)) for word in split_words(source.value)):
            return True
    return False


def _may_create(case: Case) -> bool:
    """Return whether an operation may create an item: neither its names nor the end of its path are another verb."""
    leading = leading_verbs(case.operation)
    last = split_words(EXTENSION.sub("", path_end(case.operation)))
    has_no_verb = not last or not is_verb_form(last[-1]) or are_synonyms(stem(last[-1]), _CREATE_STEM)
    return has_no_verb and (not leading or any(are_synonyms(verb, _CREATE_STEM) for verb in leading))


def _names_argument(case: Case) -> bool:
    """Return whether the verb names the argument that is set: rename -> name, assign -> assignees."""
    arguments = (source.argument for source in case.account.sources if case.location(source) != "path")
    words = {stem(word) for argument in arguments for word in split_words(argument)}
    if case.command in _RENAME_VERBS:
        return not words.isdisjoint(_NAME_STEMS)
    return any(is_root_of(case.command, word) for word in words)


def _is_switch(case: Case) -> bool:
    """Return whether the command switches a flag on or off, and the flag has that value."""
    flags = {str(source.value).lower() for source in case.account.sources}
    is_on, is_off = are_synonyms(case.command, _ENABLE_STEM), are_synonyms(case.command, _DISABLE_STEM)
    return (is_on and not flags.isdisjoint(_ON_WORDS)) or (is_off and not flags.isdisjoint(_OFF_WORDS))


def _mentions_path_end(case: Case) -> bool:
    """Return whether the end of the path is in the sentence: set the [volume]."""
    words = split_words(path_end(case.operation))
    return bool(words) and stem(words[-1]) in case.stems


def command_text(case: Case) -> str:
    """Return the command as it was written."""
    words = case.command_words[: max(1, min(case.command_length, 2))]
    return " ".join(word.text for word in words).lower()
