"""Reads answers of an operation: what they list, the thing that they hold, by the schema and else by the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import Media
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.envelope import (
    ANY,
    DataView,
    Form,
    Keys,
    ListEnvelope,
    Noun,
    SchemaView,
    find_list,
    find_thing,
    total_in,
    value_at,
)
from nlapi.resources.nouns import is_single, thing_words
from nlapi.resources.schemas import SchemaReader

Thing = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """What an answer lists: the entries without their wrappers, and the number over all pages, if it says that."""

    envelope: ListEnvelope
    entries: tuple[Any, ...]
    total: int | None = None

    @property
    def things(self) -> list[Thing]:
        """The entries that are objects."""
        return [entry for entry in self.entries if isinstance(entry, Mapping)]


class AnswerSchemas:
    """What the schemas of the answers of one Spec say, each read when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self.reader = SchemaReader(spec)
        self._lists: dict[Operation, ListEnvelope | None] = {}

    def view(self, operation: Operation) -> SchemaView | None:
        """The schema of the JSON answer of success; None where none is described."""
        media = json_media(operation)
        return SchemaView(media.schema, self.reader) if media is not None and media.schema else None

    def list_of(self, operation: Operation) -> ListEnvelope | None:
        """Where the list is in the answer of an operation, by its schema; None where it describes none."""
        if operation not in self._lists:
            view = self.view(operation)
            self._lists[operation] = find_list(view, noun(operation)) if view is not None else None
        return self._lists[operation]

    def entry_schema(self, operation: Operation) -> Any:
        """The schema of one entry of the list, else of the one thing, that an operation answers with; {} for none."""
        view = self.view(operation)
        if view is None:
            return {}
        envelope = self.list_of(operation)
        keys = envelope.keys if envelope is not None else find_thing(view, noun(operation))
        for key in keys:
            view = view.field(key)
        if envelope is None:
            return view.schema
        return self.reader.flat(view.schema).get("additionalProperties", {}) if envelope.is_map else view.items


def answer_schemas(spec: Spec) -> AnswerSchemas:
    """Return the AnswerSchemas of a Spec, which live as long as it does."""
    return spec.derive(AnswerSchemas)


def json_media(operation: Operation) -> Media | None:
    """Return the JSON form of the answer of success; None where there is none."""
    response = operation.response()
    return next((media for media in response.media if is_json(media.content_type)), None) if response else None


def is_json(content_type: str) -> bool:
    """Whether a media type, or a range such as `*/*`, is JSON or may be: RFC 8259, RFC 6839 §3.1."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json", "*/*", "application/*") or essence.endswith("+json")


def noun(operation: Operation) -> Noun:
    """Return what the answer of an operation is expected to be of."""
    return Noun(words=thing_words(operation), single=is_single(operation))


def list_schema(operation: Operation) -> ListEnvelope | None:
    """Return where the list is in the answer of an operation, as its schema says; None where it describes none."""
    return answer_schemas(operation.spec).list_of(operation)


def list_in(
    data: Any, operation: Operation | None = None, headers: Mapping[str, str] | None = None
) -> ListAnswer | None:
    """Return what an answer lists: where the schema says, else where the data shows it; None where it lists nothing.

    A list that is left out, or null, where the schema has one is empty. An answer that reports an error lists nothing.
    """
    if is_failure(data):
        return None
    described = list_schema(operation) if operation is not None else None
    envelope, entries = described, described.entries(data) if described is not None else None
    if entries is None and described is not None and _is_left_out(data, described.keys):
        entries = []
    if entries is None:
        if operation is not None and described is None and _is_described_thing(operation, data):
            return None
        envelope = find_list(DataView(data), noun(operation) if operation is not None else ANY)
        entries = envelope.entries(data) if envelope is not None else None
    if envelope is None or entries is None:
        return None
    return ListAnswer(envelope=envelope, entries=tuple(entries), total=total_in(data, envelope.keys, headers))


def thing_in(data: Any, operation: Operation | None = None) -> Thing | None:
    """Return the one thing that an answer holds, without the envelope around it; None where it is no object."""
    if not isinstance(data, Mapping):
        return None
    from nlapi.resources.envelope import unwrap_entry

    keys: Keys = () if is_failure(data) else find_thing(DataView(data), noun(operation) if operation else ANY)
    inside = unwrap_entry(value_at(data, keys)) if keys else data
    return inside if isinstance(inside, Mapping) else data


def is_failure(data: Any) -> bool:
    """Whether an answer says by itself that the call failed: `{"ok": false}`, `{"errors": [...]}` and nothing else."""
    if not isinstance(data, Mapping):
        return False
    if data.get("ok") is False or data.get("success") is False:
        return True
    errors = data.get("errors") or data.get("error")
    carried = any(
        isinstance(data.get(key), list | Mapping) and data[key] for key in data if key not in ("errors", "error")
    )
    return bool(errors) and not carried


def _is_left_out(data: Any, keys: Keys) -> bool:
    """Whether an answer has nothing where its schema has a list: null, or no such property on the way."""
    inside = data
    for key in keys:
        if not isinstance(inside, Mapping):
            return False
        if inside.get(key) is None:
            return key in inside or not inside or len(keys) == 1
        inside = inside[key]
    return inside is None


def _is_described_thing(operation: Operation, data: Any) -> bool:
    """Whether the schema describes the answer as an object with fields of which the data has one."""
    view = answer_schemas(operation.spec).view(operation)
    if view is None or view.form is not Form.OBJECT or not isinstance(data, Mapping):
        return False
    return any(name in data for name in view.names)
