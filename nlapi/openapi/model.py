"""Defines the parts of an Operation: servers, parameters, headers, bodies, responses, links and security schemes.

Every schema in here is in the OpenAPI 3.1 dialect (JSON Schema 2020-12) whatever the description was written in.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from nlapi.issue import Issue
from nlapi.openapi.urls import is_http_url

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
    # A dict first: to ask for an abstract class takes five times as long, and this is asked for every node.
    return value if isinstance(value, dict | Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a part of a description that should be a list; [] when it is not one."""
    return value if isinstance(value, list) else []


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
    An `is_inferred` one is no scheme of the description but one of its parameters, and may be a property of the body.
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
                message = f"the default {variable.default!r} of {{{name}}} is none of its choices"
                hint = f"choices are {', '.join(variable.enum[:12])}"
            else:
                continue
            yield Issue.warning(location, message, hint)
