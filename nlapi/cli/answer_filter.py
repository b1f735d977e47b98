"""The jq filter of `nlapi call --jq`, which can read the answer and nothing else of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from nlapi.errors import NlapiError, UsageError

Filter = Callable[[Any], list[Any]]

# Builtins of jq that read the environment or other input, write past standard output, or end the program.
_REFUSED = (
    *("env", "input", "inputs", "input_filename", "input_line_number", "debug", "debug(f)", "stderr"),
    *("get_search_list", "modulemeta", "halt", "halt_error", "halt_error(f)"),
)

_ENVIRONMENT = re.compile(r"\$\s*ENV\b")
# A prefix of every expression. jq drops a definition that is not used; one that is used does not compile, because its
# variable is undefined, however the use is written. `import` must come first in a program, so it fails behind this too.
_GUARD = "null as $ENV | " + " ".join(f"def {name}: $refused_{name.partition('(')[0]};" for name in _REFUSED) + "\n"


def jq_filter(expression: str) -> Filter:
    """Return the function of a jq expression. UsageError when it does not compile or reads more than the answer."""
    import jq

    if _ENVIRONMENT.search(expression):
        raise _refusal(expression, "$ENV")
    try:
        compiled = jq.compile(_GUARD + (expression if expression.strip() else "."))
    except ValueError as error:
        text = str(error)
        if used := re.search(r"\$refused_(\w+) is not defined", text):
            raise _refusal(expression, used[1]) from None
        raise UsageError(f"--jq {expression!r}: {_in_expression(text)}") from None

    def apply(data: Any) -> list[Any]:
        try:
            return list(compiled.input_value(data).all())
        except ValueError as error:
            problem = f"--jq {expression!r} does not fit the answer: {str(error).splitlines()[0]}"
            raise NlapiError(problem, hint=f"the answer begins {json.dumps(data)[:200]}") from None

    return apply


def _refusal(expression: str, name: str) -> UsageError:
    problem = f"--jq {expression!r} uses {name}, which is refused: a filter sees the answer and nothing else"
    return UsageError(problem, hint=f'a field of that name is .{name.lstrip("$")}, or ."{name}"')


def _in_expression(text: str) -> str:
    """Return the first line of a jq error, with its line number counted from the beginning of the expression."""
    first = text.splitlines()[0]
    return re.sub(r"\bline (\d+)", lambda match: f"line {max(int(match[1]) - 1, 1)}", first)
