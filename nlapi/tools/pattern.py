"""Patterns of a description: which of them a hostile value could keep busy for ever."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.", re.DOTALL)
_SEVERAL = re.compile(r"[*+]|\{\d*,\}|\{\d*,?\d{2,}\}")
_VARIABLE = re.compile(r"[*+?|]|\{\d*,\d*\}")


def runs_away(pattern: str) -> bool:
    """Does it repeat something that can itself match in several ways, as `(a+)+` or `(a|b)*` do?

    Python's matcher tries every combination of those: 30 characters can take hours. Some harmless patterns are among
    them; they are not checked here but by the API.
    """
    groups, closed = [False], False
    for token in _TOKEN.findall(pattern):
        if closed and _SEVERAL.fullmatch(token):
            return True
        closed = False
        if token == "(":
            groups.append(False)
        elif token == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] |= closed
        elif _VARIABLE.fullmatch(token):
            groups[-1] = True
    return False
