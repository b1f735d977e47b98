"""The pages on which a change of a gateway is reviewed, agreed to, and followed to what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from nlapi.console.gateway.changes import BUILDERS, GatewayChange, SentChanges
from nlapi.console.web import FORM_KEY, PageAnswer, PageRequest, redirect, render

_ANSWER, _DIGEST, _REVIEW, _REASON, _SHOWN_REASON = "answer", "digest", "review", "why", "shown_why"
_NO_FIELDS = frozenset((FORM_KEY, _ANSWER, _DIGEST, _REVIEW, _SHOWN_REASON))


class Reviews:
    """A change is shown, then sent once where somebody agrees to what was shown."""

    def __init__(self) -> None:
        self._sent = SentChanges()

    async def show(self, request: PageRequest) -> PageAnswer:
        """Show the exact request of a change and what it does; nothing is sent."""
        builder = BUILDERS.get(request.values["action"])
        if builder is None:
            return _message(request, 404, "There is no such change.", "")
        fields = _fields(request.query)
        return _review(request, await builder(request.session.api, fields), fields)

    async def answer(self, request: PageRequest) -> PageAnswer:
        """Send the change that was shown, if it is still the same, and lead to what became of it."""
        session, form = request.session, request.form
        review, action = form.get(_REVIEW, ""), request.values["action"]
        if form.get(_ANSWER) != "yes":
            return _message(request, 200, "Nothing was sent.", "The gateway is as it was.")
        if await self._sent.outcome(session.name, review) is None:
            builder = BUILDERS.get(action)
            if builder is None or not review:
                return _message(request, 404, "There is no such change.", "")
            fields = _fields(form)
            change = await builder(session.api, fields)
            if fields.get(_REASON, "") != form.get(_SHOWN_REASON, ""):  # it is a part of the bytes that are agreed to
                return _review(request, change, fields, has_new_reason=True)
            if change.digest != form.get(_DIGEST):
                return _review(request, change, fields, is_stale=True)
            await self._sent.send(session.name, review, session.api, change)
        return redirect(request, f"/changed/{review}")

    async def show_outcome(self, request: PageRequest) -> PageAnswer:
        """Show what became of a change, and the way to undo it."""
        outcome = await self._sent.outcome(request.session.name, request.values["review"])
        if outcome is None:
            hint = "If you agreed to one before the gateway was started again, the revisions say whether it was made."
            return _message(request, 404, "Nothing is known of such a change.", hint)
        return render(request, "gateway/outcome.html", outcome=outcome)


def _fields(values: Mapping[str, str]) -> dict[str, str]:
    """Return what a change is built from. Nothing else in a link may stand in the form of its review."""
    return {name: value for name, value in values.items() if value and name not in _NO_FIELDS}


def _review(
    request: PageRequest,
    change: GatewayChange,
    fields: Mapping[str, str],
    *,
    is_stale: bool = False,
    has_new_reason: bool = False,
) -> PageAnswer:
    return render(
        request,
        "gateway/review.html",
        status=409 if is_stale else 200,
        change=change,
        fields=fields,
        review=secrets.token_urlsafe(16),
        is_stale=is_stale,
        has_new_reason=has_new_reason,
    )


def _message(request: PageRequest, status: int, message: str, hint: str) -> PageAnswer:
    title = "Not here" if status == 404 else "Nothing was sent"
    return render(request, "message.html", status=status, title=title, message=message, hint=hint)
