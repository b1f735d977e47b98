"""Opening of an API from a command's options: its description, base URL, credentials and rules."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi import bundled, registry
from nlapi.cli.completion.collect import store_operations
from nlapi.cli.options import parse_pairs
from nlapi.cli.render import console
from nlapi.errors import ConsentError, DescriptionError, UsageError
from nlapi.registry import Registration

if TYPE_CHECKING:
    from nlapi.cli.options import SendOptions
    from nlapi.client.message import Limits
    from nlapi.client.transport import TlsFiles
    from nlapi.errors import Issue
    from nlapi.openapi.spec import Operation, Spec
    from nlapi.tools.rules import PolicyRule
    from nlapi.tools.sending.run import Target


GATEWAY = "gateway"
"""the bundled description of the gateway"""
WAIT_S = 60.0
"""the seconds in which work that an API has accepted is waited for, if the user does not say"""
PATIENCE_S = 600.0
"""the seconds that one of many requests waits in all because an API asks for it"""
GATEWAY_CA = "NLAPI_GATEWAY_CA"
GATEWAY_CLIENT_CERT = "NLAPI_GATEWAY_CLIENT_CERT"
GATEWAY_CLIENT_KEY = "NLAPI_GATEWAY_CLIENT_KEY"


def load(source: str, overlays: Sequence[str] | None = None, root: str | None = None) -> Spec:
    """Return the Spec of a registered API, or of any source of `nlapi.load`, with `overlays` applied."""
    return _load(source, registry.find_registration(source), overlays, root)[1]


def load_anew(
    source: str,
    overlays: Sequence[str] | None,
    root: str | None,
    served: Spec,
    base_url: str | None,
    env: str | None = None,
) -> Spec:
    """Return the Spec of a source that is served already, read again.

    ConsentError where it sends, wants or changes more than before: than when it was registered, or, for a description
    at a URL, than the `served` one. A file counts as the user's own.
    """
    from nlapi.openapi.urls import is_http_url
    from nlapi.tools.versions.pins import check_pin, differences, pin_of

    entry = registry.find_registration(source)
    registered = entry or Registration(source=source)
    accepted, spec = _load(source, entry, overlays, root)
    named = named_base_url(registered, base_url, env)
    if entry is not None:
        check_pin(accepted, source, base_url=named)
    elif is_http_url(source) and (found := differences(pin_of(served), spec, with_sites=named is None)):
        raise ConsentError("; ".join(line[:200] for line in found[:5]), hint="start the server again to accept it")
    return spec


def select(
    spec: Spec, include: Sequence[str] | None, exclude: Sequence[str] | None = None, *, option: str = "include"
) -> tuple[Operation, ...]:
    """Return the operations that the filters select, with a note for each filter that matches nothing."""
    from nlapi.openapi.selection import select_operations

    chosen = select_operations(spec, include or (), exclude or (), option=option)
    for issue in chosen.issues:
        console.note(str(issue))
    return chosen.operations


def _load(
    source: str, entry: Registration | None, overlays: Sequence[str] | None, root: str | None
) -> tuple[Spec, Spec]:
    """Return the Spec of a description as it is registered, and with the overlays of the command.

    DescriptionError when it has no operation.
    """
    from nlapi.api import load_both
    from nlapi.openapi.gc_paused import gc_paused

    registered = entry or Registration(source=source)
    with gc_paused():
        accepted, spec = load_both(
            registered.source,
            registered.overlays,
            added=overlays or (),
            cache=registry.user_folder("cache"),
            root=root or registered.root,
            name=source if entry is not None else "",
        )
        # A large description stays until the process ends: the collector need not look at it again.
        gc.freeze()
    for issue in spec.parse_issues:
        if issue.rule == "overlay":
            console.note(str(issue))
    store_operations(spec)
    if not spec.operations:
        raise DescriptionError(f"{spec.source} has no operations", hint=str(spec.issues[0]).removeprefix("error: "))
    return accepted, spec


def injections(spec: Spec) -> tuple[Issue, ...]:
    """Return the Issues of the texts that read like instructions to a model; computed once.

    What cleans the texts for tools takes half the time after it.
    """
    return spec.derive(_find_injections)


def _find_injections(spec: Spec) -> tuple[Issue, ...]:
    from nlapi.tools.texts.prompt_injection import find_injections

    return tuple(find_injections(spec.document))


def note_injections(spec: Spec) -> None:
    """Note the texts of a description that read like instructions to a model."""
    for issue in injections(spec):
        console.note(str(issue))


def open_requested(request: SendOptions) -> tuple[Target, dict[str, str]]:
    """Return the Target that a command line names, and its registered values."""
    places = (request.base_url, request.auth, request.overlays, request.root)
    return open_target(request.source, *places, no_auth=request.no_auth, env=request.env)


def open_target(
    source: str,
    base_url: str | None,
    auth: list[str] | None,
    overlays: Sequence[str] | None = None,
    root: str | None = None,
    *,
    no_auth: bool = False,
    env: str | None = None,
) -> tuple[Target, dict[str, str]]:
    """Return the Target of a source and its registered values; the user's options override the registration."""
    from nlapi.accounts.credentials import open_credentials
    from nlapi.tools.rules import read_field_rules
    from nlapi.tools.sending.run import Target

    entry = registry.find_registration(source)
    registered = entry or Registration(source=source)
    option_references = auth_references(auth, no_auth=no_auth)
    # A credential on the command line is stronger than a registered --no-auth.
    no_auth = no_auth or (registered.no_auth and not option_references)
    references = {**registered.auth, **option_references}
    accepted, spec = _load(source, entry, overlays, root)
    named = named_base_url(registered, base_url, env)
    base_url, name = base_url_of(spec, registered, base_url, env), source
    if base_url and (chosen := env or registered.env):
        name = environment_account(name, chosen)
    if entry is not None:
        from nlapi.tools.versions.pins import check_pin

        # The overlays of this command are the user's own, and no change of the description.
        check_pin(accepted, source, base_url=named)
    name = name if entry is not None or bundled.is_bundled(source) else ""
    # Without the credentials that are described, an API may still take one that the user states.
    name = "" if no_auth else name
    stated = {id: text for id, text in registered.auth.items() if id not in spec.security_schemes}
    opened = open_credentials(
        spec, name, given=option_references, registered=stated if no_auth else registered.auth, base_url=named
    )
    target = Target(
        spec=spec,
        base_url=base_url,
        is_own_server=named is None,
        credentials=opened.values,
        account=opened.account,
        logins=opened.logins,
        variables=registry.variables_of(references),
        headers=tuple(registered.headers.items()),
        no_auth=no_auth,
        rules=_rules(spec, source),
        field_rules=read_field_rules(spec, source),
        settings=_plugin_settings(registered.source, base_url),
        # For this API alone: what identifies the caller goes to nobody else.
        tls=_gateway_tls() if registered.source == GATEWAY else None,
    )
    # An API that was registered before its parameters were known for credentials has them among its values.
    return take_credentials(target, registered.known)


def with_headers(target: Target, texts: Sequence[str] | None) -> Target:
    """Return the Target with the headers of `-H`, which go to the API's own servers; credentials among them as such."""
    from nlapi.tools.sending.request_changes import parse_headers, split_headers

    secret, plain = split_headers(target.spec, parse_headers(texts or ()))
    names = {name.lower() for name, _ in plain}
    others = tuple(pair for pair in target.headers if pair[0].lower() not in names)
    return with_secret_headers(replace(target, headers=(*others, *plain)), secret)


def with_secret_headers(target: Target, headers: Sequence[tuple[str, str]]) -> Target:
    """Return the Target with headers that are credentials; a value may be a reference."""
    texts = {f"header:{name}": value for name, value in headers}
    credentials = {id: registry.resolve_credential(id, text) for id, text in texts.items()}
    return replace(
        target,
        credentials={**target.credentials, **credentials},
        variables={**target.variables, **registry.variables_of(texts)},
    )


def take_credentials(
    target: Target, values: Mapping[str, str], arguments: Collection[str] = ()
) -> tuple[Target, dict[str, str]]:
    """Return the Target with those of `values` that are credentials of the API, and the other values.

    They are values or references by the names of parameters. What is in `arguments` is not a credential here.
    """
    find = target.spec.credential_parameters.scheme_of
    credential_texts = {
        id: text for name, text in values.items() if name not in arguments and (id := find(name)) is not None
    }
    if not credential_texts or target.no_auth:
        return target, dict(values)
    rest = {name: text for name, text in values.items() if name in arguments or find(name) is None}
    context = replace(target.account, preferred=target.account.preferred | credential_texts.keys())
    credentials = {id: registry.resolve_credential(id, text) for id, text in credential_texts.items()}
    variables = {**target.variables, **registry.variables_of(credential_texts)}
    audiences = {id: sites for id, sites in context.audiences.items() if id not in credential_texts}
    return replace(
        target,
        credentials={**target.credentials, **credentials},
        variables=variables,
        account=replace(context, audiences=audiences),
    ), rest


def base_url_of(spec: Spec, registered: Registration, base_url: str | None, env: str | None) -> str | None:
    """Return the base URL for calls: the one on the line, that of an environment, or the registered one.

    UsageError for an environment that neither the registration nor the description has.
    """
    from nlapi.client.server import environments

    if base_url is not None:
        if env:
            raise UsageError("--base-url and --env both say where the API runs", hint="give one of the two")
        return base_url
    name = env or registered.env
    if not name or name in registered.environments:
        return named_base_url(registered, base_url, env)
    known = {**environments(spec), **registered.environments}
    if name not in known:
        hint = f"it has {', '.join(known) or 'none'}; `nlapi api edit NAME --environment {name}=URL` adds one"
        raise UsageError(f"{spec.title} has no environment {name!r}", hint=hint)
    return known[name]


def named_base_url(registered: Registration, base_url: str | None, env: str | None) -> str | None:
    """Return the base URL that the user has named, on the line or in the registration; None where none is.

    An environment of the description alone does not count: whoever changes the description changes where it leads.
    """
    name = env or registered.env
    return base_url or (registered.environments.get(name) if name else registered.base_url)


def environment_account(name: str, env: str) -> str:
    """Return the name that logins of an environment are stored under: they are for its servers alone."""
    return f"{name}/{env}"


def _plugin_settings(source: str, base_url: str | None) -> Mapping[str, str]:
    """Return the settings of the plugin that a description lies in; {} for any other source."""
    path = Path(source)
    # Named as the build names it: no other file is looked for, and no code of plugins is loaded for it.
    if path.name != "openapi.json" or path.parent.name != "api":
        return {}
    from nlapi.plugin.argument_settings import settings_of_folder

    return settings_of_folder(path.parents[1], base_url, os.environ)


def _gateway_tls() -> TlsFiles | None:
    """Return the files that the environment names for connections to the gateway; None without any."""
    from nlapi.client.transport import TlsFiles

    paths = [os.environ.get(name) for name in (GATEWAY_CA, GATEWAY_CLIENT_CERT, GATEWAY_CLIENT_KEY)]
    authorities, certificate, key = (Path(path) if path else None for path in paths)
    return TlsFiles(authorities=authorities, certificate=certificate, key=key) if any(paths) else None


def _rules(spec: Spec, source: str) -> tuple[PolicyRule, ...]:
    """Return the rules of the user's policy for an API, with a warning for globs that match no operation."""
    from nlapi.tools.rules import read_rules, unmatched

    rules = read_rules(spec, source)
    for warning in unmatched(rules, spec.operations):
        console.note(f"warning: {warning}")
    return rules


def auth_references(auth: list[str] | None, *, no_auth: bool) -> dict[str, str]:
    """Return the values of `--auth` by scheme id; UsageError together with `--no-auth`."""
    if auth and no_auth:
        raise UsageError("--auth gives a credential, and --no-auth sends none", hint="give one of the two")
    return parse_pairs(auth, "--auth")


def limits(timeout: float | None) -> Limits:
    """Return the Limits with the user's deadline in seconds, if there is one."""
    from nlapi.client.message import call_limits

    return call_limits(timeout)


def patient_limits(bounds: Limits) -> Limits:
    """Return the Limits for many requests in a row, which wait as the API asks and say so."""
    return replace(bounds, patience=PATIENCE_S, on_wait=console.note)


def waiting_limits(bounds: Limits, wait: float | None, *, no_wait: bool) -> Limits:
    """Return the Limits with the time to wait for work that continues after an answer, which is shown."""
    if no_wait and wait is not None:
        raise UsageError("--wait waits, and --no-wait does not", hint="give one of the two")
    seconds = 0.0 if no_wait else WAIT_S if wait is None else wait
    return replace(bounds, wait=seconds, wait_any=wait is not None, on_wait=console.note)


def stream_limits(timeout: float | None, events: int | None) -> Limits:
    """Return the Limits for a person, with the options for streamed answers."""
    chosen = limits(timeout)
    # A model's stream ends after 5 seconds (docs/design/019-streams.md), unless the person chose a time or a number.
    seconds = None if timeout is None and events is None else chosen.deadline
    return replace(chosen, items=events, stream_seconds=seconds)
