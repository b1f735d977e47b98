"""The operations list, get, create, update and delete for every kind of configuration object."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from nlapi.errors import Issue, Level
from nlapi.gateway.admin.api_call import (
    ApiCall,
    ApiResponse,
    Handler,
    etag_header,
    list_page,
)
from nlapi.gateway.admin.revisions import revision_response
from nlapi.gateway.control.codec import KINDS, Json, Kind, ordered, slug
from nlapi.gateway.http.problems import GatewayProblem, unknown_object, unprocessable
from nlapi.routing import matching
from nlapi.routing.change import DECIDING_KINDS, remove_entity, target_versions, upsert_entity
from nlapi.routing.describe import format_conditions
from nlapi.routing.model import Configuration, Match, Objective, Rule, Shadow, Shard, ShardProtocol, Version, VersionRef

LIST_OMITTED_FIELDS = frozenset(("input", "output", "context"))
"""The fields that a list omits: schemas are long, and `get` returns them."""
# The distance between the positions of two rules, so that another rule fits between them later.
POSITION_STEP = 10
MAX_PLACES = 5
"""the places that a message lists of what still uses an object"""


def object_key(kind: Kind, call: ApiCall) -> str | VersionRef:
    """Return the key of the object in the path, as Configuration has it."""
    if kind.name == "version":
        return VersionRef(model=call.stored_name("model"), version=call.stored_name("version"))
    return call.stored_name(kind.name)


def find_object(kind: Kind, call: ApiCall, configuration: Configuration) -> Any:
    """Return the object in the path. GatewayProblem 404, with the nearest name, if none exists."""
    if kind.name == "version":
        find_model_name(call, configuration)
    objects, name = kind.of(configuration), object_key(kind, call)
    if name not in objects:
        raise unknown_object(kind.name, str(name), map(str, objects))
    return objects[name]


def find_model_name(call: ApiCall, configuration: Configuration) -> str:
    """Return the name of the model in the path. GatewayProblem 404 if none exists."""
    name = call.stored_name("model")
    if name not in configuration.models:
        raise unknown_object("model", name, configuration.models)
    return name


def object_json(kind: Kind, item: Any, revision: int) -> Json:
    """Return the JSON of an object as answers have it."""
    return {**kind.encode(item, False), "revision": revision}


def runtime_status(call: ApiCall, item: Any) -> Json:
    """Return the runtime status of an object: a shard's replicas, or a shadow's copies."""
    if isinstance(item, Shard) and (item.endpoints or item.protocol is ShardProtocol.RAY):
        return {"replicas": call.gateway.engine.runners.replica_health().get(item.name, [])}
    if isinstance(item, Shadow):
        return {"status": _shadow_status(call, item)}
    if isinstance(item, Version):
        error = call.gateway.engine.runners.load_errors().get(item.ref)
        return {"loaded": error is None} | ({"problem": error.reason} if error else {})
    return {}


def _shadow_status(call: ApiCall, shadow: Shadow) -> Json:
    metrics = call.gateway.engine.metrics
    answered, failed, dropped = (
        metrics.shadow_outcomes[shadow.name, outcome] for outcome in ("ok", "error", "dropped")
    )
    status: Json = {"copies": answered + failed + dropped, "answered": answered, "failed": failed, "dropped": dropped}
    comparison = metrics.shadow_comparisons.get(shadow.name)
    if comparison is not None and answered:
        tally = comparison.series.tally()
        status |= {"p50_ms": round(tally.percentile(0.5), 3), "p99_ms": round(tally.percentile(0.99), 3)}
        if comparison.compared_count:
            status["same_percent"] = round(100 * comparison.same_count / comparison.compared_count, 2)
    return status


async def list_objects(kind: Kind, call: ApiCall) -> ApiResponse:
    current = call.gateway.publisher.current
    items = ordered(kind, current.configuration)
    if kind.name == "version":
        name = find_model_name(call, current.configuration)
        items = [item for item in items if item.model == name]
    page = list_page([item for item in items if _matches_query(item, call.query, current.configuration)], call)
    rows = [
        {**object_json(kind, item, current.table.revision), **runtime_status(call, item)} for item in page.body["data"]
    ]
    trimmed_rows = [{name: value for name, value in row.items() if name not in LIST_OMITTED_FIELDS} for row in rows]
    return replace(page, body={**page.body, "data": trimmed_rows})


def _matches_query(item: Any, query: Mapping[str, Any], configuration: Configuration) -> bool:
    name_part = query.get("name", "").lower()
    if name_part not in item.name and name_part not in getattr(item, "title", "").lower():
        return False
    if "objective" in query and getattr(item, "objective", None) != slug(query["objective"]):
        return False
    if any(name in query and getattr(item, name, "").lower() != query[name].lower() for name in ("owner", "state")):
        return False
    if "running" in query and item.running is not query["running"]:
        return False
    model, version = (slug(query[name]) if name in query else "" for name in ("model", "version"))
    if not (model or version):
        return True
    # An objective uses the versions of its rules, experiments and canaries as well.
    parts = [item] if not isinstance(item, Objective) else [item, *_deciding(configuration, item.name)]
    refs = [ref for part in parts for ref in target_versions(part)]
    return any(model in ("", ref.model) and version in ("", ref.version) for ref in refs)


def _deciding(configuration: Configuration, objective: str) -> Iterator[Any]:
    """Yield the rules, experiments, canaries, shadows and overrides of an objective."""
    for kind in DECIDING_KINDS:
        yield from (part for part in getattr(configuration, kind).values() if part.objective == objective)


async def get_object(kind: Kind, call: ApiCall) -> ApiResponse:
    current = call.gateway.publisher.current
    item = find_object(kind, call, current.configuration)
    number = current.table.revision
    status = runtime_status(call, item)
    body = {**object_json(kind, item, number), **status}
    return ApiResponse(body=body, headers=etag_header(number), is_live=bool(status))


async def create_object(kind: Kind, call: ApiCall) -> ApiResponse:
    created: list[Any] = []

    def edit(configuration: Configuration) -> Configuration:
        data = dict(call.body)
        if kind.name == "version":
            data["model"] = find_model_name(call, configuration)
        if kind.name == "rule":
            _check_rule_targets(data)
            data.setdefault("position", _next_position(configuration, slug(data["objective"])))
        item = kind.decode(data)
        if kind.id_of(item) in kind.of(configuration):
            hint = "update it, or take another name"
            if kind.name == "version":  # its description may be updated, its content never
                hint = "a version never changes: give other content a new version name"
            raise GatewayProblem(
                409, f"there is a {kind.name} {str(kind.id_of(item))!r} already", code="exists", hint=hint
            )
        created.append(item)
        return upsert_entity(configuration, item)

    return await publish_change(kind, call, edit, lambda: kind.id_of(created[-1]), status=201)


async def update_object(kind: Kind, call: ApiCall) -> ApiResponse:
    def edit(configuration: Configuration) -> Configuration:
        item = find_object(kind, call, configuration)
        data = kind.encode(item, True)
        # A patch replaces one form of a rule's targets by the other, and the encoded rule has its old form.
        if isinstance(item, Rule):
            _check_rule_targets(call.body, required=False)
            for name in ("shares",) if "model" in call.body else ("model", "version") if "shares" in call.body else ():
                data.pop(name, None)
        if isinstance(item, Version) and not {"source", "shard"}.isdisjoint(call.body):
            data.pop("digest", None)  # the content is read again, and has to be the same
        return upsert_entity(configuration, kind.decode(patched(data, call.body)))

    return await publish_change(kind, call, edit, lambda: object_key(kind, call))


_CONDITIONS = ("when", "unless", "between")


def patched(data: Json, body: Mapping[str, Any]) -> Json:
    """Return the JSON of an object with the members of a patch.

    Conditions on other fields stay, so that a patch of one never widens a match; an empty object takes all away.
    """
    merged = {name: {**data.get(name, {}), **body[name]} for name in _CONDITIONS if body.get(name)}
    return {**data, **body, **merged}


async def include_values(kind: Kind, call: ApiCall) -> ApiResponse:
    """Let the conditions of an object allow more values, beside those that they have."""
    return await _change_match(kind, call, partial(matching.include_values, values=call.body["when"]))


async def exclude_values(kind: Kind, call: ApiCall) -> ApiResponse:
    """Let the conditions of an object allow some values no longer; what else it matches stays."""
    return await _change_match(kind, call, partial(matching.exclude_values, values=call.body["when"]))


async def _change_match(kind: Kind, call: ApiCall, change: Callable[[Match], Match | None]) -> ApiResponse:
    edited: list[Any] = []

    def edit(configuration: Configuration) -> Configuration:
        finder = FINDERS.get(kind.name)
        item = finder(call, configuration) if finder else find_object(kind, call, configuration)
        match = change(item.match)
        if match is None:
            message = f"nothing would be left of {kind.name} {item.name}: {format_conditions(item.match)}"
            hint = f"to end it altogether, change or delete the {kind.name} itself"
            raise GatewayProblem(409, message, code="nothing_left", hint=hint)
        if match == item.match:
            message = f"{kind.name} {item.name} is so already: {format_conditions(item.match)}"
            raise GatewayProblem(409, message, code="unchanged", hint="nothing was changed")
        edited.append(item)
        return upsert_entity(configuration, dataclasses.replace(item, match=match))

    return await publish_change(kind, call, edit, lambda: edited[-1].name)


FINDERS: dict[str, Callable[[ApiCall, Configuration], Any]] = {}
"""Kind -> the function that finds the object of a path otherwise than by its name alone"""


async def delete_object(kind: Kind, call: ApiCall) -> ApiResponse:
    def edit(configuration: Configuration) -> Configuration:
        find_object(kind, call, configuration)
        return remove_entity(configuration, kind.plural, object_key(kind, call))

    publisher = call.gateway.publisher
    try:
        revision = await publisher.change(edit, **call.change_options)
    except GatewayProblem as problem:
        raise _still_used(kind, object_key(kind, call), problem) from None
    return revision_response(call, revision)


def _still_used(kind: Kind, key: object, problem: GatewayProblem) -> GatewayProblem:
    """Return the problem of a deletion; one that leaves references to nothing says what still uses the object."""
    faults = [issue for issue in problem.issues if issue.level is Level.ERROR]
    if problem.status != 422 or not faults or any(issue.rule != f"unknown-{kind.name}" for issue in faults):
        return problem
    places = ", ".join(issue.where for issue in faults[:MAX_PLACES]) + (", ..." if len(faults) > MAX_PLACES else "")
    message = f"the {kind.name} {str(key)!r} is still used, in {places}"
    hint = f"change or delete these first; {problem.hint}" if problem.hint else "change or delete these first"
    return GatewayProblem(422, message, code=problem.code, hint=hint, path=problem.path, issues=problem.issues)


async def publish_change(kind: Kind, call: ApiCall, edit: Any, name: Any, *, status: int = 200) -> ApiResponse:
    """Publish a change and return the changed object as the new revision has it."""
    publisher = call.gateway.publisher
    change = publisher.change_versions if kind.name == "version" else publisher.change
    revision = await change(edit, **call.change_options)
    item = kind.of(publisher.current.configuration).get(name())
    if item is None:  # another change was published between this one and its answer
        raise GatewayProblem(409, f"the {kind.name} was removed by somebody else meanwhile", code="gone")
    body = object_json(kind, item, revision.number)
    return ApiResponse(body=body, status=status, headers=etag_header(revision.number), revision=revision.number)


async def limit_client(call: ApiCall) -> ApiResponse:
    """Set the limits of a client, which is created when the configuration does not have it."""
    # Clients come into being with their tokens, not in the configuration.
    kind = KINDS["client"]

    def edit(configuration: Configuration) -> Configuration:
        client = configuration.clients.get(call.stored_name("client"))
        data = kind.encode(client, True) if client else {"name": call.stored_name("client")}
        return upsert_entity(configuration, kind.decode({**data, **call.body}))

    return await publish_change(kind, call, edit, lambda: call.stored_name("client"))


def _check_rule_targets(data: Mapping[str, Any], *, required: bool = True) -> None:
    """Check that a rule has either a model and a version, or shares. GatewayProblem 422 when it does not."""
    has_target, has_shares = "model" in data or "version" in data, "shares" in data
    is_complete = "model" in data and "version" in data
    if (
        (has_target and has_shares)
        or (has_target and not is_complete)
        or (required and not has_target and not has_shares)
    ):
        raise unprocessable([Issue.error("body", "a rule has a model and a version, or else shares", rule="shares")])


def _next_position(configuration: Configuration, objective: str) -> int:
    positions = [rule.position for rule in configuration.rules.values() if rule.objective == objective]
    return max(positions, default=-POSITION_STEP) + POSITION_STEP


HANDLERS: dict[str, Handler] = {"limitClient": limit_client}
for _kind in KINDS.values():
    _suffix = _kind.name.capitalize()
    HANDLERS[f"list{_kind.plural.capitalize()}"] = partial(list_objects, _kind)
    HANDLERS[f"get{_suffix}"] = partial(get_object, _kind)
    HANDLERS[f"delete{_suffix}"] = partial(delete_object, _kind)
    if _kind.name != "client":  # limitClient creates and updates a client
        HANDLERS[f"create{_suffix}"] = partial(create_object, _kind)
        HANDLERS[f"update{_suffix}"] = partial(update_object, _kind)
    HANDLERS[f"includeIn{_suffix}"] = partial(include_values, _kind)
    HANDLERS[f"excludeFrom{_suffix}"] = partial(exclude_values, _kind)
