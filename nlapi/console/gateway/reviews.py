"""The pages on which a change of a gateway is reviewed, agreed to, and followed to what became of it."""

from __future__ import annotations

import secrets

from nlapi.console.gateway.changes import BUILDERS, SentChanges
from nlapi.console.web import FORM_KEY, PageAnswer, PageRequest, redirect, render

_ANSWER, _DIGEST, _REVIEW = "answer", "digest", "review"


class Reviews:
    """A change is shown, then sent once where somebody agrees to what was shown."""

    def __init__(self) -> None:
        self._sent = SentChanges()

    async def show(self, request: PageRequest) -> PageAnswer:
        """Show the exact request of a change and what it does; nothing is sent."""
        builder = BUILDERS.get(request.values["action"])
        if builder is None:
            return _message(request, 404, "There is no such change.", "")
        change = await builder(request.session.api, request.query)
        fields = {name: value for name, value in request.query.items() if value}
        return render(
            request,
            "gateway/review.html",
            change=change,
            fields=fields,
            review=secrets.token_urlsafe(16),
            is_stale=False,
        )

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
            fields = {
                name: value
                for name, value in form.items()
                if name not in (FORM_KEY, _ANSWER, _DIGEST, _REVIEW) and value
            }
            change = await builder(session.api, fields)
            if change.digest != form.get(_DIGEST):
                values = {"fields": fields, "review": secrets.token_urlsafe(16), "is_stale": True}
                return render(request, "gateway/review.html", status=409, change=change, **values)
            await self._sent.send(session.name, review, session.api, change)
        return redirect(request, f"/changed/{review}")

    async def show_outcome(self, request: PageRequest) -> PageAnswer:
        """Show what became of a change, and the way to undo it."""
        outcome = await self._sent.outcome(request.session.name, request.values["review"])
        if outcome is None:
            hint = "If you agreed to one before the gateway was started again, the revisions say whether it was made."
            return _message(request, 404, "Nothing is known of such a change.", hint)
        return render(request, "gateway/outcome.html", outcome=outcome)


def _message(request: PageRequest, status: int, message: str, hint: str) -> PageAnswer:
    title = "Not here" if status == 404 else "Nothing was sent"
    return render(request, "message.html", status=status, title=title, message=message, hint=hint)
