"""Measures: the unit that a number in a sentence is counted in, and how units of one dimension relate."""

from __future__ import annotations

import re
from functools import lru_cache

from nlapi.planner.language.text import MentionKind, Sentence, ValueMention
from nlapi.tools.measures import Unit, find_unit

_AFTER = re.compile(r"[-\s]?([^\W\d_]+)\b(?!['’^])")


def unit_of_mention(sentence: Sentence, mention: ValueMention) -> Unit | None:
    """Return the unit that a number is counted in: the seconds of 600 seconds, the mH of 50mH."""
    # Money and per cent have their unit in the form of the mention, and the word behind them is a noun.
    if mention.kind is not MentionKind.NUMBER or mention.form in ("money", "percent"):
        return None
    return _unit_at(sentence.text, mention.end)


@lru_cache(maxsize=4096)
def _unit_at(text: str, at: int) -> Unit | None:
    after = _AFTER.match(text, at)
    return find_unit(after.group(1)) if after is not None else None


def unit_similarity(first: Unit | None, second: Unit | None) -> float:
    """Return 1 for the same unit, 0.6 for the same dimension, -1 for different ones; 0 where a unit is not known."""
    if first is None or second is None:
        return 0.0
    if first.dimension != second.dimension:
        return -1.0
    # The slot forest is trained on this scale as a feature: another figure needs another training.
    return 1.0 if first.factor == second.factor else 0.6
