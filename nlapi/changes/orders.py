"""That the question which is asked now commands the change of a model at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import alike, is_verb, leading_verbs, operation_verbs
from nlapi.changes.sentences import Case
from nlapi.resources.naming import IMPERATIVES, VERBS, Intent

_NEXT = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)
"""What stands before a command that is not the first of its sentence."""
_DETERMINERS = frozenset("the a an my our your this that these those all every each his her their its".split())
"""Words behind which a thing follows, so that the word before them is a verb: note [the] plumber."""


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
    reads = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if reads else "the question commands no change"


def _is_order(case: Case) -> bool:
    """Whether the sentence begins with a verb that asks for more than to be told something."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    if (
        is_verb(command)
        or command in IMPERATIVES
        or any(alike(command, verb) for verb in leading_verbs(case.operation))
    ):
        return True
    begun = [word for word in case.words if word.start >= case.opening]
    behind = begun[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in _DETERMINERS for word in behind)
