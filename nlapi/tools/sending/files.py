"""Finds the arguments that take files, and puts the user's files in the place of their names."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from nlapi.client.build import file_text
from nlapi.client.message import File
from nlapi.errors import ArgumentError
from nlapi.openapi.spec import is_form, is_json
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


def embedded_text(file: File, schema: Mapping[str, object]) -> str:
    """Return the text of a file for an argument that takes a text: its base64 where the schema says so.

    ArgumentError for bytes that are not a text.
    """
    if schema.get("contentEncoding") == "base64" or schema.get("format") == "byte":
        return b64encode(file.data).decode()
    return file_text(file)


def with_user_files(call: Call, known_values: Mapping[str, Any]) -> Call:
    """Return a planner's call with the user's files where it has their names.

    Of several files of one name, the one that the user gave for the argument is meant.
    """
    if not _user_files(known_values):
        return call
    arguments = {}
    for name, value in call.arguments.items():
        form, own = file_form(call.tool, name), known_values.get(name)
        files = [own] if isinstance(own, File) else []
        arguments[name] = _with_files(value, form, (*files, *_unique_files(known_values)))
    return replace(call, arguments=arguments)


def _user_files(known_values: Mapping[str, Any]) -> list[File]:
    return [value for value in known_values.values() if isinstance(value, File)]


def _unique_files(known_values: Mapping[str, Any]) -> list[File]:
    """Return the user's files whose names tell which is meant."""
    files = _user_files(known_values)
    return [file for file in files if all(file is other or file != other for other in files)]


def _with_files(value: Any, form: FileForm | None, files: Sequence[File]) -> Any:
    if form is FileForm.MANY and isinstance(value, list | tuple):
        return [_with_files(item, FileForm.ONE, files) for item in value]
    if form is None or not isinstance(value, str):
        return value
    # Models write `@banner.png` as well, as one does at a command line.
    meant = (file for name in (value, value.removeprefix("@")) for file in files if file == name)
    file = value if isinstance(value, File) else next(meant, value)
    return [file] if form is FileForm.MANY and isinstance(file, File) else file


def check_files(call: Call, known_values: Mapping[str, Any]) -> None:
    """Raise ArgumentError for `@path`, or the name of several files, where a file is due.

    A planner opens none, and would send the path or the name itself.
    """
    names = set(map(str, _user_files(known_values)))
    for name, value in call.arguments.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(item, str) or isinstance(item, File) or file_form(call.tool, name) is None:
                continue
            if item.removeprefix("@") in names:
                message = f"{name}: several of the files are called {item.removeprefix('@')!r}"
                raise ArgumentError(message, hint=f"the user says which: --set {name}=@PATH")
            if item.startswith("@"):
                hint = f"the user gives it: --set {name}=@PATH"
                raise ArgumentError(f"{name}: no file {item[1:]!r} was given", hint=hint)
