"""A list that is read whole, as a plan needs it that does something to each of its entries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.errors import UsageError
from nlapi.tools.answers.view import PageBounds, PageSeries, SeriesEnd, is_list_start, page_arguments
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call

MAX_CALLS = 200
"""calls of one plan: a question about more would be read by nobody"""
_BOUNDS = PageBounds(pages=50)
# Sizes of pages are multiples of it, from it on.
_LEAST_PAGE = 5


@dataclass(slots=True, kw_only=True)
class WholeList:
    """A list as its pages come, and the call of the page that is not read yet."""

    series: PageSeries = field(default_factory=PageSeries)
    following: Call | None = None

    @classmethod
    def of(cls, steps: Iterable[Step]) -> WholeList:
        """Return the list whose pages `steps` have read so far. UsageError as for `add`."""
        whole = cls()
        for step in steps:
            whole.add(step)
        return whole

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        return self.series.entries

    def add(self, step: Step) -> None:
        """Take the entries of a page. UsageError where it has none, or not every page can be read."""
        name, count = step.call.operation_id, len(self.series.entries)
        if step.outcome is not Outcome.ANSWERED or step.result is None:
            raise UsageError(f"{name} gave no list")
        if not self.series.pages and not is_list_start(step.call):
            raise UsageError(f"a later page of {name} is not its list; read it from its start")
        self.following = self.series.add(step.call, step.result, _BOUNDS)
        if not self.series.pages or not all(isinstance(entry, Mapping) for entry in self.rows):
            raise UsageError(f"the answer of {name} is not a list of objects")
        if self.following is None and self.series.ended is not SeriesEnd.COMPLETE:
            raise UsageError(f"not all pages of {name} can be read; filter the list by an argument of its own")
        if self.following is None and _may_go_on(step, len(self.rows)):
            raise UsageError(
                f"{name} does not tell whether its {len(self.rows)} entries are all; ask for a page of another size"
            )
        # A longer page has the entries of the one before it.
        pages = self.rows[:count], self.rows[count:]
        if {digest_of(row) for row in pages[0]} & {digest_of(row) for row in pages[1]}:
            raise UsageError(f"an entry of {name} came on two pages: the list changed while it was read; ask again")


def _may_go_on(step: Step, count: int) -> bool:
    """Return whether a list by pages may have more, as it has a round number of entries and says nothing else.

    Without a total, a flag or a link nobody can tell a full page from the whole list.
    """
    data = step.result.data if step.result is not None else None
    says_more = isinstance(data, Mapping) and any(not isinstance(value, list) for value in data.values())
    is_round = count >= _LEAST_PAGE and count % _LEAST_PAGE == 0
    return is_round and not says_more and bool(page_arguments(step.call.tool))


def digest_of(values: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal values."""
    return json.dumps(values, sort_keys=True, default=str)
