"""Validation of values against the schemas of a description."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nlapi.openapi.spec import Spec
from nlapi.resources.schemas import SchemaReader
from nlapi.sandbox.formats import build_format_checker
from nlapi.sandbox.problem import Fault
from nlapi.tools.validator import VALIDATOR

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# Faults in one refusal: a list of a thousand wrong items needs no thousand lines.
MAX_FAULTS = 20


class Schemas(SchemaReader):
    """The schemas of one Spec with a cached validator for each, by the identity of the schema."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._validators: dict[tuple[int, str], tuple[Any, Validator]] = {}

    def faults(self, schema: Any, value: Any, location: str, *, is_write: bool = True) -> list[Fault]:
        """Return the faults of a value; with `is_write` its readOnly properties are not required."""
        faults = []
        for error in self.errors(schema, value, "write" if is_write else "read"):
            faults.append(_fault(error, location))
            if len(faults) == MAX_FAULTS:
                break
        return faults

    def valid(self, schema: Any, value: Any, mode: str = "read") -> bool:
        return next(self.errors(schema, value, mode), None) is None

    def errors(self, schema: Any, value: Any, mode: str) -> Iterator[Any]:
        """Yield jsonschema's ValidationErrors; none for a schema that is itself broken."""
        import re

        entry = self._validators.get((id(schema), mode))
        if entry is None:
            # The schema is stored with its validator, since an id is reused once its object is gone.
            entry = (schema, self._classes[mode](schema, format_checker=self._formats))
            self._validators[id(schema), mode] = entry
        try:
            yield from entry[1].iter_errors(value)
        except (re.error, LookupError, TypeError):
            return

    @cached_property
    def _formats(self) -> Any:
        return build_format_checker()

    @cached_property
    def _classes(self) -> dict[str, Any]:
        return {mode: self._validator_class(hidden) for mode, hidden in (("write", "readOnly"), ("read", "writeOnly"))}

    def _validator_class(self, hidden: str) -> Any:
        """Return nlapi's validator class with `$ref` through Spec.lookup, and without requiring `hidden` properties."""
        from jsonschema.exceptions import ValidationError
        from jsonschema.validators import extend

        def ref(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
            yield from validator.descend(instance, self.spec.lookup(ref))

        def required(validator: Any, names: Any, instance: Any, schema: Any) -> Iterator[Any]:
            for name in names if isinstance(instance, dict) else ():
                if name not in instance:
                    described = self.flat((schema.get("properties") or {}).get(name, {}))
                    if described.get(hidden) is not True:
                        yield ValidationError(f"{name!r} is required")

        derive: Any = extend
        return derive(VALIDATOR, {"$ref": ref, "required": required})


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
