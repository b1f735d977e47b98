"""The constant set of tools over an API for other people's agents, with the store of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.agent.operation_tools import CHANGE, DESCRIBE, FIND, READ, TOOL_DEFINITIONS, OperationTools
from nlapi.errors import ArgumentError, UsageError
from nlapi.openapi.spec import Spec
from nlapi.results.answering import parse_arguments, run_for_model
from nlapi.results.query_arguments import QUERY_TOOL
from nlapi.results.store import ResultStore
from nlapi.tools.manifest import render_definition
from nlapi.tools.run import Auth, Consent
from nlapi.tools.tool import Call


class Toolset:
    """Five tools for a model that operate any API: find, describe, read, change, result.

    Their definitions are the same for every API and take 600 tokens. Long answers are stored here under handles and
    read by `result`, so a Toolset belongs to one conversation.
    """

    def __init__(self, spec: Spec, consent: Consent, *, base_url: str | None = None, auth: Auth = None) -> None:
        self._operations = OperationTools((spec,))
        self._consent = consent
        self._base_url = base_url
        self._auth = auth
        self._results = ResultStore()

    @property
    def instructions(self) -> str:
        """Two sentences on the API for a system prompt: its areas, and how its operations are called."""
        return (
            f"`{FIND}` finds operations of the API, which has these areas: {self._operations.map_text}. `{READ}` and "
            f"`{CHANGE}` call them, `{QUERY_TOOL}` reads more of a long answer."
        )

    def definitions(self, format: str = "anthropic") -> list[dict[str, Any]]:
        """Return the tools in the manifest form "anthropic", "openai", "openai-responses", "mcp" or "gemini"."""
        return [render_definition(definition, format) for definition in TOOL_DEFINITIONS]

    async def answer_async(self, name: str, arguments: Mapping[str, Any] | str | None) -> str:
        """Answer a model's call of one of the tools, as `answer` does."""
        try:
            outcome = self._answer_here(name, dict(parse_arguments(arguments)))
        except (ArgumentError, UsageError) as error:
            return f"not sent: {error}"
        # A UsageError of the call itself, such as no server, is the caller's to correct.
        return outcome if isinstance(outcome, str) else await self._answer_call(outcome)

    def answer(self, name: str, arguments: Mapping[str, Any] | str | None) -> str:
        """Answer a model's call of one of the tools with a text of at most 16,000 bytes.

        It reports what the model or its user can correct, as `nlapi.answer` does; other errors are raised.
        """
        from nlapi.wait import wait

        return wait(self.answer_async(name, arguments))

    def _answer_here(self, name: str, arguments: dict[str, Any]) -> str | Call:
        """Return the text that answers a call of one of the tools here, or the call of an operation."""
        if name == FIND:
            return self._operations.find(str(arguments.get("words", "")))
        if name == DESCRIBE:
            return self._operations.describe(arguments)
        if name == QUERY_TOOL:
            return self._results.query(arguments)
        if name not in (READ, CHANGE):
            raise UsageError(f"there is no tool {name[:64]!r}", hint=f"there are {FIND}, {DESCRIBE}, {READ}, {CHANGE}")
        tool, inner = self._operations.call(name, arguments)
        return Call(tool=tool, arguments=inner)

    async def _answer_call(self, call: Call) -> str:
        outcome = await run_for_model(call, self._consent, base_url=self._base_url, auth=self._auth)
        if isinstance(outcome, str):
            return outcome
        return self._results.add(self._results.next_handle, outcome, call).view
