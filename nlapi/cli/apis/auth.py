"""`nlapi auth`: logs in to an API once, shows what is stored, gives a token to scripts, and forgets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi import bundled, registry
from nlapi.cli.options import BaseUrl, Env, ListOutput, argument, flag, is_interactive, option
from nlapi.cli.render import console, table
from nlapi.credential_references import REFERENCE_FORMS, is_reference, read_reference
from nlapi.errors import CredentialError, MissingCredentialError, NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.accounts.store import Login, LoginKey, LoginKind, Secrets, SecretStorage
    from nlapi.cli.apis.login_oauth import OAuthOptions
    from nlapi.cli.apis.login_ways import LoginWay
    from nlapi.openapi.spec import SecurityScheme, Spec
    from nlapi.registry import Registration

app = typer.Typer(help="Log in to APIs with keys, passwords or OAuth.", no_args_is_help=True)

LOGIN = """Secrets are stored in the system keyring, or, without one, in a file that only you can read.

nlapi auth login shop
nlapi auth login shop apiKey --reference "cmd:op read op://Private/shop/key"
nlapi auth login spotify --client-id 5f2c... --scope ads.read
nlapi auth login build --flow client --client-id ci --client-secret env:CI_SECRET
pass show shop | nlapi auth login shop"""

Api = Annotated[str, argument("API", "A registered API, or one of its accounts, such as github@work.")]
SchemeName = Annotated[
    str | None, argument("SCHEME", "One of its security schemes. Default: you are asked, or the most used one.")
]


@app.command(epilog=LOGIN)
def login(
    api: Api,
    scheme: SchemeName = None,
    reference: Annotated[
        str | None, option("--reference REF", f"Store a reference instead of the secret: {REFERENCE_FORMS}.")
    ] = None,
    token: Annotated[
        bool, flag("--token", "Enter a token that you already have instead of getting one by OAuth.")
    ] = False,
    issuer: Annotated[str | None, option("--issuer URL", "The issuer URL of the authorization server.")] = None,
    client_id: Annotated[
        str | None, option("--client-id ID", "The client id of the application you registered there.")
    ] = None,
    client_secret: Annotated[
        str | None, option("--client-secret REF", f"Its client secret: {REFERENCE_FORMS}, or - to be asked.")
    ] = None,
    scope: Annotated[list[str] | None, option("--scope NAME", "A scope to request. Repeatable.")] = None,
    flow: Annotated[
        str | None,
        option(
            "--flow code|device|client|password",
            "Log in in a browser, with a device code, as the client itself, or by password.",
        ),
    ] = None,
    redirect_uri: Annotated[
        str | None, option("--redirect-uri URL", "The loopback redirect URI that is registered there.")
    ] = None,
    no_browser: Annotated[bool, flag("--no-browser", "Print the URL instead of opening a browser.")] = False,
    store: Annotated[
        str | None, option("--store keyring|file", "Where to store the secret. Default: the keyring if there is one.")
    ] = None,
    wait: Annotated[float, option("--wait SECONDS", "How long to wait for the browser.", min=1)] = 300,
    base_url: BaseUrl = None,
    env: Env = None,
) -> None:
    """Log in to an API, and store the login. It is sent only to that API's servers."""
    from nlapi.accounts.credentials import audience_of
    from nlapi.cli.apis.login_oauth import OAuthOptions
    from nlapi.cli.target import base_url_of, environment_account

    name, registered, spec = _open_api(api, base_url, env)
    server = base_url_of(spec, registered, base_url, env)
    audience = audience_of(spec, server)
    if base_url is None and (chosen_env := env or registered.env):
        name = environment_account(name, chosen_env)
    options = OAuthOptions(
        issuer=issuer or registered.issuer,
        client_id=client_id or registered.client_id,
        client_secret=client_secret or "",
        scopes=tuple(scope or registered.scopes),
        flow=flow or "",
        redirect_uri=redirect_uri or registered.redirect_uri,
        opens_browser=not no_browser,
        seconds=wait,
        base_url=server or "",
    )
    new = _NewLogins(name, audience, _storage(store))
    is_oauth = bool(options.client_id or options.issuer or options.flow)
    way = _way(spec, scheme, takes_token=token, is_typed=token or reference is not None, is_oauth=is_oauth)
    if reference is not None and len(way.schemes) > 1:
        names = ", ".join(entry.id for entry in way.schemes)
        raise UsageError(f"{name} takes {names} together, and each needs its own credential", hint="name one of them")
    for entry in way.schemes:
        if fault := entry.fault:
            raise CredentialError(f"{entry.id} is {fault}", hint="choose another of its security schemes")
        if reference is not None:
            new.store_reference(entry, reference)
        elif way.takes_token or not _gets_tokens(entry, options):
            new.store_value(entry)
        else:
            new.store_tokens(spec, entry, options)


def _open_api(api: str, base_url: str | None, env: str | None = None) -> tuple[str, Registration, Spec]:
    """Return the name, the registration and the Spec of an API. UsageError for one that is not registered."""
    from nlapi.cli.target import load, named_base_url
    from nlapi.tools.versions.pins import check_pin

    registered = registry.find_registration(api)
    if registered is None and not bundled.is_bundled(api):
        hint = "`nlapi api add NAME SOURCE` registers one, and `nlapi api list` shows them"
        raise UsageError(f"no API is registered as {api!r}", hint=hint)
    spec = load(api)
    if registered is not None:
        # A changed description may name another server for tokens, and a secret would go there.
        check_pin(spec, api, base_url=named_base_url(registered, base_url, env))
    return api, registered or registry.Registration(source=api), spec


def _way(spec: Spec, name: str | None, *, takes_token: bool, is_typed: bool, is_oauth: bool) -> LoginWay:
    """Return the way to log in: by the scheme of that name, the one that a person chooses, or the most used one.

    `is_typed` is true where the options already say that a credential is typed, `is_oauth` where they are for OAuth.
    """
    from nlapi.cli.apis.login_ways import LoginWay, choose_way, login_ways
    from nlapi.client.auth import find_scheme, unknown_scheme_error

    schemes = spec.security_schemes
    if name is not None:
        if (scheme := find_scheme(spec, name)) is None:
            raise unknown_scheme_error(spec, name)
        return LoginWay(schemes=(scheme,), takes_token=takes_token)
    ways = login_ways(spec)
    if not ways:
        hint = f"name one of {', '.join(schemes)}" if schemes else "name the kind: header:NAME, basic or bearer"
        raise UsageError(f"{spec.title} describes no credential that its operations want", hint=hint)
    if is_interactive() and not (is_typed or is_oauth):
        if (chosen := choose_way(ways)) is None:
            raise MissingCredentialError("no way to log in was chosen", hint=f"nothing is stored for {spec.title}")
        return chosen
    if is_oauth:
        ways = [way for way in ways if way.is_oauth] or ways
    ways = [way for way in ways if way.takes_token is is_typed or not way.is_oauth] or ways
    best = max(ways, key=lambda way: way.uses)
    if others := [way.label for way in ways if way.uses == best.uses and way is not best]:
        console.note(f"Logging in with {best.label}; name a scheme for another: {', '.join(others[:3])}")
    return replace(best, takes_token=False) if is_oauth and not is_typed else best


def _gets_tokens(scheme: SecurityScheme, options: OAuthOptions) -> bool:
    """Return whether a login gets its token from an authorization server, which is named where only bearer is known."""
    is_named = bool(options.issuer) and scheme.kind == "http" and scheme.scheme == "bearer"
    return is_named or scheme.kind in ("oauth2", "openIdConnect")


def _storage(text: str | None) -> SecretStorage | None:
    from nlapi.accounts.store import SecretStorage

    if text is None:
        return None
    if text not in (SecretStorage.KEYRING, SecretStorage.FILE):
        raise UsageError(f"--store {text!r} is not known", hint="it is keyring or file")
    return SecretStorage(text)


@dataclass(frozen=True, slots=True)
class _NewLogins:
    """The logins of an API that are being stored, for the servers of `audience`; a reference is not a secret."""

    api: str
    audience: tuple[str, ...]
    storage: SecretStorage | None

    def store_reference(self, scheme: SecurityScheme, reference: str) -> None:
        from nlapi.accounts.store import LoginKind

        if not is_reference(reference):
            hint = f"it is {REFERENCE_FORMS}; without --reference the credential itself is asked for"
            raise UsageError("--reference takes where a credential is, and not the credential", hint=hint)
        read_reference(reference, "--reference")
        self._store(self._login(scheme, LoginKind.REFERENCE, reference), None)

    def store_value(self, scheme: SecurityScheme) -> None:
        from nlapi.accounts.store import LoginKind, Secrets
        from nlapi.cli.apis.login_oauth import ask_credential
        from nlapi.client.auth import check_credential

        while True:
            value = ask_credential(scheme)
            try:
                check_credential(scheme, value)
                break
            except CredentialError as error:
                if not is_interactive():
                    raise
                console.error(str(error))
        self._store(self._login(scheme, LoginKind.VALUE), Secrets(value=value))

    def store_tokens(self, spec: Spec, scheme: SecurityScheme, options: OAuthOptions) -> None:
        from nlapi.accounts.store import LoginKey, LoginStore
        from nlapi.cli.apis.login_oauth import log_in_with_oauth

        stored_secret = ""
        try:
            earlier, secrets = LoginStore().read_secrets(LoginKey(api=self.api, scheme=scheme.id))
        except CredentialError:
            pass
        else:
            # Logging in again needs no option twice.
            if (source := earlier.source) is not None and options.client_id in ("", source.client_id):
                stored_secret = secrets.client_secret
                options = replace(
                    options,
                    client_id=source.client_id,
                    issuer=options.issuer or source.issuer,
                    scopes=options.scopes or source.scopes,
                )
        grant = log_in_with_oauth(spec, scheme, options, stored_secret)
        login, secrets = grant.as_login(scheme.id, self.audience)
        self._store(login, secrets)

    def _login(self, scheme: SecurityScheme, kind: LoginKind, reference: str = "") -> Login:
        from nlapi.accounts.store import Login, new_secret_id

        return Login(
            scheme=scheme.id,
            kind=kind,
            audience=self.audience,
            created_at=int(time.time()),
            secret_id=new_secret_id(),
            reference=reference,
        )

    def _store(self, login: Login, secrets: Secrets | None) -> None:
        from nlapi.accounts.store import LoginKey, LoginStore, SecretStorage

        store, key = LoginStore(), LoginKey(api=self.api, scheme=login.scheme)
        with store.lock(key):
            fault = store.write(key, login, secrets, self.storage if secrets is not None else None)
        sites = " and ".join(login.audience) or "the server that --base-url names first, as the description names none"
        console.note(f"{key}: stored, for {sites}")
        if fault and self.storage is not SecretStorage.FILE:
            path = store.path(key)
            console.note(f"In plain text in {path}, for you alone, and not in a keyring: {fault}")


@app.command(epilog="nlapi auth logout shop")
def logout(api: Api, scheme: SchemeName = None, env: Env = None) -> None:
    """Remove the logins of an API, and revoke them at its authorization server."""
    from nlapi.accounts.session import revoke
    from nlapi.accounts.store import LoginKind, LoginStore

    store = LoginStore()
    for key in _stored(api, scheme, env):
        fault = ""
        try:
            login, secrets = store.read_secrets(key)
            fault = revoke(login, secrets) if login.kind is LoginKind.OAUTH else ""
        except CredentialError as error:
            fault = error.message
        left = store.remove(key)
        console.note(f"{key}: forgotten")
        if fault:
            console.note(f"its server was not told: {fault}; a token of it is good until it ends")
        if left:
            console.note(f"its secret is still in the keyring: {left}")


@app.command(epilog='curl -H "Authorization: Bearer $(nlapi auth token shop)" https://shop.example/orders')
def token(api: Api, scheme: SchemeName = None, env: Env = None) -> None:
    """Print the credential of a login for a script, renewed if it has expired."""
    from nlapi.accounts.session import renew
    from nlapi.accounts.store import LoginStore

    keys = _stored(api, scheme, env)
    if len(keys) > 1:
        names = ", ".join(key.scheme for key in keys)
        raise UsageError(f"{api} has several logins", hint=f"name one: {names}")
    _, secrets = renew(LoginStore(), keys[0])
    typer.echo(secrets.value)


def _stored(api: str, scheme: str | None, env: str | None) -> tuple[LoginKey, ...]:
    from nlapi.accounts.store import LoginStore
    from nlapi.cli.target import environment_account

    account = environment_account(api, env) if env else api
    keys = tuple(key for key in LoginStore().list_keys(account) if scheme in (None, key.scheme))
    if not keys:
        name = f"{api} {scheme}" if scheme else api
        name = f"{name} --env {env}" if env else name
        raise CredentialError(f"there is no login {name}", hint=f"`nlapi auth login {name}` stores one")
    return keys


@app.command(epilog="nlapi auth status -o json")
def status(
    api: Annotated[str | None, argument("API", "One API. Default: all.")] = None,
    output: ListOutput = None,
) -> None:
    """List the stored logins and registered credentials, without any secret."""
    rows = [*_login_rows(api), *_registered_rows(api)]
    if not table.is_json(output):
        for row in rows:
            row["for"] = " ".join(row["for"])
            row["scopes"] = " ".join(row["scopes"])
    columns = ("api", "scheme", "kind", "state", "ends", "stored", "for", "scopes")
    table.print_list(rows, output, columns, empty="no login is stored (`nlapi auth login API` stores one)")


def _login_rows(api: str | None) -> Iterator[dict[str, Any]]:
    from nlapi.accounts.store import LoginStore

    store = LoginStore()
    for key in store.list_keys(api):
        try:
            login = store.read(key)
        except NlapiError as error:
            yield _row(key.api, key.scheme, kind="?", state="damaged", stored=str(store.path(key)), fault=error.message)
            continue
        source = login.source
        more: dict[str, Any] = {"for": list(login.audience)}
        if source:
            more |= {"scopes": list(source.scopes), "issuer": source.issuer or source.token_url}
            more |= {"client_id": source.client_id}
        yield _row(
            key.api,
            key.scheme,
            kind=source.grant.name.lower() if source else login.kind.value,
            state=_state(login),
            ends=time.strftime("%Y-%m-%d %H:%M", time.localtime(login.expires_at)) if login.expires_at else "",
            stored=login.reference or login.storage.value,
            **more,
        )


def _registered_rows(api: str | None) -> Iterator[dict[str, Any]]:
    for name, entry in registry.read_registrations().items():
        for scheme, reference in entry.auth.items() if api in (None, name) else ():
            try:
                registry.resolve_credential(scheme, reference) if reference.startswith("env:") else ""
                state = "set" if reference.startswith("env:") else "reference"
            except CredentialError:
                state = "missing"
            yield _row(name, scheme, kind="registered", state=state, stored=reference)


def _row(api: str, scheme: str, *, kind: str, state: str, stored: str, **more: Any) -> dict[str, Any]:
    row = {"api": api, "scheme": scheme, "kind": kind, "state": state, "ends": "", "stored": stored}
    return {**row, "for": [], "scopes": [], **more}


def _state(login: Login) -> str:
    """Return the state of a login in a word."""
    if login.ended:
        return "ended"
    if not login.is_expired():
        return "valid" if login.expires_at else "stored"
    return "renewable" if login.is_renewable else "ended"
