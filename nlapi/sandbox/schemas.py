"""Validates values against the schemas of a description, with their string and number formats."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from nlapi.openapi.spec import Schema, Spec
from nlapi.resources.schemas import SchemaReader
from nlapi.sandbox.problem import Fault
from nlapi.schema_validator import VALIDATOR, validator_class, whole_object_keywords

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from jsonschema.protocols import Validator

# jsonschema's own checkers need a package each for date-time, duration, uri and hostname. Date, time and date-time are
# those of RFC 3339 §5.6, duration that of its appendix A.
DATE = re.compile(r"\d{4}-\d\d-\d\d")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
DURATION = re.compile(r"P(?!$)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")

# Faults in one refusal: a list of a thousand wrong items needs no thousand lines.
MAX_FAULTS = 20


def _date_time(text: str) -> bool:
    return bool(DATE_TIME.fullmatch(text) and datetime.fromisoformat(text.upper().replace(":60", ":59")))


def _uri(text: str) -> bool:
    return not re.search(r"[\s<>\"{}|\\^`]", text) and bool(urlsplit(text).scheme)


STRINGS: dict[str, Callable[[str], object]] = {
    "date": lambda text: bool(DATE.fullmatch(text) and date.fromisoformat(text)),
    "date-time": _date_time,
    "time": lambda text: TIME.fullmatch(text) is not None and time.fromisoformat(text.upper()) is not None,
    "duration": DURATION.fullmatch,
    "email": EMAIL.fullmatch,
    "uuid": lambda text: bool(UUID_TEXT.fullmatch(text) and UUID(text)),
    "uri": _uri,
    "url": _uri,
    "uri-reference": lambda text: not re.search(r"[\s<>\"{}|\\^`]", text) and urlsplit(text) is not None,
    "hostname": HOSTNAME.fullmatch,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "byte": lambda text: base64.b64decode(text, validate=True) is not None,
}
INTEGERS = {"int32": 2**31, "int64": 2**63}


def _build_format_checker() -> FormatChecker:
    """Return a jsonschema FormatChecker of these formats; any other format passes."""
    from jsonschema import FormatChecker

    formats = FormatChecker(formats=())
    for name, check in STRINGS.items():
        formats.checks(name, raises=ValueError)(_of_strings(check))
    for name, limit in INTEGERS.items():
        formats.checks(name)(_within(limit))
    return formats


def _of_strings(check: Callable[[str], object]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or bool(check(value))


def _within(limit: int) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, int) or -limit <= value < limit


class Schemas(SchemaReader):
    """The schemas of one Spec with a cached validator for each, by the identity of the schema."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._validators: dict[tuple[int, str], tuple[Any, Validator]] = {}

    def faults(self, schema: object, value: object, location: str, *, is_write: bool = True) -> list[Fault]:
        """Return the faults of a value; with `is_write` its readOnly properties are not required."""
        faults = []
        for error in self.errors(schema, value, "write" if is_write else "read"):
            faults.append(_fault(error, location))
            if len(faults) == MAX_FAULTS:
                break
        return faults

    def valid(self, schema: object, value: object, mode: str = "read") -> bool:
        return next(self.errors(schema, value, mode), None) is None

    def errors(self, schema: Any, value: Any, mode: str) -> Iterator[Any]:
        """Yield jsonschema's ValidationErrors; none for a schema that is itself broken."""
        import re

        from jsonschema.exceptions import UnknownType

        entry = self._validators.get((id(schema), mode))
        if entry is None:
            # The schema is stored with its validator, since an id is reused once its object is gone.
            entry = (schema, self._classes[mode](schema, format_checker=self._formats))
            self._validators[id(schema), mode] = entry
        try:
            yield from entry[1].iter_errors(value)
        except (re.error, LookupError, TypeError, UnknownType):
            # UnknownType: `type: float`, which is in descriptions although no version of JSON Schema has it.
            return

    @cached_property
    def _formats(self) -> Any:
        return _build_format_checker()

    @cached_property
    def _classes(self) -> dict[str, Any]:
        return {mode: self._validator_class(hidden) for mode, hidden in (("write", "readOnly"), ("read", "writeOnly"))}

    def _validator_class(self, hidden: str) -> Any:
        """Return nlapi's validator class with `$ref` through Spec.lookup, and without requiring `hidden` properties."""
        from jsonschema.exceptions import ValidationError

        def ref(validator: Any, ref: Any, instance: Any, schema: object) -> Iterator[Any]:
            yield from validator.descend(instance, self.spec.lookup(ref))

        def required(validator: object, names: Any, instance: Any, schema: Any) -> Iterator[Any]:
            for name in names if isinstance(instance, dict) else ():
                if name not in instance and not self._may_lack(schema, name, hidden):
                    yield ValidationError(f"{name!r} is required")

        whole = whole_object_keywords(lambda _, schema: self.properties(schema))
        return validator_class(VALIDATOR, {"$ref": ref, "required": required, **whole})

    def _may_lack(self, schema: Schema, name: str, hidden: str) -> bool:
        """Return whether an object may lack a required property: a `hidden` one, or in a request an undescribed one.

        Xero requires `name` and describes `Name`: no tool offers the first, so that no call could be made.
        """
        described = self.properties(schema)
        if name in described:
            return self.flat(described[name]).get(hidden) is True
        return hidden == "readOnly" and bool(described) and not isinstance(schema.get("additionalProperties"), Mapping)


def _fault(error: Any, location: str) -> Fault:
    """Return a ValidationError as a Fault; for a union, the error of the nearest branch."""
    from jsonschema.exceptions import best_match

    while error.context:
        nearer = best_match(iter(error.context))
        if nearer is None or nearer is error:
            break
        nearer.parent = error
        error = nearer
    path = location + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message if len(error.message) <= 300 else error.message[:300] + "..."
    return Fault(location=path, message=message)
