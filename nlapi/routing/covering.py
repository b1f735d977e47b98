"""Finds an earlier match that covers a later one, by bit masks instead of comparing pairs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from nlapi.routing.fields import FieldIndex, index_fields
from nlapi.routing.match import Domains, covers, allows_value
from nlapi.routing.nouns import Match


class CoverageIndex:
    """An index over matches in their order."""

    def __init__(self, matches: Sequence[Match], domains: Domains) -> None:
        self._matches = matches
        self._domains = domains
        self._fields = index_fields(matches)

    def first_covering(self, number: int) -> int | None:
        """Return the index of the first earlier match that certainly matches whatever this one does, or None."""
        match = self._matches[number]
        possible = (1 << number) - 1
        for field in self._fields:
            possible &= self._possible_matches(field, match)
            if not possible:
                return None
        while possible:
            lowest = possible & -possible
            earlier = lowest.bit_length() - 1
            # The masks only exclude candidates field by field; the exact test is made for the few that remain.
            if covers(self._matches[earlier], match, self._domains):
                return earlier
            possible ^= lowest
        return None

    def _possible_matches(self, field: FieldIndex, match: Match) -> int:
        """Return the mask of matches that may cover this one, as far as one field shows."""
        name = field.name
        if name in match.when:
            possible = -1
            for value in match.when[name]:
                if allows_value(match, name, value):
                    possible &= field.possible_matches(value)
            return possible
        if name in match.between:
            between = match.between[name]
            low = 0 if between.least is None else bisect_right(field.cuts, between.least)
            high = len(field.cuts) if between.below is None else bisect_left(field.cuts, between.below)
            return field.unlisted_mask(low) & field.unlisted_mask(high)
        # A match that ignores the field admits every value of it; only in a closed domain can others cover that.
        return -1 if name in self._domains else field.unlisted_mask(-1)
