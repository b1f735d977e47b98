"""Values in the form that an API says it takes them in: parts of texts with wildcards, names of the DNS with a dot."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.slot import Family, Option
from nlapi.planner.slots.value_forms import states_dot
from nlapi.resources.naming import split_words, stem
from nlapi.resources.schemas import SchemaReader

_WILDCARD = re.compile(r"\*[^.]{0,60}\bwildcard|\bwildcard[^.]{0,60}\*", re.IGNORECASE)
_PART = frozenset(map(stem, "contain contains containing include including like mention mentions".split()))
_CANONICAL = frozenset(map(stem, "zone domain fqdn".split()))
"""What the arguments are called that take a name of the DNS; a `host` or a `server` is often a plain one."""


def in_wire_form(best: Candidate) -> Filling:
    """The filling with its texts as the API wants them written."""
    return replace(best.filling, options=tuple(replace(one, value=_form(best, one)) for one in best.filling.options))


def _form(best: Candidate, option: Option) -> Any:
    slot, value, span = option.slot, option.value, option.span
    if not isinstance(value, str) or slot.family is not Family.TEXT or span is None:
        return value
    if QUERYLIKE & set(slot.words) and best.tool.effect is Effect.READ and "*" not in value:
        told = f"{slot.description} {best.operation.description}"
        asked = _PART & set(best.scene.sentence.stems[max(0, span.first - 2) : span.first])
        return f"*{value}*" if asked and _WILDCARD.search(told) else value
    host = span.form == "host" and not value.endswith(".") and set(slot.words) <= _CANONICAL
    return f"{value}." if host and best.operation.spec.derive(_Names).end_in_dot else value


class _Names:
    """Whether the names of zones and domains end in a dot in an API: some body that takes one says so."""

    def __init__(self, spec: Spec) -> None:
        reader = SchemaReader(spec)
        bodies = (one.body.schema for one in spec.operations if one.body is not None)
        named = (
            schema for body in bodies for name, schema in reader.properties(body).items() if "name" in split_words(name)
        )
        self.end_in_dot = any(states_dot(str(reader.flat(schema).get("description", ""))) for schema in named)
