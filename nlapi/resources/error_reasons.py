"""Extracts the server's reason from an error answer: RFC 9457 and the other forms of public APIs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nlapi.english import lexicon
from nlapi.english.words import name_key
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import as_list

MAX_LENGTH = 300
"""Characters of a reason that are shown: longer ones are stack traces."""

_TITLE_NAMES = ("title", "errorcode", "errortype", "error", "name")
# Names of the field with the reason, the most specific first.
_DETAIL_NAMES = tuple(lexicon.text("resources/words", "error_details").split())

# Names of the field with several reasons, or with one for each invalid field.
_LIST_NAMES = tuple(lexicon.text("resources/words", "error_lists").split())

# Objects around an error: Google and Stripe have `error`, Apigee `fault`, Foursquare `meta`.
_ERROR_OBJECTS = ("error", "fault", "meta")

_DESCRIPTIVE_FIELDS = lexicon.words("resources/words", "descriptive_fields")
# Reasons that are shown of several.
_MAX_REASONS = 3

# Levels of objects in which a reason is searched.
_MAX_DEPTH = 3

# Characters of a page that are searched for its title, and the repetitions here are bounded: 40 kB of `<title>` took a
# second before, and four times that for each doubling.
_MAX_MARKUP = 20_000
_ATTRIBUTES = "[^<>]{0,300}"
_TITLE = lazy_pattern(rf"<(title|h1){_ATTRIBUTES}>(.{{0,600}}?)</\1>", re.IGNORECASE | re.DOTALL)
_BODY = lazy_pattern(rf"<(pre|p){_ATTRIBUTES}>(.{{0,600}}?)</\1>", re.IGNORECASE | re.DOTALL)
# The message in an XML error, such as S3's <Message> and a SOAP fault (SOAP 1.1 §4.4).
_XML = lazy_pattern(
    rf"<(?:\w{{1,40}}:)?(message|faultstring|description|detail|error){_ATTRIBUTES}>([^<]+)</", re.IGNORECASE
)
_EMPTY_TITLES = frozenset(("", "error", "errors"))


def error_reason(data: object) -> str:
    """Return the server's reason for a refusal, in its own words and on one line; "" where the answer has none.

    `data` is JSON, or the text of any other answer; of a page of HTML it is the title.
    """
    text = "; ".join(list(dict.fromkeys(_reasons(data, 0)))[:_MAX_REASONS])
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def _reasons(data: object, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(data, str):
        yield from filter(None, (_single_line(data),))
    elif isinstance(data, list):
        for entry in data:
            yield from _reasons(entry, depth + 1)
    elif isinstance(data, Mapping):
        yield from _object_reasons(data, depth)


def _object_reasons(data: Mapping[str, object], depth: int) -> Iterator[str]:
    fields = {name_key(str(name)): value for name, value in data.items()}
    for object_name in _ERROR_OBJECTS:
        inner = fields.get(object_name)
        if isinstance(inner, Mapping) and (reasons := list(_reasons(inner, depth + 1))):
            yield from reasons
            return
    message = _top_message(fields)
    list_reasons = [reason for name in _LIST_NAMES for reason in _list_reasons(fields.get(name), depth)]
    if message and list_reasons and list_reasons[0] not in message and message not in list_reasons[0]:
        yield f"{message.rstrip('.')}: {list_reasons[0]}"
        yield from list_reasons[1:]
    elif message or list_reasons:
        yield from [message] if message else list_reasons
    else:
        yield from _field_reasons(data)


def _top_message(fields: Mapping[str, Any]) -> str:
    """Return the message of an error at its own level: title and detail, which are often the same."""
    title, detail = _first_text(fields, _TITLE_NAMES), _first_text(fields, _DETAIL_NAMES)
    fault_position = _fault_position(fields)
    if detail and fault_position:
        is_pointer = title and fault_position.startswith("/")
        return f"{title}: {detail} ({fault_position})" if is_pointer else f"{fault_position}: {detail}"
    # Spring sends {"status": 404, "error": "Not Found"} with the reason in `message`.
    status = fields.get("status", fields.get("code"))
    is_status = isinstance(status, int) and "error" in fields and "title" not in fields
    if not title or not detail or title == detail or is_status:
        # GitHub's validation errors have no message: `title missing_field`.
        field, code = _first_text(fields, ("field",)), _first_text(fields, ("code",))
        return detail or title or (f"{field} {code}" if field and code else "")
    return f"{title.rstrip('.')}: {detail}"


def _first_text(fields: Mapping[str, object], names: Iterable[str]) -> str:
    return next((_single_line(text) for name in names if isinstance(text := fields.get(name), str) and text), "")


def _fault_position(fields: Mapping[str, Any]) -> str:
    """Return the place of a fault in the request: a field, a path of names, a JSON pointer."""
    # JSON:API has `source.pointer`, FastAPI `loc`, GraphQL `path`.
    source = fields.get("source")
    if isinstance(source, Mapping) and isinstance(source.get("pointer"), str):
        return str(source["pointer"])
    steps: list[Any] = next((fields[name] for name in ("loc", "path") if isinstance(fields.get(name), list)), [])
    return ".".join(map(str, steps))


def _list_reasons(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _reasons(entry, depth + 1)
    elif isinstance(value, Mapping):
        yield from _field_reasons(value)


def _field_reasons(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield faults by the name of their field: `{"email": ["is not valid"]}`."""
    for name, value in data.items():
        texts = [value] if isinstance(value, str) else as_list(value)
        if name_key(str(name)) not in _DESCRIPTIVE_FIELDS and texts and all(isinstance(text, str) for text in texts):
            yield f"{name}: {'; '.join(map(_single_line, texts))}"


def _single_line(text: str) -> str:
    """Return a text on one line; of a page of HTML its title, of XML its message."""
    start = text.lstrip()[:200].lower()
    markup = text[:_MAX_MARKUP]
    if start.startswith("<?xml") and (match := _XML.search(markup)):
        return _text_of_markup(match.group(2))
    if start.startswith(("<!doctype", "<html", "<head", "<?xml")) and (match := _TITLE.search(markup)):
        title = _text_of_markup(match.group(2))
        body = _BODY.search(markup) if title.lower() in _EMPTY_TITLES else None
        return _text_of_markup(body.group(2)) if body is not None else title
    return " ".join(text.split())


def _text_of_markup(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())
