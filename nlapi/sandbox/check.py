"""The check of a request against its description; each fault has its location."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from nlapi.openapi.parts import FORM, Media, Parameter, essence, may_be_json
from nlapi.openapi.spec import Operation
from nlapi.sandbox import parameters as wire
from nlapi.sandbox.bodies import choose, read_body, read_json
from nlapi.sandbox.parameters import MISSING, Pairs, split_pairs
from nlapi.sandbox.problem import Fault, Problem, unprocessable
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.variants import take_fixed

# Header parameters of these names are ignored; OpenAPI 3.1.1 §4.8.12.1.
IGNORED_HEADERS = frozenset(("accept", "content-type", "authorization"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request before it is checked: `path` and `query` percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def cookies(self) -> dict[str, str]:
        jar = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The values of a valid request. `body` is MISSING without a body, or when it is only bytes."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    cookies: Mapping[str, Any]
    body: Any = MISSING


def check(operation: Operation, raw: Mapping[str, str], incoming: Incoming, schemas: Schemas) -> Checked:
    """Return the values of a request; Problem 400, 404, 415 or 422 when the description forbids it."""
    pairs = split_pairs(incoming.query)
    raw = {**raw, **take_fixed(operation, pairs)}
    values: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    faults: list[Fault] = []
    for parameter in operation.parameters:
        if parameter.where == "header" and parameter.name.lower() in IGNORED_HEADERS:
            continue
        value = _read(parameter, raw, pairs, incoming, schemas)
        if value is MISSING and parameter.required and wire.spreads(parameter, schemas):
            # An empty object has no pairs in the query, so its absence cannot be told from it.
            value = {}
        if value is MISSING:
            if parameter.required:
                faults.append(Fault(where=f"{parameter.where}.{parameter.name}", message="is required"))
            continue
        values[parameter.where][parameter.name] = value
        faults += _judge(parameter, value, schemas)
    _take_rest(operation, pairs, values["query"], faults, schemas)
    body = _body(operation, incoming, schemas, faults)
    if faults:
        raise unprocessable(faults)
    return Checked(
        path=values["path"], query=values["query"], headers=values["header"], cookies=values["cookie"], body=body
    )


def _read(parameter: Parameter, raw: Mapping[str, str], pairs: Pairs, incoming: Incoming, schemas: Schemas) -> Any:
    if parameter.content_type is not None:
        return _read_content(parameter, raw, pairs, incoming, schemas)
    if parameter.where == "query":
        return wire.read_query(parameter, pairs, schemas)
    text = _carried(parameter, raw, incoming)
    if text is None:
        return MISSING
    if parameter.where == "path":
        return wire.read_path(parameter, text, schemas)
    if parameter.where == "header":
        return wire.read_header(parameter, text, schemas)
    return wire.read_cookie(parameter, text, schemas)


def _carried(parameter: Parameter, raw: Mapping[str, str], incoming: Incoming) -> str | None:
    if parameter.where == "path":
        return raw.get(parameter.name)
    if parameter.where == "header":
        return incoming.headers.get(parameter.name.lower())
    return incoming.cookies.get(parameter.name)


def _read_content(
    parameter: Parameter, raw: Mapping[str, str], pairs: Pairs, incoming: Incoming, schemas: Schemas
) -> Any:
    """Return the value of a parameter with `content`, a text of that media type; OpenAPI 3.1.1 §4.8.12.4."""
    if parameter.style == "querystring":
        return _read_whole_query(parameter, pairs, incoming, schemas)
    if parameter.where == "query":
        found = pairs.take(parameter.name)
        text = wire.decoded(found[-1]) if found else None
    else:
        text = _carried(parameter, raw, incoming)
        if text is not None and parameter.where == "path":
            text = wire.decoded(text, plus=False)
    if text is None:
        return MISSING
    if not may_be_json(parameter.content_type or ""):
        return text
    try:
        return read_json(text.encode())
    except Problem:
        where = f"{parameter.where}.{parameter.name}"
        raise unprocessable([Fault(where=where, message=f"is not JSON: {text[:80]}")]) from None


def _read_whole_query(parameter: Parameter, pairs: Pairs, incoming: Incoming, schemas: Schemas) -> Any:
    """Return the value of a `querystring` parameter, which is the whole query; OpenAPI 3.2.0 §4.12.2.2."""
    pairs.used.update(range(len(pairs.pairs)))
    if not incoming.query:
        return MISSING
    kind = essence(parameter.content_type or "")
    is_form = kind == FORM
    text = incoming.query if is_form else wire.decoded(incoming.query, plus=False)
    return read_body(Media(content_type=kind, schema=parameter.schema), text.encode(), kind, schemas)


def _judge(parameter: Parameter, value: Any, schemas: Schemas) -> list[Fault]:
    if value == "" and parameter.allow_empty:
        return []
    where = f"{parameter.where}.{parameter.name}"
    faults = schemas.faults(parameter.schema, value, where)
    # The mistake of many clients: a list is sent as `a%2Cb`, one value with a comma in it.
    joined = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if faults and any(isinstance(one, str) and "," in one for one in joined):
        hint = "; a comma between values is written plain, not percent-encoded"
        return [Fault(where=fault.where, message=fault.message + hint) for fault in faults]
    return faults


def _take_rest(
    operation: Operation, pairs: Pairs, query: dict[str, Any], faults: list[Fault], schemas: Schemas
) -> None:
    """Assign query names without a parameter to a credential or a free-form object; Problem 400 for the others."""
    for requirement in operation.security:
        for id in requirement:
            scheme = operation.spec.security_schemes.get(id)
            if scheme is not None and scheme.kind == "apiKey" and scheme.where == "query":
                pairs.take(scheme.name)
    described = [parameter for parameter in operation.parameters if parameter.where == "query"]
    owner = next((one for one in described if not one.content_type and wire.owns_any(one, schemas)), None)
    if pairs.unused and owner is not None:
        value = {**query.get(owner.name, {}), **wire.take_free(owner, pairs, schemas)}
        query[owner.name] = value
        faults[:] = [fault for fault in faults if fault.where != f"query.{owner.name}"]
        faults += _judge(owner, value, schemas)
    if pairs.unused:
        raise _unknown(pairs.unused, [parameter.name for parameter in described], operation)


def _unknown(names: list[str], described: list[str], operation: Operation) -> Problem:
    faults = []
    for name in dict.fromkeys(names):
        near = difflib.get_close_matches(name, described, n=1, cutoff=0.6)
        message = f"is no query parameter of {operation.id}" + (f"; did you mean {near[0]}?" if near else "")
        faults.append(Fault(where=f"query.{name}", message=message))
    known = f"; it has {', '.join(described)}" if described else "; it has none"
    return Problem(400, f"{faults[0].where}: {faults[0].message}{known}", faults=faults)


def _body(operation: Operation, incoming: Incoming, schemas: Schemas, faults: list[Fault]) -> Any:
    body, content = operation.body, incoming.content
    if body is None:
        if content:
            raise Problem(400, f"{operation.id} takes no request body")
        return MISSING
    if not content and (body.required or may_be_json(incoming.content_type)):
        if body.required:
            raise Problem(400, f"{operation.id} needs a request body ({body.content_type})")
        return MISSING
    if not content:
        return MISSING
    media = choose(body, incoming.content_type)
    value = read_body(media, content, incoming.content_type, schemas)
    if value is MISSING:
        return MISSING
    value = writable(value, media.schema, schemas)
    try:
        faults += schemas.faults(media.schema, value, "body")
    except RecursionError:
        # jsonschema recurses with the value: a few thousand brackets are enough.
        raise Problem(400, "the body is nested too deeply") from None
    return value


def writable(value: Any, schema: Any, schemas: Schemas, depth: int = 6) -> Any:
    """Return a value without its readOnly properties."""
    # Ignored and not refused: many clients send back the whole item that they read.
    if isinstance(value, list) and depth:
        items = schemas.flat(schema).get("items", {})
        return [writable(one, items, schemas, depth - 1) for one in value]
    if not isinstance(value, dict) or not depth:
        return value
    described = schemas.properties(schema)
    kept = {
        name: one for name, one in value.items() if schemas.flat(described.get(name, {})).get("readOnly") is not True
    }
    return {name: writable(one, described.get(name, {}), schemas, depth - 1) for name, one in kept.items()}
