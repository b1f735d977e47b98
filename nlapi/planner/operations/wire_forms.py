"""Writes values in the form that an API takes: partial texts with wildcards, names of the DNS with a final dot."""

from __future__ import annotations

import re
from dataclasses import replace

from nlapi.english.lexicon import stems
from nlapi.english.words import split_words
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.slot import Family, SlotCandidate
from nlapi.planner.slots.value_forms import states_dot
from nlapi.resources.schemas import SchemaReader

_WILDCARD = re.compile(r"\*[^.]{0,60}\bwildcard|\bwildcard[^.]{0,60}\*", re.IGNORECASE)
_CONTAINING = stems("planner/operations/words", "containing")
# Arguments that take a name of the DNS; a `host` or a `server` is often a plain name (PowerDNS).
_DNS_ARGUMENTS = stems("planner/operations/words", "dns_arguments")


def in_wire_form(best: OperationCandidate) -> Assignment:
    """Return the assignment with its texts in the form of the API."""
    options = (replace(option, value=_wire_form(best, option)) for option in best.assignment.candidates)
    return replace(best.assignment, candidates=tuple(options))


def _wire_form(best: OperationCandidate, option: SlotCandidate) -> object:
    slot, value, span = option.slot, option.value, option.mention
    if not isinstance(value, str) or slot.family is not Family.TEXT or span is None:
        return value
    if QUERYLIKE & set(slot.words) and best.tool.effect is Effect.READ and "*" not in value:
        prose = f"{slot.description} {best.operation.description}"
        is_part = _CONTAINING & set(best.context.sentence.stems[max(0, span.first - 2) : span.first])
        return f"*{value}*" if is_part and _WILDCARD.search(prose) else value
    is_host = span.form == "host" and not value.endswith(".") and set(slot.words) <= _DNS_ARGUMENTS
    return f"{value}." if is_host and best.operation.spec.derive(_DnsNames).end_in_dot else value


class _DnsNames:
    """The form of DNS names in an API: with a final dot where the schema of a body says so."""

    def __init__(self, spec: Spec) -> None:
        reader = SchemaReader(spec)
        bodies = (operation.body.schema for operation in spec.operations if operation.body is not None)
        name_schemas = (
            schema for body in bodies for name, schema in reader.properties(body).items() if "name" in split_words(name)
        )
        self.end_in_dot = any(states_dot(str(reader.flat(schema).get("description", ""))) for schema in name_schemas)
