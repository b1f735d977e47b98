"""Compiles JSON Schema 2020-12 for the gateway: with jsonschema-rs, or with jsonschema where the extra is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nlapi.pattern_size import measure, objects_in, pattern_refusal, patterns_in
from nlapi.suggestions import suggestion

MAX_STEPS = 50_000
"""Steps of a schema's patterns that jsonschema-rs compiles, of about 0.2 kB each: it writes out each repeat up to its
highest count, and bounds one pattern at 10 MB, and not all. Past that the schema is held in Python."""

MAX_NAMES = 20
"""Properties that a hint lists."""


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

    ValueError for what is not a schema, or refers to another document: nothing is ever fetched.
    """
    steps = sum(map(_steps, patterns_in(schema)))
    try:
        from jsonschema_rs import validator_for
    except ImportError:
        return _PurePython(schema, formats)
    if steps > MAX_STEPS:
        return _PurePython(schema, formats)
    return _Compiled(schema, validator_for(dict(schema), retriever=_refuse, validate_formats=formats or None))


def _steps(pattern: str) -> int:
    """Return the steps of a pattern as an automaton over bytes. ValueError for one that is too large for any engine."""
    try:
        steps = measure(pattern, widest=True).steps
    except ValueError:  # not a schema, or part of a constant; else Python reports it
        return MAX_STEPS + 1
    if reason := pattern_refusal(pattern):
        raise ValueError(f"the pattern {pattern[:60]!r} {reason}")
    return steps


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
        hint = suggestion(name, names, otherwise=f"it takes {', '.join(names[:MAX_NAMES])}" if names else "")
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
        """Return the part of the schema at a path; {} for a path through an `$id`, which is outside of the document."""
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
        from jsonschema import Draft202012Validator, FormatChecker, SchemaError
        from jsonschema.validators import validator_for

        from nlapi.patterns import PatternBudget, pattern_fault
        from nlapi.schema_validator import strict_class

        draft: Any = validator_for(schema, default=Draft202012Validator)
        patterns, budget = FormatChecker(formats=()), PatternBudget()
        patterns.checks("regex")(lambda text: not (isinstance(text, str) and pattern_fault(text, budget)))
        try:
            draft.check_schema(schema, format_checker=patterns)
        except SchemaError as error:
            raise ValueError(error.message) from None
        _resolve_references(schema)
        self._validator = strict_class(draft)(schema, format_checker=draft.FORMAT_CHECKER if formats else None)

    def is_valid(self, value: Any, /) -> bool:
        return bool(self._validator.is_valid(value))

    def iter_errors(self, value: Any, /) -> Iterator[Violation]:
        for error in self._validator.iter_errors(value):
            path = list(error.absolute_path)
            if error.validator == "additionalProperties" and hasattr(error, "closed_name"):
                yield from _unknown_properties(path, [error.closed_name], error.schema)
            else:
                yield _Violation(instance_path=path, message=error.message)


def _resolve_references(schema: Mapping[str, Any]) -> None:
    """ValueError for a `$ref` that leads nowhere in the schema; jsonschema itself looks only when a value comes."""
    from referencing.exceptions import NoSuchResource, Unresolvable

    from nlapi.schema_validator import local_resolver

    resolver = local_resolver(schema)
    for node in objects_in(schema):
        try:
            if isinstance(node.get("$ref"), str):
                resolver.lookup(node["$ref"])
        except (Unresolvable, NoSuchResource):
            _refuse(node["$ref"])
