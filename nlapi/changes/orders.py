"""Checks that the current question commands a model's change: a change at all, and this one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import DETERMINERS, alike, is_verb, leading_verbs, operation_verbs
from nlapi.changes.objects import another_kind
from nlapi.changes.sentences import Case
from nlapi.changes.verbs import not_commanded
from nlapi.resources.naming import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.tools.account import Origin

# The text before a command that is not the first of its sentence.
_NEXT = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)


def no_change(case: Case) -> Iterator[str]:
    """Yield a reason against a model's change where the sentence only reads, or commands nothing (thanks, ok).

    An earlier question is no command for now. A verb behind the first (`find x and pause it`) counts where it is the
    operation's own action.
    """
    if not case.account.traced or _is_order(case):
        return
    leading = leading_verbs(case.operation)
    later = [word for word in case.free if _NEXT.search(case.text[: word.start].rstrip())]
    if any(alike(one, verb) for word in later for one in word.stems for verb in leading):
        return
    if any(one.origin is Origin.VERB and _NEXT.search(case.text[: one.start].rstrip()) for one in case.account.sources):
        return
    reads = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if reads else "the question commands no change"


def another_operation(case: Case) -> Iterator[str]:
    """Yield reasons against a model's change that the sentence does not command, once an API has answered.

    An answer may tell a model what to plan (prompt injection). So the verb has to be the operation's, and the kind of
    its target is named, unless the target itself is: update cmp_1.
    """
    if not case.account.traced or not case.account.answered:
        return
    yield from not_commanded(case)
    # `delete the budget of cmp_1` names the target of DELETE /campaigns/{id} and means a part of it.
    if not _names_target(case) or (case.operation.method == "DELETE" and _says_more(case)):
        yield from another_kind(case)


def _says_more(case: Case) -> bool:
    """Return whether the sentence has a word besides its verb and its values: delete [the budget of] cmp_1."""
    return any(word.lower not in STOPWORDS for word in case.free)


def _names_target(case: Case) -> bool:
    """Return whether the path ends in an item that the user named."""
    path = case.operation.path.rstrip("/")
    if not path.endswith("}"):
        return False
    place = ("path", path[path.rindex("{") + 1 : -1])
    named = {name for name, one in case.call.tool.places.items() if one == place}
    return any(one.argument in named and one.origin in (Origin.WORDS, Origin.LOOKUP) for one in case.account.sources)


def _is_order(case: Case) -> bool:
    """Return whether the sentence begins with a verb that asks for more than information."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    leading = leading_verbs(case.operation)
    if is_verb(command) or command in IMPERATIVES or any(alike(command, verb) for verb in leading):
        return True
    behind = case.begun[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in DETERMINERS for word in behind)
