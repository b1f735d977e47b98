"""That the question that is asked now commands a change at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import alike, is_verb, leading_verbs
from nlapi.changes.sentences import Case
from nlapi.resources.naming import VERBS, Intent

_NEXT = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)
"""What stands before a command that is not the first of its sentence."""


def no_change(case: Case) -> Iterator[str]:
    """A model's change for a sentence that only reads, or that says nothing which is to be done (thanks, ok).

    What was asked for in an earlier question was asked for then. A verb behind the first (`find x and pause it`)
    counts where it is what the operation says that it does.
    """
    if not case.account.traced:
        return
    command = case.command
    reads = VERBS.get(command) is Intent.READ
    if is_verb(command) and not reads:
        return
    leading = leading_verbs(case.operation)
    later = [word for word in case.free if _NEXT.search(case.text[: word.start].rstrip())]
    if any(alike(one, verb) for word in later for one in word.stems for verb in leading):
        return
    if command and not reads and any(alike(command, verb) for verb in leading):
        return
    yield "the question only reads" if reads else "the question commands no change"
