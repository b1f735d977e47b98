"""Logs in at the terminal: with OAuth (endpoints, client, scopes, grant), or by a secret that is typed unseen."""

from __future__ import annotations

import getpass
import os
import select
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nlapi.accounts.authorization_server import Endpoints, described_endpoints, described_grants, discover
from nlapi.accounts.flows import (
    BROWSER_SECONDS,
    DEFAULT_REDIRECT,
    LoopbackReceiver,
    OAuthClient,
    TokenGrant,
    log_in_as_client,
    log_in_with_browser,
    log_in_with_device,
    log_in_with_password,
)
from nlapi.accounts.store import Grant
from nlapi.cli.ask.prompts import read_line
from nlapi.cli.options import is_interactive
from nlapi.cli.render import console
from nlapi.client.auth import credential_kind
from nlapi.client.safe_text import single_line, strip_control
from nlapi.credential_references import is_reference, read_reference
from nlapi.errors import MissingCredentialError, UsageError, require_extra
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.spec import SecurityScheme
from nlapi.openapi.urls import parse_url
from nlapi.system import IS_WINDOWS, has_display

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec


class TerminalPerson:
    """The Person of nlapi/accounts/flows.py at a terminal. Without a browser, addresses are only shown."""

    def __init__(self, *, opens_browser: bool) -> None:
        self._opens_browser = opens_browser
        self._can_type = not opens_browser and sys.stdin.isatty() and not IS_WINDOWS

    def open_browser(self, url: str) -> None:
        if self._opens_browser and _open(url):
            console.note(f"Your browser shows {parse_url(url).site}: log in there. If it does not, open\n{url}")
            return
        console.note(f"Open this in a browser, and log in there:\n{url}")
        if self._can_type:
            console.note("If that browser is on another machine, paste the address here that it ends at.")

    def show_code(self, url: str, code: str, complete_url: str) -> None:
        if self._opens_browser and complete_url:
            _open(complete_url)
        console.note(f"Open {url} on any device, and type the code {code}")

    def typed_address(self) -> str | None:
        if not self._can_type or not select.select([sys.stdin], [], [], 0)[0]:
            return None
        line = sys.stdin.readline()
        self._can_type = bool(line)
        return line.strip() or None


def _open(url: str) -> bool:
    """Open a page in a browser with windows. Return False if none exists."""
    # Without a display `webbrowser` starts a text browser in this very terminal.
    if not (has_display(os.environ) or os.environ.get("BROWSER")):
        return False
    import threading
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # Some wait until they are closed, while the answer that closes them is waited for here.
    threading.Thread(target=browser.open, args=(url,), daemon=True).start()
    return True


def ask_secret(prompt: str) -> str:
    """Return the text that the person types unseen; without a terminal, the next line of standard input.

    MissingCredentialError where there is nothing.
    """
    if is_interactive():
        try:
            text = getpass.getpass(f"{strip_control(prompt)}: ", stream=sys.stderr)
        except EOFError:
            text = ""
    else:
        text = sys.stdin.readline()
    if not (text := text.strip()):
        hint = "pipe it in, or name where it is: --reference env:NAME, file:PATH or cmd:COMMAND"
        raise MissingCredentialError(f"{single_line(prompt)}: nothing came", hint=hint)
    return text


def ask_credential(scheme: SecurityScheme) -> str:
    """Return the credential for a scheme, typed unseen; of basic, the name is seen."""
    about = single_line(scheme.description)[:200]
    if about and is_interactive():
        console.note(about)
    if scheme.kind == "http" and scheme.scheme == "basic" and is_interactive():
        name = (read_line("user name: ") or "").strip()
        if ":" in name:
            return name
        return f"{name}:{ask_secret('password')}"
    return ask_secret(f"{scheme.id} ({credential_kind(scheme)})")


# Scopes that are shown before a person chooses.
MAX_SCOPES = 30

FLOWS = {"code": Grant.CODE, "device": Grant.DEVICE, "client": Grant.CLIENT, "password": Grant.PASSWORD}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthOptions:
    """The options of a login with OAuth. `client_secret` is a reference, "" for none, "-" to be asked for."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    flow: str = ""
    redirect_uri: str = ""
    opens_browser: bool = True
    seconds: float = BROWSER_SECONDS
    base_url: str = ""


def log_in_with_oauth(spec: Spec, scheme: SecurityScheme, options: OAuthOptions, stored_secret: str) -> TokenGrant:
    """Return the tokens of a login. `stored_secret` is that of the client in an earlier login, "" for none."""
    require_extra("login", "a login with OAuth")
    grant, endpoints = _endpoints(spec, scheme, options)
    if grant is Grant.PASSWORD:
        return _log_in_with_password(spec, endpoints, options, stored_secret)
    if not options.client_id:
        options = _ask_client(spec, endpoints, options)
    secret = _client_secret(options, grant, stored_secret)
    client = OAuthClient(id=options.client_id, secret=secret, scopes=_scopes(endpoints, options))
    if grant is Grant.CLIENT:
        return log_in_as_client(endpoints, client)
    person = TerminalPerson(opens_browser=options.opens_browser)
    if grant is Grant.DEVICE:
        return log_in_with_device(endpoints, client, person)
    with LoopbackReceiver(options.redirect_uri or DEFAULT_REDIRECT) as receiver:
        return log_in_with_browser(endpoints, client, person, receiver, seconds=options.seconds)


def _log_in_with_password(spec: Spec, endpoints: Endpoints, options: OAuthOptions, stored_secret: str) -> TokenGrant:
    """Return the tokens for a user name and a password, which the person types after reading where they go."""
    secret = _client_secret(options, Grant.PASSWORD, stored_secret)
    client = OAuthClient(id=options.client_id, secret=secret, scopes=options.scopes)
    site, title = parse_url(endpoints.token_url).site, single_line(spec.title)
    console.note(
        f"warning: {title} takes the password itself, which goes to {site} and is not stored (OAuth 2.1 has no such "
        "login any more); another --flow or --token is better where the API has one"
    )
    basic = SecurityScheme(id=site, kind="http", scheme="basic")
    username, mark, password = ask_credential(basic).partition(":")
    if not mark:
        raise UsageError("a login by password is USER:PASSWORD", hint="on one line of standard input")
    return log_in_with_password(endpoints, client, username, password)


def _ask_client(spec: Spec, endpoints: Endpoints, options: OAuthOptions) -> OAuthOptions:
    """Return the options with the client id that a person types. UsageError without one."""
    title, site = single_line(spec.title), parse_url(endpoints.token_url).site
    register = f"register an application with {site} (redirect URI {options.redirect_uri or DEFAULT_REDIRECT})"
    if is_interactive():
        console.note(f"{title} wants a client id: {register}, and copy it from there.")
        if typed := (read_line("client id: ") or "").strip():
            return replace(options, client_id=typed)
    raise UsageError(f"{title} needs a client id to log you in", hint=f"{register}, then --client-id ID")


def _endpoints(spec: Spec, scheme: SecurityScheme, options: OAuthOptions) -> tuple[Grant, Endpoints]:
    """Return the grant of a login and the endpoints for it. UsageError if none exists."""
    if options.flow and options.flow not in FLOWS:
        raise UsageError(f"--flow {options.flow!r} is not known", hint=f"it is one of {', '.join(FLOWS)}")
    requested = FLOWS.get(options.flow)
    described = described_grants(scheme)
    if options.issuer:
        # The user named it, so that it may be anywhere.
        endpoints = discover(options.issuer, NetworkScope.ANY)
    elif scheme.metadata_url and (requested not in described if requested else not described):
        endpoints = discover(scheme.metadata_url, spec.origin.scope_of(parse_url(scheme.metadata_url)))
    else:
        grant = requested or next(iter(described), None)
        endpoints = (
            described_endpoints(spec, scheme, grant, options.base_url) if grant else Endpoints(origin=spec.origin)
        )
        if grant and grant in endpoints.grants:
            return grant, endpoints
    # A person is there, so that a grant of the client itself would be somebody else.
    grant = requested or next((grant for grant in (*described, *endpoints.grants) if grant in endpoints.grants), None)
    if grant is None or grant not in endpoints.grants:
        has = ", ".join(name for name, value in FLOWS.items() if value in (*described, *endpoints.grants)) or "none"
        hint = f"it has {has}; --issuer URL names an authorization server, --token takes a token that you have"
        flow = f"the flow {options.flow}" if options.flow else "a flow that nlapi has"
        raise UsageError(f"{scheme.id} has no {flow.removeprefix('the ')}", hint=hint)
    return grant, endpoints


def _client_secret(options: OAuthOptions, grant: Grant, stored: str) -> str:
    if options.client_secret == "-":  # noqa: S105 - the sign for standard input
        return ask_secret("client secret")
    if options.client_secret:
        if not is_reference(options.client_secret):
            hint = "--client-secret env:NAME, file:PATH, cmd:COMMAND, or - to be asked"
            raise UsageError("--client-secret takes a place, as a command line is seen by others", hint=hint)
        return read_reference(options.client_secret, "--client-secret")
    if grant is Grant.CLIENT and not stored:
        return ask_secret("client secret")
    return stored


def _scopes(endpoints: Endpoints, options: OAuthOptions) -> tuple[str, ...]:
    """Return the scopes to ask for: those of `--scope`, the only one that is described, or those that are typed."""
    if options.scopes or len(endpoints.scopes) < 2:
        return options.scopes or endpoints.scopes
    names = [single_line(scope)[:200] for scope in endpoints.scopes]
    if not is_interactive():
        shown = ", ".join(names[:MAX_SCOPES])
        console.note(f"No scope is asked for, so that the server chooses; --scope names some of {shown}")
        return ()
    for name in names[:MAX_SCOPES]:
        console.note(f"  {name}")
    typed = read_line("scopes, with blanks between them (none: the server chooses): ") or ""
    return tuple(typed.replace(",", " ").split())
