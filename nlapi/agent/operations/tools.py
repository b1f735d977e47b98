"""The constant set of tools by which a model operates any API: find, describe, read, change, result."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

from nlapi import bundled
from nlapi.agent.operations.search import OperationSearch
from nlapi.client.safe_text import shorten, strip_all
from nlapi.client.truncate import dump_json
from nlapi.english.words import name_key
from nlapi.errors import UsageError
from nlapi.json_text import parse_json
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.suggestions import nearest, question
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.describe import describe_operation, signature
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.search.areas import groups
from nlapi.tools.texts.names import prefixed_name, tool_names
from nlapi.tools.texts.plain_text import label_text
from nlapi.tools.texts.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.tool import Call, Tool

FIND, DESCRIBE, READ, CHANGE = "find", "describe", "read", "change"

# Operations in the answer of `find`; a client's own search returns 5 by default (the API's tool search), which is too
# few where several calls are needed.
SEARCH_RESULTS = 8
# Operations that are all listed where no words fit: choosing among so few takes no search.
MAX_LISTED = 16
_NO_MATCH = "nothing is about that"

# Operations beside a question, and the bytes that they may take: 900 tokens. The right operation is among ten in 92 %
# of the phrases of benchmarks/find.jsonl.
OFFERED_OPERATIONS = 12
OFFER_ROOM = 3_600
MAX_SIGNATURE = 500

# Bytes of the answer of `find`: eight signatures of 1,000 characters, and more where characters take several bytes.
FIND_ROOM = 16_000

# Bytes of the map of all APIs in the system prompt.
MAP_ROOM = 320
# Characters of the arguments of one operation in full: 3,000 tokens. Of a longer one `describe` opens the parts.
MAX_DESCRIPTION = 12_000

PLAN_TOOL = "plan"
TOOL_DEFINITIONS = tuple(definition for name, definition in bundled.tool_definitions().items() if name != PLAN_TOOL)
"""The definitions of the tools in the form of the Messages API: the same for every API, in every request."""
PLAN_DEFINITION = bundled.tool_definitions()[PLAN_TOOL]


class OperationTools:
    """The operations of one or more Specs behind the constant set of tools.

    With several Specs, the name of an operation begins with that of its API. `operations` are a selection; without it,
    all visible ones. `workflows` are tools that stand for several calls, beside the operations. `names` are those of
    all tools where they are known already.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        compile: Callable[[Operation], Tool] = compile_tool,
        operations: Sequence[Operation] | None = None,
        workflows: Sequence[Tool] = (),
        names: Mapping[Operation, str] | None = None,
    ) -> None:
        self.specs = tuple(specs)
        self._workflows = {tool.operation: tool for tool in workflows}
        visible = tuple(operation for spec in specs for operation in spec.visible_operations)
        self.operations = (*(visible if operations is None else operations), *self._workflows)
        self._compile = compile
        self._prefixes = _prefixes(self.specs)
        self._preset_names = names

    @cached_property
    def _search(self) -> OperationSearch:
        return OperationSearch(self.operations, cached=not self._workflows)

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        usable = [operation for operation in self.operations if operation.usable]
        plain = () if self._prefixes else (operation for operation in usable if operation not in self._workflows)
        by_id = {operation.id: operation for operation in plain}
        return {**by_id, **{self._names[operation]: operation for operation in usable}}

    @cached_property
    def _by_request(self) -> dict[str, Operation]:
        """The operations of a single API by method and path."""
        operations = () if self._prefixes else set(self._by_name.values()) - self._workflows.keys()
        return {f"{operation.method} {operation.path}": operation for operation in operations}

    @cached_property
    def _by_key(self) -> dict[str, Operation]:
        """The operations by their names without case and separators, where such a name is of one operation."""
        operations: dict[str, set[Operation]] = {}
        for name, operation in self._by_name.items():
            operations.setdefault(name_key(name), set()).add(operation)
        return {key: next(iter(matches)) for key, matches in operations.items() if key and len(matches) == 1}

    @cached_property
    def _names(self) -> Mapping[Operation, str]:
        if self._preset_names is not None:
            return self._preset_names
        names: dict[Operation, str] = {}
        for spec in self.specs:
            prefix = self._prefixes.get(spec, "")
            for operation, name in zip(spec.operations, tool_names(spec.operations), strict=True):
                names[operation] = prefixed_name(prefix, name) if prefix else name
        reserved = (*names.values(), *(operation.id for operation in names))
        workflow_names = tool_names(tuple(self._workflows), reserved=reserved)
        return names | dict(zip(self._workflows, workflow_names, strict=True))

    def tool(self, operation: Operation) -> Tool:
        """Return the tool of an operation, under its name in this set."""
        workflow = self._workflows.get(operation)
        tool = workflow or self._compile(operation)
        name = self._names[operation] if self._prefixes or workflow or self._preset_names else tool.name
        return tool if name == tool.name else replace(tool, name=name)

    def is_workflow(self, tool: Tool) -> bool:
        """Return whether a tool stands for the calls of a workflow."""
        return tool.operation in self._workflows

    def resolve(self, name: str) -> Tool:
        """Return the tool of that name; it may be written in another style, or be the request (`GET /pets`).

        UsageError suggests the nearest names.
        """
        text = name.strip()
        operation = self._by_name.get(name) or self._by_name.get(text) or self._by_request.get(text)
        # Letters alone would take `getThings` for `GET /things`, which is a guess.
        operation = operation or self._by_key.get(name_key(text[:200]))
        if operation is None:
            near = nearest(name, self._by_name, 6)
            # An operation has the name of its tool and its id.
            names = list(dict.fromkeys(self._names[self._by_name[match]] for match in near))[:3]
            hint = question(names) or f"`{FIND}` finds operations by words"
            raise UsageError(f"there is no operation {name[:64]!r}", hint=hint)
        return self.tool(operation)

    def call(self, tool_name: str, arguments: Mapping[str, Any]) -> tuple[Tool, dict[str, Any]]:
        """Return the operation and its arguments that a call of `read` or `change` is for.

        UsageError if the operation does not exist, the arguments are not an object, or `read` is to change something.
        """
        tool = self.resolve(_operation_name(tool_name, arguments))
        inner = inner_arguments(tool_name, arguments)
        effect = Call(tool=tool, arguments=inner).effect
        if tool_name == READ and effect is not Effect.READ:
            raise UsageError(f"{tool.name} would {effect} something", hint=f"the tool `{CHANGE}` calls it")
        return tool, inner

    def find(self, words: str, *, room: int = FIND_ROOM) -> str:
        """Return the operations that fit the words, for the model, as lines of at most `room` bytes."""
        if not words.strip():
            raise UsageError(f"{FIND} needs words", hint="an action and a thing, such as `pause campaign`")
        room -= len(DESCRIPTION_NOTE) + 2
        if lines := self._lines(self.search(words, SEARCH_RESULTS), room, 2 * MAX_SIGNATURE):
            return f"{DESCRIPTION_NOTE}:\n{lines}"
        if len(self.operations) <= MAX_LISTED:
            listed = self._lines(self.operations, room - len(_NO_MATCH) - 1, MAX_SIGNATURE)
            return f"{_NO_MATCH}\n{DESCRIPTION_NOTE}:\n{listed}"
        return f"{_NO_MATCH}; the areas are {self.map_text}"

    def describe(self, arguments: Mapping[str, Any], *, limit: int = MAX_DESCRIPTION) -> str:
        """Return an operation, or the inside of one of its arguments, for the model."""
        tool = self.resolve(_operation_name(DESCRIBE, arguments))
        return describe_for_model(tool, arguments, limit=limit)

    def offer(self, question: str) -> str:
        """Return the operations that a question may need, as lines of at most OFFER_ROOM bytes; "" for none."""
        return self._lines(self.search(question, OFFERED_OPERATIONS), OFFER_ROOM, MAX_SIGNATURE)

    def _lines(self, operations: Iterable[Operation], room: int, max_signature: int) -> str:
        """Return the signatures of operations, as lines, as many as fit into the room."""
        lines: list[str] = []
        short_from = room // 3
        for operation in operations:
            if not operation.usable:
                continue
            tool = self.tool(operation)
            text = signature(tool, kind="workflow" if self.is_workflow(tool) else "")
            line = shorten(text, max_signature if room > short_from else max_signature // 3)
            room -= len(line.encode()) + 1
            if room < 0:
                break
            lines.append(line)
        return "\n".join(lines)

    @cached_property
    def map_text(self) -> str:
        """The areas of the APIs with the number of their operations, the largest first."""
        room = MAP_ROOM // max(len(self.specs), 1)
        operations = {spec: [item for item in self.operations if item.spec is spec] for spec in self.specs}
        areas = [_areas_text(spec, operations[spec], self._prefixes.get(spec, ""), room) for spec in self.specs]
        return "; ".join(
            [*areas, *([f"workflows of several calls {count}"] if (count := len(self._workflows)) else [])]
        )

    def search(self, words: str, limit: int) -> list[Operation]:
        """Return the operations that fit the words, best first."""
        return self._search.search(words, limit)


def words_of(arguments: Mapping[str, Any]) -> str:
    """Return the words to find operations by; models also give them in a list, or under another name."""
    words = arguments.get("words", next(iter(arguments.values()), "") if len(arguments) == 1 else "")
    return " ".join(map(str, words)) if isinstance(words, list) else str(words)


def inner_arguments(tool_name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the operation that a call of one of the tools names.

    UsageError for no object, and for an argument with two values.
    """
    inner = arguments.get("arguments")
    # Some models write the arguments as JSON text, or beside the operation.
    if isinstance(inner, str):
        try:
            inner = parse_json(inner or "{}")
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{tool_name}: arguments is not JSON", hint=str(error)) from None
    inner = {} if inner is None else inner
    if not isinstance(inner, dict):
        raise UsageError(f"{tool_name}: arguments is not an object", hint='such as {"name": "value"}')
    beside = {key: value for key, value in arguments.items() if key not in ("operation", "arguments")}
    if twice := [key for key, value in beside.items() if inner.get(key, value) != value]:
        raise UsageError(f"{tool_name}: {twice[0][:64]!r} has two values", hint="put it into arguments alone")
    return {**inner, **beside}


def describe_for_model(tool: Tool, arguments: Mapping[str, object], *, limit: int = MAX_DESCRIPTION) -> str:
    """Return an operation, or the inside of the `argument` that the arguments of `describe` name.

    What takes more than `limit` characters is given without its inner levels.
    """
    argument = arguments.get("argument")
    opened = argument.strip() if isinstance(argument, str) else ""
    description = describe_operation(tool, limit=limit, argument=opened)
    return dump_json(strip_all({"note": DESCRIPTION_NOTE, **description}))


def _operation_name(tool_name: str, arguments: Mapping[str, Any]) -> str:
    name = arguments.get("operation")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{tool_name} needs the name of an operation", hint=f"`{FIND}` finds them by words")
    return name


def _areas_text(spec: Spec, operations: Sequence[Operation], prefix: str, room: int) -> str:
    """Return the groups of operations with their counts: `repos 201, issues 55`."""
    ranked = sorted(groups(spec, operations), key=lambda group: -len(group.operations))
    text = f"{prefix}: " if prefix else ""
    for index, group in enumerate(ranked):
        entry = f"{label_text(group.label, 40)} {len(group.operations)}"
        if len(text.encode()) + len(entry.encode()) > room:
            return f"{text}, and {len(ranked) - index} more areas"
        text += f", {entry}" if index else entry
    return text


def _prefixes(specs: tuple[Spec, ...]) -> dict[Spec, str]:
    """Return a short name for each Spec, from its title; none when there is only one."""
    prefixes: dict[Spec, str] = {}
    for number, spec in enumerate(specs, 1):
        word = re.sub(r"[^a-z0-9]+", "_", spec.title.lower()).strip("_")[:16].rstrip("_") or "api"
        prefixes[spec] = word if word not in prefixes.values() else f"{word}{number}"
    return prefixes if len(specs) > 1 else {}


class CallChain(Protocol):
    """A chain that is being carried out.

    `next_plan` gives the plan of the next calls from the answers in the conversation, the plan without calls that ends
    the turn, or None where a call failed, so that the model has to continue.
    """

    def next_plan(self, conversation: Conversation) -> Plan | None: ...


class ChainWriter(Protocol):
    """Turns the arguments of the tool into a chain. UsageError, for the model, where it could not be carried out."""

    def __call__(
        self, arguments: Mapping[str, Any], tools: OperationTools, conversation: Conversation
    ) -> CallChain: ...
