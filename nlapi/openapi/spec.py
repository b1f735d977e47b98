"""Defines Spec, Operation and Effect: a parsed description.

`$ref`s are preserved; `Spec.lookup` follows one. An Operation parses its parts (openapi/model) on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nlapi.errors import UsageError
from nlapi.issue import Issue, Level
from nlapi.openapi.egress import NetworkOrigin, NetworkScope, origin_of
from nlapi.openapi.model import (
    NO_CREDENTIALS,
    Body,
    CredentialParameters,
    Link,
    Parameter,
    RequestDetails,
    Requirement,
    Response,
    ResponseDetails,
    Schema,
    SecurityScheme,
    Server,
    as_map,
)

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache

T = TypeVar("T")


class Effect(StrEnum):
    """The effect of a call: READ changes nothing, WRITE changes something, DESTROY removes something."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


def gravest(effects: Iterable[Effect]) -> Effect:
    """Return the gravest of some effects; READ for none."""
    order = list(Effect)
    return max(effects, key=order.index, default=Effect.READ)


READ_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "QUERY"))
"""The safe methods: RFC 9110 §9.2.1, and QUERY, which OpenAPI 3.2 adds."""


def effect_by_method(operation: Operation) -> Effect:
    """Return the effect that `x-nlapi-effect` states, else that of the method (RFC 9110 §9.3)."""
    if operation.stated_effect is not None:
        return operation.stated_effect
    if operation.method in READ_METHODS:
        return Effect.READ
    return Effect.DESTROY if operation.method == "DELETE" else Effect.WRITE


def no_review(operation: Operation) -> Iterable[Issue]:
    """Return no Issues: the default review of a Spec."""
    return ()


EFFECTS_KEY = "x-nlapi-effects"
"""A key at the root of a description: with the value `stated`, a POST is a read only where `x-nlapi-effect` states it.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One method of one path; OpenAPI 3.1.1 §4.8.10.

    `id` is the operationId, or one derived from method and path; it is unique in its Spec. `method` is in upper case.
    `location` is its place in the description, for messages. `stated_effect` is the value of `x-nlapi-effect`, if any.
    `details` and `response_details` parse the costly parts, once.
    """

    id: str
    method: str
    path: str
    location: str
    stated_effect: Effect | None = None
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    extensions: Mapping[str, Any] = field(default_factory=dict)
    spec: Spec = field(repr=False)
    load_details: Callable[[Operation], RequestDetails] = field(repr=False)
    load_response_details: Callable[[Operation], ResponseDetails] = field(repr=False)

    @cached_property
    def route(self) -> str:
        """Return the path template that is sent: without the `?...` and `#...` that distinguish operations in some
        descriptions.

        OpenAPI allows neither in a path, but thousands of operations (AWS) are described so.
        """
        return self.path.partition("#")[0].partition("?")[0]

    @property
    def fixed_query(self) -> str:
        """Return the part of the path behind a `?`, which is sent with every call."""
        return self.path.partition("#")[0].partition("?")[2]

    @cached_property
    def effect(self) -> Effect:
        """Return the effect of a call, as the Spec's `classify` rates it; computed on first use."""
        return self.spec.classify(self)

    @property
    def hidden(self) -> bool:
        """Return whether the description hides it from planners (`x-nlapi: {hide: true}`). It can still be called by
        name.
        """
        # Most operations have no extension: `hints` is imported, and called, only for those that have one.
        from nlapi.openapi.hints import read_hints

        return bool(self.extensions) and read_hints(self.extensions).hide

    @cached_property
    def details(self) -> RequestDetails:
        """Return the parts that a request needs; parsed on first use."""
        return self.load_details(self)

    @cached_property
    def response_details(self) -> ResponseDetails:
        """Return the responses with their issues; parsed on first use."""
        return self.load_response_details(self)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.details.parameters

    @cached_property
    def _by_location(self) -> dict[tuple[str, str], Parameter]:
        return {(parameter.location, parameter.name): parameter for parameter in self.parameters}

    def parameter(self, location: str, name: str) -> Parameter | None:
        """Return the parameter at `location` (path, query, header, cookie) with this name, or None."""
        return self._by_location.get((location, name))

    @property
    def body(self) -> Body | None:
        return self.details.body

    @property
    def responses(self) -> tuple[Response, ...]:
        return self.response_details.responses

    @property
    def links(self) -> tuple[Link, ...]:
        """Return the links of all responses."""
        return tuple(link for response in self.responses for link in response.links)

    @property
    def security(self) -> tuple[Requirement, ...]:
        """Return the alternatives of authentication; empty when the operation needs no credential."""
        return self.details.security

    @property
    def optional_credentials(self) -> tuple[str, ...]:
        """Return the ids of schemes that a call may have and need not, beside those of `security`."""
        return self.details.optional_credentials

    @property
    def servers(self) -> tuple[Server, ...]:
        return self.details.servers

    @cached_property
    def issues(self) -> tuple[Issue, ...]:
        """Return everything wrong with it. Parses details and responses."""
        # Imported here: only a check of the whole description needs it, not a call.
        from nlapi.openapi.check import unsatisfiable_schemas

        return (
            *self.details.issues,
            *unsatisfiable_schemas(self),
            *self.response_details.issues,
            *self.spec.review(self),
        )

    @property
    def usable(self) -> bool:
        """Return False when a fault prevents a tool; `issues` names it."""
        # Only the details count: a fault in a response does not stop a request.
        return not any(issue.level is Level.ERROR for issue in self.details.issues)

    def response(self, status: int | None = None) -> Response | None:
        """Return the Response for `status`; without one, that of success (the lowest 2xx, then default)."""
        by_status = {response.status.upper(): response for response in self.responses}
        if status is not None:
            # The more specific key wins (OpenAPI 3.1.1 §4.8.16).
            for key in (str(status), f"{status // 100}XX", "DEFAULT"):
                if key in by_status:
                    return by_status[key]
            return None
        success_statuses = sorted(key for key in by_status if key.startswith("2"))
        return by_status[success_statuses[0]] if success_statuses else by_status.get("DEFAULT")


@dataclass(frozen=True, kw_only=True, eq=False)
class Spec:
    """A parsed description. `source` is its location as the user wrote it.

    `security_schemes` has those of the description and one for each parameter that is a credential
    (`credential_parameters`).

    `classify` rates the effect of each operation; `nlapi.load` passes one that also weighs evidence, and `review`,
    which yields the Issues of that one. `cache` stores results that are slow to compute again, `files` are the other
    files of the description, `registered` is the registered name that it was loaded by, if any. `network` are the
    networks that the host of a `source` that is a URL may be in.
    """

    title: str
    version: str
    source: str
    description: str = ""
    servers: tuple[Server, ...] = ()
    security_schemes: Mapping[str, SecurityScheme] = field(default_factory=dict)
    credential_parameters: CredentialParameters = NO_CREDENTIALS
    document: Mapping[str, Any] = field(repr=False)
    resolve: Callable[[str], Any] = field(repr=False)
    classify: Callable[[Operation], Effect] = field(default=effect_by_method, repr=False)
    review: Callable[[Operation], Iterable[Issue]] = field(default=no_review, repr=False)
    parse_issues: tuple[Issue, ...] = ()
    cache: Cache | None = field(default=None, repr=False)
    files: tuple[str, ...] = field(default=(), repr=False)
    registered: str = ""
    network: NetworkScope = NetworkScope.LOCAL
    operations: tuple[Operation, ...] = field(default=(), init=False)
    # Keyed by function: each module stores its own results without a field for it here.
    _derived: dict[Callable[[Spec], Any], Any] = field(default_factory=dict, init=False, repr=False)

    def derive(self, make: Callable[[Spec], T]) -> T:
        """Return the result of `make` for this Spec: computed on first use, and freed with the Spec."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return cast(T, self._derived[make])

    @cached_property
    def origin(self) -> NetworkOrigin:
        """Return where the description came from, which decides on the networks that it may name."""
        return origin_of(self.source, self.network, self.document)

    @property
    def states_effects(self) -> bool:
        """Return whether the description states every POST that reads, so that no evidence is weighed."""
        return self.document.get(EFFECTS_KEY) == "stated"

    @cached_property
    def visible_operations(self) -> tuple[Operation, ...]:
        """Return the operations that planners may see: all but the hidden ones."""
        return tuple(operation for operation in self.operations if not operation.hidden)

    @cached_property
    def _by_id(self) -> dict[str, Operation]:
        return {operation.id: operation for operation in self.operations}

    @cached_property
    def issues(self) -> tuple[Issue, ...]:
        """Return every Issue, worst first. Parses every operation."""
        order = list(Level)
        collected = (*self.parse_issues, *(issue for operation in self.operations for issue in operation.issues))
        return tuple(sorted(collected, key=lambda issue: order.index(issue.level)))

    def has(self, id: str) -> bool:
        """Return whether there is an operation with this id."""
        return id in self._by_id

    def operation(self, id: str) -> Operation:
        """Return the operation with this id; UsageError names the nearest ids."""
        operation = self._by_id.get(id)
        if operation is None:
            # Imported here: only the error needs it.
            import difflib

            near = difflib.get_close_matches(id, self._by_id, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "`nlapi find SOURCE WORDS` finds one"
            raise UsageError(f"{self.source} has no operation {id!r}", hint=hint)
        return operation

    def lookup(self, ref: str) -> Any:
        """Return the target of a `$ref`; a schema is in the 3.1 dialect. LookupError when there is none."""
        return self.resolve(ref)

    def follow(self, schema: Any) -> Any:
        """Return the schema with the `$ref`s at its top followed; siblings win. {} when they are unresolved."""
        if not isinstance(schema, dict | Mapping) or "$ref" not in schema:
            return schema
        visited = set()
        while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
            ref = schema["$ref"]
            if ref in visited:
                return {}
            visited.add(ref)
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            try:
                target = self.lookup(ref)
            except LookupError:
                return siblings
            schema = {**target, **siblings} if siblings and isinstance(target, Mapping) else target
        return schema

    def schema(self, node: Any) -> Schema:
        """Return the schema that a node is or refers to; {} when that is not a map."""
        return as_map(self.follow(node))
