"""A judge: an objective that rates a share of another objective's answers, whose ratings are outcomes of those."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from nlapi import bundled
from nlapi.gateway.control.access import format_time, utc_now
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest, InferenceResponse
from nlapi.routing.model import LLM_PROTOCOLS, Configuration, Objective, ShardProtocol
from nlapi.routing.split import is_sampled

Serve = Callable[[str, InferenceRequest], Awaitable[InferenceResponse]]

_log = logging.getLogger(__name__)

MAX_RUNNING = 4
MAX_WAITING = 100
"""answers that wait for the judge; more are not rated"""

# The group is empty where what follows is not exactly a number from 0 to 1, such as 1/10 or 1e-3.
_QUALITY = re.compile(r'"quality"\s*:\s*(?:(0(?:\.\d+)?|1(?:\.0+)?)(?=[}\s]|,(?!\d)|$))?')


class Judge:
    """Rates answers one after the other, behind the requests. `serve` serves an objective, `store` keeps outcomes."""

    def __init__(self, serve: Serve, store: Callable[[list[dict[str, Any]]], None]) -> None:
        self._serve = serve
        self.store = store
        self._free = asyncio.Semaphore(MAX_RUNNING)
        self._tasks: set[asyncio.Task[None]] = set()
        self.ratings: Counter[tuple[str, str]] = Counter()
        """(objective, "ok" | "error" | "dropped") -> answers"""

    def offer(
        self, configuration: Configuration, objective: Objective, request: InferenceRequest, answer: InferenceResponse
    ) -> None:
        """Rate an answer later, if it is one of the objective's share; a stream and an answer given again are not."""
        judge = configuration.objectives.get(objective.judge)
        if judge is None or answer.streamed or answer.age_s is not None or request.synthetic:
            return
        if not is_sampled(f"judge {objective.name}", answer.request_id, objective.judge_percent or 0.0):
            return
        if len(self._tasks) >= MAX_WAITING:
            self.ratings[objective.name, "dropped"] += 1
            return
        protocol = _protocol(configuration, judge)
        task = asyncio.get_running_loop().create_task(self._rate(judge.name, protocol, request, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave the answers that wait unrated."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _rate(
        self, judge: str, protocol: ShardProtocol | None, request: InferenceRequest, answer: InferenceResponse
    ) -> None:
        objective = answer.decision.objective
        try:
            async with self._free:
                # Here, where what has no JSON fails the rating alone.
                body = judge_input(protocol, request.input, answer.output)
                # Synthetic: what a judge is asked is nobody's data to train on.
                rating = await self._serve(judge, InferenceRequest(input=body, synthetic=True))
            quality = read_quality(rating.output)
            if quality is None:
                raise ValueError(f"{judge} gave no quality from 0 to 1")
            await asyncio.to_thread(self.store, [_outcome(request, answer, quality)])
        except Exception as error:
            # Of the judge's own kinds of failure the message is enough; all others are faults.
            is_foreseen = isinstance(error, GatewayProblem | ValueError | orjson.JSONEncodeError)
            _log.warning("an answer of %s is not rated: %s", objective, error, exc_info=not is_foreseen)
            self.ratings[objective, "error"] += 1
        else:
            self.ratings[objective, "ok"] += 1


def judge_input(protocol: ShardProtocol | None, content: Any, output: Any) -> Any:
    """Return what a judge is sent: a chat where it is a language model, else the input and the output."""
    if protocol is None:
        return {"input": content, "output": output}
    text = f"<input>{_quoted(content)}</input>\n<answer>{_quoted(output)}</answer>"
    user, system = {"role": "user", "content": text}, bundled.text("prompts/judge.md").strip()
    if protocol is ShardProtocol.ANTHROPIC:
        return {"system": system, "messages": [user], "max_tokens": 200}
    return {"messages": [{"role": "system", "content": system}, user]}


def _quoted(value: Any) -> str:
    """Return the JSON of a value without "<": nothing in it closes the tag around it."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def read_quality(output: Any) -> float | None:
    """Return the rating in a judge's answer, its `quality` or `right` or the last in the text of a chat, or None."""
    if not isinstance(output, Mapping):
        return None
    if isinstance(output.get("right"), bool):
        return float(output["right"])
    quality = output.get("quality")
    if isinstance(quality, int | float) and not isinstance(quality, bool):
        return float(quality) if 0 <= quality <= 1 else None
    ratings = _QUALITY.findall(_chat_text(output))
    return float(ratings[-1]) if ratings and ratings[-1] else None


def _chat_text(output: Mapping[str, Any]) -> str:
    try:
        if "choices" in output:
            return str(output["choices"][0]["message"]["content"])
        return "".join(part.get("text", "") for part in output.get("content", ()))
    except (LookupError, TypeError, AttributeError):
        return ""


def _protocol(configuration: Configuration, judge: Objective) -> ShardProtocol | None:
    version = configuration.versions.get(judge.default) if judge.default else None
    shard = configuration.shards.get(version.shard) if version else None
    return shard.protocol if shard is not None and shard.protocol in LLM_PROTOCOLS else None


def _outcome(request: InferenceRequest, answer: InferenceResponse, quality: float) -> dict[str, Any]:
    """Return the outcome of an answer, in the form of `AnswerOutcome` in specs/gateway.yaml."""
    usage = answer.usage
    return {
        "request_id": answer.request_id,
        "objective": answer.decision.objective,
        "model": answer.version.model,
        "version": answer.version.version,
        "context": dict(request.context),
        "dollars": usage.cost_usd if usage else 0.0,
        "tokens": usage.input_tokens + usage.output_tokens if usage else 0,
        "quality": quality,
        "source": "judge",
        "at": format_time(utc_now()),
    }
