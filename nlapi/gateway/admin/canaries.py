"""The operations on canaries: start, status, ramp, pause, resume, promote, roll back and delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from msgspec import structs

from nlapi.gateway.admin import crud
from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, etag_header
from nlapi.gateway.control.codec import KINDS, Json
from nlapi.gateway.http.problems import GatewayProblem, unknown_object
from nlapi.routing.change import remove_entity, upsert_entity
from nlapi.routing.model import MATCH_ALL, Canary, CanaryState, Configuration, Rule, Share, VersionRef

KIND = KINDS["canary"]


def find_canary(call: ApiCall, configuration: Configuration) -> Canary:
    """Return the canary in the path, by its own name or as the only active one of an objective or a model.

    GatewayProblem 404 if none exists, 409 when there are several.
    """
    # People say "pause the payment-fraud canary" and mean the objective's (docs/design/013-gateway-api.md).
    name = call.stored_name("canary")
    if name in configuration.canaries:
        return configuration.canaries[name]
    # A canary that is done or rolled back moves nothing, and is meant only without an active one.
    candidates = [
        canary for canary in configuration.canaries.values() if name in (canary.objective, canary.version.model)
    ]
    active = [canary for canary in candidates if canary.moves] or candidates
    if len(active) > 1:
        names = ", ".join(sorted(canary.name for canary in active))
        raise GatewayProblem(
            409, f"{name} has {len(active)} canaries", code="ambiguous", hint=f"name one of them: {names}"
        )
    if active:
        return active[0]
    if name in configuration.objectives or name in configuration.models:
        raise GatewayProblem(
            404, f"{name} has no canary", code="unknown_canary", hint="start one with POST /v1/canaries"
        )
    raise unknown_object("canary", name, configuration.canaries)


crud.FINDERS[KIND.name] = find_canary


async def get_canary(call: ApiCall) -> ApiResponse:
    current = call.gateway.publisher.current
    canary = find_canary(call, current.configuration)
    return ApiResponse(body=canary_json(call, canary), headers=etag_header(current.table.revision), is_live=True)


def canary_json(call: ApiCall, canary: Canary) -> Json:
    """Return the JSON of a canary with the traffic of its version and of its base over five minutes."""
    gateway = call.gateway
    current = gateway.publisher.current
    objective = current.configuration.objectives.get(canary.objective)
    base = canary.base or (objective.default if objective else None)
    rows = {(row.model, row.version): row for row in gateway.traffic.rows(5, objective=canary.objective)}
    traffic: Json = {}
    for name, ref in (("canary", canary.version), ("base", base)):
        row = rows.get((ref.model, ref.version)) if ref else None
        if row is not None:
            traffic[name] = row.as_dict()
    return {**crud.object_json(KIND, canary, current.table.revision), "status": traffic}


async def list_canaries(call: ApiCall) -> ApiResponse:
    answer = await crud.list_objects(KIND, call)
    canaries = call.gateway.publisher.current.configuration.canaries
    rows = [canary_json(call, canaries[row["name"]]) for row in answer.body["data"]]
    return ApiResponse(body={**answer.body, "data": rows})


async def start_canary(call: ApiCall) -> ApiResponse:
    return await crud.create_object(KIND, call)


async def ramp_canary(call: ApiCall) -> ApiResponse:
    percent = float(call.body["percent"])
    return await _change_canary(
        call, lambda canary: replace(canary, percent=percent, reason=call.reason), CanaryState.ROLLED_BACK
    )


async def pause_canary(call: ApiCall) -> ApiResponse:
    reason = call.reason or f"paused by {call.caller.name}"
    return await _set_state(call, CanaryState.PAUSED, reason, CanaryState.DONE, CanaryState.ROLLED_BACK)


async def resume_canary(call: ApiCall) -> ApiResponse:
    return await _set_state(call, CanaryState.RUNNING, call.reason, CanaryState.DONE, CanaryState.ROLLED_BACK)


async def roll_back_canary(call: ApiCall) -> ApiResponse:
    return await _set_state(call, CanaryState.ROLLED_BACK, call.reason or f"rolled back by {call.caller.name}")


async def _set_state(call: ApiCall, state: CanaryState, reason: str, *forbidden_states: CanaryState) -> ApiResponse:
    return await _change_canary(call, lambda canary: replace(canary, state=state, reason=reason), *forbidden_states)


async def _change_canary(
    call: ApiCall, step: Callable[[Canary], Canary], *forbidden_states: CanaryState
) -> ApiResponse:
    """Change a canary. GatewayProblem 409 when it is in one of `forbidden_states`."""
    # The edit finds the canary again in the configuration that it changes, which may be newer than the request.
    edited: list[Canary] = []

    def edit(configuration: Configuration) -> Configuration:
        canary = find_canary(call, configuration)
        if canary.state in forbidden_states:
            message = f"{canary.name} is {canary.state.replace('_', ' ')}"
            raise GatewayProblem(409, message, code="wrong_state", hint="start another canary")
        edited.append(canary)
        return upsert_entity(configuration, step(canary))

    return await crud.publish_change(KIND, call, edit, lambda: edited[-1].name)


async def update_canary(call: ApiCall) -> ApiResponse:
    return await _change_canary(call, lambda canary: KIND.decode(crud.patched(KIND.encode(canary, True), call.body)))


async def promote_canary(call: ApiCall) -> ApiResponse:
    """Let the canary's version serve all requests that the canary matches, and remove the canary."""
    edited: list[Canary] = []

    def edit(configuration: Configuration) -> Configuration:
        canary = find_canary(call, configuration)
        if not canary.moves:
            message = f"{canary.name} is rolled back"
            raise GatewayProblem(409, message, code="wrong_state", hint="start another canary")
        edited.append(canary)
        return remove_entity(promote_version(configuration, canary), "canaries", canary.name)

    publisher = call.gateway.publisher
    revision = await publisher.change(edit, **call.change_options)
    result = replace(edited[-1], state=CanaryState.DONE, percent=100.0, reason="promoted")
    return ApiResponse(
        body=crud.object_json(KIND, result, revision.number),
        headers=etag_header(revision.number),
        revision=revision.number,
    )


def promote_version(configuration: Configuration, canary: Canary) -> Configuration:
    """Return the configuration with the canary's version in place of its base, as the default and in the rules.

    A canary that matches only some requests becomes a rule before all others, with the canary's name.
    """
    objective = configuration.objectives[canary.objective]
    if canary.match != MATCH_ALL:
        return upsert_entity(configuration, _promotion_rule(configuration, canary))
    base = canary.base or objective.default
    for rule in configuration.rules.values():
        if rule.objective == objective.name and any(share.version == base for share in rule.shares):
            configuration = upsert_entity(configuration, _replace_in_rule(rule, base, canary.version))
    return (
        upsert_entity(configuration, replace(objective, default=canary.version))
        if objective.default == base
        else configuration
    )


def _replace_in_rule(rule: Rule, base: VersionRef | None, version: VersionRef) -> Rule:
    if any(share.version == version for share in rule.shares):
        # The rule splits between base and canary version already: one share gets both parts.
        percent_sum = sum(share.percent for share in rule.shares if share.version in (base, version))
        remaining = tuple(share for share in rule.shares if share.version not in (base, version))
        return replace(rule, shares=(*remaining, Share(version=version, percent=percent_sum)))
    return replace(
        rule,
        shares=tuple(
            replace(old_share, version=version) if old_share.version == base else old_share for old_share in rule.shares
        ),
    )


def _promotion_rule(configuration: Configuration, canary: Canary) -> Rule:
    positions = [rule.position for rule in configuration.rules.values() if rule.objective == canary.objective]
    lowest = min(positions, default=crud.POSITION_STEP)
    if lowest == 0:
        message = "there is a rule at position 0, before which no rule fits"
        raise GatewayProblem(409, message, code="no_position", hint="give that rule a higher position first")
    share = Share(version=canary.version, percent=100.0)
    name = canary.name if canary.name not in configuration.rules else f"{canary.name}-promoted"
    return Rule(
        name=name,
        objective=canary.objective,
        match=canary.match,
        shares=(share,),
        unit=canary.unit,
        position=lowest - 1,
    )


async def delete_canary(call: ApiCall) -> ApiResponse:
    canary = find_canary(call, call.gateway.publisher.current.configuration)
    if canary.moves:
        message = f"{canary.name} still moves a share"
        raise GatewayProblem(409, message, code="wrong_state", hint="roll it back or promote it")
    return await crud.delete_object(KIND, structs.replace(call, path={"canary": canary.name}))
