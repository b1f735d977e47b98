"""The operations on canaries: start, status, ramp, pause, resume, promote, roll back and delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nlapi.gateway.admin import nouns
from nlapi.gateway.admin.call import Answer, Call, Handler, etag
from nlapi.gateway.codec import KINDS, Json
from nlapi.gateway.problem import Problem, not_found
from nlapi.routing.change import put, remove
from nlapi.routing.nouns import EVERYTHING, Canary, CanaryState, Configuration, Rule, Share, VersionRef

KIND = KINDS["canary"]


def named(call: Call, configuration: Configuration) -> Canary:
    """Return the canary in the path, by its own name or as the only active one of an objective.

    Problem 404 when there is none, 409 when an objective has several.
    """
    # People say "pause the payment-fraud canary" and mean the objective's (docs/design/013-gateway-api.md).
    name = call.name("canary")
    if name in configuration.canaries:
        return configuration.canaries[name]
    # A canary that is done or rolled back moves nothing, and is meant only when there is no active one.
    those = [one for one in configuration.canaries.values() if one.objective == name]
    moving = [one for one in those if one.moves] or those
    if len(moving) > 1:
        names = ", ".join(sorted(one.name for one in moving))
        raise Problem(409, f"{name} has {len(moving)} canaries", code="ambiguous", hint=f"name one of them: {names}")
    if moving:
        return moving[0]
    if name in configuration.objectives:
        raise Problem(404, f"{name} has no canary", code="unknown_canary", hint="start one with POST /v1/canaries")
    raise not_found("canary", name, configuration.canaries)


async def status(call: Call) -> Answer:
    current = call.gateway.publisher.current
    canary = named(call, current.configuration)
    return Answer(body=with_status(call, canary), headers=etag(current.table.revision))


def with_status(call: Call, canary: Canary) -> Json:
    """Return the JSON of a canary with the traffic of its version and of its base over five minutes."""
    gateway = call.gateway
    current = gateway.publisher.current
    objective = current.configuration.objectives.get(canary.objective)
    base = canary.base or (objective.default if objective else None)
    rows = {(row.model, row.version): row for row in gateway.traffic.rows(5, objective=canary.objective)}
    doing: Json = {}
    for name, ref in (("canary", canary.version), ("base", base)):
        row = rows.get((ref.model, ref.version)) if ref else None
        if row is not None:
            doing[name] = row.as_dict()
    return {**nouns.shown(KIND, canary, current.table.revision), "status": doing}


async def list_(call: Call) -> Answer:
    answer = await nouns.list_(KIND, call)
    canaries = call.gateway.publisher.current.configuration.canaries
    rows = [with_status(call, canaries[row["name"]]) for row in answer.body["data"]]
    return Answer(body={**answer.body, "data": rows})


async def ramp(call: Call) -> Answer:
    percent = float(call.body["percent"])
    return await _step(call, lambda canary: replace(canary, percent=percent, reason=call.why), CanaryState.ROLLED_BACK)


async def pause(call: Call) -> Answer:
    reason = call.why or f"paused by {call.caller.name}"
    return await _put(call, CanaryState.PAUSED, reason, CanaryState.DONE, CanaryState.ROLLED_BACK)


async def resume(call: Call) -> Answer:
    return await _put(call, CanaryState.RUNNING, call.why, CanaryState.DONE, CanaryState.ROLLED_BACK)


async def roll_back(call: Call) -> Answer:
    return await _put(call, CanaryState.ROLLED_BACK, call.why or f"rolled back by {call.caller.name}")


async def _put(call: Call, state: CanaryState, reason: str, *never: CanaryState) -> Answer:
    return await _step(call, lambda canary: replace(canary, state=state, reason=reason), *never)


async def _step(call: Call, step: Callable[[Canary], Canary], *never: CanaryState) -> Answer:
    """Change a canary. Problem 409 when it is in one of the states `never`."""
    # The edit finds the canary again in the configuration that it changes, which may be newer than the request.
    meant: list[Canary] = []

    def edit(configuration: Configuration) -> Configuration:
        canary = named(call, configuration)
        if canary.state in never:
            message = f"{canary.name} is {canary.state.replace('_', ' ')}"
            raise Problem(409, message, code="wrong_state", hint="start another canary")
        meant.append(canary)
        return put(configuration, step(canary))

    return await nouns.changed(KIND, call, edit, lambda: meant[0].name)


async def update(call: Call) -> Answer:
    return await _step(call, lambda canary: KIND.decode({**KIND.encode(canary, True), **call.body}))


async def promote(call: Call) -> Answer:
    """Let the canary's version serve all requests that the canary matches, and remove the canary."""
    meant: list[Canary] = []

    def edit(configuration: Configuration) -> Configuration:
        canary = named(call, configuration)
        if not canary.moves:
            message = f"{canary.name} is rolled back"
            raise Problem(409, message, code="wrong_state", hint="start another canary")
        meant.append(canary)
        return remove(promoted(configuration, canary), "canaries", canary.name)

    publisher = call.gateway.publisher
    made = await publisher.change(edit, who=call.caller.name, why=call.why, expected=call.expected)
    done = replace(meant[0], state=CanaryState.DONE, percent=100.0, reason="promoted")
    return Answer(body=nouns.shown(KIND, done, made.number), headers=etag(made.number), made=made.number)


def promoted(configuration: Configuration, canary: Canary) -> Configuration:
    """Return the configuration with the canary's version in place of its base, as the default and in the rules.

    A canary that matches only some requests becomes a rule before all others, with the canary's name.
    """
    objective = configuration.objectives[canary.objective]
    if canary.match != EVERYTHING:
        return put(configuration, _rule(configuration, canary))
    base = canary.base or objective.default
    for rule in configuration.rules.values():
        if rule.objective == objective.name and any(share.version == base for share in rule.shares):
            configuration = put(configuration, _replaced(rule, base, canary.version))
    return (
        put(configuration, replace(objective, default=canary.version)) if objective.default == base else configuration
    )


def _replaced(rule: Rule, base: VersionRef | None, version: VersionRef) -> Rule:
    if any(share.version == version for share in rule.shares):
        # The rule splits between base and canary version already: one share gets both parts.
        whole = sum(share.percent for share in rule.shares if share.version in (base, version))
        others = tuple(share for share in rule.shares if share.version not in (base, version))
        return replace(rule, shares=(*others, Share(version=version, percent=whole)))
    return replace(
        rule, shares=tuple(replace(one, version=version) if one.version == base else one for one in rule.shares)
    )


def _rule(configuration: Configuration, canary: Canary) -> Rule:
    others = [one.position for one in configuration.rules.values() if one.objective == canary.objective]
    first = min(others, default=nouns.POSITION_STEP)
    if first == 0:
        message = "there is a rule at position 0, before which no rule fits"
        raise Problem(409, message, code="no_position", hint="give that rule a higher position first")
    share = Share(version=canary.version, percent=100.0)
    name = canary.name if canary.name not in configuration.rules else f"{canary.name}-promoted"
    return Rule(
        name=name, objective=canary.objective, match=canary.match, shares=(share,), unit=canary.unit, position=first - 1
    )


async def delete(call: Call) -> Answer:
    canary = named(call, call.gateway.publisher.current.configuration)
    if canary.moves:
        message = f"{canary.name} still moves a share"
        raise Problem(409, message, code="wrong_state", hint="roll it back or promote it")
    return await nouns.delete(KIND, replace(call, path={"canary": canary.name}))


HANDLERS: dict[str, Handler] = {
    "listCanaries": list_,
    "startCanary": nouns.HANDLERS["createCanary"],
    "getCanary": status,
    "updateCanary": update,
    "rampCanary": ramp,
    "pauseCanary": pause,
    "resumeCanary": resume,
    "promoteCanary": promote,
    "rollBackCanary": roll_back,
    "deleteCanary": delete,
}
