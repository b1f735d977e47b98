"""Collects every Issue of a description, with the findings of the OpenAPI standard's validator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Spec

# A broken component is reported at each of its uses, so the list is cut; iterating all of GitHub's takes 13 s.
MAX_FINDINGS = 200

STANDARD_RULE = "standard"


def check(spec: Spec, *, standard: bool = True) -> tuple[Issue, ...]:
    """Return every Issue of a description, worst first: its own, then with `standard` the standard's, as warnings.

    Problems for a model, such as a missing text, are reported by `nlapi.tools.lint`.
    """
    issues = [*spec.issues, *(_standard_issues(spec) if standard else ())]
    order = list(Level)
    return tuple(sorted(dict.fromkeys(issues), key=lambda issue: (issue.rule == STANDARD_RULE, order.index(issue.level))))


def _standard_issues(spec: Spec) -> Iterator[Issue]:
    """Yield the findings of openapi-spec-validator. Takes 13 s of CPU on GitHub's description."""
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
                continue  # a response may be a file (Swagger 2.0, "Response Object"); the validator refuses it
            yield Issue.warning(_location(error.absolute_path), _truncate(error.message), rule=STANDARD_RULE)
    except Exception as error:  # the validator raises whatever its libraries raise on what it did not expect
        message = f"the standard's validator gave up: {type(error).__name__}: {_truncate(str(error))}"
        yield Issue(level=Level.INFO, where="", message=message, rule=STANDARD_RULE)


def _location(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _truncate(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
