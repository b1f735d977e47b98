"""`nlapi api show`, `edit` and `rename`: what is registered for an API, and changes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi import registry
from nlapi.cli import console, table
from nlapi.cli.options import Auth, BaseUrl, ListOutput, parse_pairs
from nlapi.credential_references import is_reference
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.registry import Registration

EDIT = """A value that is empty takes away what was registered: --set owner=

nlapi api edit github --set owner=octocat --model local:qwen
nlapi api edit plaid --env sandbox
nlapi api edit shop --environment staging=https://staging.shop.example
nlapi api edit github@work --client-id Iv1.8a61f9b3"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A registered name, or one of its accounts: github@work.")]


def show(name: Name, output: ListOutput = None) -> None:
    """Show what is registered for an API: its servers, values, defaults and logins, and no secret."""
    from nlapi.accounts.store import LoginStore
    from nlapi.cli.target import load
    from nlapi.client.auth import credential_kind
    from nlapi.client.server import environments

    entry = _entry(name)
    spec = load(name)
    fields = {key: value for key, value in registry.as_entry(entry).items() if value}
    known = {**environments(spec), **entry.environments}
    logins = [key.scheme for key in LoginStore().list_keys(name)]
    wanted = {id: credential_kind(scheme) for id, scheme in spec.security_schemes.items() if not scheme.fault}
    row: dict[str, Any] = {"name": name, "title": spec.title, **fields}
    row |= {"environments": known, "credentials": wanted, "logins": logins}
    if table.is_json(output):
        console.write(console.format_json(row))
        return
    for key, value in row.items():
        if isinstance(value, dict):
            value = " ".join(f"{part}={text}" for part, text in value.items())
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        if value not in ("", None):
            console.write(f"{key:13} {value}")


def edit(
    name: Name,
    base_url: BaseUrl = None,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="The environment to use if none is named.")
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--environment", metavar="NAME=URL", help="Where an environment runs.")
    ] = None,
    known_values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value to use whenever it is needed.")
    ] = None,
    auth: Auth = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The application to log in as.")
    ] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", metavar="URL", help="The authorization server.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="NAME", help="A permission that a login asks for.")
    ] = None,
    redirect_uri: Annotated[
        str | None, typer.Option("--redirect-uri", metavar="URL", help="The loopback address that is registered there.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model to plan with.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FORMAT", help="The format of answers: json, table, ...")
    ] = None,
) -> None:
    """Change what is registered for an API, or for one of its accounts; what is not named stays."""
    entry = _entry(name)
    texts = {
        "base_url": base_url,
        "env": env,
        "client_id": client_id,
        "issuer": issuer,
        "redirect_uri": redirect_uri,
        "model": model,
        "output": output,
    }
    _check(name, entry, base_url, auth, output)
    maps = {
        "known": _changed(entry.known, parse_pairs(known_values, "--set")),
        "auth": _changed(entry.auth, parse_pairs(auth, "--auth")),
        "environments": _changed(entry.environments, parse_pairs(environment, "--environment")),
    }
    changes: dict[str, Any] = {key: value for key, value in texts.items() if value is not None}
    changes |= {key: value for key, value in maps.items() if value != dict(getattr(entry, key))}
    if scope is not None:
        changes["scopes"] = tuple(filter(None, scope))
    if base_url == "":
        changes["base_url"] = None
    if not changes:
        raise UsageError("nothing was said to change", hint="`nlapi api edit -h` shows what can be")
    registry.change_registrations(lambda entries: entries.update({name: replace(entries.get(name, entry), **changes)}))
    console.note(f"{name}: {', '.join(sorted('set' if key == 'known' else key for key in changes))} changed")


def _check(name: str, entry: Registration, base_url: str | None, auth: list[str] | None, output: str | None) -> None:
    """Raise UsageError for values that could never be used."""
    from nlapi.cli.options import Output
    from nlapi.cli.target import load
    from nlapi.openapi.urls import parse_url

    if base_url:
        parse_url(base_url)
    if output and output not in list(Output):
        raise UsageError(f"--output {output!r} is not known", hint=f"it is one of {', '.join(Output)}")
    references = parse_pairs(auth, "--auth")
    if not references:
        return
    schemes = load(name).security_schemes
    for scheme, reference in references.items():
        if scheme not in schemes:
            raise UsageError(f"{name} has no security scheme {scheme!r}", hint=f"it has {', '.join(schemes) or 'none'}")
        if reference and not is_reference(reference):
            hint = f"name where it is: {scheme}=env:NAME; or `nlapi auth login {name} {scheme}`"
            raise UsageError(f"the credential for {scheme} would be stored in a file", hint=hint)


def _changed(before: Any, changes: dict[str, str]) -> dict[str, str]:
    """Return the pairs with the changes; an empty value takes one away."""
    return {key: value for key, value in {**before, **changes}.items() if value}


def rename(
    name: Name, new_name: Annotated[str, typer.Argument(metavar="NEW", help="The name to use from now on.")]
) -> None:
    """Give a registered API another name; its logins and what you accepted of it go with it."""
    from nlapi.accounts.store import LoginStore
    from nlapi.cli.api import overlay_file
    from nlapi.tools.pins import rename_pin

    if not registry.is_name(new_name) or ("@" in new_name) != ("@" in name):
        raise UsageError(f"{new_name!r} cannot be the name", hint="use letters, digits, - and _; name@account")
    entries = registry.read_registrations()
    if name not in entries:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    # Its accounts go with it, those that have only logins too.
    store = LoginStore()
    stored = {key.api for key in store.list_keys()}
    moved = {old: new_name + old[len(name) :] for old in {*entries, *stored} if _is_part(old, name)}
    if taken := sorted(new for new in moved.values() if new in entries or new in stored):
        raise UsageError(f"{taken[0]!r} is taken", hint=f"`nlapi api remove {taken[0]}` forgets it")
    old_overlay, new_overlay = overlay_file(name), overlay_file(new_name)

    def change(registrations: dict[str, Registration]) -> None:
        for old, new in moved.items():
            if (entry := registrations.pop(old, None)) is not None:
                overlays = tuple(str(new_overlay) if path == str(old_overlay) else path for path in entry.overlays)
                registrations[new] = replace(entry, overlays=overlays)

    if old_overlay.is_file():
        old_overlay.replace(new_overlay)
    rename_pin(name, new_name)
    registry.change_registrations(change)
    for old, new in moved.items():
        store.rename(old, new)
    console.note(f"{name} is {new_name} now")


def _is_part(name: str, owner: str) -> bool:
    """Return whether a name is that of an API, of one of its accounts, or of their environments."""
    return name == owner or name.startswith((f"{owner}@", f"{owner}/"))


def _entry(name: str) -> Registration:
    entry = registry.find_registration(name)
    if entry is None:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    return entry
