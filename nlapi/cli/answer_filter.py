"""What a jq expression makes of an answer: it sees the answer and nothing else of this machine."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.cli.live import Filter

_REFUSED = (
    *("env", "input", "inputs", "input_filename", "input_line_number", "debug", "debug(f)", "stderr"),
    *("get_search_list", "modulemeta", "halt", "halt_error", "halt_error(f)"),
)
"""jq's builtins that read the environment or other input, write past standard output, or end the program."""

_ENVIRONMENT = re.compile(r"\$\s*ENV\b")

_GUARD = "null as $ENV | " + " ".join(f"def {name}: $refused_{name.partition('(')[0]};" for name in _REFUSED) + "\n"
"""Stands before an expression. A definition that is not used is dropped by jq's compiler; one that is used does not
compile, as its variable is bound to nothing, however the use of it is written. `import` has to come first in a
program, so behind this it does not compile either."""


def jq_filter(expression: str) -> Filter:
    """Return what a jq expression does to an answer; UsageError for one that is wrong or reads more than that."""
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
    """The first line of an error of jq's, with the line counted from the beginning of the expression."""
    first = text.splitlines()[0]
    return re.sub(r"\bline (\d+)", lambda found: f"line {max(int(found[1]) - 1, 1)}", first)
