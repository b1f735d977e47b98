"""Names in the texts of a plugin that a description does not have: operations, arguments, values of an enum."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlapi.issue import Issue
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.plugin.names import callable_id
from nlapi.plugin.user_files import NOTES_FOLDER
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool

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
    def arguments(self) -> dict[str, set[str]]:
        """Operation id -> its arguments, as named by tools and by the description."""
        tools = {callable_id(operation): compile_tool(operation) for operation in self.operations if operation.usable}
        return {id: {*tool.places, *(wire for _, wire in tool.places.values())} for id, tool in tools.items()}

    @cached_property
    def choices(self) -> dict[tuple[str, str], frozenset[str]]:
        """(operation id, argument) -> the values of its enum, for arguments that have nothing else."""
        choices = {}
        for operation in self.operations:
            if operation.usable:
                tool = compile_tool(operation)
                for name in tool.places:
                    values = argument_schema(tool, name).get("enum")
                    if isinstance(values, list) and all(isinstance(value, str) for value in values):
                        choices[callable_id(operation), name] = frozenset(values)
        return choices

    @cached_property
    def effects(self) -> dict[str, Effect]:
        return {callable_id(operation): operation.effect for operation in self.operations if operation.usable}

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
            names = ", ".join(f"`{span}`" for span in spans[:MAX_QUOTED]) + (
                " and more" if len(spans) > MAX_QUOTED else ""
            )
            yield _reference_issue(path, f"speaks of {names}, which the description no longer has", "build it again")


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
        yield from (_reference_issue(path, message, hint) for message, hint in faults)
        for span in _code_spans(text):
            # Notes may have ordinary words in backticks, so only the spelling of an identifier counts.
            if _IDENTIFIER.fullmatch(span) and span not in vocabulary.terms and span not in plugin_names:
                suggestions = difflib.get_close_matches(span, vocabulary.arguments, n=1, cutoff=0.6)
                hint = (
                    f"did you mean `{suggestions[0]}`?"
                    if suggestions
                    else "without backticks, if it is nothing of the API"
                )
                yield _reference_issue(path, f"speaks of `{span}`, which the description does not have", hint)


def _command_faults(text: str, vocabulary: Vocabulary, command: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the commands in a text."""
    for match in re.finditer(rf"(?<![\w/-]){re.escape(command)} +([^`\n]+)", text):
        id, *words = _COMMAND_END.split(match[1])[0].split() or [""]
        if id.startswith("-") or not id or not re.fullmatch(r"[\w./:-]+", id) or id == "OPERATION":
            continue
        if id not in vocabulary.arguments:
            suggestions = difflib.get_close_matches(id, vocabulary.arguments, n=1, cutoff=0.5)
            yield f"calls {id}, which is no operation", f"did you mean {suggestions[0]}?" if suggestions else ""
            continue
        for word in words:
            name = re.match(r"([\w.-]+):?=", word)
            if name and not word.startswith("-") and name[1] not in vocabulary.arguments[id]:
                yield f"gives {id} the argument {name[1]}, which it does not take", ""
            elif name and (fault := _value_fault(vocabulary, id, name[1], word[name.end() :])):
                yield fault, ""


def _value_fault(vocabulary: Vocabulary, id: str, name: str, value: str) -> str:
    """Return what is wrong with a value; "" for one that the argument takes, or that a shell fills in."""
    choices = vocabulary.choices.get((id, name), frozenset())
    plain = value.strip("'\"")
    if not choices or plain in choices or not re.fullmatch(r"[\w.-]+", plain) or plain == name.upper():
        return ""
    return f"gives {id} {name}={plain}, which is none of {', '.join(sorted(choices)[:MAX_QUOTED])}"


def _effect_faults(text: str, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Yield where a note says of an operation that it only reads, and it changes something, or the other way."""
    for id, kind, claim in _EFFECT_CLAIM.findall(text):
        effect, is_read = (
            vocabulary.effects.get(id),
            (kind or claim).lower() in ("read", "only reads", "changes nothing"),
        )
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
        if isinstance(node, Mapping):
            properties, choices = node.get("properties"), node.get("enum")
            if isinstance(properties, Mapping):
                yield from (str(item) for item in properties)
            if isinstance(choices, list):
                yield from (item for item in choices if isinstance(item, str))
            stack += [item for key, item in node.items() if key not in ("example", "examples")]
        elif isinstance(node, list):
            stack += node


def _reference_issue(location: str, message: str, hint: str = "") -> Issue:
    return Issue.error(location, message, hint, "mention")
