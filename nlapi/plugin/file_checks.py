"""Checks notes of people against the rules of clients and the names of the API, and finds changes for callers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlapi.errors import Issue, Level
from nlapi.openapi.spec import Effect, Operation, Spec, as_list, as_map
from nlapi.plugin.names import callable_id
from nlapi.plugin.user_files import NOTES_FOLDER
from nlapi.suggestions import suggestion
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.tools.versions.operation_changes import OperationChange, operation_changes

# Anthropic's advice is under 500. A skill is read whole each time it is used, so ours stay well below.
MAX_LINES = 200

# A pattern such as `[a-z](-[a-z])` in code is not a link.
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
# Claude Code 2.1.331 runs `!`command`` anywhere in a skill when it is opened, and fills in these variables.
_CLIENT_SYNTAX = re.compile(r"!`|```!|\$\{(?!CLAUDE_)|\$ARGUMENTS|\$\d")


def broken_rules(files: Mapping[str, bytes]) -> Iterator[Issue]:
    """Yield an Issue for each rule of the client that the notes of people break in a skill.

    All else is made by the build, and a file that differs from it has drifted.
    """
    for path, text in _markdown_texts(files):
        faults = [*_skill_faults(text)] if path.endswith("/SKILL.md") else []
        for message, hint in (*faults, *_link_faults(path, text, files)):
            yield Issue.error(path, message, hint, "client")


def _skill_faults(text: str) -> Iterator[tuple[str, str]]:
    if len(text.splitlines()) > MAX_LINES:
        yield f"has more than {MAX_LINES} lines", "move some of it to references"
    if run := _CLIENT_SYNTAX.search(text):
        yield f"{run[0]!r} in the text is something that the client acts on", "write it otherwise"


def _link_faults(path: str, text: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for target in _LINK.findall(_CODE.sub("", text)):
        if re.match(r"[a-z]+:|#", target):
            continue
        full = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))
        if full not in files:
            yield f"the link to {target} is dead", ""
        elif "/references/" in path or (path.endswith("SKILL.md") and full.count("/") > path.count("/") + 1):
            yield f"the link to {target} is a second level below its skill", "a model may read only the first"


_SPAN = re.compile(r"(?<!`)`([^`\n]{1,120})`(?!`)")
# The spellings of names in descriptions (camelCase, snake_case, a/b, CAPITALS_X), which no word of English has.
_IDENTIFIER = re.compile(r"[a-z]+(?:[A-Z][a-z0-9]*)+|[a-z]+(?:[_/.-][a-z0-9]+)*[_/][a-z0-9]+|[A-Z][A-Z0-9]*_[A-Z0-9_]+")

# After one of these the words belong to the shell, not to the call.
_COMMAND_END = re.compile(r"[|;&<>()]|\s#")
MAX_QUOTED = 6
# `removeBook` is a read; `listBooks` changes something: plain statements of one word.
_EFFECT_CLAIM = re.compile(
    r"`([^`\s]+)` (?:is an? (read|write|destroy)\b|(only reads|changes nothing|changes something)\b)", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The names by which texts refer to an API."""

    spec: Spec
    operations: Sequence[Operation]

    @cached_property
    def tools(self) -> dict[str, Tool]:
        """Operation id -> its tool."""
        return {callable_id(operation): compile_tool(operation) for operation in self.operations if operation.usable}

    @cached_property
    def arguments(self) -> dict[str, set[str]]:
        """Operation id -> its arguments, as named by tools and by the description."""
        return {id: {*tool.places, *(wire for _, wire in tool.places.values())} for id, tool in self.tools.items()}

    def choices(self, id: str, argument: str) -> list[str]:
        """Return the values of the enum of an argument that has nothing else."""
        tool = self.tools[id]
        values = as_list(argument_schema(tool, argument).get("enum")) if argument in tool.places else []
        return sorted(values) if all(isinstance(value, str) for value in values) else []

    @cached_property
    def terms(self) -> set[str]:
        """The operations, arguments, properties of schemas, and values of enums."""
        terms = set(self.arguments) | {name for names in self.arguments.values() for name in names}
        return terms | set(_schema_names(self.spec.document))


def removed_names(files: Mapping[str, bytes], before: Vocabulary, after: Vocabulary) -> Iterator[Issue]:
    """Yield an Issue for each text of a plugin with names that the description had, and no longer has at its source."""
    removed = before.terms - after.terms
    for path, text in _markdown_texts(files) if removed else ():
        if spans := [span for span in _code_spans(text) if span in removed]:
            more = " and more" if len(spans) > MAX_QUOTED else ""
            names = ", ".join(f"`{span}`" for span in spans[:MAX_QUOTED]) + more
            message = f"speaks of {names}, which the description no longer has"
            yield Issue.error(path, message, "build it again", "mention")


def unknown_names(
    files: Mapping[str, bytes], vocabulary: Vocabulary, command: str, plugin_names: Sequence[str]
) -> Iterator[Issue]:
    """Yield an Issue for each name in people's notes that the description does not have.

    `plugin_names` are names of the plugin itself.
    """
    for path, text in _markdown_texts(files):
        if not path.startswith(NOTES_FOLDER):
            continue
        faults = (*_command_faults(text, vocabulary, command), *_effect_faults(text, vocabulary))
        yield from (Issue.error(path, message, hint, "mention") for message, hint in faults)
        for span in _code_spans(text):
            # Notes may have ordinary words in backticks, so only the spelling of an identifier counts.
            if _IDENTIFIER.fullmatch(span) and span not in vocabulary.terms and span not in plugin_names:
                otherwise = "without backticks, if it is nothing of the API"
                hint = suggestion(span, vocabulary.arguments, otherwise=otherwise)
                yield Issue.error(path, f"speaks of `{span}`, which the description does not have", hint, "mention")


def _command_faults(text: str, vocabulary: Vocabulary, command: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the commands in a text."""
    for match in re.finditer(rf"(?<![\w/-]){re.escape(command)} +([^`\n]+)", text):
        id, *words = _COMMAND_END.split(match[1])[0].split() or [""]
        if id.startswith("-") or not id or not re.fullmatch(r"[\w./:-]+", id) or id == "OPERATION":
            continue
        if id not in vocabulary.arguments:
            yield f"calls {id}, which is not an operation", suggestion(id, vocabulary.arguments)
            continue
        for word in words:
            name = re.match(r"([\w.-]+):?=", word)
            if name and not word.startswith("-") and name[1] not in vocabulary.arguments[id]:
                yield f"gives {id} the argument {name[1]}, which it does not take", ""
            elif name and (fault := _value_fault(vocabulary, id, name[1], word[name.end() :])):
                yield fault, ""


def _value_fault(vocabulary: Vocabulary, id: str, name: str, value: str) -> str:
    """Return what is wrong with a value; "" for one that the argument takes, or that a shell fills in."""
    choices = vocabulary.choices(id, name)
    plain = value.strip("'\"")
    if not choices or plain in choices or not re.fullmatch(r"[\w.-]+", plain) or plain == name.upper():
        return ""
    return f"gives {id} {name}={plain}, which is not one of {', '.join(choices[:MAX_QUOTED])}"


def _effect_faults(text: str, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Yield where a note says of an operation that it only reads, and it changes something, or the other way."""
    for id, kind, claim in _EFFECT_CLAIM.findall(text):
        is_read = (kind or claim).lower() in ("read", "only reads", "changes nothing")
        effect = vocabulary.tools[id].operation.effect if id in vocabulary.tools else None
        if effect is not None and is_read != (effect is Effect.READ):
            yield f"says that `{id}` {'only reads' if is_read else 'changes something'}; it is a {effect}", ""


def _markdown_texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for path, content in files.items():
        if path.endswith(".md"):
            yield path, content.decode("utf-8", "replace")


def _code_spans(text: str) -> list[str]:
    return list(dict.fromkeys(_SPAN.findall(text)))


def _schema_names(document: object) -> Iterator[str]:
    """Yield the names of properties and the values of enums anywhere in a description."""
    stack = [document]
    while stack:
        node = stack.pop()
        stack += as_list(node)
        if isinstance(node, Mapping):
            yield from map(str, as_map(node.get("properties")))
            yield from (item for item in as_list(node.get("enum")) if isinstance(item, str))
            stack += [item for key, item in node.items() if key not in ("example", "examples")]


def changes(before: Sequence[Operation], after: Sequence[Operation], *, with_servers: bool = True) -> Iterator[Issue]:
    """Yield breaking changes (ERROR: a valid call is refused, an answer loses a field) and all others (INFO).

    Without `with_servers`, not where calls are sent: the user has named the place.
    """
    old, new = map(_usable_by_id, (before, after))
    changes_by_id = {id: [*operation_changes(old[id], new[id], with_servers=with_servers)] for id in old if id in new}
    yield from _address_issues(changes_by_id)
    added = {id: operation for id, operation in new.items() if id not in old}
    for id, operation in old.items():
        if id in changes_by_id:
            yield from (_issue(id, change) for change in changes_by_id[id] if not change.is_address)
        else:
            yield Issue.error(id, "is gone", _present_id(operation, added), "breaking")
    for id, operation in added.items():
        message = f"is new: {operation.method} {operation.path}"
        yield Issue(level=Level.INFO, where=id, message=message, rule="change")


def _usable_by_id(operations: Sequence[Operation]) -> dict[str, Operation]:
    return {callable_id(operation): operation for operation in operations if operation.usable}


def _present_id(operation: Operation, added: Mapping[str, Operation]) -> str:
    """Return how an operation that is gone is called now, which is worth more than its method and path."""
    route = (operation.method, operation.path)
    id = next((id for id, other in added.items() if (other.method, other.path) == route), "")
    return f"it is called {id} now" if id else " ".join(route)


def _address_issues(changes_by_id: Mapping[str, Sequence[OperationChange]]) -> Iterator[Issue]:
    """Yield where calls and credentials go elsewhere, once for all operations of which it is true."""
    ids_by_message: dict[str, list[str]] = {}
    for id, differences in changes_by_id.items():
        for change in differences:
            if change.is_address:
                ids_by_message.setdefault(change.message, []).append(id)
    for message, ids in ids_by_message.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        where = "every operation" if len(ids) == len(changes_by_id) else f"{ids[0]}{more}"
        yield Issue.error(where, message, rule="breaking")


def _issue(id: str, change: OperationChange) -> Issue:
    if change.impact:
        return Issue.error(id, change.message, rule="breaking")
    return Issue(level=Level.INFO, where=id, message=change.message, rule="change")
