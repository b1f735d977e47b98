"""Checks that the current question commands a model's change: a change at all, and this one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import DETERMINERS, are_synonyms, is_verb, leading_verbs, operation_verbs
from nlapi.changes.objects import check_kind
from nlapi.changes.sentences import Case
from nlapi.changes.verbs import check_verb
from nlapi.resources.naming import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.tools.account import Origin

# The text before a command that is not the first of its sentence.
_COMMAND_PREFIX = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)


def check_commands_change(case: Case) -> Iterator[str]:
    """Yield a reason against a model's change where the sentence only reads, or commands nothing (thanks, ok).

    An earlier question is no command for now. A verb behind the first (`find x and pause it`) counts where it is the
    operation's own action.
    """
    if not case.account.traced or _is_command(case):
        return
    leading = leading_verbs(case.operation)
    later_words = [word for word in case.unused_words if _COMMAND_PREFIX.search(case.text[: word.start].rstrip())]
    if any(are_synonyms(entry, verb) for word in later_words for entry in word.stems for verb in leading):
        return
    if any(entry.origin is Origin.VERB and _COMMAND_PREFIX.search(case.text[: entry.start].rstrip()) for entry in case.account.sources):
        return
    is_read = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if is_read else "the question commands no change"


def check_commands_operation(case: Case) -> Iterator[str]:
    """Yield reasons against a model's change that the sentence does not command, once an API has answered.

    An answer may tell a model what to plan (prompt injection). So the verb has to be the operation's, and the kind of
    its target is named, unless the target itself is: update cmp_1.
    """
    if not case.account.traced or not case.account.answered:
        return
    yield from check_verb(case)
    # `delete the budget of cmp_1` names the target of DELETE /campaigns/{id} and means a part of it.
    if not _is_target_mentioned_by_user(case) or (case.operation.method == "DELETE" and _has_more_words(case)):
        yield from check_kind(case)


def _has_more_words(case: Case) -> bool:
    """Return whether the sentence has a word besides its verb and its values: delete [the budget of] cmp_1."""
    return any(word.lower not in STOPWORDS for word in case.unused_words)


def _is_target_mentioned_by_user(case: Case) -> bool:
    """Return whether the path ends in an item that the user named."""
    path = case.operation.path.rstrip("/")
    if not path.endswith("}"):
        return False
    place = ("path", path[path.rindex("{") + 1 : -1])
    arguments = {name for name, entry in case.call.tool.places.items() if entry == place}
    return any(entry.argument in arguments and entry.origin in (Origin.WORDS, Origin.LOOKUP) for entry in case.account.sources)


def _is_command(case: Case) -> bool:
    """Return whether the sentence begins with a verb that asks for more than information."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    leading = leading_verbs(case.operation)
    if is_verb(command) or command in IMPERATIVES or any(are_synonyms(command, verb) for verb in leading):
        return True
    next_words = case.command_words[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in DETERMINERS for word in next_words)
