"""ToolTalk: 78 conversations with the calls that an assistant made; its metric is the share of incorrect actions.

The set's own classes say which tools act and what their arguments are. A corrupted plan's wrong action is incorrect in
the sense of the set: an action that the conversation does not record.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.public.actors import SEED, Action, ToolSet, ToolText, Variant, corrupted, tool_set
from benchmarks.public.chapter import MissingError, Source

SOURCE: Final = Source(name="ToolTalk", version="e05f4ce", licence="MIT", origin="github.com/microsoft/ToolTalk")

# Prints the tools of the set. Its comparison of texts needs numpy and sent2vec, which nothing here calls.
_TOOLS: Final = """
import json, sys, types
sys.dont_write_bytecode = True
for name in ("numpy", "sent2vec", "sent2vec.vectorizer"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["numpy"].ndarray = sys.modules["sent2vec.vectorizer"].Vectorizer = object
sys.path.insert(0, sys.argv[1])
from tooltalk.apis import ALL_APIS
json.dump([{"name": tool.__name__, "suite": tool.__module__.rpartition(".")[2], "text": tool.description,
            "arguments": tool.parameters, "answer": tool.output, "acts": tool.is_action}
           for tool in ALL_APIS], sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A turn of a conversation in which the assistant acts: what was said and called before, and its plans."""

    conversation: str
    day: date
    said: Sequence[tuple[str, tuple[Action, ...]]]
    recorded: frozenset[str]
    """the actions of the whole conversation"""
    variants: Sequence[Variant]


class ToolTalk:
    """The set in a folder."""

    def __init__(self, data: Path) -> None:
        folder = data / "public" / "tooltalk"
        if not folder.is_dir():
            raise MissingError(f"ToolTalk is not in {folder}")
        command = [sys.executable, "-c", _TOOLS, str(folder / "src")]
        entries = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        self.changing = frozenset(entry["name"] for entry in entries if entry["acts"])
        self._suites = {entry["name"]: entry["suite"] for entry in entries}
        files = sorted([*(folder / "data" / "easy").glob("*.json"), *(folder / "data" / "tooltalk").glob("*.json")])
        self._conversations = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        recorded = [action for entry in self._conversations for action in _actions(entry)]
        self.reads = Counter(action.name for action in recorded if action.name not in self.changing)
        """The calls of tools that only read, by their names."""
        self.tools: ToolSet = tool_set("Assistant", [_tool_text(entry, recorded) for entry in entries])

    @property
    def count(self) -> int:
        return len(self._conversations)

    def moments(self) -> Sequence[Moment]:
        """Return each turn in which an assistant acts, with its right plan and the corruptions of it."""
        drafts = [moment for entry in self._conversations for moment in self._plain_moments(entry)]
        pool = tuple({action.key: action for draft in drafts for action in draft.variants[0].changes}.values())
        ids = {name for action in pool for name in action.arguments if name.endswith("_id")}
        items = {
            name: sorted({str(action.arguments[name]) for action in pool if name in action.arguments}) for name in ids
        }
        moments = []
        for number, draft in enumerate(drafts):
            right = draft.variants[0]
            wrong = corrupted(
                right.changes,
                pool=pool,
                items=items,
                groups=self._suites,
                random=Random(f"{SEED} {number}"),
            )
            variants = [
                Variant(reads=right.reads, changes=changes, corruption=corruption, wrong=index)
                for corruption, index, changes in wrong
            ]
            moments.append(replace(draft, variants=[right, *variants]))
        return moments

    def _plain_moments(self, entry: Mapping[str, Any]) -> Iterator[Moment]:
        recorded = frozenset(action.key for action in _actions(entry))
        day = date.fromisoformat(entry["metadata"]["timestamp"][:10])
        said: list[tuple[str, tuple[Action, ...]]] = []
        for message in entry["conversation"]:
            if message["role"] == "user":
                said.append((message["text"], ()))
                continue
            actions = tuple(map(_action, message.get("apis", ())))
            changes = tuple(action for action in actions if action.name in self.changing)
            reads = tuple(action for action in actions if action.name not in self.changing)
            if changes:
                variant = Variant(reads=reads, changes=changes)
                yield Moment(
                    conversation=entry["name"], day=day, said=tuple(said), recorded=recorded, variants=[variant]
                )
            text, earlier = said[-1]
            said[-1] = (text, (*earlier, *actions))


def _actions(entry: Mapping[str, Any]) -> Iterator[Action]:
    """Yield the calls of a conversation in order."""
    for message in entry["conversation"]:
        yield from map(_action, message.get("apis", ()))


def _action(entry: Mapping[str, Any]) -> Action:
    # The set's own runner gives the token of the session.
    arguments = {key: value for key, value in entry["request"]["parameters"].items() if key != "session_token"}
    answer = entry["exception"] or entry["response"]
    return Action(name=entry["request"]["api_name"], arguments=arguments, answer=answer)


def _tool_text(entry: Mapping[str, Any], recorded: Sequence[Action]) -> ToolText:
    """Return a tool as the set describes it, without a list of choices that the set's own calls do not keep to."""
    values = [
        (name, value) for action in recorded if action.name == entry["name"] for name, value in action.arguments.items()
    ]
    broken = {name for name, value in values if value not in entry["arguments"][name].get("enum", (value,))}
    properties = {
        name: {
            key: value for key, value in schema.items() if key != "required" and (key, name in broken) != ("enum", True)
        }
        for name, schema in entry["arguments"].items()
    }
    return ToolText(
        name=entry["name"],
        description=entry["text"],
        properties=properties,
        answer=entry["answer"],
        required=[name for name, schema in entry["arguments"].items() if schema["required"]],
    )
