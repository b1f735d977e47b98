"""Changes of a gateway as they are reviewed: the exact request, what it changes, what that means; and sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import orjson

from nlapi.console.gateway.api import GatewayApi, GatewayRefusal, api_target
from nlapi.errors import NlapiError, UsageError
from nlapi.gateway.control.publisher import find_undo_path
from nlapi.gateway.store.store import ChangeRecord

# Recorded decisions that are replayed to say what a change moves.
REPLAYED = 2000
# Changes whose outcome is remembered, for a second click.
_MAX_OUTCOMES = 1000
_NOT_THERE = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """One value before and after."""

    place: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChange:
    """A request that changes the gateway, while `revision` is current."""

    title: str
    method: str
    target: str
    revision: int
    body: bytes = b""
    rows: tuple[DifferenceRow, ...] = ()
    meaning: tuple[str, ...] = ()
    objective: str = ""

    @property
    def text(self) -> str:
        """The request as it is sent, without the token."""
        lines = [f"{self.method} {self.target}", f'if-match: "{self.revision}"']
        lines += ["content-type: application/json", "", self.body.decode()] if self.body else []
        return "\n".join(lines)

    @property
    def digest(self) -> str:
        """The sha256 of `text`."""
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOutcome:
    """What became of a change; `revision` is the one that it made, 0 when nothing was changed."""

    change: GatewayChange
    revision: int = 0
    problem: str = ""
    hint: str = ""


class SentChanges:
    """What became of the changes that were agreed to, so that a second click sends nothing."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], asyncio.Task[ReviewOutcome]] = {}

    async def outcome(self, owner: str, review: str) -> ReviewOutcome | None:
        """Return what became of the change of a review, once it is known; None when nothing was sent for it."""
        task = self._outcomes.get((owner, review))
        return None if task is None else await asyncio.shield(task)

    async def send(self, owner: str, review: str, api: GatewayApi, change: GatewayChange) -> ReviewOutcome:
        """Send a change for a review, once."""
        key = owner, review
        if key not in self._outcomes:
            # A task, so that a browser that goes away does not leave a change of which nobody knows what became.
            self._outcomes[key] = asyncio.create_task(_send(api, change))
            if len(self._outcomes) > _MAX_OUTCOMES:
                del self._outcomes[next(iter(self._outcomes))]
        return await asyncio.shield(self._outcomes[key])


async def _send(api: GatewayApi, change: GatewayChange) -> ReviewOutcome:
    try:
        reply = await api.change(change.method, change.target, change.body, change.revision)
    except GatewayRefusal as refusal:
        return ReviewOutcome(change=change, problem=refusal.message, hint=refusal.hint or "")
    if reply.revision == change.revision:
        return ReviewOutcome(change=change, problem="it was so already", hint="nothing was changed")
    return ReviewOutcome(change=change, revision=reply.revision)


Values = Mapping[str, str]
Builder = Callable[[GatewayApi, Values], Awaitable[GatewayChange]]


async def start_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the start of a canary: objective, model, version, percent, steps, hold, error_percent, p99_ratio."""
    name, version = _required(values, "objective"), _required(values, "version")
    reply = await api.call("GET", api_target("v1", "objectives", name))
    objective = reply.body
    model, percent = values.get("model") or objective["model"], _number(values, "percent")
    share: dict[str, Any] = {"objective": objective["name"], "model": model, "version": version, "percent": percent}
    body = share | _steps(values) | _guards(values)
    target, base = f"{model}@{version}", f"{objective['model']}@{objective['version']}"
    return GatewayChange(
        title=f"Start a canary of {target} at {percent:g} %",
        method="POST",
        target=api_target("v1", "canaries", why=values.get("why", "")),
        body=orjson.dumps(body),
        revision=reply.revision,
        rows=(
            DifferenceRow(place=f"share of {target}", before=_NOT_THERE, after=f"{percent:g} %"),
            DifferenceRow(place=f"taken from {base} and others", before=_NOT_THERE, after=f"{percent:g} %"),
        ),
        meaning=(await _replayed(api, share), _course(body)),
        objective=objective["name"],
    )


def _course(canary: Mapping[str, Any]) -> str:
    """Return what a canary does by itself, in words."""
    steps = ("It moves by its steps.",) if canary.get("steps") else ()
    guards = ("It rolls itself back when a guard is broken.",) if canary.get("guards") else ()
    return " ".join(steps + guards) or "It stays at its share until somebody moves it."


def _steps(values: Values) -> dict[str, Any]:
    texts = values.get("steps", "").replace(",", " ").replace("%", " ").split()
    if not texts:
        return {}
    seconds = 60 * _number(values, "hold", 5)
    return {"steps": [{"percent": _parsed("steps", text), "bake_seconds": seconds} for text in texts]}


def _guards(values: Values) -> dict[str, Any]:
    guards = []
    if values.get("error_percent"):
        guards.append({"metric": "error_rate", "limit": _number(values, "error_percent") / 100})
    if values.get("p99_ratio"):
        guards.append({"metric": "p99_ms", "ratio": _number(values, "p99_ratio")})
    return {"guards": guards} if guards else {}


async def ramp_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return another share for a canary."""
    percent = _number(values, "percent")
    canary, change = await _canary_change(api, values, "ramp", orjson.dumps({"percent": percent}))
    return replace(
        change,
        title=f"Move canary {canary['name']} to {percent:g} %",
        rows=(_share_row(canary, percent),),
        meaning=(await _moved(api, canary, percent), "Those who have the new version keep it when the share grows."),
    )


async def pause_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return a stop of a canary where it is."""
    canary, change = await _canary_change(api, values, "pause")
    meaning = f"No traffic moves. It stays at {canary['percent']:g} % and takes no further step until it is resumed."
    return replace(
        change, title=f"Pause canary {canary['name']}", rows=(_state_row(canary, "paused"),), meaning=(meaning,)
    )


async def resume_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the way on of a paused canary."""
    canary, change = await _canary_change(api, values, "resume")
    meaning = f"It goes on from {canary['percent']:g} %. {_course(canary)}"
    return replace(
        change, title=f"Resume canary {canary['name']}", rows=(_state_row(canary, "running"),), meaning=(meaning,)
    )


async def roll_back_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the end of a canary whose share goes back to where it came from."""
    canary, change = await _canary_change(api, values, "rollback")
    return replace(
        change,
        title=f"Roll canary {canary['name']} back",
        rows=(_share_row(canary, 0.0), _state_row(canary, "rolled back")),
        meaning=(await _moved(api, canary, 0.0), "It holds from the next request on."),
    )


async def promote_canary(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the end of a canary whose version serves all requests that it matches."""
    canary, change = await _canary_change(api, values, "promote")
    version = _version(canary)
    if _is_conditional(canary):
        rows = DifferenceRow(place="rule before all others", before=_NOT_THERE, after=version)
        after = "The requests that it matches get this version by a rule; all others stay as they are."
    else:
        base, objective = await _base(api, canary), await api.get("v1", "objectives", canary["objective"])
        is_default = base == _version(objective)
        place = f"{base} as the default, and in rules" if is_default else f"{base} in rules"
        rows = DifferenceRow(place=place, before=base, after=version)
        after = f"Everybody who would get {base} gets {version}."
    return replace(
        change,
        title=f"Promote canary {canary['name']}",
        rows=(rows, DifferenceRow(place=f"canary {canary['name']}", before=canary["state"], after=_NOT_THERE)),
        meaning=(await _moved(api, canary, 100.0), after),
    )


async def restore_revision(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the way back to a whole revision."""
    number = int(_number(values, "revision"))
    current = (await api.get("health"))["revision"]
    differences = (await api.get("v1", "revisions", number, "changes", **{"from": current}))["differences"]
    count = max(current - number, 0)
    between = f"It takes back {count} revision{'s' if count != 1 else ''}, also those of others."
    return GatewayChange(
        title=f"Go back to revision {number}",
        method="POST",
        target=api_target("v1", "revisions", number, "rollback", why=values.get("why", "")),
        revision=current,
        rows=field_changes(differences),
        meaning=(between, await _replayed(api, {"revision": number})),
    )


async def undo_objective(api: GatewayApi, values: Values) -> GatewayChange:
    """Return the way of one objective back to before its last change. UsageError when that cannot be foreseen."""
    objective = _required(values, "objective")
    current = (await api.get("health"))["revision"]
    rows = (await api.get("v1", "revisions", objective=objective, limit=200))["data"]
    changes = [
        ChangeRecord(number=row["revision"], who=row["who"], restores=row.get("restores", 0), pruned=False)
        for row in rows
    ]
    target = find_undo_path(changes).target
    if not target:
        raise UsageError(f"nothing of {objective} is left to undo", hint="go back to a whole revision in its place")
    differences = (await api.get("v1", "revisions", target, "changes", **{"from": current}))["differences"]
    touched = [difference for difference in differences if _concerns(difference, objective)]
    return GatewayChange(
        title=f"Undo the last change of {objective}",
        method="POST",
        target=api_target("v1", "objectives", objective, "rollback", why=values.get("why", "")),
        revision=current,
        rows=field_changes(touched),
        meaning=(f"{objective} is again what it was in revision {target}, with its canaries; no other one changes.",),
        objective=objective,
    )


BUILDERS: Mapping[str, Builder] = {
    "start": start_canary,
    "ramp": ramp_canary,
    "pause": pause_canary,
    "resume": resume_canary,
    "promote": promote_canary,
    "rollback": roll_back_canary,
    "restore": restore_revision,
    "undo": undo_objective,
}
"""the word of a form's path -> the function that makes a change of its values"""


def field_changes(differences: list[dict[str, Any]]) -> tuple[DifferenceRow, ...]:
    """Return the values that differ, of the differences that the API lists between two revisions."""
    rows = []
    for difference in differences:
        before, after = difference.get("before"), difference.get("after")
        if before is None or after is None:
            rows.append(DifferenceRow(place=difference["where"], before=_shown(before), after=_shown(after)))
            continue
        for name in difference.get("fields") or sorted({**before, **after}):
            if before.get(name) != after.get(name):
                place = f"{difference['where']}.{name}"
                rows.append(DifferenceRow(place=place, before=_shown(before.get(name)), after=_shown(after.get(name))))
    return tuple(rows)


def _shown(value: Any) -> str:
    if value is None:
        return _NOT_THERE
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _concerns(difference: Mapping[str, Any], objective: str) -> bool:
    items = [difference.get("before") or {}, difference.get("after") or {}]
    return difference["where"] == f"objectives.{objective}" or any(item.get("objective") == objective for item in items)


async def _canary_change(
    api: GatewayApi, values: Values, action: str, body: bytes = b""
) -> tuple[dict[str, Any], GatewayChange]:
    reply = await api.call("GET", api_target("v1", "canaries", _required(values, "canary")))
    canary = reply.body
    target = api_target("v1", "canaries", canary["name"], action, why=values.get("why", ""))
    change = GatewayChange(
        title="", method="POST", target=target, body=body, revision=reply.revision, objective=canary["objective"]
    )
    return canary, change


def _version(item: Mapping[str, Any]) -> str:
    """Return the version that a canary or an objective names."""
    return f"{item['model']}@{item['version']}"


def current_share(canary: Mapping[str, Any]) -> float:
    """Return the share that a canary moves now, in percent."""
    return 0.0 if canary["state"] == "rolled_back" else float(canary["percent"])


def _share_row(canary: Mapping[str, Any], percent: float) -> DifferenceRow:
    before = f"{current_share(canary):g} %"
    return DifferenceRow(place=f"share of {_version(canary)}", before=before, after=f"{percent:g} %")


def _state_row(canary: Mapping[str, Any], state: str) -> DifferenceRow:
    return DifferenceRow(place=f"state of {canary['name']}", before=canary["state"].replace("_", " "), after=state)


def _is_conditional(canary: Mapping[str, Any]) -> bool:
    return any(canary.get(name) for name in ("when", "unless", "between"))


async def _base(api: GatewayApi, canary: Mapping[str, Any]) -> str:
    if canary.get("base_model"):
        return f"{canary['base_model']}@{canary['base_version']}"
    return _version(await api.get("v1", "objectives", canary["objective"]))


async def _moved(api: GatewayApi, canary: Mapping[str, Any], percent: float) -> str:
    """Return how much of the traffic of the last minutes moves when a canary has another share."""
    rows = (await api.get("v1", "traffic", objective=canary["objective"]))["data"]
    rate, points = sum(row["requests_per_second"] for row in rows), percent - current_share(canary)
    ends = [await _base(api, canary), _version(canary)]
    source, target = ends if points > 0 else reversed(ends)
    matching = "of the requests that it matches" if _is_conditional(canary) else "of the requests"
    if not points:
        return "No traffic moves."
    amount = "" if _is_conditional(canary) else f", about {abs(points) / 100 * rate:.2g} of {rate:.3g} a second"
    return f"{abs(points):g} % {matching} move from {source} to {target}{amount}."


async def _replayed(api: GatewayApi, proposal: Mapping[str, Any]) -> str:
    """Return what a proposed change would have moved of the recorded decisions."""
    try:
        body = orjson.dumps({**proposal, "decisions": REPLAYED})
        simulation = (await api.call("POST", "/v1/simulate", body)).body
    except NlapiError as error:
        return f"What it would move could not be tried on recorded requests: {error.message}."
    if not simulation["decisions"]:
        return "No request is recorded yet on which it could be tried."
    moves = [
        f"{move['objective']} {move['before']} → {move['after']} ({move['requests']})" for move in simulation["moves"]
    ]
    listed = f": {', '.join(moves[:5])}" if moves else ""
    return f"Of the last {simulation['decisions']:,} recorded requests {simulation['moved']:g} % would move{listed}."


def _required(values: Values, name: str) -> str:
    if not values.get(name, "").strip():
        raise UsageError(f"the form has no {name}", hint="go back and fill it in; nothing was changed")
    return values[name].strip()


def _number(values: Values, name: str, default: float | None = None) -> float:
    if default is not None and not values.get(name, "").strip():
        return default
    return _parsed(name, _required(values, name))


def _parsed(name: str, text: str) -> float:
    try:
        number = float(text.replace("%", "").strip())
    except ValueError:
        raise UsageError(f"{name} is not a number: {text[:40]}", hint="write digits, such as 10") from None
    if not 0 <= number <= 10**9:
        raise UsageError(f"{name} is out of range: {text[:40]}", hint="write a number from 0 on")
    return int(number) if number == int(number) else number
