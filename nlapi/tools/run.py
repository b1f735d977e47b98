"""The one way from a Call to a Result: check, place, build, consent, authorise, send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from nlapi.client.auth import Authorized, authorize, same_api, secrets_in
from nlapi.client.build import Values, build
from nlapi.client.curl import to_curl
from nlapi.client.digest import digest
from nlapi.client.limits import Limits, bound_for_model
from nlapi.client.message import Request, Result
from nlapi.errors import ArgumentError, ConsentError
from nlapi.openapi.spec import READ_METHODS, Effect, Spec
from nlapi.registry import Registration, find_registration, resolve_credential
from nlapi.tools.check import check
from nlapi.tools.idempotency import Intention, any_key, key_argument, new_key, single_intention
from nlapi.tools.rules import Rule, Ruling, forbidden, forbids, rules_of, ruling
from nlapi.tools.tool import Call, Tool
from nlapi.tools.walk import filled, on_the_wire

if TYPE_CHECKING:
    from nlapi.client.streaming.body import Watch
    from nlapi.client.wire import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An API to call: its Spec, its base URL where that is not the Spec's, and credentials by scheme id.

    `variables` are the names of the environment variables that hold the credentials, for curl lines. `headers` go with
    every call to the API's own servers and are not shown in previews. With `no_auth` nothing is sent for the security
    that operations describe. `rules` are those of the user's policy that apply to the API.
    """

    spec: Spec
    base_url: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Some APIs describe a credential that they do not want: Chroma, for one (its description declares it, its server
    # not).
    no_auth: bool = False
    rules: tuple[Rule, ...] = ()


Auth = Mapping[str, str] | Literal[False] | None
"""Credentials by scheme id; False sends none, whatever the description requires."""


def target_of(spec: Spec, *, base_url: str | None = None, auth: Auth = None) -> Target:
    """Return the Target of a call from Python: `base_url` and `auth`, which override what is registered for the Spec.

    CredentialError when a registered credential is in a variable that is not set; UsageError when the user's policy
    cannot be read.
    """
    rules = rules_of(spec)
    registered = find_registration(spec.registered) or Registration(source=spec.source)
    base_url = base_url or registered.base_url
    if auth is False or (registered.no_auth and not auth):
        return Target(spec=spec, base_url=base_url, no_auth=True, rules=rules)
    given = dict(auth or {})
    stored = {id: resolve_credential(id, text) for id, text in registered.auth.items() if id not in given}
    return Target(spec=spec, base_url=base_url, credentials={**stored, **given}, rules=rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A Call that is ready to be sent. `request` has no credentials yet; `curl` has a placeholder for each of them.

    `written` is the call as its planner wrote it, with amounts in the user's words; `call` has them in wire units.
    `rule` is the rule of the user's policy that decides on it, if there is one.
    """

    call: Call
    request: Request
    effect: Effect
    curl: str
    written: Call
    rule: Rule | None = None

    @property
    def asks_always(self) -> bool:
        """Whether the user's policy requires a question, whatever was consented to in advance."""
        return self.rule is not None and self.rule.verdict is Ruling.ASK


Consent = Callable[[Prepared], Awaitable[bool]]


def place(tool: Tool, arguments: Mapping[str, Any]) -> Values:
    """Return the arguments by their location in the request, with defaults for what is hidden and required.

    An argument that the schema merely allows belongs to the body.
    """
    values = {tool.places.get(name, ("body", name)): value for name, value in arguments.items()}
    return filled(tool.operation, values)


def prepare(call: Call, target: Target, *, intention: Intention | None = None) -> Prepared:
    """Return a call as a built request: amounts in wire units, arguments checked and placed. Nothing is sent.

    With an `intention`, the request of a change has the idempotency key of the intention where its operation describes
    one and its arguments have none.

    ArgumentError when an argument breaks its schema or can never be sent, UsageError when there is no server for it.
    """
    operation, written = call.tool.operation, call
    call = replace(call, arguments=on_the_wire(call.tool, call.arguments))
    name = key_argument(call.tool)
    fills = intention is not None and name is not None and name not in call.arguments
    request = _request(call, target, any_key(call.tool) if fills else {})
    # The key is a hash of the request without it, so the request is built once to be hashed and once more with its key.
    if intention is not None and fills and (key := new_key(call.tool, intention(digest(request)))):
        request = _request(call, target, key)
    secured = None if target.no_auth else operation
    curl = to_curl(request, secured, target.credentials, base_url=target.base_url, variables=target.variables)
    rule = ruling(target.rules, operation)
    return Prepared(call=call, request=request, effect=call.tool.effect, curl=curl, written=written, rule=rule)


def _request(call: Call, target: Target, key: Mapping[str, Any]) -> Request:
    """Return the request of a call with an idempotency key, which is no argument of the call: no one gave it."""
    arguments = {**call.arguments, **key}
    check(call.tool, arguments)
    try:
        return build(call.tool.operation, place(call.tool, arguments), base_url=target.base_url)
    except ArgumentError as error:
        raise ArgumentError(f"{call.operation_id}: {error.message}", hint=error.hint) from None


def sketch(call: Call, target: Target) -> Request:
    """Return the request as far as it is known while arguments are missing; for previews, never for sending."""
    values = place(call.tool, on_the_wire(call.tool, call.arguments))
    return build(call.tool.operation, values, base_url=target.base_url, partial=True)


def permit(prepared: Prepared, target: Target) -> Authorized:
    """Return the request with its credentials.

    CredentialError when one is missing, or would go to a server that it is not for. ConsentError when the user's policy
    denies the call: every way to the API passes here, so no interface can forget the policy (docs/design/024).
    """
    operation = prepared.call.tool.operation
    if prepared.rule is not None and forbids(prepared.rule):
        raise ConsentError(forbidden(operation, prepared.rule), hint=prepared.rule.location)
    ready = Authorized(request=prepared.request)
    if not target.no_auth:
        ready = authorize(prepared.request, operation, target.credentials, base_url=target.base_url)
    if not target.headers or not same_api(operation, ready.request.url, target.base_url):
        return ready
    # Configured headers replace those of the request, and are masked in output like credentials.
    named = {name.lower() for name in target.headers}
    headers = (*(pair for pair in ready.request.headers if pair[0].lower() not in named), *target.headers.items())
    return replace(
        ready, request=replace(ready.request, headers=headers), secrets=(*ready.secrets, *secrets_in(target.headers))
    )


async def perform(
    prepared: Prepared,
    target: Target,
    *,
    limits: Limits | None = None,
    client: Client | None = None,
    watch: Watch | None = None,
    for_model: bool = False,
) -> Result:
    """Authorise a call and send it. CredentialError before anything is sent, SendError when no answer came.

    Only a READ by a safe method is sent again after a failure, and only such a READ shares the connections of `client`:
    a connection that the API closes at that moment would leave open whether a change was carried out. The effect is not
    enough, as a POST may be called a read by mistake.

    An answer that streams within the limits is a Result of the items so far; `watch` is called with them as they come.
    Limits with a number of items mark the answer as a stream. `for_model` bounds a READ that streams as a model needs
    it; a change is read to its end, as closing its connection may stop it half way.
    """
    from nlapi.client.send import send
    from nlapi.client.streaming.rule import expectation

    call, ready = prepared.call, permit(prepared, target)
    reads = prepared.effect is Effect.READ
    safe = reads and prepared.request.method in READ_METHODS
    asked = limits is not None and limits.items is not None
    return await send(
        ready.request,
        limits=bound_for_model(limits) if for_model and reads else limits,
        secrets=ready.secrets,
        repeat=safe,
        client=client if safe else None,
        expected=expectation(call.tool.operation, place(call.tool, call.arguments), asked=asked),
        watch=watch,
    )


def unconsented(prepared: Prepared) -> ConsentError:
    """Return the error for a call that needs consent, with the way to give it."""
    name = prepared.call.operation_id
    if prepared.asks_always:
        return ConsentError(
            f"{name} needs your consent each time, as your policy says {prepared.rule}; nothing was sent",
            hint="run it in a terminal, where you are asked (in Python: give yes a function)",
        )
    return ConsentError(
        f"{name} would {prepared.effect} something and needs your consent; nothing was sent",
        hint="look at the call with --dry-run, then give --yes (in Python: yes=True)",
    )


async def run(
    call: Call,
    target: Target,
    consent: Consent,
    *,
    limits: Limits | None = None,
    watch: Watch | None = None,
    for_model: bool = False,
) -> Result:
    """Run one call from its arguments to its result; `consent` is asked before a change. ConsentError when it refuses.

    `consent` is not asked where the user's policy allows the operation; where the policy asks, it is asked before a
    READ too.
    """
    prepared = prepare(call, target, intention=single_intention())
    # A missing credential or a denied call has to fail before the user is asked for consent.
    permit(prepared, target)
    allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    asks = prepared.asks_always or (prepared.effect is not Effect.READ and not allowed)
    if asks and not await consent(prepared):
        raise unconsented(prepared)
    return await perform(prepared, target, limits=limits, watch=watch, for_model=for_model)
