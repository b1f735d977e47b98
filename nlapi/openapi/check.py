"""What the OpenAPI standard and nlapi itself find wrong with a description, as Issues; only when asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Spec

MAX_FINDINGS = 200
"""Findings of the standard's validator that are reported; a broken component is found wherever it is used."""

RULE = "standard"


def check(spec: Spec, *, standard: bool = True) -> tuple[Issue, ...]:
    """Every Issue of a description, the worst first: its own, then the standard's (as warnings), if wanted.

    What a model will stumble over besides is in `nlapi.tools.lint`.
    """
    found = [*spec.issues, *(_standard(spec) if standard else ())]
    order = list(Level)
    return tuple(sorted(dict.fromkeys(found), key=lambda issue: (issue.rule == RULE, order.index(issue.level))))


def _standard(spec: Spec) -> Iterator[Issue]:
    """The findings of openapi-spec-validator. 13 s of CPU on GitHub's description."""
    import openapi_spec_validator as validators

    kinds: dict[str, Any] = {
        "2.0": validators.OpenAPIV2SpecValidator,
        "3.0": validators.OpenAPIV30SpecValidator,
        "3.1": validators.OpenAPIV31SpecValidator,
        "3.2": validators.OpenAPIV32SpecValidator,
    }
    version = str(spec.document.get("openapi", "2.0"))[:3]
    try:
        for error in islice(kinds[version](spec.document).iter_errors(), MAX_FINDINGS):
            if version == "2.0" and (error.instance, [*error.absolute_path]) == ("file", ["type"]):
                continue  # the answer of an operation may be one, which the validator's second look does not know
            yield Issue.warning(_where(error.absolute_path), _short(error.message), rule=RULE)
    except Exception as error:  # the validator raises whatever its libraries raise on what it did not expect
        message = f"the standard's validator gave up: {type(error).__name__}: {_short(str(error))}"
        yield Issue(level=Level.INFO, where="", message=message, rule=RULE)


def _where(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
