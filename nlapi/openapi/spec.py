"""Defines Spec, Operation and Effect: a parsed description, and the parts of an Operation, which it parses on demand.

`$ref`s are preserved; `Spec.lookup` follows one. Every schema in here is in the OpenAPI 3.1 dialect (JSON Schema
2020-12) whatever the description was written in.

`x-nlapi` is the extension that addresses nlapi alone, on an operation, a parameter or a schema, such as
`x-nlapi: {name: pause, description: Pauses a campaign., hide: false, effect: write, unit: micros}`.
`x-nlapi-hide: true` is the same as `x-nlapi: {hide: true}`, and so on. An overlay adds them to a description that
somebody else wrote.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urljoin

from nlapi.english import lexicon
from nlapi.errors import Issue, Level, UsageError
from nlapi.openapi.egress import NetworkOrigin, NetworkScope, origin_of
from nlapi.openapi.urls import is_http_url
from nlapi.suggestions import suggestion

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache


UNIT_SIZES: Mapping[str, Mapping[str, str]] = {
    dimension: lexicon.table("openapi/units", dimension) for dimension in ("money", "time", "data", "share")
}
"""The units on the wire by dimension, each with its size in the base: a unit of the currency, a second, a byte, a per
cent."""

SCALES: Mapping[str, Decimal] = {
    name: 1 / Decimal(size)
    for dimension, sizes in UNIT_SIZES.items()
    for name, size in sizes.items()
    if dimension == "money" or name in ("milliseconds", "fraction", "basis_points")
}
"""Unit of a converted amount, with the number of it in one unit that people use (a dollar, a second, a per cent)."""

HINT_TYPES: Mapping[str, type] = {
    "name": str,
    "description": str,
    "hide": bool,
    "credential": bool,
    "effect": str,
    "unit": str,
    "names": str,
    "verbs": str,
}
EXTENSION_PREFIX = "x-nlapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """The values of `x-nlapi`. `unit` is the unit on the wire, in lower case; "" where it is not stated.

    `names` are the places of the names that a value has to be one of, divided by spaces, each the id of a read without
    arguments and a JSON Pointer into its answer in which `*` is every entry: `getConfiguration#/models/*/name`.
    `credential` says whether it is one of the user, which is stored and no argument. `verbs` are further words,
    divided by spaces, with which people command an operation: `abort kill`.
    """

    name: str = ""
    description: str = ""
    hide: bool = False
    credential: bool | None = None
    effect: str = ""
    unit: str = ""
    names: str = ""
    verbs: str = ""


NO_HINTS = Hints()


def read_hints(node: Any) -> Hints:
    """Return the Hints of a node of a description, of an operation's or parameter's `extensions`, or of a schema."""
    raw = _raw_hints(node)
    if not raw:
        return NO_HINTS
    valid: dict[str, Any] = {
        key: value for key, value in raw.items() if key in HINT_TYPES and isinstance(value, HINT_TYPES[key])
    }
    return Hints(**{**valid, "unit": valid.get("unit", "").lower()})


def stated_verbs(extensions: Mapping[str, object]) -> tuple[str, ...]:
    """Return the words with which people command an operation, by its `extensions`, beside those of its name."""
    return tuple(read_hints(extensions).verbs.lower().split()) if extensions else ()


def _raw_hints(node: object) -> dict[str, object]:
    if not isinstance(node, dict):
        return {}
    # A plain scan of the keys: this runs for every schema, and nearly none has such a key.
    for key in node:
        if key[:7] == EXTENSION_PREFIX:
            break
    else:
        return {}
    inner = node.get(EXTENSION_PREFIX)
    values = dict(inner) if isinstance(inner, Mapping) else {}
    return values | {
        key[len(EXTENSION_PREFIX) + 1 :]: value for key, value in node.items() if key.startswith(f"{EXTENSION_PREFIX}-")
    }


def extension_fields(node: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of a node that address nlapi."""
    return {
        key: value for key, value in node.items() if key == EXTENSION_PREFIX or key.startswith(f"{EXTENSION_PREFIX}-")
    }


def stated_by_others(node: Mapping[str, object]) -> tuple[Effect, bool]:
    """Return the least effect of an operation, and whether planners must not see it, as stated for other programs.

    ChatGPT's actions (`x-openai-isConsequential`), hints of MCP (`x-mcp`, `x-speakeasy-mcp`), Microsoft's connectors
    (`x-ms-visibility`). No such statement makes less of an effect: it may only mean that nobody is asked.
    """
    hints = [as_map(node.get(key)) for key in ("x-mcp", "x-speakeasy-mcp") if key in node]
    notes = [{**hint, **as_map(hint.get("annotations"))} for hint in hints]
    is_hidden = node.get("x-mcp") is False or node.get("x-ms-visibility") == "internal"
    is_hidden = is_hidden or any(note.get("disabled") is True or note.get("enabled") is False for note in notes)
    if any(note.get("destructiveHint") is True and note.get("readOnlyHint") is not True for note in notes):
        return Effect.DESTROY, is_hidden
    is_change = node.get("x-openai-isConsequential") is True or any(note.get("readOnlyHint") is False for note in notes)
    return Effect.WRITE if is_change else Effect.READ, is_hidden


def is_hidden(schema: Any, *, required: bool) -> bool:
    """Return whether planners must not see this property or parameter. A required one needs a default to be hidden."""
    return read_hints(schema).hide and (not required or "default" in schema)


def hint_issues(node: object, location: str) -> Iterator[Issue]:
    """Yield what is wrong with the hints of one node, as warnings."""
    raw = _raw_hints(node)
    for key, value in raw.items():
        if key not in HINT_TYPES:
            yield Issue.warning(location, f"{EXTENSION_PREFIX} has no {key!r}", f"it has {', '.join(HINT_TYPES)}")
        elif not isinstance(value, HINT_TYPES[key]):
            expected = "true or false" if HINT_TYPES[key] is bool else "a text"
            yield Issue.warning(location, f"{EXTENSION_PREFIX}.{key} is {value!r}, not {expected}; it is ignored"[:200])
    if isinstance(node, Mapping) and EXTENSION_PREFIX in node and not isinstance(node[EXTENSION_PREFIX], Mapping):
        yield Issue.warning(location, f"{EXTENSION_PREFIX} is not a map; it is ignored")
    # An unknown unit must not stop a call: the amount is then sent unchanged.
    unit = raw.get("unit")
    known = [name for sizes in UNIT_SIZES.values() for name in sizes]
    if isinstance(unit, str) and unit.lower() not in map(str.lower, known):
        message = f"{EXTENSION_PREFIX}.unit {unit!r} is not known: amounts are sent as they are"
        yield Issue.warning(location, message, f"known are {', '.join(known)}")


def unhideable_issue(location: str) -> Issue:
    """Return the Issue of a hidden element that is required and has no default value."""
    # Hiding it would make every call invalid, so the hint is ignored.
    message = "hidden, but required and without a default: it is shown all the same"
    return Issue.warning(location, message, "give its schema a `default`")


CONNECTION_HEADERS = frozenset(
    ("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade")
)
"""Headers that belong to one connection (RFC 9110 §7.6.1)."""

TRANSPORT_HEADERS = CONNECTION_HEADERS | {"host", "content-length", "expect"}
PROTOCOL_HEADERS = TRANSPORT_HEADERS | {"cookie", "proxy-authorization"}

SEPARATELY_DESCRIBED_HEADERS = {
    "accept": "the media type of its responses",
    "content-type": "the media type of its body",
    "authorization": "its security",
}
"""Names that OpenAPI 3.1.1 §4.8.12.1 excludes from parameters, each with the part that describes it instead."""

METHOD_OVERRIDE_HEADERS = frozenset(("x-http-method-override", "x-http-method", "x-method-override"))
"""Headers that make many servers treat a request as one of another method."""

PATH_OVERRIDE_HEADERS = frozenset(("x-original-url", "x-original-uri", "x-rewrite-url"))
"""Headers that make some servers treat a request as one to another path."""

SAFE_OVERRIDE_METHODS = ("GET", "HEAD")
"""The methods that an override header may ask for: safe ones, which need no consent (RFC 9110 §9.2.1)."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The syntax of a header name or a method (RFC 9110 §5.6.2)."""

# nlapi sends one request with one credential; these need an exchange with the server first.
CHALLENGE_SCHEMES = frozenset(("digest", "mutual", "negotiate", "ntlm", "scram-sha-1", "scram-sha-256"))
"""Schemes of the Authorization header whose value depends on the server's challenge (RFC 9110 §11.4)."""

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# A schema is a plain map: validators, models and MCP clients all take JSON Schema in this form.
Schema = Mapping[str, Any]

ABSOLUTE_URL = re.compile(r"[a-zA-Z{][\w{}+.-]*:|\{")
"""The start of a URL that is absolute, or may be once its variables are replaced."""


def header_refusal(name: str) -> str:
    """Return the reason why a header parameter of this name is left out, or ""."""
    if not TOKEN.fullmatch(name):
        return "it is not the name of a header"
    if overrides_request(name):
        return "with it a call would be another than the one that consent was asked for"
    if name.lower() in SEPARATELY_DESCRIBED_HEADERS:
        return f"{SEPARATELY_DESCRIBED_HEADERS[name.lower()]} says what is sent"
    return "it belongs to HTTP" if _dashed(name) in PROTOCOL_HEADERS else ""


def overrides_request(name: str) -> bool:
    """Return whether a header makes servers take another method or path: a DELETE, where the user agreed to a GET."""
    return _dashed(name) in METHOD_OVERRIDE_HEADERS | PATH_OVERRIDE_HEADERS


def _dashed(name: str) -> str:
    """Return the name of a header as gateways of scripts (CGI, WSGI) take it: an underscore is a dash to them."""
    return name.lower().replace("_", "-")


def as_map(value: object) -> Mapping[str, Any]:
    """Return a part of a description that should be a map; {} when it is not one."""
    # None and a dict first: to ask for an abstract class takes five times as long, and this is asked for every node.
    return value if value is not None and isinstance(value, dict | Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a part of a description that should be a list; [] when it is not one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a text of a description; "" for any other value."""
    return value if isinstance(value, str) else ""


def entries(value: object) -> list[Any]:
    """Return the entries of a list; those of a map where a list belongs, which some descriptions have."""
    return list(value.values()) if isinstance(value, Mapping) else as_list(value)


def escape_step(key: str) -> str:
    """Return a key as a step of a JSON pointer (RFC 6901 §3)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape_step(step: str) -> str:
    """Return the key that a step of a JSON pointer stands for."""
    # In this order: `~01` is the key `~1` (RFC 6901 §4).
    return step.replace("~1", "/").replace("~0", "~")


def essence(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Return whether a media type is JSON: application/json, application/problem+json; RFC 8259, RFC 6839 §3.1."""
    return essence(content_type).endswith(("/json", "+json"))


def may_be_json(content_type: str) -> bool:
    """Return whether a media type, or a range such as `*/*`, is JSON or may be."""
    return is_json(content_type) or essence(content_type) in ("*/*", "application/*")


def is_form(content_type: str) -> bool:
    """Return whether a media type is one of the forms, whose fields are the properties of an object."""
    return essence(content_type) in (FORM, MULTIPART)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVariable:
    """A variable of a server's URL; OpenAPI 3.1.1 §4.8.6."""

    default: str
    enum: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A base URL; OpenAPI 3.1.1 §4.8.5. `url` is a template; a relative one was resolved if the description came from a
    URL.
    """

    url: str
    description: str = ""
    variables: Mapping[str, ServerVariable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation; OpenAPI 3.1.1 §4.8.12. `location` is path, query, header or cookie.

    `content_type` is set for a parameter that is described by `content`: its value is serialised as that media type.
    """

    name: str
    location: str
    required: bool
    schema: Schema
    description: str = ""
    style: str = "form"
    explode: bool = True
    allow_reserved: bool = False
    allow_empty: bool = False
    content_type: str | None = None
    deprecated: bool = False
    extensions: Mapping[str, object] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The old name of `location` (docs/deprecations.md)."""
        warnings.warn("Parameter.where is Parameter.location; it goes with 1.0", DeprecationWarning, stacklevel=2)
        return self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """The form of one property in a form body; OpenAPI 3.1.1 §4.8.15. None means the default of the media type."""

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
    has_credentials_only: bool = False
    """whether all its properties are credentials of the user, so that no argument is left"""

    @property
    def content_type(self) -> str:
        return self.media[0].content_type

    @property
    def schema(self) -> Schema:
        """Return the schema of the Media that is sent, with a `$ref` at its top already followed."""
        return self.media[0].schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link from a response to a next call; OpenAPI 3.1.1 §4.8.20. `parameters` maps names (or `path.name`) to
    expressions.
    """

    name: str
    operation_id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response by status; OpenAPI 3.1.1 §4.8.17. `status` is "200", "2XX" or "default"."""

    status: str
    description: str = ""
    media: tuple[Media, ...] = ()
    links: tuple[Link, ...] = ()
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """A way to authenticate; OpenAPI 3.1.1 §4.8.27. `kind` is apiKey, http, oauth2, openIdConnect or mutualTLS.

    apiKey: `location` (query, header, cookie) and `name`. http: `scheme` (bearer, basic, ...), in lower case.
    `metadata_url` is where an authorization server describes itself (openIdConnectUrl, 3.2's oauth2MetadataUrl).
    An `is_inferred` one is a parameter and not a scheme of the description, and may be a property of the body.
    """

    id: str
    kind: str
    location: str = ""
    name: str = ""
    scheme: str = ""
    flows: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    metadata_url: str = ""
    is_inferred: bool = False

    @property
    def fault(self) -> str:
        """Return the reason why no credential can be sent for it, or ""."""
        # A client certificate belongs to the connection, not to the request that nlapi builds.
        if self.kind == "mutualTLS":
            return "mutual TLS, which nlapi does not support yet"
        if self.kind == "apiKey":
            return self._key_fault()
        if self.kind == "http":
            if not self.scheme:
                return "an http scheme without a name such as bearer"
            return f"{self.scheme}, which nlapi does not support yet" if self.scheme in CHALLENGE_SCHEMES else ""
        is_supported = self.kind in ("oauth2", "openIdConnect")
        return "" if is_supported else f"of the kind {self.kind!r}, which nlapi does not support yet"

    def _key_fault(self) -> str:
        if self.is_inferred and self.location == "body":
            return ""
        if self.location not in ("query", "header", "cookie"):
            return f"a key in {self.location or 'no place'!r}, not in query, header or cookie"
        # A cookie's name has the syntax of a token too (RFC 6265 §4.1.1).
        if self.location != "query" and not TOKEN.fullmatch(self.name):
            return f"a key called {self.name!r}, which is not the name of a {self.location}"
        # Such a header would change how the message is framed or routed.
        if self.location == "header" and self.name.lower() in TRANSPORT_HEADERS:
            return f"a key in the header {self.name}, which belongs to the connection"
        return "" if self.name else "a key without a name"


Requirement = Mapping[str, tuple[str, ...]]
"""One alternative of authentication: every scheme in it (id -> scopes) is needed; an empty one needs no credential."""


CredentialPlace = tuple[str, str]
"""Location (query, header, cookie, body) and name; that of a header is in lower case."""


class CredentialParameters:
    """The credentials among the parameters and body properties of a description.

    `places` maps each to the id of its SecurityScheme; `schemes` are those that no description declares.
    """

    def __init__(self, places: Mapping[CredentialPlace, str], schemes: Mapping[str, SecurityScheme]) -> None:
        self.places = places
        self.schemes = schemes
        self.body_names = frozenset(name for location, name in places if location == "body")

    def scheme_of(self, name: str) -> str | None:
        """Return the id of the scheme for a parameter of this name, or of this id; None for no credential."""
        ids = [id for (_, parameter), id in self.places.items() if name.lower() == parameter.lower()]
        return ids[0] if ids else next((id for id in self.places.values() if id == name), None)


NO_CREDENTIALS = CredentialParameters({}, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails:
    """The parts of an Operation that a request needs; parsed on demand, because parsing them is slow."""

    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    security: tuple[Requirement, ...] = ()
    servers: tuple[Server, ...] = ()
    issues: tuple[Issue, ...] = ()
    optional_credentials: tuple[str, ...] = ()
    """Ids of schemes that a call may have and need not, beside those of its `security`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDetails:
    """The responses of an Operation; parsed apart from its RequestDetails, since making tools does not need them."""

    responses: tuple[Response, ...] = ()
    issues: tuple[Issue, ...] = ()
    """Warnings only: a fault of a response never makes an operation unusable."""


def parse_servers(node: object, source: str) -> tuple[Server, ...]:
    """Return the Servers of a list; relative URLs resolve against the source of the description (RFC 3986 §5)."""
    return tuple(
        Server(
            url=_resolve_server_url(item["url"].strip() or "/", source),
            description=item["description"] if isinstance(item.get("description"), str) else "",
            variables=dict(_parse_variables(item.get("variables"))),
        )
        for item in as_list(node)
        if isinstance(item, Mapping) and isinstance(item.get("url"), str)
    )


def _resolve_server_url(url: str, source: str) -> str:
    # A network-path reference (RFC 3986 §4.2) from a local file has no scheme to inherit: https.
    if url.startswith("//"):
        return f"{'http' if source.startswith('http://') else 'https'}:{url}"
    if not is_http_url(source) or ABSOLUTE_URL.match(url):
        return url
    return urljoin(source, url)


def _parse_variables(node: object) -> Iterator[tuple[str, ServerVariable]]:
    for name, value in as_map(node).items():
        if isinstance(value, Mapping):
            description = value.get("description")
            yield (
                str(name),
                ServerVariable(
                    default=_scalar(value.get("default")),
                    enum=tuple(map(_scalar, as_list(value.get("enum")))),
                    description=description if isinstance(description, str) else "",
                ),
            )


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def server_issues(servers: Iterable[Server], location: str) -> Iterator[Issue]:
    """Yield warnings about the variables of servers; --base-url can replace the server, so nothing is unusable."""
    for server in servers:
        for name in re.findall(r"\{([^{}]+)\}", server.url):
            variable = server.variables.get(name)
            if variable is None:
                message, hint = f"server {server.url!r} uses {{{name}}}, which is not described", "give it a default"
            # `default` is required (OpenAPI 3.1.1 §4.8.6), but often missing beside an enum.
            elif variable.enum and not variable.default:
                message, hint = f"{{{name}}} has no default; {variable.enum[0]!r} is used", ""
            elif variable.enum and variable.default not in variable.enum:
                message = f"the default {variable.default!r} of {{{name}}} is not one of its choices"
                hint = f"choices are {', '.join(variable.enum[:12])}"
            else:
                continue
            yield Issue.warning(location, message, hint)


T = TypeVar("T")


class Effect(StrEnum):
    """The effect of a call: READ changes nothing, WRITE changes something, DESTROY removes something."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"

    @property
    def phrase(self) -> str:
        """What a call does, in words."""
        return {"read": "only reads", "write": "changes something", "destroy": "takes something away"}[self]


def gravest(effects: Iterable[Effect]) -> Effect:
    """Return the gravest of some effects; READ for none."""
    order = list(Effect)
    return max(effects, key=order.index, default=Effect.READ)


READ_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "QUERY"))
UPDATE_METHODS = ("PUT", "PATCH")
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
    `location` is its place in the description, for messages. `stated_effect` is the value of `x-nlapi-effect`, if any,
    and `least_effect` the one that the description states for other programs. `details` and `response_details` parse
    the costly parts, once.
    """

    id: str
    method: str
    path: str
    location: str
    stated_effect: Effect | None = None
    least_effect: Effect = Effect.READ
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

        OpenAPI allows neither in a path, but thousands of operations (AWS) are described so. Google's `{+parent}` is
        an expansion of RFC 6570 (§3.2.3), and its parameter is described as `parent`.
        """
        return self.path.partition("#")[0].partition("?")[0].replace("{+", "{")

    @property
    def fixed_query(self) -> str:
        """Return the part of the path behind a `?`, which is sent with every call."""
        return self.path.partition("#")[0].partition("?")[2]

    @property
    def node(self) -> Mapping[str, Any]:
        """Return the Operation Object as the description has it; empty where its path item is a reference."""
        item = as_map(as_map(self.spec.document.get("paths")).get(self.path))
        return as_map(item.get(self.method.lower()))

    @cached_property
    def effect(self) -> Effect:
        """Return the effect of a call, as the Spec's `classify` rates it; computed on first use."""
        return gravest((self.spec.classify(self), self.least_effect))

    @property
    def hidden(self) -> bool:
        """Return whether the description hides it from planners (`x-nlapi: {hide: true}`). It can still be called by
        name.
        """
        # Most operations have no extension: `hints` is imported, and called, only for those that have one.

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
        # The more specific key wins (OpenAPI 3.1.1 §4.8.16).
        keys = (self._success_status,) if status is None else (str(status), f"{status // 100}XX", "DEFAULT")
        return next((self._by_status[key] for key in keys if key in self._by_status), None)

    @cached_property
    def _by_status(self) -> dict[str, Response]:
        return {response.status.upper(): response for response in self.responses}

    @cached_property
    def _success_status(self) -> str:
        return min((key for key in self._by_status if key.startswith("2")), default="DEFAULT")


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
            hint = suggestion(id, self._by_id, count=3, otherwise="`nlapi find SOURCE WORDS` finds one")
            raise UsageError(f"{self.source} has no operation {id!r}", hint=hint)
        return operation

    def lookup(self, ref: str) -> Any:
        """Return the target of a `$ref`; a schema is in the 3.1 dialect. LookupError if none exists."""
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
