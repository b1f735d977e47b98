"""Compiles JSON Schema 2020-12 for the gateway: with jsonschema-rs, or with jsonschema where the extra is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

PATTERN_S = 0.5
"""Seconds that one text may take to match a pattern."""

MAX_NAMES = 20
"""Properties that a hint lists."""

# `$` is the end of a text in ECMA-262, by which patterns go (JSON Schema 2020-12 Validation §6.3.3); Python's `$` also
# stands before a final line break, and a name may not end in one.
_END = re.compile(r"(\\.|\[(?:\\.|[^\]\\])*\])|\$", re.DOTALL)


class Violation(Protocol):
    """A place in a value that breaks a schema."""

    @property
    def instance_path(self) -> list[str | int]: ...

    @property
    def message(self) -> str: ...

    @property
    def hint(self) -> str: ...


class SchemaValidator(Protocol):
    """A compiled schema. ValueError or TypeError for a value that is not JSON."""

    def is_valid(self, value: Any, /) -> bool: ...

    def iter_errors(self, value: Any, /) -> Iterator[Violation]: ...


def compile_schema(schema: Mapping[str, Any], *, formats: bool = False) -> SchemaValidator:
    """Return the validator of a schema, by the draft that its `$schema` names; `formats` asserts `format` too.

    ValueError for what is no schema, or refers to another document: nothing is ever fetched.
    """
    try:
        from jsonschema_rs import validator_for
    except ImportError:
        return _PurePython(schema, formats)
    return _Compiled(schema, validator_for(dict(schema), retriever=_refuse, validate_formats=formats or None))


def _refuse(uri: str) -> Any:
    raise ValueError(f"a schema of an objective may not refer to {uri}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Violation:
    instance_path: list[str | int]
    message: str
    hint: str = ""


def _unknown_properties(
    instance_path: list[str | int], unknown: Iterable[str], schema: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yield a violation for each property that a schema does not take, with the nearest that it takes."""
    names = list(schema.get("properties", ()))
    for name in unknown:
        near = get_close_matches(name[:80], names, n=1, cutoff=0.6)
        hint = f"the nearest is {near[0]}" if near else f"it takes {', '.join(names[:MAX_NAMES])}" if names else ""
        yield _Violation(instance_path=instance_path, message=f"there is no property {name[:80]!r}", hint=hint)


class _Compiled:
    """A schema that jsonschema-rs compiled."""

    __slots__ = ("_schema", "_validator", "is_valid")

    def __init__(self, schema: Mapping[str, Any], validator: Any) -> None:
        self._schema = schema
        self._validator = validator
        # The function itself: each request goes through it, and most values are valid.
        self.is_valid: Callable[[Any], bool] = validator.is_valid

    def iter_errors(self, value: Any, /) -> Iterator[Violation]:
        for error in self._validator.iter_errors(value):
            if error.kind.name == "additionalProperties":
                yield from _unknown_properties(
                    error.instance_path, error.kind.unexpected, self._schema_at(error.schema_path[:-1])
                )
            else:
                yield _Violation(instance_path=error.instance_path, message=error.message)

    def _schema_at(self, path: Iterable[str | int]) -> Mapping[str, Any]:
        """Return the part of the schema at a path; {} for a path through an `$id`, which is none of the document."""
        node: Any = self._schema
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return {}
        return node if isinstance(node, Mapping) else {}


class _PurePython:
    """The same checks in Python: about 100 us for a small value in place of 1 us, which is enough for `nlapi demo`."""

    def __init__(self, schema: Mapping[str, Any], formats: bool) -> None:
        from jsonschema import Draft202012Validator, SchemaError
        from jsonschema.validators import extend, validator_for

        draft: Any = validator_for(schema, default=Draft202012Validator)
        try:
            draft.check_schema(schema, format_checker=draft.FORMAT_CHECKER)
        except SchemaError as error:
            raise ValueError(error.message) from None
        _resolve_references(schema)
        bounded = extend(draft, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
        self._validator = bounded(schema, format_checker=draft.FORMAT_CHECKER if formats else None)

    def is_valid(self, value: Any, /) -> bool:
        return bool(self._validator.is_valid(value))

    def iter_errors(self, value: Any, /) -> Iterator[Violation]:
        for error in self._validator.iter_errors(value):
            path = list(error.absolute_path)
            if error.validator == "additionalProperties" and isinstance(error.instance, dict):
                patterns = error.schema.get("patternProperties", {})
                declared = error.schema.get("properties", {})
                unknown = [name for name in error.instance if name not in declared and not _matches_any(name, patterns)]
                yield from _unknown_properties(path, unknown, error.schema)
            else:
                yield _Violation(instance_path=path, message=error.message)


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    import regex

    return any(regex.search(pattern, name, timeout=PATTERN_S) for pattern in patterns)


def _resolve_references(schema: Mapping[str, Any]) -> None:
    """ValueError for a `$ref` that leads nowhere in the schema; jsonschema itself looks only when a value comes."""
    from referencing import Registry
    from referencing.exceptions import NoSuchResource, Unresolvable
    from referencing.jsonschema import DRAFT202012

    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            try:
                if isinstance(node.get("$ref"), str):
                    resolver.lookup(node["$ref"])
            except (Unresolvable, NoSuchResource):
                _refuse(node["$ref"])
            pending += node.values()
        elif isinstance(node, list | tuple):
            pending += node


def _pattern(_: Any, expression: str, value: Any, __: Any) -> Iterator[Any]:
    import regex
    from jsonschema import ValidationError

    if isinstance(value, str):
        ecma = _END.sub(lambda part: part[1] or r"\Z", expression)
        try:
            matches = regex.search(ecma, value, flags=regex.ASCII, timeout=PATTERN_S) is not None
        except (TimeoutError, regex.error):  # what cannot be decided is refused, as jsonschema-rs does
            matches = False
        if not matches:
            yield ValidationError(f"{value!r} does not match {expression!r}")
