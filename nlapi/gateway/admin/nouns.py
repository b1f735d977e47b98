"""The operations list, get, create, update and delete for every kind of configuration object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nlapi.gateway.admin.call import Answer, Call, Handler, etag, page_of
from nlapi.gateway.admin.revisions import revision_answer
from nlapi.gateway.codec import KINDS, Json, Kind, ordered, slug
from nlapi.gateway.problem import Problem, not_found, unprocessable
from nlapi.issue import Issue
from nlapi.routing.change import put, remove
from nlapi.routing.nouns import Configuration, Objective, Rule, Shadow, Shard, VersionRef

LEFT_OUT = frozenset(("input", "output", "context"))
"""The fields that a list omits: schemas are long, and `get` returns them."""
# The distance between the positions of two rules, so that another rule fits between them later.
POSITION_STEP = 10


def wanted(kind: Kind, call: Call) -> str | VersionRef:
    """Return the key of the object in the path, as Configuration has it."""
    if kind.name == "version":
        return VersionRef(model=call.name("model"), version=call.name("version"))
    return call.name(kind.name)


def find(kind: Kind, call: Call, configuration: Configuration) -> Any:
    """Return the object in the path. Problem 404, with the nearest name, when there is none."""
    if kind.name == "version":
        model(call, configuration)
    things, name = kind.of(configuration), wanted(kind, call)
    if name not in things:
        raise not_found(kind.name, str(name), map(str, things))
    return things[name]


def model(call: Call, configuration: Configuration) -> str:
    """Return the name of the model in the path. Problem 404 when there is none."""
    name = call.name("model")
    if name not in configuration.models:
        raise not_found("model", name, configuration.models)
    return name


def shown(kind: Kind, noun: Any, revision: int) -> Json:
    """Return the JSON of an object as answers have it."""
    return {**kind.encode(noun, False), "revision": revision}


def _doing(call: Call, noun: Any) -> Json:
    """Return the runtime status of an object: a shard's replicas, or a shadow's copies."""
    if isinstance(noun, Shard) and noun.endpoints:
        return {"replicas": call.gateway.engine.replicas().get(noun.name, [])}
    if isinstance(noun, Shadow):
        return {"status": _copies(call, noun)}
    return {}


def _copies(call: Call, shadow: Shadow) -> Json:
    metrics = call.gateway.engine.metrics
    answered, failed, dropped = (metrics.shadows[shadow.name, outcome] for outcome in ("ok", "error", "dropped"))
    said: Json = {"copies": answered + failed + dropped, "answered": answered, "failed": failed, "dropped": dropped}
    copies = metrics.copies.get(shadow.name)
    if copies is not None and answered:
        tally = copies.series.tally()
        said |= {"p50_ms": round(tally.percentile(0.5), 3), "p99_ms": round(tally.percentile(0.99), 3)}
        if copies.compared:
            said["same_percent"] = round(100 * copies.same / copies.compared, 2)
    return said


async def list_(kind: Kind, call: Call) -> Answer:
    current = call.gateway.publisher.current
    nouns = ordered(kind, current.configuration)
    if kind.name == "version":
        name = model(call, current.configuration)
        nouns = [one for one in nouns if one.model == name]
    page = page_of([one for one in nouns if _fits(one, call.query)], call)
    rows = [{**shown(kind, one, current.table.revision), **_doing(call, one)} for one in page.body["data"]]
    shorter = [{name: value for name, value in row.items() if name not in LEFT_OUT} for row in rows]
    return replace(page, body={**page.body, "data": shorter})


def _fits(noun: Any, query: Mapping[str, Any]) -> bool:
    part = query.get("name", "").lower()
    if part not in noun.name and part not in getattr(noun, "title", "").lower():
        return False
    if "objective" in query and getattr(noun, "objective", None) != slug(query["objective"]):
        return False
    if any(name in query and getattr(noun, name, "").lower() != query[name].lower() for name in ("owner", "state")):
        return False
    if "running" in query and noun.running is not query["running"]:
        return False
    refs = list(_refs(noun))
    model, version = (slug(query[name]) if name in query else "" for name in ("model", "version"))
    return not (model or version) or any(model in ("", one.model) and version in ("", one.version) for one in refs)


def _refs(noun: Any) -> Iterator[VersionRef]:
    """Yield the versions that an object may send requests to."""
    if isinstance(noun, Objective):
        yield from (one for one in (noun.default, noun.fallback) if one is not None)
    elif isinstance(getattr(noun, "version", None), VersionRef):
        yield noun.version
    for share in (*getattr(noun, "shares", ()), *getattr(noun, "cells", ())):
        yield share.version


async def get(kind: Kind, call: Call) -> Answer:
    current = call.gateway.publisher.current
    noun = find(kind, call, current.configuration)
    number = current.table.revision
    return Answer(body={**shown(kind, noun, number), **_doing(call, noun)}, headers=etag(number))


async def create(kind: Kind, call: Call) -> Answer:
    made: list[Any] = []

    def edit(configuration: Configuration) -> Configuration:
        data = dict(call.body)
        if kind.name == "version":
            data["model"] = model(call, configuration)
        if kind.name == "rule":
            _either(data)
            data.setdefault("position", _last_position(configuration, slug(data["objective"])))
        noun = kind.decode(data)
        if kind.id_of(noun) in kind.of(configuration):
            hint = "update it, or take another name"
            raise Problem(409, f"there is a {kind.name} {str(kind.id_of(noun))!r} already", code="exists", hint=hint)
        made.append(noun)
        return put(configuration, noun)

    return await changed(kind, call, edit, lambda: kind.id_of(made[0]), status=201)


async def update(kind: Kind, call: Call) -> Answer:
    def edit(configuration: Configuration) -> Configuration:
        noun = find(kind, call, configuration)
        data = kind.encode(noun, True)
        # A patch replaces one form of a rule's targets by the other, and the encoded rule has its old form.
        if isinstance(noun, Rule):
            _either(call.body, required=False)
            for name in ("shares",) if "model" in call.body else ("model", "version") if "shares" in call.body else ():
                data.pop(name, None)
        return put(configuration, kind.decode({**data, **call.body}))

    return await changed(kind, call, edit, lambda: wanted(kind, call))


async def delete(kind: Kind, call: Call) -> Answer:
    def edit(configuration: Configuration) -> Configuration:
        find(kind, call, configuration)
        return remove(configuration, kind.plural, wanted(kind, call))

    publisher = call.gateway.publisher
    made = await publisher.change(edit, who=call.caller.name, why=call.why, expected=call.expected)
    return revision_answer(call, made)


async def changed(kind: Kind, call: Call, edit: Any, name: Any, *, status: int = 200) -> Answer:
    """Publish a change and return the changed object as the new revision has it."""
    publisher = call.gateway.publisher
    made = await publisher.change(edit, who=call.caller.name, why=call.why, expected=call.expected)
    noun = kind.of(publisher.current.configuration).get(name())
    if noun is None:  # another change was published between this one and its answer
        raise Problem(409, f"the {kind.name} was removed by somebody else meanwhile", code="gone")
    body = shown(kind, noun, made.number)
    return Answer(body=body, status=status, headers=etag(made.number), made=made.number)


async def limit_client(call: Call) -> Answer:
    """Set the limits of a client, which is created when the configuration does not have it."""
    # Clients come into being with their tokens, not in the configuration.
    kind = KINDS["client"]

    def edit(configuration: Configuration) -> Configuration:
        known = configuration.clients.get(call.name("client"))
        data = kind.encode(known, True) if known else {"name": call.name("client")}
        return put(configuration, kind.decode({**data, **call.body}))

    return await changed(kind, call, edit, lambda: call.name("client"))


def _either(data: Mapping[str, Any], *, required: bool = True) -> None:
    """Check that a rule has either a model and a version, or shares. Problem 422 when it does not."""
    single, split = "model" in data or "version" in data, "shares" in data
    whole = "model" in data and "version" in data
    if (single and split) or (single and not whole) or (required and not single and not split):
        raise unprocessable([Issue.error("body", "a rule has a model and a version, or else shares", rule="shares")])


def _last_position(configuration: Configuration, objective: str) -> int:
    positions = [one.position for one in configuration.rules.values() if one.objective == objective]
    return max(positions, default=-POSITION_STEP) + POSITION_STEP


HANDLERS: dict[str, Handler] = {"limitClient": limit_client}
for _kind in KINDS.values():
    _one = _kind.name.capitalize()
    HANDLERS[f"list{_kind.plural.capitalize()}"] = partial(list_, _kind)
    HANDLERS[f"get{_one}"] = partial(get, _kind)
    HANDLERS[f"delete{_one}"] = partial(delete, _kind)
    if _kind.name != "client":  # limitClient creates and updates a client
        HANDLERS[f"create{_one}"] = partial(create, _kind)
        HANDLERS[f"update{_one}"] = partial(update, _kind)
