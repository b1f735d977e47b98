"""Reads from the body and the answers of an operation whether they are those of a read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nlapi.openapi.parts import Response
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.naming import name_key, name_words

_PAGING = frozenset(
    """
    limit offset page pagesize pagenumber perpage pagetoken cursor nexttoken maxresults maxrecords skip marker startindex
    continuationtoken sort sortby orderby sortorder pagination sorting paging pagenum
    """.split()
)
_PAGING_TOO = frozenset("size count rows start order take top max from to".split())
"""Names that are paging only where there are two of them."""

_FILTER_WORDS = frozenset(
    """
    filter filters query queries q search where criteria criterion condition conditions conditions facet facets fields
    select columns include exclude since until after before from range between min max ids keyword keywords term terms
    text ids lookup properties expand matching predicate start end startdate enddate interval
    """.split()
)
_STATEMENTS = frozenset("sql statement statements script command commands mutation cypher sqltext".split())
"""What may order anything."""

_CALLBACKS = frozenset(
    """
    callbackurl webhookurl webhook notificationurl notifyurl callbackuri outputuri gcsuri gcsdestination
    outputconfig destinationuri outputs3uri s3uri outputlocation idempotencykey clienttoken password newpassword otp
    sendemail deliverymethod recipients
    """.split()
)
_TOKENS = frozenset(
    """
    accesstoken refreshtoken idtoken jwt sessiontoken authtoken authenticationtoken sessionid token oauthtoken bearertoken
    apitoken securitytoken
    """.split()
)
_JOBS = frozenset(
    """
    job jobid taskid operationid executionid batchid commandid asyncid exportid runid
    """.split()
)
_TELLS_NOTHING = frozenset(
    """
    id uuid guid status success message code error errors result ok msg statuscode state timestamp requestid description
    type detail details messages warnings
    """.split()
)
_KEPT = frozenset("createdat createdon createtime creationtime creationdate datecreated created createdby createddate".split())


def properties(spec: Spec, schema: Any, depth: int = 3) -> dict[str, Any]:
    """Return every property that an object of a schema may have, over `allOf` and the branches of unions."""
    node = spec.follow(schema)
    if not isinstance(node, Mapping):
        return {}
    found: dict[str, Any] = {}
    for key in ("allOf", "oneOf", "anyOf") if depth else ():
        branches = node.get(key)
        for branch in branches if isinstance(branches, list) else ():
            found = {**properties(spec, branch, depth - 1), **found}
    direct = node.get("properties")
    return {**found, **direct} if isinstance(direct, Mapping) else found


def type_of(spec: Spec, schema: Any, depth: int = 3) -> str:
    """Return the JSON type of a schema without null, "" where it says nothing."""
    node = spec.follow(schema)
    if not isinstance(node, Mapping):
        return ""
    stated = node.get("type")
    kinds = [kind for kind in (stated if isinstance(stated, list) else [stated]) if kind and kind != "null"]
    if kinds:
        return str(kinds[0])
    if "properties" in node:
        return "object"
    if "items" in node:
        return "array"
    for key in ("allOf", "oneOf", "anyOf") if depth else ():
        branches = node.get(key)
        for branch in branches if isinstance(branches, list) else ():
            found = type_of(spec, branch, depth - 1)
            if found:
                return found
    return ""


def body_names(operation: Operation) -> list[str]:
    """Return the names of what a call is told: the body's properties, and parameters of the query."""
    names = [parameter.name for parameter in operation.parameters if parameter.where == "query"]
    body = operation.body
    return names + list(properties(operation.spec, body.schema)) if body is not None else names


def asks_for(operation: Operation) -> str:
    """Return what the body and query say that is looked for: paging, filters, ids; "" where they do not."""
    names = body_names(operation)
    keys = [name_key(name) for name in names]
    paging = [name for name, key in zip(names, keys, strict=True) if key in _PAGING]
    weak = [name for name, key in zip(names, keys, strict=True) if key in _PAGING_TOO]
    paging = paging or (weak if len(weak) > 1 else [])
    if paging:
        return f"it takes paging or an order (`{paging[0]}`)"
    filters = [name for name in names if _FILTER_WORDS & set(name_words(name)) or name_key(name) in _FILTER_WORDS]
    if filters and 2 * len(filters) >= len(names):
        return f"it takes a filter or a query (`{filters[0]}`)"
    ids = [name for name in names if name_words(name)[-1:] in (("id",), ("ids",), ("key",), ("keys",), ("arn",), ("token",))]
    if ids and 2 * len(ids) >= len(names):
        return f"it takes ids (`{ids[0]}`)"
    body = operation.body
    if body is not None and type_of(operation.spec, body.schema) == "array" and not names:
        items = operation.spec.follow(body.schema).get("items")
        if type_of(operation.spec, items) in ("string", "integer", "number"):
            return "it takes a list of ids"
    return ""


def successes(operation: Operation) -> list[Response]:
    return [response for response in operation.responses if response.status[:1] == "2"]


def answers_value(operation: Operation) -> tuple[str, str]:
    """Return what the answer carries: ("list" | "value" | "", a sentence)."""
    good = successes(operation) or [one for one in operation.responses if one.status.lower() == "default"]
    for response in good:
        for media in response.media[:1]:
            spec = operation.spec
            kind = type_of(spec, media.schema)
            if kind == "array":
                return "list", "the answer is a list"
            if re.search(r"pdf|image|zip|octet|csv|audio|geo", media.content_type):
                return "value", f"the answer is a file ({media.content_type})"
            if kind in ("integer", "number") or (kind == "string" and not media.content_type.endswith("plain")):
                return "value", "the answer is a value"
            found = properties(spec, media.schema)
            arrays = [name for name, schema in found.items() if type_of(spec, schema) == "array"]
            lists = [name for name in arrays if name_key(name) not in ("errors", "warnings", "messages", "links")]
            if lists:
                return "list", f"the answer holds a list (`{lists[0]}`)"
            telling = [name for name in found if name_key(name) not in _TELLS_NOTHING]
            for name, schema in () if telling else found.items():
                telling += [one for one in properties(spec, schema) if name_key(one) not in _TELLS_NOTHING]
            if telling:
                return "value", f"the answer holds data (`{telling[0]}`)"
    return "", ""


def against(operation: Operation, *, token_named: bool) -> str:
    """Return what of parameters, body and answers a read would not have; "" where nothing speaks against one."""
    for parameter in operation.parameters:
        key = name_key(parameter.name)
        if key in ("idempotencykey", "xidempotencykey", "dryrun", "validateonly", "xrequestidempotency"):
            return f"it takes `{parameter.name}`"
    for name in body_names(operation):
        if name_key(name) in _CALLBACKS or name_key(name) in _STATEMENTS:
            return f"it takes `{name}`"
    scopes = [scope for one in operation.security for every in one.values() for scope in every]
    writing = [scope for scope in scopes if _WRITING & set(name_words(scope))]
    if scopes and len(writing) == len(scopes):
        return f"it needs the scope {writing[0]!r}"
    return _answers_against(operation, token_named=token_named)


_WRITING = frozenset("write manage create delete update admin modify edit".split())


def _answers_against(operation: Operation, *, token_named: bool) -> str:
    good = successes(operation)
    plain = [one for one in good if one.status not in ("201", "202")]
    for response in good:
        # Generators list an empty 201 beside the 200 of every POST.
        if response.status == "202" or (response.status == "201" and (not plain or response.media)):
            return f"it may answer {response.status}"
        if any(name.lower() in ("location", "content-location", "operation-location") for name in response.headers):
            return "its answer has a Location"
    asked = {name_key(name) for name in body_names(operation)}
    lists = answers_value(operation)[0] == "list"
    for response in good:
        for media in response.media[:1]:
            keys = {name_key(name) for name in properties(operation.spec, media.schema)}
            if keys & _TOKENS - asked and not token_named and not lists:
                return "its answer is a token or a session"
            if {"done", "metadata", "name", "response"} <= keys:
                return "its answer is a long-running operation"
            if keys & _JOBS and len(keys) <= 4:
                return "its answer is a job"
    return ""


def answers_nothing(operation: Operation) -> bool:
    """Whether every success is described as one without content."""
    good = successes(operation)
    return bool(good) and all(one.status in ("204", "205") for one in good)


def answers_own_id(operation: Operation) -> bool:
    """Whether the answer has an id that the call was not told: that of something that has been made."""
    names = {name_key(name) for name in body_names(operation)}
    for response in successes(operation):
        for media in response.media[:1]:
            if type_of(operation.spec, media.schema) == "object":
                return "id" in {name_key(name) for name in properties(operation.spec, media.schema)} - names
    return False


_IDENTIFYING = frozenset("id ids token uuid guid arn urn key handle".split())


def answers_only_ids(operation: Operation) -> bool:
    """Whether the answer is an object of nothing but ids, as of something that has been made."""
    for response in successes(operation):
        for media in response.media[:1]:
            names = list(properties(operation.spec, media.schema))
            telling = [name for name in names if name_key(name) not in _TELLS_NOTHING - {"id", "uuid", "guid"}]
            return bool(telling) and all(_IDENTIFYING & set(name_words(name)[-1:]) for name in telling)
    return False


def answers_kept_thing(operation: Operation) -> bool:
    """Whether the answer is a thing that has just been created: it has the time of its creation."""
    for response in successes(operation):
        for media in response.media[:1]:
            if _KEPT & {name_key(name) for name in properties(operation.spec, media.schema)}:
                return True
    return False
