"""OpenAI's Chat Completions, as many servers of models speak it: prompts in, streamed answers out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from nlapi.agent.endpoints import CHAT_URL, ModelEndpoint
from nlapi.agent.messages import Block, Message, PromptTooLongError, StreamedAnswer
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.tools.manifest import render_definition

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

    from nlapi.agent.connections import Prompt

# In seconds: between two pieces of an answer, and until a server is connected. A model on a CPU may read for minutes.
READ_TIMEOUT = 600.0
CONNECT_TIMEOUT = 10.0
# In seconds, of a Retry-After; a longer one ends the attempt.
MAX_WAIT = 20.0
BROKEN_OFF = "the model's answer broke off; nothing of it was run"
_RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)

_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
"""finish_reason -> the stop reason of the Messages API"""

_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|too long|too many tokens|exceeds? the (limit|available)", re.I
)


def chat_messages(system: Sequence[Block], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return system prompt and messages in the form of Chat Completions; thinking is left out."""
    system_text = "\n\n".join(block["text"] for block in system)
    return [{"role": "system", "content": system_text}, *(part for item in messages for part in _chat_parts(item))]


def _chat_parts(message: Message) -> Iterator[dict[str, Any]]:
    content = message["content"]
    text = "\n\n".join(block["text"] for block in content if block["type"] == "text")
    if message["role"] == "assistant":
        calls = [
            {
                "id": block["id"],
                "type": "function",
                "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
            }
            for block in content
            if block["type"] == "tool_use"
        ]
        if text or calls:
            yield {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
        return
    for block in content:
        if block["type"] == "tool_result":
            # There is no field for an error: the text says it.
            prefix = "error: " if block.get("is_error") else ""
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": f"{prefix}{block['content']}"}
    if text:
        yield {"role": "user", "content": text}


class ChatConnection:
    """A connection by Chat Completions, streamed."""

    def __init__(self, endpoint: ModelEndpoint, *, max_retries: int, ssl_context: SSLContext) -> None:
        import httpx2

        self._endpoint = endpoint
        self._max_retries = max_retries
        timeout = httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        self._client = httpx2.AsyncClient(timeout=timeout, verify=ssl_context)

    async def __aenter__(self) -> ChatConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def stream(self, prompt: Prompt, answer: StreamedAnswer) -> AsyncGenerator[str, None]:
        """Send one request, stream its response into `answer` and yield the text."""
        import httpx2

        reader = _ChatReader(answer, self._endpoint)
        try:
            async with aclosing(await self._open(prompt)) as response:
                async for event in _events(response):
                    for text in reader.read(event):
                        yield text
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if answer.blocks:
                raise UnfinishedError(
                    "the model's answer broke off; nothing of it was run", hint="ask again"
                ) from error
            raise self._unreachable(error) from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            reason = f"{self._endpoint.address} sent what is no answer of Chat Completions; nothing of it was run"
            raise PlannerError(reason, hint="does it serve /chat/completions? models.toml sets the protocol") from error
        reader.finish()
        if answer.stop is None:
            raise UnfinishedError(BROKEN_OFF, hint="ask again")

    async def _open(self, prompt: Prompt) -> httpx2.Response:
        """Return the response to the request, opened for reading; a busy server is asked again."""
        url = f"{self._endpoint.base_url.rstrip('/')}/chat/completions"
        headers = {"authorization": f"Bearer {self._endpoint.secret}"} if self._endpoint.secret else {}
        for attempt in range(self._max_retries + 1):
            request = self._client.build_request("POST", url, json=self._body(prompt), headers=headers)
            response = await self._client.send(request, stream=True)
            if response.status_code == 200:
                return response
            wait = _wait_seconds(response.headers.get("retry-after"), attempt)
            if attempt == self._max_retries or response.status_code not in _RETRIED or wait > MAX_WAIT:
                raise await self._refusal(response)
            await response.aclose()
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        # OpenAI refuses the older name for its newer models, other servers know the older one only.
        limit = "max_completion_tokens" if self._endpoint.base_url.rstrip("/") == CHAT_URL else "max_tokens"
        return {
            "model": self._endpoint.model,
            "messages": chat_messages(prompt.system, prompt.messages),
            "tools": [render_definition(definition, "openai") for definition in prompt.tools],
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: prompt.max_tokens,
        }

    async def _refusal(self, response: httpx2.Response) -> PlannerError:
        """Return the error for an answer that is no success; no part of it has the key."""
        content = (await response.aread())[:20_000]
        await response.aclose()
        status, endpoint = response.status_code, self._endpoint
        reason = _reason(content, endpoint)
        if status in (401, 403):
            hint = f"set {endpoint.variable}" if endpoint.variable else "models.toml sets it by `key`"
            return PlannerError(f"{endpoint.address} does not accept the key: {reason}", hint=hint)
        if status in (400, 413) and _TOO_LONG.search(reason):
            return PromptTooLongError(f"the conversation is too long for {endpoint.model}: {reason}")
        if status == 404:
            hint = "check --model, and that the server speaks Chat Completions at that base URL"
            return PlannerError(f"{endpoint.address} has no model {endpoint.model!r}: {reason}", hint=hint)
        if status == 429:
            return PlannerError(f"the rate limit of {endpoint.address} is reached: {reason}", hint="try again later")
        return PlannerError(f"{endpoint.address} answered {status}: {reason}", hint="try again, or --planner offline")

    def _unreachable(self, error: Exception) -> PlannerError:
        import httpx2

        if isinstance(error, httpx2.TimeoutException):
            return PlannerError(f"{self._endpoint.address} did not answer in time", hint="is the model loaded?")
        hint = "is the server running? OPENAI_BASE_URL or models.toml sets its address; --planner offline does without"
        return PlannerError(f"the connection to {self._endpoint.address} failed", hint=hint)


def _wait_seconds(retry_after: str | None, attempt: int) -> float:
    if retry_after is not None and re.fullmatch(r"\d{1,9}(\.\d+)?", retry_after):
        return float(retry_after)
    return 0.5 * 2.0**attempt


def _reason(content: bytes, endpoint: ModelEndpoint) -> str:
    """Return the reason that an error of the server's gives, on one line of at most 300 characters without the key."""
    text = content.decode("utf-8", "replace")
    try:
        error = json.loads(text).get("error", text)
        text = str(error.get("message", error)) if isinstance(error, Mapping) else str(error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return endpoint.mask(single_line(text))[:300] or "no reason given"


async def _events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON of the events of a stream; of an answer that is not streamed, the whole."""
    if "text/event-stream" not in response.headers.get("content-type", ""):
        yield json.loads(await response.aread())
        return
    async for entry in response.aiter_lines():
        data = entry.removeprefix("data:").strip()
        if entry.startswith("data:") and data and data != "[DONE]":
            yield json.loads(data)


class _ChatReader:
    """Fills a StreamedAnswer from chunks of Chat Completions: text is block 0, each call one of the following."""

    def __init__(self, answer: StreamedAnswer, endpoint: ModelEndpoint) -> None:
        self._answer = answer
        self._endpoint = endpoint
        self._used_ids = set(answer.used_ids)

    def read(self, event: dict[str, Any]) -> Iterator[str]:
        """Yield the text of a chunk, or of a whole answer. PlannerError for an error in the stream."""
        if "error" in event:
            raise PlannerError(
                f"the model's server failed: {_reason(json.dumps(event).encode(), self._endpoint)}", hint="try again"
            )
        if usage := event.get("usage"):
            self._read_usage(usage)
        for choice in event.get("choices", ())[:1]:
            delta = choice.get("delta") or choice.get("message") or {}
            if text := delta.get("content"):
                self._answer.blocks.setdefault(0, {"type": "text", "text": ""})["text"] += text
                yield text
            for number, call in enumerate(delta.get("tool_calls") or ()):
                self._read_call(int(call.get("index", number)) + 1, call)
            if reason := choice.get("finish_reason"):
                self._answer.stop = _STOPS.get(reason, str(reason))

    def _read_call(self, index: int, call: Mapping[str, Any]) -> None:
        function = call.get("function") or {}
        block = self._answer.blocks.get(index)
        if block is None:
            block = {"type": "tool_use", "id": self._call_id(call.get("id"), index), "name": "", "input": {}}
            self._answer.blocks[index] = block
        block["name"] += function.get("name") or ""
        arguments = function.get("arguments")
        # Some servers send the arguments as an object.
        text = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
        self._answer.inputs[index] = self._answer.inputs.get(index, "") + text

    def _call_id(self, id: object, index: int) -> str:
        """Return the id of a call, or one of our own: some servers send none, or the same one in each answer."""
        is_usable = isinstance(id, str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) and id not in self._used_ids
        chosen = str(id) if is_usable else f"call_{self._answer.number}_{index}"
        while chosen in self._used_ids:
            chosen += "_"
        self._used_ids.add(chosen)
        return chosen

    def _read_usage(self, usage: Mapping[str, Any]) -> None:
        details = usage.get("prompt_tokens_details") or {}
        cached = int(details.get("cached_tokens") or 0)
        self._answer.usage = {
            "input_tokens": int(usage.get("prompt_tokens") or 0) - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": int(usage.get("completion_tokens") or 0),
        }

    def finish(self) -> None:
        """Parse the arguments of the calls once the stream has ended."""
        self._answer.finish()
        # Some servers end with `stop` although there are calls.
        has_calls = any(block["type"] == "tool_use" for block in self._answer.blocks.values())
        if has_calls and self._answer.stop == "end_turn":
            self._answer.stop = "tool_use"
