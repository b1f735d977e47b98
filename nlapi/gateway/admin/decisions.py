"""The operations on decisions: serve, resolve, explain, list the recorded ones, and simulate a change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nlapi.gateway.admin.call import Answer, Call, Handler, cursor, page_answer, period
from nlapi.gateway.admin.revisions import keeping_buckets
from nlapi.gateway.calls import Ask
from nlapi.gateway.codec import KINDS, Json, decode_configuration, encode_decision, slug
from nlapi.gateway.problem import Problem, issue_as_dict, not_found, unprocessable
from nlapi.issue import Issue, Level
from nlapi.routing.change import put
from nlapi.routing.context import check_context
from nlapi.routing.nouns import Canary, Configuration, Objective
from nlapi.routing.simulate import Simulation, simulate
from nlapi.routing.table import Table, compile

# User ids are compared as they are; all other columns hold names, which have one stored spelling.
COLUMNS = ("objective", "model", "version", "user", "client", "experiment", "canary")
_NAMES = frozenset(COLUMNS) - {"user"}


def objective_of(call: Call) -> Objective:
    """Return the objective in the path. Problem 404 with the nearest name when there is none."""
    known = call.gateway.publisher.current.configuration.objectives
    name = call.path["objective"]
    found = known.get(name) or known.get(slug(name))
    if found is None:
        raise not_found("objective", slug(name), known)
    return found


def asked(call: Call, objective: Objective) -> tuple[dict[str, Any], str]:
    """Return the context and the client of a body. Problem 422 for an undeclared field of the context."""
    body = call.body or {}
    context = body.get("context", {})
    if issues := check_context(objective, context):
        placed = [replace(issue, where=f"body.{issue.where}") for issue in issues]
        raise unprocessable(placed, code="invalid_context")
    return context, call.caller.client or body.get("client", "")


async def serve(call: Call) -> Answer:
    """Run the version that is decided on for an objective, and return its output."""
    gateway, body = call.gateway, call.body
    # The hot path: the name is normalized only when it is not in its stored spelling.
    name = call.path["objective"]
    if name not in gateway.publisher.current.configuration.objectives:
        name = slug(name)
    ask = Ask(
        input=body["input"],
        context=body.get("context", {}),
        client=call.caller.client,
        request_id=call.headers.get("x-request-id") or gateway.engine.new_request_id(),
        synthetic=call.headers.get("x-synthetic", False),
        trace=call.trace,
    )
    served = await gateway.engine.serve(name, ask)
    document = {
        "output": served.output,
        "request_id": served.request_id,
        "decision": encode_decision(served.decision),
        "stages_ms": dict(served.stages),
        "attempts": served.attempts,
        "fallback": served.fallback,
    }
    return Answer(body=document, headers={"X-Request-Id": served.request_id})


async def resolve(call: Call) -> Answer:
    """Return the decision on a request without running a version."""
    current = call.gateway.publisher.current
    objective = objective_of(call)
    decision = current.table.decide(objective.name, *asked(call, objective))
    shard = current.configuration.shards.get(decision.shard)
    place = {"protocol": str(shard.protocol), "endpoints": list(shard.endpoints)} if shard else {}
    body = {
        "decision": encode_decision(decision),
        "routing_key": str(decision.version),
        **place,
        "objective": KINDS["objective"].encode(objective, False),
    }
    return Answer(body=body)


async def explain(call: Call) -> Answer:
    """Return the decision on a request with every step that led to it."""
    current = call.gateway.publisher.current
    objective = objective_of(call)
    context, client = asked(call, objective)
    found = current.table.explain(objective.name, context, client)
    steps = [{"kind": step.kind, "name": step.name, "fate": str(step.fate), "text": step.text} for step in found.steps]
    return Answer(body={"decision": encode_decision(found.decision), "steps": steps, "text": str(found)})


async def list_(call: Call) -> Answer:
    """Return a page of recorded decisions."""
    await call.gateway.flush()  # a client that was just served expects to find its request
    since, until = period(call)
    equal = {
        name: slug(value) if name in _NAMES else value
        for name in COLUMNS
        if (value := call.query.get(name)) is not None
    }
    page = await asyncio.to_thread(
        call.gateway.store.decisions,
        equal=equal,
        failed=call.query.get("failed"),
        since=since,
        until=until,
        limit=call.query["limit"],
        before=cursor(call),
    )
    return page_answer(page.rows, page)


async def get(call: Call) -> Answer:
    """Return the recorded decision on one request. Problem 404 when there is none."""
    await call.gateway.flush()
    # In a thread, as all reads of the store: it waits for a write that is under way.
    found = await asyncio.to_thread(call.gateway.store.decision, call.path["request_id"])
    if found is None:
        raise Problem(404, f"nothing is recorded of request {call.path['request_id']!r}", code="unknown_request")
    return Answer(body=found)


async def simulate_change(call: Call) -> Answer:
    """Replay recorded decisions through a proposed configuration."""
    await call.gateway.flush()
    return Answer(body=await asyncio.to_thread(_simulated, call))


def _simulated(call: Call) -> Json:
    current = call.gateway.publisher.current
    proposed = proposal(call, current.configuration)
    issues = [issue_as_dict(one) for one in call.gateway.publisher.checked(proposed)]
    if any(issue["level"] == Level.ERROR for issue in issues):
        return {"decisions": 0, "moved": 0.0, "moves": [], "issues": issues, "text": "it would be refused"}
    return {**simulation_json(_replay(call, current.table, proposed)), "issues": issues}


def _replay(call: Call, current: Table, configuration: Configuration) -> Simulation:
    proposed = compile(configuration, current.revision + 1)
    equal = {"objective": slug(call.body["objective"])} if "objective" in call.body else {}
    rows = call.gateway.store.decisions(equal=equal, limit=call.body.get("decisions", 10_000)).rows
    return simulate(current, proposed, ((row["objective"], row["context"], row.get("client", "")) for row in rows))


def proposal(call: Call, current: Configuration) -> Configuration:
    """Return the configuration that a body of `simulate` proposes. Problem 422 unless it proposes exactly one."""
    # The schema allows the properties of all three forms; that there is exactly one form is checked here.
    body = call.body
    ways = [name for name in ("revision", "configuration", "version") if name in body]
    if len(ways) != 1:
        message = "it takes one of: a model and version, a revision, a configuration"
        raise unprocessable([Issue.error("body", message, rule="proposal")])
    if "configuration" in body:
        return keeping_buckets(current, decode_configuration(body["configuration"]))
    if "revision" in body:
        return decode_configuration(call.gateway.publisher.revision_of(body["revision"]).document)
    if missing := [name for name in ("objective", "model") if name not in body]:
        raise unprocessable([Issue.error("body", f"a share needs {' and '.join(missing)} too", rule="proposal")])
    if slug(body["objective"]) not in current.objectives:
        raise not_found("objective", slug(body["objective"]), current.objectives)
    parts = ("objective", "model", "version", "when", "unless", "between")
    given = {name: body[name] for name in parts if name in body}
    canary: Canary = KINDS["canary"].decode({**given, "percent": body.get("percent", 100.0)})
    return put(current, canary)


def simulation_json(found: Simulation) -> Json:
    """Return a Simulation as answers have it."""
    return {
        "decisions": found.seen,
        "moved": round(100 * found.moved / found.seen, 2) if found.seen else 0.0,
        "lost": found.lost,
        "gained": found.gained,
        "moves": sorted(_moves(found), key=lambda row: -row["requests"]),
        "slices": [
            {"objective": one.objective, "field": cut.field, "value": cut.value, "seen": cut.seen, "moved": cut.moved}
            for one in found.objectives
            for cut in one.slices
        ],
        "text": str(found),
    }


def _moves(found: Simulation) -> Iterator[Json]:
    for one in found.objectives:
        for move in one.movements:
            before, after = str(move.source), str(move.target)
            share = {"requests": move.count, "percent": round(move.percent, 2)}
            yield {"objective": one.objective, "before": before, "after": after, **share}


HANDLERS: dict[str, Handler] = {
    "serveObjective": serve,
    "resolveObjective": resolve,
    "explainObjective": explain,
    "listDecisions": list_,
    "getDecision": get,
    "simulate": simulate_change,
}
