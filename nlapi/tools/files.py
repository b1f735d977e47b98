"""Finds the arguments that take files, and puts the user's files in the place of their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from nlapi.client.message import File
from nlapi.errors import ArgumentError
from nlapi.openapi.model import is_form, is_json
from nlapi.tools.tool import Call, Tool


class FileForm(StrEnum):
    """The number of files that an argument takes."""

    ONE = "file"
    MANY = "files"


def file_form(tool: Tool, name: str) -> FileForm | None:
    """Return whether an argument takes a file or a list of files; None for any other argument."""
    location, wire = tool.places.get(name, ("", ""))
    body = tool.operation.body
    if location != "body" or body is None:
        return None
    if wire == "":
        return None if is_json(body.content_type) or is_form(body.content_type) else FileForm.ONE
    schema = tool.input_schema["properties"][name]
    if schema.get("type") == "array":
        return FileForm.MANY if _is_binary(schema.get("items", {})) else None
    return FileForm.ONE if _is_binary(schema) else None


def _is_binary(schema: Mapping[str, object]) -> bool:
    return schema.get("format") == "binary" or "contentMediaType" in schema


def with_user_files(call: Call, known_values: Mapping[str, Any]) -> Call:
    """Return a planner's call with the user's files where it has their names."""
    files = {str(value): value for value in known_values.values() if isinstance(value, File)}
    if not files:
        return call
    arguments = {name: _with_files(value, file_form(call.tool, name), files) for name, value in call.arguments.items()}
    return replace(call, arguments=arguments)


def _with_files(value: Any, form: FileForm | None, files: Mapping[str, File]) -> Any:
    if form is FileForm.MANY and isinstance(value, list | tuple):
        return [_with_files(item, FileForm.ONE, files) for item in value]
    if form is None or not isinstance(value, str):
        return value
    # Models write `@banner.png` as well, as one does at a command line.
    file = files.get(value) or files.get(value.removeprefix("@")) or value
    return [file] if form is FileForm.MANY and isinstance(file, File) else file


def check_files(call: Call) -> None:
    """Raise ArgumentError for `@path` where a file is due: a planner opens none, and would send the path itself."""
    for name, value in call.arguments.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            is_path = isinstance(item, str) and not isinstance(item, File) and item.startswith("@")
            if is_path and file_form(call.tool, name) is not None:
                hint = f"the user gives it: --set {name}=@PATH"
                raise ArgumentError(f"{name}: no file {item[1:]!r} was given", hint=hint)
