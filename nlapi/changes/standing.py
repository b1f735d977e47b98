"""Whether a change stands: may be sent under `--yes`, or be shown with a plain y/N. One function, one table."""

from __future__ import annotations

from nlapi.tools.account import Account
from nlapi.tools.tool import Call


def reasons_against(call: Call, account: Account, question: str) -> tuple[str, ...]:
    """Return why a change does not stand, in words for the user, the weightiest first; nothing where it does.

    `question` is the user's whole sentence, of which `account` quotes the parts that were used.
    """
    return ()
