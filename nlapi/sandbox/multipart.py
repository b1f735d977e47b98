"""Parsing of multipart/form-data bodies (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.sandbox.problem import RequestProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a multipart body; `filename` is None for a field."""

    name: str
    content: bytes
    content_type: str = ""
    filename: str | None = None


def split_multipart(content: bytes, content_type: str) -> list[Part]:
    """Return the parts of a multipart/form-data body; Problem 400 when it is malformed."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import FormParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise RequestProblem(400, "the Content-Type of a multipart body needs a boundary")
    parts: list[Part] = []

    def on_field(field: Any) -> None:
        parts.append(Part(name=_decode_name(field.field_name), content=field.value or b"", content_type=_content_type(field)))

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        read = file.file_object.read()
        name = _decode_name(file.file_name)
        parts.append(Part(name=_decode_name(file.field_name), content=read, content_type=_content_type(file), filename=name))
        file.close()

    # The parser does not complain about a body that stops early; a sign of the last boundary does.
    end_marks: list[bool] = []
    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        on_end=lambda: end_marks.append(True),
        boundary=boundary,
        # No temporary files: the body is in memory already, and app.py bounds its size.
        config={"MAX_MEMORY_FILE_SIZE": float("inf")},
    )
    try:
        parser.write(content)
        parser.finalize()
    except FormParserError as error:
        raise RequestProblem(400, f"the body is not multipart/form-data: {error}") from None
    if not end_marks:
        raise RequestProblem(400, "the multipart body ends before its last boundary")
    return parts


def _decode_name(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _content_type(part: Any) -> str:
    return str(part.content_type or "")
