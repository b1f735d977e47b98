"""That the question which is asked now commands what a model would change: a change at all, and this one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes import objects, verbs
from nlapi.changes.lexicon import DETERMINERS, alike, is_verb, leading_verbs, operation_verbs
from nlapi.changes.sentences import Case
from nlapi.resources.naming import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.tools.account import Origin

_NEXT = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)
"""What stands before a command that is not the first of its sentence."""


def no_change(case: Case) -> Iterator[str]:
    """A model's change for a sentence that only reads, or that says nothing which is to be done (thanks, ok).

    What was asked for in an earlier question was asked for then. A verb behind the first (`find x and pause it`)
    counts where it is what the operation says that it does.
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
    """A model's change that the sentence does not command, once an API has answered.

    What a model plans from then on may be what the answer tells it to. So the verb has to be the operation's, and the
    kind of its target is said, unless the target itself is: update cmp_1.
    """
    if not case.account.traced or not case.account.answered:
        return
    yield from verbs.not_commanded(case)
    if not _names_target(case) or (case.operation.method == "DELETE" and _says_more(case)):
        yield from objects.another_kind(case)


def _says_more(case: Case) -> bool:
    """Whether the sentence has a word that matters besides its verb and its values: delete [the budget of] cmp_1."""
    return any(word.lower not in STOPWORDS for word in case.free)


def _names_target(case: Case) -> bool:
    """Whether the path ends in a thing that the user named."""
    path = case.operation.path.rstrip("/")
    if not path.endswith("}"):
        return False
    place = ("path", path[path.rindex("{") + 1 : -1])
    named = {name for name, one in case.call.tool.places.items() if one == place}
    return any(one.argument in named and one.origin in (Origin.WORDS, Origin.LOOKUP) for one in case.account.sources)


def _is_order(case: Case) -> bool:
    """Whether the sentence begins with a verb that asks for more than to be told something."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    leading = leading_verbs(case.operation)
    if is_verb(command) or command in IMPERATIVES or any(alike(command, verb) for verb in leading):
        return True
    behind = case.begun[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in DETERMINERS for word in behind)
