"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nlapi.changes.amounts import money
from nlapi.changes.objects import another_kind, many_for_one
from nlapi.changes.orders import another_operation, no_change
from nlapi.changes.sentences import Case, case_of, conditional, denied, not_a_command, unaccounted, unused
from nlapi.changes.values import doubtful, nearly_named, out_of_order, unsaid
from nlapi.changes.verbs import not_commanded, opposed, sets_nothing, taken_away
from nlapi.changes.whole_words import cut, turned
from nlapi.tools.account import Account
from nlapi.tools.tool import Call

Check = Callable[[Case], Iterator[str]]

TABLE: tuple[tuple[Check, bool], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (not_a_command, True),
    (denied, True),
    (conditional, True),
    (no_change, True),
    (another_operation, True),
    (opposed, True),
    (taken_away, True),
    (not_commanded, False),
    (sets_nothing, True),
    (another_kind, False),
    (many_for_one, True),
    (unsaid, True),
    (cut, True),
    (doubtful, True),
    (money, True),
    (turned, True),
    (nearly_named, True),
    (out_of_order, True),
    (unaccounted, False),
    (unused, True),
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
