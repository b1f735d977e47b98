"""The types Tool, Call and Missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.paths import Place as Place
from nlapi.tools.account import Account


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

    @property
    def effect(self) -> Effect:
        return self.operation.effect

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.input_schema.get("required", ()))

    def as_dict(self, format: str = "anthropic", *, strict: bool = False) -> dict[str, Any]:
        """Return the tool in the manifest form "anthropic", "openai", "openai-responses", "mcp" or "gemini".

        With `strict`, in its strict form if its schema fits strict mode's limits, else in the plain one.
        """
        from nlapi.tools.manifest import render

        return render(self, format, strict=strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A Tool and the arguments for it. `id` is the planner's identifier of the call, `reason` its reason for it.

    `account` has the source of each argument; None where the planner does not know them, and they have to be traced.
    """

    tool: Tool
    arguments: Mapping[str, Any]
    id: str = ""
    reason: str = ""
    # Two calls are equal when they do the same, whatever their values come from.
    account: Account | None = field(default=None, compare=False)

    @property
    def operation_id(self) -> str:
        return self.tool.operation.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An argument that a planner needs from the user, with its description and its choices, if any."""

    tool: Tool
    argument: str
    description: str = ""
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
