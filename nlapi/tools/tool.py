"""The nouns Tool and Call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.paths import Place as Place
from nlapi.tools.account import Account


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """An Operation as a language model sees it.

    `input_schema` is one self-contained JSON Schema 2020-12 object; `places` says where on the wire each argument goes.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    operation: Operation
    places: Mapping[str, Place]
    body_rules: Mapping[str, Any] = field(default_factory=dict)
    """What the schema asks of a body as a whole when its properties are arguments of their own: how many there have to
    be, which an optional body needs as soon as it is there. A JSON Schema in the names that go on the wire."""

    @property
    def effect(self) -> Effect:
        return self.operation.effect

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.input_schema.get("required", ()))

    def as_dict(self, format: str = "anthropic", *, strict: bool = False) -> dict[str, Any]:
        """The tool in the manifest form of "anthropic", "openai", "openai-responses", "mcp" or "gemini".

        With `strict` in its strict form, if its schema fits strict mode's limits; otherwise in the plain one.
        """
        from nlapi.tools.manifest import render

        return render(self, format, strict=strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A Tool and the arguments for it. `id` is the planner's own name for the call, `reason` why it wants it.

    `account` says where each argument came from; None where the planner does not know, and it has to be traced.
    """

    tool: Tool
    arguments: Mapping[str, Any]
    id: str = ""
    reason: str = ""
    account: Account | None = field(default=None, compare=False)

    @property
    def operation_id(self) -> str:
        return self.tool.operation.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something a planner needs from the user: an argument of a tool, its meaning, its choices if it has any."""

    tool: Tool
    argument: str
    description: str = ""
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
