"""Turns a Call into a Result, by the one way there is: check, place, build, consent, authorise, send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from nlapi.client.auth import AuthorizedRequest, authorize, header_secrets, is_same_api
from nlapi.client.build import Values, build
from nlapi.client.curl import to_curl
from nlapi.client.digest import digest
from nlapi.client.limits import Limits, bound_for_model
from nlapi.client.message import Request, Result
from nlapi.client.server import network_scope
from nlapi.errors import ArgumentError, ConsentError
from nlapi.openapi.spec import READ_METHODS, Effect, Spec
from nlapi.registry import Registration, find_registration, resolve_credential
from nlapi.tools.arguments import check, to_wire_units, with_defaults
from nlapi.tools.idempotency import Intention, key_argument, new_key, provisional_key, single_intention
from nlapi.tools.pins import check_pin
from nlapi.tools.rules import PolicyRule, Ruling, deciding_rule, denial_message, is_denied, read_rules
from nlapi.tools.setting_values import setting_arguments
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from nlapi.client.streaming.body import PieceListener
    from nlapi.client.tls_files import TlsFiles
    from nlapi.client.transport import HttpClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An API to call: its Spec, its base URL where that is not the Spec's, and credentials by scheme id.

    `variables` are the names of the environment variables that hold the credentials, for curl lines. `headers` go with
    every call to the API's own servers and are not shown in previews, and `tls` has the files for those servers. With
    `no_auth` nothing is sent for the security that operations describe. `rules` are those of the user's policy that
    apply to the API. `settings` are the values by argument that the user stored for it, which fill in what a call does
    not give.
    """

    spec: Spec
    base_url: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Some APIs describe a credential that they do not want: Chroma, for one (its description declares it, its server
    # not).
    no_auth: bool = False
    rules: tuple[PolicyRule, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    tls: TlsFiles | None = None


Auth = Mapping[str, str] | Literal[False] | None
"""Credentials by scheme id; False sends none, whatever the description requires."""


def registered_target(spec: Spec, *, base_url: str | None = None, auth: Auth = None) -> Target:
    """Return the Target of a call from Python: `base_url` and `auth`, which override what is registered for the Spec.

    CredentialError when a registered credential is in a variable that is not set; UsageError when the user's policy
    cannot be read; ConsentError when the registered description has changed in what its user accepted.
    """
    rules = read_rules(spec)
    registered = find_registration(spec.registered) or Registration(source=spec.source)
    base_url = base_url or registered.base_url
    check_pin(spec, spec.registered, base_url=base_url)
    if auth is False or (registered.no_auth and not auth):
        return Target(spec=spec, base_url=base_url, no_auth=True, rules=rules)
    credentials = dict(auth or {})
    stored = {id: resolve_credential(id, text) for id, text in registered.auth.items() if id not in credentials}
    return Target(spec=spec, base_url=base_url, credentials={**stored, **credentials}, rules=rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A Call that is ready to be sent. `request` has no credentials yet; `curl` has a placeholder for each of them.

    `written` is the call as its planner wrote it, with amounts in the user's words; `call` has them in wire units.
    `rule` is the rule of the user's policy that decides on it, if there is one. `settings` are the arguments that the
    user's settings filled in.
    """

    call: Call
    request: Request
    effect: Effect
    curl: str
    written: Call
    rule: PolicyRule | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def requires_question(self) -> bool:
        """Whether the user's policy requires a question, whatever was consented to in advance."""
        return self.rule is not None and self.rule.verdict is Ruling.ASK


Consent = Callable[[Prepared], Awaitable[bool]]


def locate_arguments(tool: Tool, arguments: Mapping[str, Any]) -> Values:
    """Return the arguments by their location in the request, with defaults for what is hidden and required.

    An argument that the schema merely allows belongs to the body.
    """
    values = {tool.places.get(name, ("body", name)): value for name, value in arguments.items()}
    return with_defaults(tool.operation, values)


def prepare(call: Call, target: Target, *, intention: Intention | None = None) -> Prepared:
    """Return a call as a built request: amounts in wire units, arguments checked and placed. Nothing is sent.

    With an `intention`, the request of a change has the idempotency key of the intention where its operation describes
    one and its arguments have none.

    ArgumentError when an argument breaks its schema or can never be sent, UsageError when there is no server for it.
    """
    operation = call.tool.operation
    filled = setting_arguments(call.tool, target.settings, call.arguments) if target.settings else {}
    if filled:
        call = replace(call, arguments={**filled, **call.arguments})
    written = call
    call = replace(call, arguments=to_wire_units(call.tool, call.arguments))
    name = key_argument(call.tool)
    needs_key = intention is not None and name is not None and name not in call.arguments
    request = _build_request(call, target, provisional_key(call.tool) if needs_key else {})
    # The key is a hash of the request without it, so the request is built once to be hashed and once more with its key.
    if intention is not None and needs_key and (key := new_key(call.tool, intention(digest(request)))):
        request = _build_request(call, target, key)
    described = None if target.no_auth else operation
    curl = to_curl(request, described, target.credentials, base_url=target.base_url, variables=target.variables)
    rule = deciding_rule(target.rules, operation)
    return Prepared(
        call=call,
        request=request,
        effect=call.tool.effect,
        curl=curl,
        written=written,
        rule=rule,
        settings=filled,
    )


def _build_request(call: Call, target: Target, key: Mapping[str, Any]) -> Request:
    """Return the request of a call with an idempotency key, which is no argument of the call: no one gave it."""
    arguments = {**call.arguments, **key}
    check(call.tool, arguments)
    try:
        return build(call.tool.operation, locate_arguments(call.tool, arguments), base_url=target.base_url)
    except ArgumentError as error:
        raise ArgumentError(f"{call.operation_id}: {error.message}", hint=error.hint) from None


def build_partial(call: Call, target: Target) -> Request:
    """Return the request as far as it is known while arguments are missing; for previews, never for sending."""
    values = locate_arguments(call.tool, to_wire_units(call.tool, call.arguments))
    return build(call.tool.operation, values, base_url=target.base_url, partial=True)


def authorize_call(prepared: Prepared, target: Target) -> AuthorizedRequest:
    """Return the request with its credentials.

    CredentialError when one is missing, or would go to a server that it is not for. ConsentError when the user's policy
    denies the call: every way to the API passes here, so no interface can forget the policy (docs/design/024).
    """
    operation = prepared.call.tool.operation
    if prepared.rule is not None and is_denied(prepared.rule):
        raise ConsentError(denial_message(operation, prepared.rule), hint=prepared.rule.location)
    authorized = AuthorizedRequest(request=prepared.request)
    if not target.no_auth:
        authorized = authorize(prepared.request, operation, target.credentials, base_url=target.base_url)
    if not target.headers or not is_same_api(operation, authorized.request.url, target.base_url):
        return authorized
    # Configured headers replace those of the request, and are masked in output like credentials.
    header_names = {name.lower() for name in target.headers}
    headers = (
        *(pair for pair in authorized.request.headers if pair[0].lower() not in header_names),
        *target.headers.items(),
    )
    return replace(
        authorized,
        request=replace(authorized.request, headers=headers),
        secrets=(*authorized.secrets, *header_secrets(target.headers)),
    )


async def perform(
    prepared: Prepared,
    target: Target,
    *,
    limits: Limits | None = None,
    client: HttpClient | None = None,
    watch: PieceListener | None = None,
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
    from nlapi.client.streaming.rule import expect_stream

    call, authorized = prepared.call, authorize_call(prepared, target)
    operation = call.tool.operation
    is_read = prepared.effect is Effect.READ
    is_repeatable = is_read and prepared.request.method in READ_METHODS
    is_requested = limits is not None and limits.items is not None
    return await send(
        authorized.request,
        limits=bound_for_model(limits) if for_model and is_read else limits,
        secrets=authorized.secrets,
        repeat=is_repeatable,
        client=client if is_repeatable else None,
        expected=expect_stream(operation, locate_arguments(call.tool, call.arguments), is_requested=is_requested),
        watch=watch,
        tls=target.tls if is_same_api(operation, authorized.request.url, target.base_url) else None,
        scope=network_scope(operation, target.base_url),
    )


def _consent_error(prepared: Prepared) -> ConsentError:
    """Return the error for a call that needs consent, with the way to give it."""
    name = prepared.call.operation_id
    if prepared.requires_question:
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
    watch: PieceListener | None = None,
    for_model: bool = False,
) -> Result:
    """Run one call from its arguments to its result; `consent` is asked before a change. ConsentError when it refuses.

    `consent` is not asked where the user's policy allows the operation; where the policy asks, it is asked before a
    READ too.
    """
    prepared = prepare(call, target, intention=single_intention())
    # A missing credential or a denied call has to fail before the user is asked for consent.
    authorize_call(prepared, target)
    is_allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    needs_consent = prepared.requires_question or (prepared.effect is not Effect.READ and not is_allowed)
    if needs_consent and not await consent(prepared):
        raise _consent_error(prepared)
    return await perform(prepared, target, limits=limits, watch=watch, for_model=for_model)
