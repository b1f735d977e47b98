"""Serving an objective over HTTP: the call that clients make."""

from __future__ import annotations

from nlapi.gateway.admin.call import Answer, Call, Handler
from nlapi.gateway.calls import Ask
from nlapi.gateway.codec import encode_decision, slug
from nlapi.gateway.problem import Problem


async def serve(call: Call) -> Answer:
    gateway, body = call.gateway, call.body
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
    try:
        served = await gateway.engine.serve(name, ask)
    except Problem as problem:
        if problem.path.startswith(("input", "context")):
            problem.path = f"body.{problem.path}"
        raise
    said = {
        "output": served.output,
        "request_id": served.request_id,
        "decision": encode_decision(served.decision),
        "stages_ms": dict(served.stages),
        "attempts": served.attempts,
        "fallback": served.fallback,
    }
    return Answer(body=said, headers={"X-Request-Id": served.request_id})


HANDLERS: dict[str, Handler] = {"serveObjective": serve}
