"""Defines the types Tool, Call and Missing, and the Account of where each value of a call came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from nlapi.openapi.spec import Effect, Operation, gravest
from nlapi.resources.effect_arguments import call_effect, possible_effect
from nlapi.resources.paths import Place as Place


class Origin(StrEnum):
    """The kind of source that a value has."""

    WORDS = "words"
    """the user's words, quoted in `ValueSource.words`"""
    LOOKUP = "lookup"
    """an API's answer to a look-up of the user's words"""
    CURRENT = "current"
    """the item that an update is of, which has it already"""
    SETTING = "setting"
    """the profile of the API, or `--set`"""
    REPLY = "reply"
    """the user's reply to a question for it"""
    DESCRIPTION = "description"
    """a constant, a default or the only choice of the description"""
    VERB = "verb"
    """the command itself: close -> `state: closed`"""
    WORKFLOW = "workflow"
    """a constant of the workflow that the user runs"""
    ANSWER = "answer"
    """an API's answer that was not a look-up of the user's words; the user did not say it"""
    NOBODY = "nobody"


# The policy lets a change run under `--yes` only where every value has one of these origins
# (docs/design/026-tracing.md). ANSWER and NOBODY are absent: an API's answer is untrusted and may be written to steer
# the model.
TRUSTED_ORIGINS = frozenset(
    {
        Origin.WORDS,
        Origin.LOOKUP,
        Origin.CURRENT,
        Origin.SETTING,
        Origin.REPLY,
        Origin.DESCRIPTION,
        Origin.VERB,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSource:
    """The source of the value of one argument.

    `argument` is the argument's name, dotted where the value is inside of one (`budget.amount`). `words` are the user's
    words that it was read from or looked up by; `start` and `end` are their position in the sentence, -1 where they
    have none, as in an earlier question. `name` is the name that an answer has for the resource. `sure`
    is the probability, from 0 to 1, that the words mean this argument.
    """

    # The transcript and the ndjson events write these fields by their names, so a rename changes a file format.
    argument: str
    value: Any
    origin: Origin
    words: str = ""
    start: int = -1
    end: int = -1
    name: str = ""
    sure: float = 1.0


def sources_to_json(sources: Iterable[ValueSource]) -> list[dict[str, object]]:
    """Return sources as JSON, for transcripts and the state between rounds."""
    return list(map(asdict, sources))


def sources_from_json(rows: Iterable[Mapping[str, Any]]) -> tuple[ValueSource, ...]:
    """Return the sources that `sources_to_json` wrote."""
    return tuple(ValueSource(**{**row, "origin": Origin(row["origin"])}) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The sources of all values of one call, and the words of the sentence that none of them uses.

    `sentence` is the text that the call is for where that is not the whole question: a clause of it, or a short
    question completed from the ones before. `traced` is True for a call that a model wrote: the model does not report
    which words it read for which value. `answered` is True where an API had answered before the model wrote the call.
    """

    sources: tuple[ValueSource, ...] = ()
    unused: tuple[str, ...] = ()
    sentence: str = ""
    traced: bool = False
    answered: bool = False

    def of(self, argument: str) -> tuple[ValueSource, ...]:
        """Return the sources of an argument and of everything inside it."""
        return tuple(
            source
            for source in self.sources
            if source.argument == argument or source.argument.startswith(f"{argument}.")
        )


# Compared by identity: the schemas of a tool can be large, and a tool is made once for each operation.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """An Operation as a language model sees it.

    `input_schema` is one self-contained JSON Schema 2020-12 object; `places` has the location of each argument in the
    request.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    operation: Operation
    places: Mapping[str, Place]
    body_rules: Mapping[str, Any] = field(default_factory=dict)
    """constraints on a body as a whole when its properties are arguments of their own, as a JSON Schema in wire names

    They are the number of properties, and those that an optional body requires once it is sent.
    """
    deferred: bool = False
    """whether a model gets the definition only when a tool search of its provider returns it"""

    @property
    def effect(self) -> Effect:
        """Return the effect of its operation; that of a call may be graver, by its arguments (`Call.effect`)."""
        return self.operation.effect

    @property
    def possible_effect(self) -> Effect:
        """Return the gravest effect that a call may have, by the arguments that the operation describes."""
        return possible_effect(self.operation)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.input_schema.get("required", ()))

    def as_dict(self, format: str = "anthropic", *, strict: bool = False) -> dict[str, Any]:
        """Return the tool in the manifest form "anthropic", "openai", "openai-responses", "mcp" or "gemini".

        With `strict`, in its strict form if its schema fits strict mode's limits, else in the plain one. UsageError for
        a deferred tool in a form without a tool search.
        """
        from nlapi.tools.definitions.manifest import render

        return render(self, format, strict=strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A Tool and the arguments for it. `id` is the planner's identifier of the call, `reason` its reason for it.

    `account` has the source of each argument; None where the planner does not know them, and they have to be traced.
    `page_query` is the query of a page that an answer leads to, in place of that of the arguments (`next_call`).
    """

    tool: Tool
    arguments: Mapping[str, Any]
    id: str = ""
    reason: str = ""
    # Two calls are equal when they do the same, whatever their values come from.
    account: Account | None = field(default=None, compare=False)
    page_query: str = ""
    keeps_rest: bool = False
    """whether an update keeps what its item has besides: that is read first (`with_current_fields`)"""
    timeout: float | None = field(default=None, compare=False)
    """the seconds that a document gives it; None for the limit of the whole conversation"""
    label: str = field(default="", compare=False)
    """what an answer calls the item that it is about, for people; "" where that is not known"""

    @property
    def operation_id(self) -> str:
        return self.tool.operation.id

    @property
    def values(self) -> dict[Place, Any]:
        """The arguments by their places in the request."""
        return {self.tool.places.get(name, ("body", name)): value for name, value in self.arguments.items()}

    @property
    def body_fields(self) -> dict[str, Any]:
        """The fields of the body, by their names in the request."""
        values = self.values
        whole = values.get(("body", ""))
        named = {name: value for (location, name), value in values.items() if location == "body" and name}
        return {**whole, **named} if isinstance(whole, Mapping) else named

    @property
    def effect(self) -> Effect:
        """Return the effect of the call: that of its operation, or a graver one that an argument has."""
        # What an answer leads to is not the user's word.
        pages: list[dict[Place, Any]] = [{("query", name): value} for name, value in parse_qsl(self.page_query)]
        return gravest(call_effect(self.tool.operation, each) for each in (self.values, *pages))

    @property
    def part(self) -> str:
        """The step of a document that it makes, whichever attempt it is: its id without the number of the attempt."""
        return self.id.partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An argument that a planner needs from the user, with its description and its choices, if any."""

    tool: Tool
    argument: str
    description: str = ""
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
