"""Traffic, health, metrics and the description itself."""

from __future__ import annotations

from nlapi.gateway.admin.call import Answer, Call, Handler
from nlapi.gateway.codec import slug
from nlapi.gateway.description import description
from nlapi.gateway.metrics import CONTENT_TYPE
from nlapi.gateway.problem import Problem


async def rows(call: Call) -> Answer:
    gateway, query = call.gateway, call.query
    wanted = {name: slug(query.get(name, "")) for name in ("objective", "model", "version")}
    found = gateway.traffic.rows(query["minutes"], **wanted)
    body = {"minutes": query["minutes"], "revision": gateway.publisher.revision}
    return Answer(body={**body, "data": [row.as_dict() for row in found]})


async def history(call: Call) -> Answer:
    objective = slug(call.query.get("objective", ""))
    found = call.gateway.traffic.history(call.query["minutes"], call.query["points"], objective=objective)
    return Answer(body={"data": found})


async def health(call: Call) -> Answer:
    status = "draining" if call.gateway.engine.draining else "ok"
    return Answer(body={"status": status, "revision": call.gateway.publisher.revision})


async def ready(call: Call) -> Answer:
    gateway = call.gateway
    if gateway.engine.draining:
        raise Problem(503, "the gateway is stopping", code="draining", headers={"Retry-After": "1"})
    if not gateway.publisher.revision:
        raise Problem(
            503, "nothing is published yet", code="unpublished", hint="PUT /v1/configuration makes a revision"
        )
    return Answer(body={"status": "ok", "revision": gateway.publisher.revision})


async def metrics(call: Call) -> Answer:
    return Answer(body=call.gateway.engine.metrics.text(), media_type=CONTENT_TYPE)


async def itself(call: Call) -> Answer:
    return Answer(body=description().text, media_type="application/yaml")


HANDLERS: dict[str, Handler] = {
    "getTraffic": rows,
    "getTrafficHistory": history,
    "getHealth": health,
    "getReadiness": ready,
    "getMetrics": metrics,
    "getDescription": itself,
}
