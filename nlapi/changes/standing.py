"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nlapi.changes.amounts import check_money
from nlapi.changes.objects import check_kind, check_number
from nlapi.changes.orders import check_commands_operation, check_commands_change
from nlapi.changes.sentences import Case, build_case, check_condition, check_negation, check_is_command, check_unused_words, check_planner_leftovers
from nlapi.changes.values import check_meaning, check_exact_name, check_order, check_origin
from nlapi.changes.verbs import check_verb, check_opposite, check_update_value, check_deletion
from nlapi.changes.whole_words import check_whole_words, check_text_end
from nlapi.tools.account import Account
from nlapi.tools.tool import Call

Check = Callable[[Case], Iterator[str]]

CHECKS: tuple[tuple[Check, bool], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (check_is_command, True),
    (check_negation, True),
    (check_condition, True),
    (check_commands_change, True),
    (check_commands_operation, True),
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
    reasons = (reason for check, applies_to_models in CHECKS if applies_to_models or not account.traced for reason in check(case))
    # Two checks may find the same fault, and the user reads it once.
    return tuple(dict.fromkeys(reasons))
