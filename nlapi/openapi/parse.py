"""Parses a Document to a Spec: the operations at once, the parts of each on demand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.issue import Issue
from nlapi.openapi import swagger2
from nlapi.openapi.answers import load_answers
from nlapi.openapi.cache import Cache
from nlapi.openapi.details import load_details
from nlapi.openapi.document import METHODS, Document
from nlapi.openapi.headers import TOKEN
from nlapi.openapi.hints import extensions, faults, hints
from nlapi.openapi.parts import Answers, Details, SecurityScheme, Server, as_list, as_map
from nlapi.openapi.servers import faults_of, servers
from nlapi.openapi.spec import EFFECTS_KEY, READ_METHODS, Effect, Operation, Spec, effect_by_method, no_review

# The largest description known has 7,000 paths; more is refused before any operation is made.
MAX_PATHS = 25_000


def parse(
    document: Document,
    classify: Callable[[Operation], Effect] = effect_by_method,
    review: Callable[[Operation], Iterable[Issue]] = no_review,
    *,
    cache: Cache | None = None,
    files: tuple[str, ...] = (),
    registered: str = "",
) -> Spec:
    """Return the Spec of a Document, with effects from `classify` and further Issues from `review`.

    `cache`, `files` and `registered` are those of Spec. DescriptionError when `paths` is not a map, or too large; a
    description without operations is only an Issue.
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
    found: list[Issue] = list(document.issues)
    if tree.get(EFFECTS_KEY) not in (None, "stated"):
        message, hint = "its value is not `stated`; it is not heeded", "POSTs are judged by evidence"
        found.append(Issue.warning(EFFECTS_KEY, message, hint))
    spec = Spec(
        title=_text(info.get("title")) or document.source,
        version=_text(info.get("version")),
        description=_text(info.get("description")),
        source=document.source,
        document=tree,
        servers=_servers(document, found),
        security_schemes=_schemes(document, found),
        resolve=_resolver(document),
        classify=classify,
        review=review,
        cache=cache,
        files=files,
        registered=registered,
    )
    operations = tuple(_operations(spec, document, found))
    if not operations:
        hint = "webhooks and callbacks are not operations that can be called"
        found.append(Issue.error("paths", "the description has no operation", hint))
    # An Operation refers to its Spec, so the frozen Spec has to exist before its operations.
    object.__setattr__(spec, "operations", operations)
    object.__setattr__(spec, "found", tuple(found))
    return spec


def _servers(document: Document, found: list[Issue]) -> tuple[Server, ...]:
    tree, source = document.tree, document.source
    listed = swagger2.servers(tree, source) if document.is_swagger else tree.get("servers")
    # OpenAPI 3.1.1 §4.8.1: without `servers` the default is one server with the URL `/`.
    made = servers(listed, source) or servers([{"url": "/"}], source)
    found.extend(faults_of(made, "servers"))
    return made


def _resolver(document: Document) -> Any:
    """Return `Spec.lookup` for a document: each target is upgraded to the 3.1 dialect once."""
    seen: dict[str, Any] = {}

    def resolve(ref: str) -> Any:
        if ref not in seen:
            seen[ref] = document.schema(document.lookup(ref), named=True)
        return seen[ref]

    return resolve


def _schemes(document: Document, found: list[Issue]) -> dict[str, SecurityScheme]:
    place, nodes = "components.securitySchemes", as_map(as_map(document.tree.get("components")).get("securitySchemes"))
    if document.is_swagger:
        place, nodes = "securityDefinitions", swagger2.security_schemes(document.tree)
    schemes = {}
    for id, value in nodes.items():
        try:
            node = _followed(document, value)
        except LookupError:
            node = {}
        if not isinstance(node.get("type"), str):
            found.append(Issue.warning(f"{place}.{id}", "not a security scheme; left out"))
            continue
        schemes[id] = scheme = SecurityScheme(
            id=id,
            kind=node["type"],
            where=_text(node.get("in")),
            name=_text(node.get("name")),
            scheme=_text(node.get("scheme")).lower(),
            flows=as_map(node.get("flows")),
            description=_text(node.get("description")),
        )
        # The scheme stays in the Spec: an operation with an alternative can still be called.
        if scheme.fault:
            hint = "operations that have no other way in cannot be called"
            found.append(Issue.warning(f"{place}.{id}", f"it is {scheme.fault}", hint))
    return schemes


def _operations(spec: Spec, document: Document, found: list[Issue]) -> Iterator[Operation]:
    ids: set[str] = set()
    for path, value in spec.document.get("paths", {}).items():
        if path.startswith("x-"):
            continue
        where = f"paths.{path}"
        fault = _path_fault(path)
        try:
            item = _followed(document, value)
        except LookupError as error:
            fault = f"the path item cannot be read: {error.args[0]}"
        if fault:
            found.append(Issue.error(where, fault, "its operations were left out"))
            continue
        for method, node in _methods(item):
            # A method of `additionalOperations` (OpenAPI 3.2) is free text, and goes into the request line.
            if isinstance(node, Mapping) and TOKEN.fullmatch(method):
                yield _operation(spec, document, item, path, method, node, ids, found)
            else:
                message = "not an operation: a method and a map are wanted; left out"
                found.append(Issue.error(f"{where}.{method}"[:200], message))


def _path_fault(path: str) -> str:
    """Return the reason why a path template is refused, or ""."""
    # `//host/path` after a base URL would be a request to another host (RFC 3986 §4.2).
    if not path.startswith("/") or path.startswith("//"):
        return "a path must begin with one slash"
    if re.search(r"[\\\x00-\x1f\x7f]", path):
        return "a path may not hold a backslash, a line break or another control character"
    # Descriptions of AWS distinguish operations by a fragment, which is not sent: a path after it would be lost.
    if "/" in path.partition("#")[2]:
        return "a path may not go on after a #, which ends what is sent"
    # Servers and proxies resolve dot segments, also encoded ones (RFC 3986 §5.2.4), and would reach another path.
    if any(segment in (".", "..") for segment in re.split(r"[/?#]", re.sub(r"%2e", ".", path, flags=re.I))):
        return "a path may not hold dot segments"
    if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", path)):
        return "a path may hold braces only around the name of a parameter"
    return ""


def _methods(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield method and operation of each key of a path item that is a method, in any case."""
    # Keys in capitals are not OpenAPI, but occur; the correct spelling wins where both do.
    written = {key.lower(): key for key in item if key.isupper()} | {key: key for key in METHODS if key in item}
    for method in METHODS:
        if method in written:
            yield method, item[written[method]]
    yield from as_map(item.get("additionalOperations")).items()


def _operation(
    spec: Spec,
    document: Document,
    item: Mapping[str, Any],
    path: str,
    method: str,
    node: Mapping[str, Any],
    ids: set[str],
    found: list[Issue],
) -> Operation:
    where = f"paths.{path}.{method}"
    given = _text(node.get("operationId"))
    id = given if given.strip() else derived_id(method, path)
    if id in ids:
        unique = _unique(id, method, path, ids)
        message = f"operationId {id!r} is taken; this one is called {unique!r}"
        found.append(Issue.warning(where, message, "give it an operationId of its own"))
        id = unique
    ids.add(id)
    own = extensions(node)
    found.extend(faults(own, where) if own else ())
    described = hints(own).description
    return Operation(
        id=id,
        method=method.upper(),
        path=path,
        where=where,
        stated_effect=_stated_effect(method.upper(), hints(own).effect, where, found),
        summary="" if described else _text(node.get("summary")) or _text(item.get("summary")),
        description=described or _text(node.get("description")) or _text(item.get("description")),
        tags=tuple(tag for tag in map(_text, as_list(node.get("tags"))) if tag),
        deprecated=node.get("deprecated") is True,
        extensions=own,
        spec=spec,
        load=partial(_details, document, item, node),
        load_answers=partial(_answers, document, node),
    )


def _details(document: Document, item: Mapping[str, Any], node: Mapping[str, Any], operation: Operation) -> Details:
    issues: tuple[Issue, ...] = ()
    if document.is_swagger:
        upgraded = swagger2.upgrade_operation(document, item, node, operation.where)
        item, node, issues = {}, upgraded.node, upgraded.issues
    found = servers(node.get("servers"), document.source) or servers(item.get("servers"), document.source)
    issues = (*issues, *faults_of(found, f"{operation.where}.servers"))
    details = load_details(document, item, node, operation, found or operation.spec.servers)
    return replace(details, issues=(*issues, *details.issues)) if issues else details


def _answers(document: Document, node: Mapping[str, Any], operation: Operation) -> Answers:
    return load_answers(document, swagger2.upgrade_answers(document, node) if document.is_swagger else node, operation)


def derived_id(method: str, path: str) -> str:
    """Return an id for an operation without one: `get_users_id_posts` for GET /users/{id}/posts."""
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "_".join((method.lower(), *words)) if words else f"{method.lower()}_root"


def _unique(id: str, method: str, path: str, ids: set[str]) -> str:
    """Return a unique id from method and path, which stays the same when other operations are added."""
    unique = f"{id}_{derived_id(method, path)}"
    return unique if unique not in ids else f"{id}_{hashlib.sha256(f'{method} {path}'.encode()).hexdigest()[:8]}"


def _stated_effect(method: str, stated: str, where: str, found: list[Issue]) -> Effect | None:
    """Return the effect that `x-nlapi-effect` states; None where it states none that can be trusted.

    A POST may be stated as a read, because many searches are one. PUT, PATCH and DELETE mean a change (RFC 9110 §9.3),
    and no description can remove the user's consent to it.
    """
    if not stated:
        return None
    try:
        effect = Effect(stated.lower())
    except ValueError:
        found.append(Issue.warning(where, f"effect {stated!r} is none of read, write, destroy"))
        return None
    if effect is Effect.READ and method not in (*READ_METHODS, "POST"):
        found.append(Issue.warning(where, f"{method} cannot be called a read"))
        return None
    return effect


def _followed(document: Document, node: Any) -> Mapping[str, Any]:
    """Return the map that `node` is or refers to; LookupError gives the reason when there is none.

    Keys beside a `$ref` of a path item are preserved (OpenAPI 3.1.1 §4.8.9).
    """
    seen: set[str] = set()
    beside: dict[str, Any] = {}
    while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
        if node["$ref"] in seen:
            raise LookupError(f"{node['$ref']!r} leads to itself")
        seen.add(node["$ref"])
        beside = {**{key: value for key, value in node.items() if key != "$ref"}, **beside}
        node = document.lookup(node["$ref"])
    if not isinstance(node, Mapping):
        raise LookupError("it is not a map")
    return {**node, **beside} if beside else node


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict | list) else str(value)
