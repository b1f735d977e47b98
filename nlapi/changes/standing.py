"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nlapi.changes import amounts, objects, orders, sentences, values, verbs, whole_words
from nlapi.changes.sentences import Case, case_of
from nlapi.tools.account import Account
from nlapi.tools.tool import Call

Check = Callable[[Case], Iterator[str]]

TABLE: tuple[tuple[Check, bool], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (sentences.not_a_command, True),
    (sentences.denied, True),
    (sentences.conditional, True),
    (orders.no_change, True),
    (orders.another_operation, True),
    (verbs.opposed, True),
    (verbs.taken_away, True),
    (verbs.not_commanded, False),
    (verbs.sets_nothing, True),
    (objects.another_kind, False),
    (objects.many_for_one, True),
    (values.unsaid, True),
    (whole_words.cut, True),
    (values.doubtful, True),
    (amounts.money, True),
    (whole_words.turned, True),
    (values.nearly_named, True),
    (values.out_of_order, True),
    (sentences.unaccounted, False),
    (sentences.unused, True),
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
    case = case_of(call, account, question, destroy=destroy)
    reasons = (reason for check, models in TABLE if models or not account.traced for reason in check(case))
    # Two checks may find the same fault, and the user reads it once.
    return tuple(dict.fromkeys(reasons))
