"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nlapi.changes.amount_checks import check_difference, check_moment, check_money, check_order
from nlapi.changes.operation_checks import (
    check_deletion,
    check_kind,
    check_number,
    check_opposite,
    check_update_value,
    check_verb,
)
from nlapi.changes.sentences import (
    Case,
    build_case,
    check_condition,
    check_is_command,
    check_negation,
    check_planner_leftovers,
    check_unused_words,
    commanded_length,
)
from nlapi.changes.value_checks import (
    check_exact_name,
    check_meaning,
    check_origin,
    check_text_end,
    check_whole_words,
)
from nlapi.resources.lexicon import DETERMINERS, are_synonyms, is_verb, leading_verbs, operation_verbs
from nlapi.resources.naming import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.tools.tool import Account, Call, Origin

# The text before a command that is not the first of its sentence.
_COMMAND_PREFIX = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)

Check = Callable[[Case], Iterator[str]]


def _check_commands_change(case: Case) -> Iterator[str]:
    """Yield a reason against a model's change where the sentence only reads, or commands nothing (thanks, ok).

    An earlier question is no command for now. A verb behind the first (`find x and pause it`) counts where it is the
    operation's own action.
    """
    if not case.account.traced or _is_command(case):
        return
    leading = leading_verbs(case.operation)
    end = commanded_length(case.text)
    later_words = [
        word
        for word in case.unused_words
        if word.start < end and _COMMAND_PREFIX.search(case.text[: word.start].rstrip())
    ]
    if any(are_synonyms(entry, verb) for word in later_words for entry in word.stems for verb in leading):
        return
    if any(
        entry.origin is Origin.VERB and entry.start < end and _COMMAND_PREFIX.search(case.text[: entry.start].rstrip())
        for entry in case.account.sources
    ):
        return
    is_read = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if is_read else "the question commands no change"


def _check_commands_operation(case: Case) -> Iterator[str]:
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
    return any(
        entry.argument in arguments and entry.origin in (Origin.WORDS, Origin.LOOKUP) for entry in case.account.sources
    )


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


CHECKS: tuple[tuple[Check, bool], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (check_is_command, True),
    (check_negation, True),
    (check_condition, True),
    (_check_commands_change, True),
    (_check_commands_operation, True),
    (check_opposite, True),
    (check_deletion, True),
    (check_verb, False),
    (check_update_value, True),
    (check_kind, False),
    (check_number, True),
    (check_origin, True),
    (check_whole_words, True),
    (check_meaning, True),
    (check_money, True),
    (check_difference, True),
    (check_moment, True),
    (check_text_end, True),
    (check_exact_name, True),
    (check_order, True),
    (check_unused_words, False),
    (check_planner_leftovers, True),
)
"""Each check, the weightiest first, and whether it also applies to calls that a model wrote.

A model understands more than words, so that its calls need not have the description's own words; the origin of values,
and what a call undoes or deletes, is checked all the same.
"""


def reasons_against(call: Call, account: Account, question: str, *, destroy: bool = False) -> tuple[str, ...]:
    """Return the reasons against a change, in words for the user, the weightiest first; () where it may be sent.

    `question` is the user's whole sentence, of which `account` quotes the parts that were used. With `destroy` the user
    has consented to deletions, also by a verb that may leave an item there (cancel the event).
    """
    case = build_case(call, account, question, destroy=destroy)
    reasons = (
        reason
        for check, applies_to_models in CHECKS
        if applies_to_models or not account.traced
        for reason in check(case)
    )
    # Two checks may find the same fault, and the user reads it once.
    return tuple(dict.fromkeys(reasons))
