"""Reads the thing that an update changes as it is now, so that the user is shown what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nlapi.agent.policy import Verdict
from nlapi.agent.preview import FieldChange, field_changes
from nlapi.agent.terms import Terms
from nlapi.client.limits import Limits
from nlapi.client.message import Result
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.paths import Shape, segments, shape
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation
from nlapi.tools.rules import Ruling
from nlapi.tools.run import Prepared, Target, perform, prepare
from nlapi.tools.tool import Call

UPDATES = ("PUT", "PATCH", "POST")
PATIENCE = 5.0
"""Seconds that a person waits for the state, at most, before he is asked without it."""


def reading_call(update: Call) -> Call | None:
    """Return the call that shows what an update changes: GET at the same path; None where there is none.

    A POST updates only what an id at the end of its path names.
    """
    operation = update.tool.operation
    path = segments(operation.route)
    if operation.method not in UPDATES or (operation.method == "POST" and not (path and path[-1].parameter)):
        return None
    reader = operation.spec.derive(_readers).get(shape(path))
    if reader is None or reader.effect is not Effect.READ:
        return None
    values = {place: update.arguments[name] for name, place in update.tool.places.items() if name in update.arguments}
    here = {part.parameter: there.parameter for part, there in zip(segments(reader.route), path, strict=True)}
    tool = compile_tool(reader)
    places = {name: (where, here.get(wire) or wire) for name, (where, wire) in tool.places.items() if where == "path"}
    arguments = {name: values[place] for name, place in places.items() if place in values}
    return Call(tool=tool, arguments=arguments) if set(tool.required) <= arguments.keys() else None


async def current_changes(update: Prepared, target: Target) -> tuple[FieldChange, ...]:
    """Return what one update changes, by the state that is read now; () where it cannot be read, for any reason."""
    call = reading_call(update.call)
    if call is None:
        return ()
    try:
        prepared = prepare(call, target)
        if is_ruled(prepared):
            return ()
        current = await perform(prepared, target, limits=Limits(deadline=PATIENCE), for_model=True)
        return field_changes(update.call, current, call.tool.operation)
    except NlapiError:
        return ()


def is_ruled(prepared: Prepared) -> bool:
    """Whether the user's policy has a say in a READ."""
    return prepared.rule is not None and prepared.rule.verdict is not Ruling.ALLOW


@dataclass(slots=True, kw_only=True)
class CurrentState:
    """Reads what updates of a plan change, each thing once."""

    terms: Terms
    conversation: Conversation
    results: dict[str, Result | None] = field(default_factory=dict)
    """by the URL that was read; None where nothing came of it"""

    async def changes(self, update: Prepared) -> tuple[FieldChange, ...]:
        """Return what an update changes, by the state that is read now; () where it cannot be, for any reason.

        It is read only where a READ would run unasked: the policy is the same for it.
        """
        call = reading_call(update.call)
        if call is None:
            return ()
        try:
            prepared = prepare(call, self.terms.target(call))
            url = prepared.request.url
            if url not in self.results and self._may_run(prepared):
                self.results[url] = None
                limits = replace(self.terms.limits or Limits(), deadline=PATIENCE)
                self.results[url] = await self.terms.perform(prepared, None, limits=limits, for_model=True)
        except NlapiError:
            return ()
        current = self.results.get(url)
        return field_changes(update.call, current, call.tool.operation) if current is not None else ()

    def _may_run(self, prepared: Prepared) -> bool:
        judgement = self.terms.policy.judge(prepared, self.conversation)
        return judgement.verdict is Verdict.RUN and not is_ruled(prepared)


def _readers(spec: Spec) -> Mapping[Shape, Operation]:
    """The operations that show what is at a path, by its shape."""
    found: dict[Shape, Operation] = {}
    for operation in spec.operations:
        if operation.method == "GET":
            found.setdefault(shape(segments(operation.route)), operation)
    return found
