"""The planner on the Anthropic Messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from datetime import date
from string import Template
from typing import TYPE_CHECKING, Any

from nlapi import bundled
from nlapi.agent.explain import KEY_HINT, explain
from nlapi.agent.messages import PLANNER, Answer, Block, Message, append, history, own, tool_result
from nlapi.agent.models import AS_OF, DEFAULT, cost
from nlapi.agent.toolbox import FIND, FOUND, LIKELIEST, Query, Toolbox
from nlapi.client.clean import one_line
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.extras import require_extra
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Plan, Turn
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

BASE_URL = "https://api.anthropic.com"
MAX_TOKENS = 16_000
MAX_REQUESTS = 8
"""Requests for one plan: searches for operations and corrections of unusable calls, before it is given up."""

_WHOLE = ("end_turn", "stop_sequence")
"""How an answer stops that came to its end, and makes no call."""

_CUT = {
    "max_tokens": "The answer was cut at the model's limit of tokens; nothing of it was run. Ask for less at once.",
    "model_context_window_exceeded": "The conversation is too long for the model; nothing was run. Start a new one.",
    "refusal": "The model refused to answer; nothing was run.",
}


@dataclass(slots=True)
class _Draft:
    """A plan in the making: what was said and answered inside the planner, and what it cost."""

    messages: list[Message] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    text: str = ""
    """what was said before a pause"""
    usage: dict[str, int] = field(default_factory=dict)

    def count(self, usage: Mapping[str, Any]) -> None:
        for key, value in usage.items():
            if isinstance(value, int):
                self.usage[key] = self.usage.get(key, 0) + value


class ClaudePlanner:
    """Plans with Claude over the operations of `specs`.

    Give it a `client`, or an `api_key` (and a `base_url`); the environment is not read. Text is streamed. `Plan.raw` is
    `{"planner", "model", "messages", "results", "usage", "cost"}`: JSON, kept so that the next round can send the very
    blocks back; `usage` are tokens and `cost` is in dollars (None for an unknown model).
    """

    name = PLANNER

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        client: AsyncAnthropic | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str = DEFAULT,
        compile: Callable[[Operation], Tool] = compile_tool,
        max_tokens: int = MAX_TOKENS,
        max_retries: int = 2,
        today: Callable[[], date] = date.today,
    ) -> None:
        self.toolbox = Toolbox(specs, compile)
        self.model = model
        self.max_tokens = max_tokens
        self._client = client
        self._api_key = (api_key or "").strip()
        self._base_url = base_url or (str(client.base_url) if client else BASE_URL)
        self._max_retries = max_retries
        self._today = today
        if client is None:
            require_extra("claude", "planning with Claude")
        if client is None and not (self._api_key.isascii() and self._api_key.isprintable() and self._api_key):
            problem = "holds characters that no key has" if self._api_key else "is missing"
            raise PlannerError(f"the key for Claude {problem}", hint=KEY_HINT)

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        """Pieces of text, then the Plan. PlannerError when the API cannot be reached or refuses."""
        earlier = history(conversation)
        draft = _Draft()
        async with self._opened() as client:
            for _ in range(MAX_REQUESTS):
                tools = self.toolbox.choose([*_queries(conversation), *draft.queries], _used(conversation))
                answer = Answer()
                messages = [*earlier, *draft.messages]
                async with aclosing(self._request(client, answer, conversation, messages, tools)) as pieces:
                    async for text in pieces:
                        yield text
                draft.count(answer.usage)
                if answer.stop == "pause_turn":
                    append(draft.messages, "assistant", answer.content)
                    draft.text += answer.text
                    continue
                if answer.stop != "tool_use":
                    note = _note(answer)
                    if note:
                        yield note
                    yield self._ended(answer, note, draft)
                    return
                append(draft.messages, "assistant", answer.content)
                calls, results = self._sort(answer, tools, draft)
                if calls:
                    yield self._plan(draft, calls=calls, text=answer.text, results=results)
                    return
                if not results:
                    yield self._plan(draft, text=answer.text)
                    return
                append(draft.messages, "user", list(results.values()))
        raise PlannerError(
            f"Claude made no usable call in {MAX_REQUESTS} attempts",
            hint="say it in other words, or name the operation",
        )

    def _opened(self) -> AbstractAsyncContextManager[AsyncAnthropic]:
        """The client that was given, or one for this plan only (6 ms): no connection outlives its event loop."""
        if self._client is not None:
            return nullcontext(self._client)
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(api_key=self._api_key, base_url=self._base_url, max_retries=self._max_retries)

    async def _request(
        self,
        client: AsyncAnthropic,
        answer: Answer,
        conversation: Conversation,
        messages: list[Message],
        tools: Mapping[str, Tool],
    ) -> AsyncGenerator[str, None]:
        """One request, streamed into `answer`; yields its text."""
        import httpx2
        from anthropic import AnthropicError

        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "system": self._system(conversation),
            "messages": messages,
            "cache_control": {"type": "ephemeral"},
        }
        definitions = self.toolbox.definitions(tools.values())
        if definitions:
            body |= {"tools": definitions, "tool_choice": {"type": "auto"}}
        try:
            async with await client.messages.create(stream=True, **body) as stream:
                async for text in answer.read(stream):
                    yield text
        except (AnthropicError, httpx2.HTTPError, ValueError) as error:
            told = explain(error, model=self.model, base_url=self._base_url, key=client.api_key or "")
            if answer.blocks:
                raise UnfinishedError(f"Claude's answer broke off: {told.message}", hint=told.hint) from error
            raise told from error
        if answer.stop is None:
            raise UnfinishedError("Claude's answer broke off; nothing of it was run", hint="ask again")

    def _system(self, conversation: Conversation) -> list[Block]:
        """The system prompt. Tools come before it in the cached prefix, so one breakpoint covers both."""
        searched = self.toolbox.searched
        count = len(self.toolbox.operations)
        prompt = Template(bundled.text("prompts/agent.md")).substitute(
            today=self._today().isoformat(),
            apis="\n".join(_introduced(spec) for spec in self.toolbox.specs),
            search=Template(bundled.text("prompts/search.md")).substitute(count=count) if searched else "",
        )
        system: list[Block] = [{"type": "text", "text": prompt.strip(), "cache_control": {"type": "ephemeral"}}]
        if conversation.known:
            known = "\n".join(f"{name} = {value}" for name, value in conversation.known.items())
            system.append({"type": "text", "text": f"Values the user gave; use them where they fit:\n{known}"})
        return system

    def _sort(
        self, answer: Answer, tools: Mapping[str, Tool], draft: _Draft
    ) -> tuple[tuple[Call, ...], dict[str, Block]]:
        """The calls for the API, and the results of what the planner answers itself."""
        calls: list[Call] = []
        results: dict[str, Block] = {}
        for block in answer.content:
            if block["type"] != "tool_use":
                continue
            id, name = block["id"], block["name"]
            if id in answer.faults:
                results[id] = tool_result(id, answer.faults[id], is_error=True)
            elif name == FIND and self.toolbox.searched:
                query = str(block["input"].get("query", ""))
                draft.queries.append((query, FOUND))
                results[id] = tool_result(id, self.toolbox.found(query))
            elif name in tools:
                calls.append(Call(tool=tools[name], arguments=block["input"], id=id, reason=answer.text.strip()))
            else:
                results[id] = tool_result(id, f"there is no tool called {name}", is_error=True)
        return tuple(calls), results

    def _ended(self, answer: Answer, note: str, draft: _Draft) -> Plan:
        """The plan without calls. Of an answer that was cut or refused only the text is kept: its calls never ran."""
        text = draft.text + answer.text + note
        content = [{"type": "text", "text": text}] if note and text.strip() else answer.content
        append(draft.messages, "assistant", content)
        return self._plan(draft, text=text, ended=(answer.stop or "") if note else "")

    def _plan(
        self,
        draft: _Draft,
        *,
        text: str,
        calls: tuple[Call, ...] = (),
        results: Mapping[str, Block] | None = None,
        ended: str = "",
    ) -> Plan:
        raw = {
            "planner": PLANNER,
            "model": self.model,
            "messages": draft.messages,
            "results": dict(results or {}),
            "usage": draft.usage,
            "cost": cost(self.model, draft.usage),
        }
        return Plan(calls=calls, text=text, ended=ended, raw=raw)


def _note(answer: Answer) -> str:
    """What is said of an answer that did not come to its end; "" of one that did."""
    stop = one_line(answer.stop or "")[:80]
    unknown = f"The model stopped for a reason that nlapi does not know ({stop}); nothing of its answer was run."
    note = "" if stop in _WHOLE else _CUT.get(stop, unknown)
    if note and answer.details:
        note = f"{note} {answer.details}"
    return f"\n\n{note}" if note and answer.text.strip() else note


def _introduced(spec: Spec) -> str:
    title, version, about = one_line(spec.title), one_line(spec.version), one_line(spec.description)
    short = about if len(about) <= 300 else f"{about[:299]}…"
    return f"- {title[:100]} {version[:30]}, {len(spec.operations)} operations. {short}".rstrip()


def _queries(conversation: Conversation) -> list[Query]:
    """What tools are searched for: the last three questions, and what Claude searched for itself meanwhile."""
    queries: list[Query] = []
    for turn in conversation.turns[-3:]:
        queries.append((turn.question, LIKELIEST))
        for round in turn.rounds:
            said = own(round.plan) or {"messages": []}
            blocks = (block for message in said["messages"] for block in message["content"])
            finds = (block for block in blocks if block["type"] == "tool_use" and block["name"] == FIND)
            queries += [(str(block["input"].get("query", "")), FOUND) for block in finds]
    return queries


def _used(conversation: Conversation) -> list[Operation]:
    return [step.call.tool.operation for turn in conversation.turns for step in turn.steps]


def spent(turn: Turn) -> str:
    """What Claude's plans of a turn took, for a person: tokens, and dollars if the prices are known; "" without any."""
    return told_of([said for round in turn.rounds if (said := own(round.plan))])


def told_of(plans: Sequence[Mapping[str, Any]]) -> str:
    """The same of the raw forms of Claude's plans."""
    if not plans:
        return ""
    inward = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    tokens = sum(plan["usage"].get(key, 0) for plan in plans for key in inward)
    written = sum(plan["usage"].get("output_tokens", 0) for plan in plans)
    costs = [plan["cost"] for plan in plans]
    dollars = "" if None in costs else f", about ${sum(costs):.4f} (prices of {AS_OF})"
    return f"{tokens:,} tokens in, {written:,} out{dollars}"
