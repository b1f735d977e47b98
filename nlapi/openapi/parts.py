"""The parts of an Operation: Server, Parameter, Body, Media, Response, Link, SecurityScheme.

Every schema in here is in the OpenAPI 3.1 dialect (JSON Schema 2020-12) whatever the description was written in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.issue import Issue
from nlapi.openapi.headers import OF_CONNECTION, TOKEN

CHALLENGED = frozenset(("digest", "mutual", "negotiate", "ntlm", "scram-sha-1", "scram-sha-256"))
"""Schemes of the header Authorization whose value is made from what the server asks (RFC 9110 §11.4)."""

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

Schema = Mapping[str, Any]


def as_map(value: Any) -> Mapping[str, Any]:
    """Return a part of a description that should be a map; {} where it is none."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return a part of a description that should be a list; [] where it is none."""
    return value if isinstance(value, list) else []


def essence(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON: application/json, application/problem+json; RFC 8259, RFC 6839 §3.1."""
    return essence(content_type).endswith(("/json", "+json"))


def may_be_json(content_type: str) -> bool:
    """Whether a media type, or a range such as `*/*`, is JSON or may be."""
    return is_json(content_type) or essence(content_type) in ("*/*", "application/*")


def is_form(content_type: str) -> bool:
    """Whether a media type is one of the forms, whose fields are the properties of an object."""
    return essence(content_type) in (FORM, MULTIPART)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVariable:
    """OpenAPI 3.1.1 §4.8.6."""

    default: str
    enum: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """OpenAPI 3.1.1 §4.8.5. `url` is a template; a relative one was resolved if the description came from a URL."""

    url: str
    description: str = ""
    variables: Mapping[str, ServerVariable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """OpenAPI 3.1.1 §4.8.12. `where` is path, query, header or cookie.

    `content_type` is set for a parameter that is described by `content`: its value is serialised as that media type.
    """

    name: str
    where: str
    required: bool
    schema: Schema
    description: str = ""
    style: str = "form"
    explode: bool = True
    allow_reserved: bool = False
    allow_empty: bool = False
    content_type: str | None = None
    deprecated: bool = False
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How one property of a form body is written; OpenAPI 3.1.1 §4.8.15. None: the default of the media type."""

    content_type: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media type of a body or a response; OpenAPI 3.1.1 §4.8.14."""

    content_type: str
    schema: Schema
    encoding: Mapping[str, Encoding] = field(default_factory=dict)
    examples: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request body; OpenAPI 3.1.1 §4.8.13. The first Media is the one that is sent (JSON before forms before XML)."""

    required: bool
    media: tuple[Media, ...]
    description: str = ""

    @property
    def content_type(self) -> str:
        return self.media[0].content_type

    @property
    def schema(self) -> Schema:
        """The schema of the Media that is sent, with a `$ref` at its top already followed."""
        return self.media[0].schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """From an answer to a next call; OpenAPI 3.1.1 §4.8.20. `parameters` maps names (or `path.name`) to expressions."""

    name: str
    operation_id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """OpenAPI 3.1.1 §4.8.17. `status` is "200", "2XX" or "default"."""

    status: str
    description: str = ""
    media: tuple[Media, ...] = ()
    links: tuple[Link, ...] = ()
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """OpenAPI 3.1.1 §4.8.27. `kind` is apiKey, http, oauth2, openIdConnect or mutualTLS.

    apiKey: `where` (query, header, cookie) and `name`. http: `scheme` (bearer, basic, ...), in lower case.
    """

    id: str
    kind: str
    where: str = ""
    name: str = ""
    scheme: str = ""
    flows: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    @property
    def fault(self) -> str:
        """Why no credential can be sent for it, or ""."""
        if self.kind == "mutualTLS":
            return "mutual TLS, which nlapi does not support yet"
        if self.kind == "apiKey":
            return self._key_fault()
        if self.kind == "http":
            if not self.scheme:
                return "an http scheme without a name such as bearer"
            return f"{self.scheme}, which nlapi does not support yet" if self.scheme in CHALLENGED else ""
        known = self.kind in ("oauth2", "openIdConnect")
        return "" if known else f"of the kind {self.kind!r}, which nlapi does not support yet"

    def _key_fault(self) -> str:
        if self.where not in ("query", "header", "cookie"):
            return f"a key in {self.where or 'no place'!r}, not in query, header or cookie"
        if self.where != "query" and not TOKEN.fullmatch(self.name):
            return f"a key called {self.name!r}, which is not the name of a {self.where}"
        if self.where == "header" and self.name.lower() in OF_CONNECTION:
            return f"a key in the header {self.name}, which belongs to the connection"
        return "" if self.name else "a key without a name"


Requirement = Mapping[str, tuple[str, ...]]
"""One way to be let in: every scheme named (id -> scopes) is needed. An empty one means no credential is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The parts of an Operation that a request needs, which cost something to parse."""

    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    security: tuple[Requirement, ...] = ()
    servers: tuple[Server, ...] = ()
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What an Operation may answer; parsed apart from its Details, since making tools does not need it."""

    responses: tuple[Response, ...] = ()
    issues: tuple[Issue, ...] = ()
    """Warnings only: what is wrong with an answer loses no operation."""
