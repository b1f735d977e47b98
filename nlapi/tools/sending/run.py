"""Turns a Call into a Result, by the one way there is: check, place, build, consent, authorise, send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nlapi.accounts.credentials import open_credentials
from nlapi.client.answer_fields import FieldFilter
from nlapi.client.auth import (
    NO_CONTEXT,
    AuthorizedRequest,
    CredentialContext,
    alternatives,
    authorize,
    is_same_api,
)
from nlapi.client.build import Values, build
from nlapi.client.curl import to_curl
from nlapi.client.message import Limits, Request, Result, bound_for_model, digest
from nlapi.client.safe_text import single_line
from nlapi.client.server import network_scope, site_of
from nlapi.client.wire_operation import operation_on_wire
from nlapi.errors import ArgumentError, ConsentError, DeniedError, MissingCredentialError, RepetitionError, UsageError
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, gravest
from nlapi.openapi.urls import parse_url
from nlapi.registry import Registration, find_registration
from nlapi.resources.effect_arguments import call_effect
from nlapi.tools.arguments import check, setting_arguments, with_defaults
from nlapi.tools.quantities.units import to_wire_units
from nlapi.tools.repetition.ledger import (
    REPETITION_HINT,
    Change,
    Intention,
    Ledger,
    LedgerEntry,
    key_argument,
    new_key,
    provisional_key,
)
from nlapi.tools.rules import (
    FieldRule,
    PolicyRule,
    Ruling,
    deciding_rule,
    denial_message,
    field_filter,
    is_denied,
    read_field_rules,
    read_rules,
)
from nlapi.tools.sending.request_changes import NO_CHANGES, RequestChanges
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from nlapi.accounts.session import LoginSession
    from nlapi.client.streaming.body import PieceListener
    from nlapi.client.transport import HttpClient, TlsFiles
    from nlapi.tools.sending.waiting import WorkOutcome


class Receipts(Protocol):
    """The requests of changes that the user of a client has confirmed, in whose session the process runs."""

    def take(self, prepared: Prepared) -> str:
        """Use up the receipt for a call; return why none exists, or ""."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An API to call: its Spec, its base URL where that is not the Spec's, and credentials by scheme id.

    `variables` are the names of the environment variables that hold the credentials, for curl lines. `headers` go
    with every call to the API's own servers, and `tls` has the files for those servers. With `no_auth` nothing is
    sent for the security that operations describe, and of `credentials` only those that the user states
    (`find_scheme`). `rules` and `field_rules` are those of the user's policy that apply to the API. `settings` are the
    values by argument that the user stored for it, which fill in what a call does not give. `ledger` has the changes
    that were sent to it, of one conversation: each Target has a new one unless it is given. In the session of a client
    with a model a change needs one of `receipts`; without them none is sent there. With `pinned` the description is
    the one that the user installed, so that it may call a POST a READ. With `is_own_server` the base URL is one that
    the description names, and not the user. `account` is what is known of the credentials beside their values, and
    `logins` renews those that are stored and end; None where none is stored.
    """

    spec: Spec
    base_url: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    # Some APIs describe a credential that they do not want: Chroma, for one (its description declares it, its server
    # not).
    no_auth: bool = False
    rules: tuple[PolicyRule, ...] = ()
    field_rules: tuple[FieldRule, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    tls: TlsFiles | None = None
    receipts: Receipts | None = None
    pinned: bool = False
    is_own_server: bool = False
    account: CredentialContext = NO_CONTEXT
    logins: LoginSession | None = field(default=None, repr=False)
    ledger: Ledger = field(default_factory=Ledger, repr=False, compare=False)


UNAUTHORIZED = 401

Auth = Mapping[str, str] | str | Literal[False] | None
"""Credentials by scheme id, or that of the only scheme; False sends none, whatever the description requires."""


def registered_target(
    spec: Spec, *, base_url: str | None = None, auth: Auth = None, ledger: Ledger | None = None
) -> Target:
    """Return the Target of a call from Python: `base_url` and `auth`, which override what is registered for the Spec.

    CredentialError when a registered credential is in a variable that is not set; UsageError when the user's policy
    cannot be read; ConsentError when the registered description has changed in what its user accepted.
    """
    from nlapi.tools.versions.pins import check_pin

    rules, field_rules = read_rules(spec), read_field_rules(spec)
    registered = find_registration(spec.registered) or Registration(source=spec.source)
    base_url = base_url or registered.base_url
    check_pin(spec, spec.registered, base_url=base_url)
    ledger = ledger if ledger is not None else Ledger()
    target = Target(
        spec=spec,
        base_url=base_url,
        headers=tuple(registered.headers.items()),
        no_auth=auth is False or (registered.no_auth and not auth),
        rules=rules,
        field_rules=field_rules,
        ledger=ledger,
    )
    if auth is False or (target.no_auth and not registered.auth):
        return target
    opened = open_credentials(
        spec, spec.registered, given=_by_scheme(spec, auth), registered=registered.auth, base_url=base_url
    )
    return replace(target, credentials=opened.values, account=opened.account, logins=opened.logins)


def _by_scheme(spec: Spec, auth: Mapping[str, str] | str | None) -> Mapping[str, str]:
    """Return credentials by scheme id. UsageError for one alone where the API has several schemes, or none."""
    if not isinstance(auth, str):
        return auth or {}
    ids = [scheme.id for scheme in spec.security_schemes.values() if not scheme.fault]
    if auth and len(ids) != 1:
        schemes = f"has the schemes {', '.join(ids)}" if ids else "has no security scheme"
        hint = f"say which one: auth={{{ids[0]!r}: ...}}" if ids else "auth=False sends without"
        raise UsageError(f"{single_line(spec.title)} {schemes}, and auth is one credential", hint=hint)
    return dict.fromkeys(ids, auth) if auth else {}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A Call that is ready to be sent. `request` has no credentials yet; `curl` has a placeholder for each of them.

    `written` is the call as its planner wrote it, with amounts in the user's words; `call` has them in wire units.
    `rule` is the rule of the user's policy that decides on it, if there is one. `settings` are the arguments that the
    user's settings filled in. `repetition` is the reason why it may be a change that was sent before, "" where it is
    none: whoever consents is to be shown it. `part` names the step of a plan or a document that makes it.
    """

    call: Call
    request: Request
    effect: Effect
    curl: str
    written: Call
    rule: PolicyRule | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    repetition: str = ""
    part: str = ""

    @property
    def requires_question(self) -> bool:
        """Whether the user has to confirm it, whatever they agreed to in advance: the policy says so, or it repeats."""
        return bool(self.repetition) or self.is_ruled

    @property
    def is_ruled(self) -> bool:
        """Whether the user's policy wants a question each time."""
        return self.rule is not None and self.rule.verdict is Ruling.ASK

    @cached_property
    def change(self) -> Change:
        """The change as it is compared with others; for what is not a READ."""
        return Change(
            operation=self.call.tool.operation, request=self.request, arguments=self.call.arguments, part=self.part
        )


Consent = Callable[[Prepared], Awaitable[bool]]
RequestListener = Callable[[AuthorizedRequest], None]


def locate_arguments(tool: Tool, arguments: Mapping[str, Any]) -> Values:
    """Return the arguments by their location in the request, with defaults for what is hidden and required.

    An argument that the schema merely allows belongs to the body.
    """
    values = {tool.places.get(name, ("body", name)): value for name, value in arguments.items()}
    return with_defaults(tool.operation, values)


def prepare(
    call: Call,
    target: Target,
    *,
    intention: Intention | None = None,
    changes: RequestChanges = NO_CHANGES,
    part: str = "",
) -> Prepared:
    """Return a call as a built request: amounts in wire units, arguments checked and placed. Nothing is sent.

    With an `intention`, the request of a change has the idempotency key of the intention where its operation describes
    one and its arguments have none. `changes` are the user's additions to the request beside the arguments. `part` is
    the step of a plan that makes it; of a step of a document it is known by the id of the call.

    ArgumentError when an argument breaks its schema or can never be sent, UsageError without a server for it.
    """
    operation = call.tool.operation
    filled = setting_arguments(call.tool, target.settings, call.arguments) if target.settings else {}
    if filled:
        call = replace(call, arguments={**filled, **call.arguments})
    written = call
    call = replace(call, arguments=to_wire_units(call.tool, call.arguments))
    name = key_argument(call.tool)
    needs_key = intention is not None and name is not None and name not in call.arguments
    request = _build_request(call, target, provisional_key(call.tool) if needs_key else {}, changes)
    # The key is a hash of the request without it, so the request is built once to be hashed and once more with its key.
    if intention is not None and needs_key and (key := new_key(call.tool, intention(digest(request)))):
        request = _build_request(call, target, key, changes)
    curl = to_curl(
        request,
        operation,
        target.credentials,
        base_url=target.base_url,
        variables=target.variables,
        preferred=target.account.preferred,
        no_auth=target.no_auth,
    )
    actual = operation_on_wire(operation, request, target.base_url)
    effect = gravest((call.effect, _effect_of_request(call, changes), actual.effect))
    rule = rule_of(operation, target, effect, request)
    if actual is not operation and (other := rule_of(actual, target, effect, request)) is not None:
        # A rule that holds back an operation is not gone around by the path of another one.
        rule = other if not other.is_permissive and not is_denied(rule) else rule
    prepared = Prepared(
        call=call,
        request=request,
        effect=effect,
        curl=curl,
        written=written,
        rule=rule,
        settings=filled,
        part=call.part if target.ledger.has_agreed(call.part) else part,
    )
    if prepared.effect is Effect.READ:
        return prepared
    return replace(prepared, repetition=target.ledger.repetition(prepared.change))


def _effect_of_request(call: Call, changes: RequestChanges) -> Effect:
    """Return the effect that a call has by values that are not arguments: hidden defaults, a whole body, a query."""
    values = locate_arguments(call.tool, call.arguments)
    if changes.content is not None:
        values = {**values, ("body", ""): changes.values}
    queries = ({("query", name): value} for name, value in changes.query)
    return gravest(call_effect(call.tool.operation, each) for each in (values, *queries))


def rule_of(
    operation: Operation, target: Target, effect: Effect | None = None, request: Request | None = None
) -> PolicyRule | None:
    """Return the rule of the user's policy that decides on a call, by the origin that its request goes to.

    `effect` is that of the call. Without a request it is the operation's server that counts.
    """
    if not target.rules:
        return None
    site = site_of(operation, target.base_url) if request is None else parse_url(request.url).site
    return deciding_rule(target.rules, operation, effect, site)


def _build_request(call: Call, target: Target, key: Mapping[str, Any], changes: RequestChanges = NO_CHANGES) -> Request:
    """Return the request of a call with an idempotency key, which is not an argument of the call: no one gave it."""
    arguments = {**call.arguments, **key}
    _check_no_credential(call)
    check(changes.relax(call.tool), arguments)
    try:
        values = locate_arguments(call.tool, arguments)
        # A body that is given whole is not an argument; what else is required has been checked.
        is_partial = changes.content is not None
        request = build(call.tool.operation, values, base_url=target.base_url, partial=is_partial)
        if call.page_query:
            request = _page_request(request, call.page_query)
    except ArgumentError as error:
        raise ArgumentError(f"{call.operation_id}: {error.message}", hint=error.hint) from None
    if target.headers and is_same_api(call.tool.operation, request.url, target.base_url):
        request = RequestChanges(headers=target.headers).apply(request)
    return changes.apply(request)


def _page_request(request: Request, query: str) -> Request:
    """Return the GET of a page that an answer leads to: a search by POST has its criteria in the query of its link
    too, as Microsoft's description of `x-ms-pageable` has it.
    """
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-type")
    return replace(request, method="GET", url=f"{request.url.partition('?')[0]}?{query}", headers=headers, content=None)


def _check_no_credential(call: Call) -> None:
    """Raise ArgumentError for an argument that is a credential of the API: a model must not have one."""
    find = call.tool.operation.spec.credential_parameters.scheme_of
    for name in call.arguments.keys() - call.tool.input_schema.get("properties", {}).keys():
        if (id := find(name)) is not None:
            raise ArgumentError(
                f"{call.operation_id}: {name} is a credential and no argument",
                hint=f"--auth {id}=env:NAME, or `nlapi auth login` (in Python: auth={{{id!r}: ...}})",
            )


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
        raise DeniedError(denial_message(operation, prepared.rule), hint=prepared.rule.location)
    account = target.account
    try:
        return authorize(
            prepared.request,
            operation,
            target.credentials,
            base_url=target.base_url,
            account=account,
            no_auth=target.no_auth,
        )
    except MissingCredentialError as error:
        # A login that cannot be read is the better reason: its keyring is locked, or its file is damaged.
        needed = {id for credentials in alternatives(operation) for credential in credentials for id in credential.ids}
        faults = target.logins.faults if target.logins is not None else {}
        raise next((fault for id, fault in faults.items() if id in needed), error) from None


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

    RepetitionError for a change that the ledger of the target calls a repetition, where `prepared` says nothing of it:
    what nobody was shown as a repetition, nobody has agreed to. It stands in the ledger before it is sent.

    A stored login is renewed before it ends. Where the API refuses it all the same (401), it is renewed, and a READ is
    sent again with the new one; a change is not (docs/design/090-logins.md).

    Only a READ by a safe method is sent again after a failure, and only such a READ shares the connections of `client`:
    a connection that the API closes at that moment would leave open whether a change was carried out. The effect is not
    enough, as a POST may be called a read by mistake.

    An answer that streams within the limits is a Result of the items so far; `watch` is called with them as they come.
    Limits with a number of items mark the answer as a stream. `for_model` bounds a READ that streams as a model needs
    it; a change is read to its end, as closing its connection may stop it half way. It also takes out of the answer
    the fields that the user's policy hides from models, and stops a READ that goes in circles: the Result is then the
    last answer with a `note`, or RepeatedReadError is raised.
    """
    once = partial(_perform_once, prepared, target, limits=limits, client=client, watch=watch, for_model=for_model)
    if not for_model or prepared.effect is not Effect.READ:
        return await once()
    reads = target.ledger.reads
    with reads.reading(digest(prepared.request), prepared.call.operation_id) as entry:
        if isinstance(entry, Result):
            return entry
        result = await once()
        reads.settle(entry, result)
        return result


async def _perform_once(
    prepared: Prepared,
    target: Target,
    *,
    limits: Limits | None,
    client: HttpClient | None,
    watch: PieceListener | None,
    for_model: bool,
) -> Result:
    """Authorise a call and send it, as `perform` does."""
    from nlapi.client.send import send
    from nlapi.client.streaming.rule import expect_stream

    call, operation, logins = prepared.call, prepared.call.tool.operation, target.logins
    authorized = authorize_call(prepared, target)
    is_read = prepared.effect is Effect.READ
    is_repeatable = is_read and prepared.request.method in READ_METHODS
    is_requested = limits is not None and limits.items is not None

    async def exchange(authorized: AuthorizedRequest) -> Result:
        return await send(
            authorized.request,
            limits=bound_for_model(limits) if for_model and is_read else limits,
            # An API may show any token of the login, an older one too.
            secrets=(*authorized.secrets, *(logins.secrets if logins is not None else ())),
            repeat=is_repeatable,
            client=client if is_repeatable else None,
            expected=expect_stream(operation, locate_arguments(call.tool, call.arguments), is_requested=is_requested),
            watch=watch,
            tls=target.tls if is_same_api(operation, authorized.request.url, target.base_url) else None,
            scope=network_scope(operation, target.base_url, is_users=not target.is_own_server),
        )

    with _entered(prepared, target) as entry:
        _require_receipt(prepared, target)
        if logins is not None and authorized.schemes:
            credentials = await logins.with_valid_tokens(target.credentials, authorized.schemes)
            target = replace(target, credentials=credentials)
            authorized = authorize_call(prepared, target)
        result = await exchange(authorized)
        if entry is not None:
            entry.settle(result)
    if result.status == UNAUTHORIZED and logins is not None:
        renewed = await logins.with_new_tokens(target.credentials, authorized.schemes)
        if renewed is not None and is_repeatable:
            result = await exchange(authorize_call(prepared, replace(target, credentials=renewed)))
    return model_fields(operation, target).apply(result) if for_model else result


def model_fields(operation: Operation, target: Target) -> FieldFilter:
    """Return what of an operation's answers a model is shown, as the user's policy says."""
    if not target.field_rules:
        return FieldFilter()
    return field_filter(target.field_rules, operation, site_of(operation, target.base_url))


def _entered(prepared: Prepared, target: Target) -> AbstractContextManager[LedgerEntry | None]:
    """Return the context in which a change is sent, and stands in the ledger; for a READ one that does nothing."""
    if prepared.effect is Effect.READ:
        return nullcontext()
    return target.ledger.sending(prepared.change, is_agreed=bool(prepared.repetition))


def is_held(prepared: Prepared) -> bool:
    """Return whether the user's policy wants a question before a call, or denies it."""
    return prepared.rule is not None and prepared.rule.verdict is not Ruling.ALLOW


def needs_receipt(prepared: Prepared, target: Target) -> bool:
    """Return whether a call in a client's session needs a receipt: a change, or what only its description calls a READ.

    A model may write its own description, in which a POST is a READ.
    """
    if prepared.effect is not Effect.READ:
        return True
    return prepared.request.method not in READ_METHODS and not target.pinned


def _is_session_of_plugin(target: Target) -> bool:
    """Return whether this process runs in a client's session where a plugin of nlapi has the user asked.

    Without a plugin the client's own permissions are for `nlapi` what they are for every other program.
    """
    from nlapi import client_session

    if not client_session.is_in_session():
        return False
    return client_session.is_plugin_on() or client_session.is_plugin_description(target.spec.source)


def _require_receipt(prepared: Prepared, target: Target) -> None:
    """Use up the receipt for a call where it needs one. ConsentError without it: nothing is sent."""
    if not needs_receipt(prepared, target):
        return
    if target.receipts is None:
        if not _is_session_of_plugin(target):
            return
        reason = "this process runs in the session of a client with a model, and nobody was asked about this request"
    else:
        reason = target.receipts.take(prepared)
    if reason:
        from nlapi import client_session

        raise ConsentError(f"{prepared.call.operation_id} was not sent: {reason}", hint=client_session.RECEIPT_HINT)


def _consent_error(prepared: Prepared) -> ConsentError:
    """Return the error for a call that needs consent, with the way to give it."""
    name = prepared.call.operation_id
    if prepared.repetition:
        hint = f"{REPETITION_HINT} (in Python: yes is a function, which is given the change with its `repetition`)"
        return RepetitionError(f"{name} may be a repetition: {prepared.repetition}", hint=hint)
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
    changes: RequestChanges = NO_CHANGES,
    on_request: RequestListener | None = None,
    on_work: Callable[[WorkOutcome], None] | None = None,
) -> Result:
    """Run one call from its arguments to its result; `consent` is asked before a change. ConsentError when it refuses.

    `consent` is not asked where the user's policy allows the operation; where the policy asks, it is asked before a
    READ too, and before each repetition. `on_request` is called with the request as it is sent, and with its
    secrets. Where work continues after the answer, nlapi waits as `limits` say (`await_work`), and `on_work` is
    called with its outcome.
    """
    while True:
        prepared = prepare(call, target, intention=target.ledger.intention, changes=changes)
        # A missing credential or a denied call has to fail before the user is asked for consent.
        authorized = authorize_call(prepared, target)
        is_allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
        needs_consent = prepared.requires_question or (prepared.effect is not Effect.READ and not is_allowed)
        if needs_consent and not await consent(prepared):
            raise _consent_error(prepared)
        if on_request is not None:
            on_request(authorized)
        # Another call may send the same while a person thinks: then the question was not about a repetition.
        with suppress(RepetitionError):
            result = await perform(prepared, target, limits=limits, watch=watch, for_model=for_model)
            return await finish_work(prepared, result, target, limits, on_work=on_work, for_model=for_model)


async def finish_work(
    prepared: Prepared,
    result: Result,
    target: Target,
    limits: Limits | None,
    *,
    on_work: Callable[[WorkOutcome], None] | None,
    for_model: bool = False,
) -> Result:
    """Return the answer about the work that a change began, once it is over or the time is; else `result` itself."""
    if on_work is None or prepared.effect is Effect.READ:
        return result
    from nlapi.tools.sending.waiting import AcceptedChange, await_work

    change = AcceptedChange(call=prepared.call, effect=prepared.effect, result=result)
    outcome = await await_work(change, target, limits=limits, for_model=for_model)
    if outcome is None:
        return result
    on_work(outcome)
    return outcome.result
