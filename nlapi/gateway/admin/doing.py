"""How things are doing that do something by themselves: the replicas of a shard, the copies of a shadow."""

from __future__ import annotations

from typing import Any

from nlapi.gateway.admin.call import Call
from nlapi.gateway.codec import Json
from nlapi.routing.nouns import Shadow, Shard


def doing(call: Call, noun: Any) -> Json:
    """What an answer says of a noun besides its configuration."""
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
