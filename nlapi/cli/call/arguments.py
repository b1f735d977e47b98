"""Conversion of the arguments of `nlapi call` to the values that an operation takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nlapi.client.message import File
from nlapi.errors import ArgumentError, UsageError
from nlapi.json_text import parse_json
from nlapi.local_files import fault_of
from nlapi.tools.arguments import NestedArgument, find_argument, nearest_names, with_nested
from nlapi.tools.sending.files import FileForm, embedded_text, file_form
from nlapi.tools.tool import Tool

# What httpie takes as a header.
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*:\S")


def parse_arguments(
    tool: Tool, *, known_values: Mapping[str, str], json_text: str | None, pairs: Iterable[str], is_typed: bool = True
) -> dict[str, object]:
    """Return the arguments of one call: registered values, overridden by `--args`, overridden by the pairs.

    Pairs that `is_typed` by the user may name files whose text they embed; those of a data file are only data.
    """
    registered: dict[tuple[str, ...], object] = {
        nested.path: nested.coerce(text)
        for name, text in known_values.items()
        if (nested := find_argument(tool, name)) is not None
    }
    arguments = _with_values({}, registered)
    return _with_values({**arguments, **_from_json(json_text, tool)}, _from_pairs(pairs, tool, is_typed=is_typed))


def _with_values(arguments: Mapping[str, object], values: Mapping[tuple[str, ...], object]) -> dict[str, object]:
    """Return the arguments with whole ones replaced, then those inside them set. UsageError inside other values."""
    whole = {path[0]: value for path, value in values.items() if len(path) == 1}
    try:
        return with_nested({**arguments, **whole}, {path: value for path, value in values.items() if len(path) > 1})
    except ValueError as error:
        raise UsageError(f"{error} is not an object", hint=f"give {error} as JSON, or only values inside it") from None


def _from_json(text: str | None, tool: Tool) -> dict[str, object]:
    """Return the arguments in `--args`: a JSON object, `@FILE` with one, or `-` for standard input."""
    if text is None:
        return {}
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        # PowerShell writes a byte order mark, which json.loads refuses.
        text = _read(text[1:]).decode("utf-8-sig", "replace")
    try:
        value = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--args is not JSON: {error}", hint='such as --args \'{"name": "value"}\'') from None
    if not isinstance(value, dict):
        raise UsageError("--args is not a JSON object", hint='such as --args \'{"name": "value"}\'')
    names = [_argument_name(name, tool) for name in value]
    if repeated := next((name for index, name in enumerate(names) if name in names[:index]), ""):
        raise UsageError(f"--args has {repeated} twice, by its two names", hint="it takes one value")
    return dict(zip(names, value.values(), strict=True))


def _from_pairs(texts: Iterable[str], tool: Tool, *, is_typed: bool) -> dict[tuple[str, ...], object]:
    """Return the values in `KEY=VALUE` pairs by path; repeated lists are joined. UsageError for another repetition."""
    values: dict[tuple[str, ...], Any] = {}
    for text in texts:
        path, value = _pair(text, tool, is_typed=is_typed)
        earlier = values.get(path, [])
        if isinstance(earlier, list) and isinstance(value, list):
            value = [*earlier, *value]
        elif path in values:
            raise UsageError(f"{'.'.join(path)} is given twice", hint="it takes one value")
        values[path] = value
    return values


def _pair(text: str, tool: Tool, *, is_typed: bool) -> tuple[tuple[str, ...], object]:
    """Return path and value of `key=value` (typed by the schema), `key:=JSON` (literal) or `key=@path` (a file).

    Where the operation takes a text, `key=@path` is the text of the file, and `key:=@path` the JSON in it, as httpie
    has them.
    """
    key, mark, value = text.partition("=")
    if not mark or not key:
        example = next(iter(tool.required or tool.input_schema["properties"]), "limit")
        hint = f"-H '{text}' sends a header" if _HEADER.match(text) else f"such as {example}=..."
        raise UsageError(
            f"{text!r} is not KEY=VALUE", hint=hint if text[:1] != "." else f"--jq '{text}' filters the answer"
        )
    is_literal = key.endswith(":")
    key = key.removesuffix(":")
    nested = _find_typed(key, tool)
    if nested is None and "." in key and (near := nearest_names(tool, key)):
        raise ArgumentError(f"{tool.operation.id}: there is no argument {key!r}", hint=f"did you mean {near[0]!r}?")
    path = nested.path if nested is not None else (_argument_name(key, tool),)
    if is_literal:
        if is_typed and value.startswith("@"):
            value = _read(value[1:]).decode("utf-8-sig", "replace")
        try:
            return path, parse_json(value)
        except (ValueError, RecursionError) as error:
            raise ArgumentError(f"{key}: {value!r} is not JSON: {error}", hint=f"{key}=... takes it as text") from None
    form = file_form(tool, path[0]) if value.startswith("@") and len(path) == 1 else None
    if form is not None:
        file = read_file_argument(value[1:])
        return path, [file] if form is FileForm.MANY else file
    if is_typed and value.startswith("@") and _names_file(value[1:]):
        value = embedded_text(read_file_argument(value[1:]), nested.schema if nested is not None else {})
    return path, nested.coerce(value) if nested is not None else value


def _names_file(text: str) -> bool:
    """Return whether `@TEXT` means a file: `@home` is a name if none exists, and `@notes.txt` a mistyped one."""
    import mimetypes

    with suppress(OSError, ValueError):
        if Path(text).expanduser().is_file():
            return True
    return "/" in text or mimetypes.guess_type(text)[0] is not None


def _find_typed(key: str, tool: Tool) -> NestedArgument | None:
    """Return the value that a typed key means; its first part may be the name of an argument on the wire."""
    if (nested := find_argument(tool, _argument_name(key, tool))) is not None:
        return nested
    first, dot, rest = key.partition(".")
    return find_argument(tool, f"{_argument_name(first, tool)}{dot}{rest}")


def _argument_name(typed: str, tool: Tool) -> str:
    """Return the argument of a typed name, which may also be its name on the wire, such as `filter[name]`."""
    if typed in tool.input_schema["properties"]:
        return typed
    # Two arguments may share a wire name (one in the path, one in the query): then the typed name stays and is refused.
    matches = [name for name, (_, wire) in tool.places.items() if wire == typed]
    return matches[0] if len(matches) == 1 else typed


def read_file_argument(path: str) -> File:
    """Return a file as an argument. UsageError where it cannot be read."""
    import mimetypes

    return File(Path(path).name, _read(path), mimetypes.guess_type(path)[0] or "")


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(path, error)) from None
