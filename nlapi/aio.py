"""The asynchronous forms of the public functions that talk to an API; they take and give what those in `nlapi` do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Auth, Consent, Prepared
    from nlapi.tools.tool import Tool


async def call(
    spec: Spec,
    operation: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool | Awaitable[bool]] = False,
    timeout: float | None = None,  # noqa: ASYNC109 - it ends a stream, whose items are then the answer
    events: int | None = None,
) -> Result:
    """Call an operation and return its answer, as `nlapi.call` does. What `yes` calls may be asynchronous too."""
    from nlapi.client.limits import Limits
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.run import run, target_of
    from nlapi.tools.tool import Call

    wanted = Call(tool=compile_tool(spec.operation(operation)), arguments=dict(arguments or {}))
    target = target_of(spec, base_url=base_url, auth=auth)
    limits = Limits(items=events) if timeout is None else Limits(items=events, deadline=timeout)
    return await run(wanted, target, _consent(yes), limits=limits)


async def answer(
    tools: Iterable[Tool],
    name: str,
    arguments: Mapping[str, Any] | str | None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool | Awaitable[bool]] = False,
) -> str:
    """Answer a model that called one of its tools, as `nlapi.answer` does."""
    from nlapi.tools.answer import answer as answered

    return await answered(tools, name, arguments, _consent(yes), base_url=base_url, auth=auth)


def _consent(yes: bool | Callable[[Prepared], bool | Awaitable[bool]]) -> Consent:
    """Asks `yes`. Nothing but True is consent: the "n" that somebody typed is true as well.

    Where the user's policy asks each time, only a function can answer.
    """

    async def consent(prepared: Prepared) -> bool:
        if prepared.asks_always and not callable(yes):
            return False
        agreed = yes(prepared) if callable(yes) else yes
        return (await agreed if isawaitable(agreed) else agreed) is True

    return consent
