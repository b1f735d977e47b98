"""Which READ shows the thing that an update changes as it is now, and what the update changes of it."""

from __future__ import annotations

from nlapi.agent.evidence import reading_call
from nlapi.agent.preview import FieldChange, field_changes
from nlapi.agent.terms import LOOK_SECONDS
from nlapi.client.limits import Limits
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect
from nlapi.resources.paths import segments
from nlapi.tools.run import Prepared, Target, perform, prepare
from nlapi.tools.tool import Call

UPDATES = ("PUT", "PATCH", "POST")


def state_call(update: Call) -> Call | None:
    """Return the READ of what an update changes; None where there is none.

    A POST updates only what an id at the end of its path names.
    """
    operation = update.tool.operation
    path = segments(operation.route)
    if operation.method not in UPDATES or (operation.method == "POST" and not (path and path[-1].parameter)):
        return None
    call = reading_call(update)
    return call if call is not None and call.tool.effect is Effect.READ else None


async def current_changes(update: Prepared, target: Target) -> tuple[FieldChange, ...]:
    """Return what one update changes, by the state that is read now; () where it cannot be read, for any reason."""
    call = state_call(update.call)
    if call is None:
        return ()
    try:
        prepared = prepare(call, target)
        if prepared.asks_always:
            return ()
        current = await perform(prepared, target, limits=Limits(deadline=LOOK_SECONDS, retries=0), for_model=True)
    except NlapiError:
        return ()
    return field_changes(update.call, current, call.tool.operation)
