"""The state of a resource before a change of it, and the fields that an update changes."""

from __future__ import annotations

from nlapi.agent.evidence import matching_read
from nlapi.agent.preview import FieldChange, field_changes
from nlapi.agent.terms import READ_SECONDS
from nlapi.client.limits import Limits
from nlapi.client.message import Result
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect
from nlapi.resources.answers import extract_list
from nlapi.resources.paths import segments
from nlapi.tools.pages import next_arguments
from nlapi.tools.run import Prepared, Target, perform, prepare
from nlapi.tools.tool import Call
from nlapi.tools.view import lowercase_headers

# A POST counts where it is to one item; a POST to a collection creates, and has no state before.
UPDATE_METHODS = ("PUT", "PATCH", "POST")


def state_read(update: Call) -> Call | None:
    """Return the READ of the resource that an update changes; None where there is none.

    A POST is an update only where its path ends with an id.
    """
    operation = update.tool.operation
    path = segments(operation.route)
    if operation.method not in UPDATE_METHODS or (operation.method == "POST" and not (path and path[-1].parameter)):
        return None
    call = matching_read(update)
    return call if call is not None and call.tool.effect is Effect.READ else None


def contents_read(change: Call) -> Call | None:
    """Return the READ that lists what a DELETE of a whole collection removes; None for any other change."""
    operation = change.tool.operation
    path = segments(operation.route)
    if operation.method != "DELETE" or not path or path[-1].parameter:
        return None
    call = matching_read(change)
    return call if call is not None and call.tool.effect is Effect.READ else None


def count_line(listing: Call, result: Result) -> str:
    """Return the sentence that counts the items in an answer to `listing`; "" where it lists nothing."""
    items = extract_list(result.data, listing.tool.operation, lowercase_headers(result)) if result.ok else None
    if items is None:
        return ""
    suffix = " on its first page" if next_arguments(listing, result) else ""
    return f"{listing.operation_id} lists {len(items.entries)}{suffix} now"


async def current_changes(update: Prepared, target: Target) -> tuple[FieldChange, ...]:
    """Return the fields that an update changes, by the state read now; () where it cannot be read, for any reason."""
    call = state_read(update.call)
    if call is None:
        return ()
    try:
        prepared = prepare(call, target)
        if prepared.requires_question:
            return ()
        # The preview is a courtesy: it may not delay the question for long, and its failure may not prevent the change.
        current = await perform(prepared, target, limits=Limits(deadline=READ_SECONDS, retries=0), for_model=True)
    except NlapiError:
        return ()
    return field_changes(update.call, current, call.tool.operation)
