"""Whether a change stands: may be sent under `--yes`, or be shown with a plain y/N. One function, one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nlapi.changes import amounts, objects, orders, sentences, values, verbs, whole_words
from nlapi.changes.sentences import Case, case_of
from nlapi.tools.account import Account
from nlapi.tools.tool import Call

Check = Callable[[Case], Iterator[str]]

TABLE: tuple[tuple[Check, bool], ...] = (
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
"""Each check, the weightiest first, and whether it is made of calls that a model wrote as well.

A model reads more than words, so that no word of it has to be the description's own; where its values come from, what
it undoes and what it takes away is looked at all the same.
"""


def reasons_against(call: Call, account: Account, question: str, *, destroy: bool = False) -> tuple[str, ...]:
    """Return why a change does not stand, in words for the user, the weightiest first; nothing where it does.

    `question` is the user's whole sentence, of which `account` quotes the parts that were used. With `destroy` the
    user has consented to taking things away: also by a verb that may leave a thing there (cancel the event).
    """
    case = case_of(call, account, question, destroy=destroy)
    reasons = (reason for check, models in TABLE if models or not account.traced for reason in check(case))
    return tuple(dict.fromkeys(reasons))
