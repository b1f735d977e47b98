"""Names in the texts of a plugin that a description does not have: operations, arguments, values of an enum."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nlapi.issue import Issue
from nlapi.openapi.spec import Operation, Spec
from nlapi.plugin.names import callable_id
from nlapi.plugin.notes import NOTES
from nlapi.tools.compile import compile_tool

_SPAN = re.compile(r"(?<!`)`([^`\n]{1,120})`(?!`)")
# The spellings of names in descriptions (camelCase, snake_case, a/b, CAPITALS_X), which no word of English has.
_IDENTIFIER = re.compile(r"[a-z]+(?:[A-Z][a-z0-9]*)+|[a-z]+(?:[_/.-][a-z0-9]+)*[_/][a-z0-9]+|[A-Z][A-Z0-9]*_[A-Z0-9_]+")

# After one of these the words belong to the shell, not to the call.
_ENDS = re.compile(r"[|;&<>()]|\s#")
SHOWN = 6


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The names by which texts refer to an API."""

    spec: Spec
    operations: Sequence[Operation]

    @cached_property
    def arguments(self) -> dict[str, set[str]]:
        """Operation id -> its arguments, as named by tools and by the description."""
        tools = {callable_id(one): compile_tool(one) for one in self.operations if one.usable}
        return {id: {*tool.places, *(wire for _, wire in tool.places.values())} for id, tool in tools.items()}

    @cached_property
    def terms(self) -> set[str]:
        """The operations, arguments, properties of schemas, and values of enums."""
        found = set(self.arguments) | {name for names in self.arguments.values() for name in names}
        return found | set(_named(self.spec.document))


def gone(files: Mapping[str, bytes], before: Vocabulary, after: Vocabulary) -> Iterator[Issue]:
    """Yield an Issue for each text of a plugin with names that the description had, and no longer has at its source."""
    lost = before.terms - after.terms
    for path, text in _texts(files) if lost else ():
        if found := [one for one in _spans(text) if one in lost]:
            names = ", ".join(f"`{one}`" for one in found[:SHOWN]) + (" and more" if len(found) > SHOWN else "")
            yield _issue(path, f"speaks of {names}, which the description no longer has", "build it again")


def unknown(files: Mapping[str, bytes], known: Vocabulary, command: str, own: Sequence[str]) -> Iterator[Issue]:
    """Yield an Issue for each name in people's notes that the description does not have.

    `own` are names of the plugin itself.
    """
    for path, text in _texts(files):
        if not path.startswith(NOTES):
            continue
        yield from (_issue(path, message, hint) for message, hint in _commands(text, known, command))
        for one in _spans(text):
            # Notes may have ordinary words in backticks, so only the spelling of an identifier counts.
            if _IDENTIFIER.fullmatch(one) and one not in known.terms and one not in own:
                near = difflib.get_close_matches(one, known.arguments, n=1, cutoff=0.6)
                hint = f"did you mean `{near[0]}`?" if near else "without backticks, if it is nothing of the API"
                yield _issue(path, f"speaks of `{one}`, which the description does not have", hint)


def _commands(text: str, known: Vocabulary, command: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the commands in a text."""
    for found in re.finditer(rf"(?<![\w/-]){re.escape(command)} +([^`\n]+)", text):
        id, *words = _ENDS.split(found[1])[0].split() or [""]
        if id.startswith("-") or not id or not re.fullmatch(r"[\w./:-]+", id) or id == "OPERATION":
            continue
        if id not in known.arguments:
            near = difflib.get_close_matches(id, known.arguments, n=1, cutoff=0.5)
            yield f"calls {id}, which is no operation", f"did you mean {near[0]}?" if near else ""
            continue
        for word in words:
            name = re.match(r"([\w.-]+):?=", word)
            if name and not word.startswith("-") and name[1] not in known.arguments[id]:
                yield f"gives {id} the argument {name[1]}, which it does not take", ""


def _texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for path, content in files.items():
        if path.endswith(".md"):
            yield path, content.decode("utf-8", "replace")


def _spans(text: str) -> list[str]:
    return list(dict.fromkeys(_SPAN.findall(text)))


def _named(document: Any) -> Iterator[str]:
    """Yield the names of properties and the values of enums anywhere in a description."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            properties, choices = node.get("properties"), node.get("enum")
            if isinstance(properties, Mapping):
                yield from (str(one) for one in properties)
            if isinstance(choices, list):
                yield from (one for one in choices if isinstance(one, str))
            waiting += [one for key, one in node.items() if key not in ("example", "examples")]
        elif isinstance(node, list):
            waiting += node


def _issue(where: str, message: str, hint: str = "") -> Issue:
    return Issue.error(where, message, hint, "mention")
