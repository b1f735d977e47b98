"""Whether a small model uses the tools: `python -m benchmarks.weak_models --base-url URL --model NAME`.

URL is an OpenAI-compatible server (`http://127.0.0.1:11434/v1` is Ollama's). The questions are those of
agent_questions.jsonl, each over a sandbox of its API; `--apis` names some of these. For each question the right
operation is searched for (`find` shows it), described, called, accepted by the API (its status is below 400), and the
model ends with words within ROUNDS requests. A change is agreed to: it reaches the sandbox alone.

No package that is named in the lists of this machine brings the weights of a model, so that no figure is stored: the
tests run it with a scripted model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

import nlapi
from benchmarks.agent import QUESTIONS, nine_descriptions
from nlapi.sandbox import running

ROUNDS = 10
LIMIT_S = 120.0
PARTS = ("searched", "described", "called", "accepted", "ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModel:
    """A model behind Chat Completions."""

    base_url: str
    name: str
    key: str = field(default="any", repr=False)

    def answer(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the message of the model's answer."""
        body = {"model": self.name, "messages": messages, "tools": tools, "temperature": 0}
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx2.post(f"{self.base_url}/chat/completions", json=body, headers=headers, timeout=LIMIT_S)
        answer.raise_for_status()
        message: dict[str, Any] = answer.json()["choices"][0]["message"]
        return message


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weak_models", description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--apis", default="", help="names, with commas between")
    parser.add_argument("--show", action="store_true", help="print each question")
    options = parser.parse_args()
    model = ChatModel(
        base_url=options.base_url.rstrip("/"), name=options.model, key=os.environ.get("OPENAI_API_KEY", "any")
    )
    names = [name for name in options.apis.split(",") if name]
    counts: Counter[str] = Counter()
    total = 0
    for question, parts in measured(model, names):
        total += 1
        counts.update(parts)
        if options.show:
            print(f"{question}: {', '.join(sorted(parts, key=PARTS.index)) or 'nothing'}", flush=True)
    print(f"{options.model}, {total} questions: {', '.join(f'{part} {counts[part]}' for part in PARTS)}")
    return 0


def measured(model: ChatModel, names: Iterable[str] = ()) -> Iterator[tuple[str, set[str]]]:
    """Yield each question over the APIs with the parts that are right."""
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    files = nine_descriptions()
    for api in dict.fromkeys(row["api"] for row in rows):
        if (names and api not in names) or api not in files:
            print(f"left out: {api}", file=sys.stderr)
            continue
        spec = nlapi.load(files[api])
        with running(spec) as server:
            for row in (row for row in rows if row["api"] == api):
                yield row["question"], parts_of(model, spec, server.url, row)


def parts_of(model: ChatModel, spec: nlapi.Spec, url: str, row: dict[str, Any]) -> set[str]:
    """Return the parts of one question that a model gets right."""
    auth = {id: "any" for id, scheme in spec.security_schemes.items() if not scheme.fault}
    tools = nlapi.toolset(spec, base_url=url, auth=auth or False, yes=True)
    system = {"role": "system", "content": tools.instructions}
    messages: list[dict[str, Any]] = [system, {"role": "user", "content": row["question"]}]
    parts: set[str] = set()
    for _ in range(ROUNDS):
        message = model.answer(messages, tools.definitions("openai"))
        messages.append(message)
        if not message.get("tool_calls"):
            return parts | ({"ended"} if (message.get("content") or "").strip() else set())
        for call in message["tool_calls"]:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            answer = tools.answer(name, arguments)
            parts |= set(parts_of_call(name, str(arguments), answer, row["operations"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": answer})
    return parts


def parts_of_call(name: str, arguments: str, answer: str, right: list[str]) -> Iterator[str]:
    """Yield what one call of a tool gets right."""
    if name == "find":
        shown = {line.partition(" ")[0] for line in answer.splitlines()}
        yield from ["searched"] if shown & set(right) else []
        return
    try:
        operation = json.loads(arguments).get("operation", name)
    except (ValueError, AttributeError):
        return
    if operation not in right or answer.startswith("not sent"):
        return
    yield "described" if name == "describe" else "called"
    if name != "describe" and json.loads(answer).get("status", 500) < 400:
        yield "accepted"


if __name__ == "__main__":
    sys.exit(main())
