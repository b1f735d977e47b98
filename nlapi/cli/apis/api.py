"""`nlapi api`: registered APIs, under short names, what is registered for each, and overlays of POSTs that read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi import bundled, registry
from nlapi.cli.options import (
    Auth,
    BaseUrl,
    Headers,
    ListOutput,
    NoAuth,
    Output,
    Overlays,
    Root,
    argument,
    is_interactive,
    option,
    options_of,
    parse_pairs,
)
from nlapi.cli.render import console, table
from nlapi.cli.target import auth_references, note_injections
from nlapi.client.auth import find_scheme, unknown_scheme_error
from nlapi.credential_references import is_reference
from nlapi.errors import NlapiError, UsageError, file_faults
from nlapi.local_files import remove_file, write_file
from nlapi.registry import Registration
from nlapi.tools.sending.request_changes import parse_headers, split_headers

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec


EFFECTS_FOLDER = "effects"

# Alternatives of credentials that a message names, which is one line; the most frequent ones come first.
MAX_OPTIONS = 3

StoredValues = Annotated[list[str] | None, option("--set NAME=VALUE", "A value to use wherever an operation takes it.")]

app = typer.Typer(
    help="Register APIs under short names, with their address, login and fixed values.", no_args_is_help=True
)

ADD = """A credential is stored as the name of an environment variable, never as itself.

nlapi api add shop https://shop.example/openapi.json --auth bearer=env:SHOP_TOKEN
nlapi api add spotify openapi.yaml --set ad_account_id=abc
nlapi api add local openapi.yaml --base-url http://127.0.0.1:8000 --no-auth
nlapi api add shop openapi.yaml --workflows shop.arazzo.yaml"""


def overlay_file(name: str) -> Path:
    """Return the path of the overlay of a registered API."""
    return registry.user_folder("config") / EFFECTS_FOLDER / f"{name}.overlay.yaml"


def _accepted_overlay(name: str, source: str, overlays: Sequence[str]) -> str | None:
    """Return the accepted overlay of an API that is registered again for the same description, else None."""
    entry, file = registry.read_registrations().get(name), overlay_file(name)
    is_unchanged = entry is not None and entry.source == source and str(file) in entry.overlays
    return str(file) if file.is_file() and (is_unchanged or str(file) in overlays) else None


def propose_overlay(name: str, spec: Spec) -> None:
    """Write the overlay that states the reads of an API, replacing an earlier one, and note how to accept it."""
    from nlapi.resources.effect_overlay import effect_overlay, reads_by_evidence

    text = effect_overlay(spec.operations)
    if not text:
        remove_file(overlay_file(name))
        return
    file = overlay_file(name)
    with file_faults(f"{file} cannot be written", hint="set NLAPI_CONFIG_DIR"):
        # For the user alone: whoever can write this file decides which POSTs are sent without a question.
        write_file(file, text)
    count = console.count_noun(len(reads_by_evidence(spec.operations)), "POST")
    console.note(f"{count} classified as read, and sent without a question: {file} says why.")
    console.note(f"`nlapi api accept {name}` pins them, so that a later version of the description cannot add others")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions:
    """The options of `nlapi api add`."""

    base_url: BaseUrl = None
    auth: Auth = None
    headers: Headers = None
    no_auth: NoAuth = False
    known_values: StoredValues = None
    overlays: Overlays = None
    root: Root = None
    workflows: Annotated[
        list[str] | None, option("--workflows FILE", "An Arazzo document with workflows for it. Repeatable.")
    ] = None


@app.command(epilog=ADD)
@options_of(AddOptions, "options")
def add(
    name: Annotated[str, argument("NAME", "The name to use from now on, as in -a NAME.")],
    source: Annotated[str, argument("SOURCE", "A path or URL of its description, or a bundled name.")],
    options: AddOptions,
) -> None:
    """Register an API, or replace one."""
    note_login(name, register_api(name, source, options))


def register_api(name: str, source: str, options: AddOptions) -> Spec:
    """Register an API, note what is special about it, and return its description."""
    import nlapi
    from nlapi.api import registration_of
    from nlapi.client.server import explain_server
    from nlapi.openapi.fetch import discover_description, is_bare
    from nlapi.openapi.urls import parse_url
    from nlapi.tools.versions.pins import write_pin

    if not registry.is_name(name):
        raise UsageError(f"{name!r} cannot be a name", hint="use letters, digits, - and _")
    if source == "-":
        raise UsageError("standard input cannot be registered", hint="give a path or a URL")
    if existing := registration_of(source):
        raise UsageError(f"{source} is a registered name itself", hint=f"its description is at {existing.source}")
    credentials = auth_references(options.auth, no_auth=options.no_auth)
    _check_references(credentials)
    base_url = options.base_url
    if is_bare(source):
        with console.show_progress("looking for its description"):
            source = discover_description(source)
        console.note(f"its description is at {source}")
    if base_url is not None:
        parse_url(base_url)
    # Absolute paths, so that the name works from any folder; a URL or a bundled name stays as it is.
    source, *layers = (
        str(Path(location).resolve()) if Path(location).is_file() else location
        for location in (source, *(options.overlays or ()))
    )
    root = str(Path(options.root).resolve()) if options.root else None
    documents = _workflow_documents(options.workflows)
    accepted = _accepted_overlay(name, source, layers)
    if accepted is not None:
        # Last, so that no other overlay undoes the effects that a person has accepted (docs/design/020-effects.md).
        layers = [*(layer for layer in layers if layer != accepted), accepted]
    spec = nlapi.load(source, overlays=layers, root=root)
    base_url = base_url or ask_address(spec)
    credentials, values = _stored_values(spec, credentials, parse_pairs(options.known_values, "--set"))
    _check_schemes(spec, credentials)
    entry = Registration(
        source=source,
        base_url=base_url,
        auth=credentials,
        headers=_stored_headers(spec, options.headers),
        known=values,
        overlays=layers,
        root=root,
        no_auth=options.no_auth,
        workflows=tuple(documents),
    )
    write_pin(name, spec)
    registry.change_registrations(lambda registrations: registrations.update({name: entry}))
    console.note(f"{name}: {spec.title}, {console.count_noun(len(spec.operations), 'operation')}")
    note_injections(spec)
    if documents:
        console.note(f"It has {console.count_noun(sum(documents.values()), 'workflow')}")
    if accepted is None:
        propose_overlay(name, spec)
    else:
        console.note(f"its accepted reads stay: {accepted}")
    if base_url is None and (note := explain_server(spec)):
        console.note(note)
    if bundled.spec(name):
        console.note(f"On the command line {name} is this API now; nlapi.load({name!r}) still gives the bundled one")
    return spec


def _stored_headers(spec: Spec, texts: list[str] | None) -> dict[str, str]:
    """Return the headers to register. UsageError for a credential: the file is not for secrets."""
    secret, plain = split_headers(spec, parse_headers(texts or ()))
    for name, _ in secret:
        hint = f"name where it is: --auth header:{name}=env:NAME; or `nlapi auth login API header:{name}`"
        raise UsageError(f"-H {name} is a credential, and would be stored in a file that is not for secrets", hint=hint)
    return dict(plain)


def ask_address(spec: Spec) -> str | None:
    """Return where an API runs that its description does not say; None where it does, or nobody answers.

    An address that is reserved for examples says nothing.
    """
    from nlapi.client.server import declares_server, site_of
    from nlapi.openapi.urls import is_http_url, parse_url

    site = next((site for operation in spec.operations if (site := site_of(operation))), "")
    is_placeholder = bool(site) and parse_url(site).is_placeholder
    is_known = is_http_url(spec.source) or (declares_server(spec) and not is_placeholder)
    if is_known or not is_interactive():
        return None
    fault = f"only an example, {site}" if is_placeholder else "no address"
    console.note(f"Its description gives {fault}. To try it first, run `nlapi sandbox` on it in another terminal.")
    return read_address(
        "Where does the API run? Its address, or http://127.0.0.1:8080 for the sandbox (Enter: later): "
    )


def read_address(question: str) -> str | None:
    """Return the address that a person types, asked for until it is one; None for an empty line."""
    from nlapi.cli.ask.prompts import read_line
    from nlapi.openapi.urls import parse_url

    while typed := (read_line(question) or "").strip():
        try:
            parse_url(typed)
        except NlapiError as error:
            console.error(str(error))
        else:
            return typed
    return None


def note_login(name: str, spec: Spec) -> None:
    """Note how an API gets the credential that it wants, where it has none."""
    from nlapi.accounts.store import LoginStore

    entry = registry.find_registration(name)
    has_credential = entry is not None and (entry.auth or entry.no_auth)
    if not (has_credential or LoginStore().list_keys(name)) and (options := _credential_options(spec)):
        console.note(
            f"It wants a credential: `nlapi auth login {name}` asks for it and stores it; or add it again with "
            f"{' or '.join(options)}, or with --no-auth, if it takes none"
        )


def _stored_values(
    spec: Spec, credentials: dict[str, str], values: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the references and the values to register: a value that is a credential has to be a reference."""
    find = spec.credential_parameters.scheme_of
    known = dict(values)
    for name, text in values.items():
        if (id := find(name)) is None:
            continue
        if not is_reference(text):
            hint = f"leave it out, and `nlapi auth login` asks for it; or name where it is: --set {name}=env:NAME"
            raise UsageError(f"{name} is a credential, and this file is not for secrets", hint=hint)
        credentials = {**credentials, id: known.pop(name)}
    return credentials, known


def _workflow_documents(files: Sequence[str] | None) -> dict[str, int]:
    """Return the locations of Arazzo documents, each read once, with the number of workflows in each."""
    if not files:
        return {}
    from nlapi.workflows.read import read_document

    if "-" in files:
        raise UsageError("standard input cannot be registered", hint="give a path or a URL")
    locations = (str(Path(file).resolve()) if Path(file).is_file() else file for file in files)
    return {location: len(read_document(location).workflows) for location in locations}


def _check_references(credentials: Mapping[str, str]) -> None:
    """Raise UsageError for a credential itself, whose value is not shown."""
    for scheme, value in credentials.items():
        if not is_reference(value):
            hint = f"name where it is: {scheme}=env:NAME; or `nlapi auth login` asks for it, and stores it"
            raise UsageError(f"the credential for {scheme} would be stored in a file", hint=hint)


def _check_schemes(spec: Spec, credentials: Mapping[str, str]) -> None:
    """Raise UsageError for a credential that an API does not take."""
    for scheme in credentials:
        if find_scheme(spec, scheme) is None:
            raise unknown_scheme_error(spec, scheme)


@app.command(epilog="nlapi api accept shop")
def accept(name: Annotated[str, argument("NAME", "A registered name.")]) -> None:
    """Pin the POSTs that count as reads. Any other POST will ask first."""
    import nlapi
    from nlapi.openapi.spec import Effect
    from nlapi.tools.versions.pins import write_pin

    entry, file = _entry(name), overlay_file(name)
    if str(file) in entry.overlays and file.is_file():
        raise UsageError(f"the reads of {name} are accepted already", hint=f"{file} has them, and can be edited")
    if not file.is_file():
        raise UsageError(f"{name} has no POST that is a read by evidence", hint=f"`nlapi check {name}` lists what is")
    # Last, so that no other overlay undoes it. The description is loaded before the registration is written: an edited
    # overlay that does not fit is noted below.
    overlays = (*(overlay for overlay in entry.overlays if overlay != str(file)), str(file))
    spec = nlapi.load(entry.source, overlays=overlays, root=entry.root)
    # What another process has changed since then is not undone.
    registry.change_registrations(
        lambda registrations: registrations.update({name: replace(registrations.get(name, entry), overlays=overlays)})
    )
    write_pin(name, spec)
    reads = sum(operation.method == "POST" and operation.effect is Effect.READ for operation in spec.operations)
    for issue in spec.parse_issues:
        if issue.rule == "overlay":
            console.note(str(issue))
    console.note(
        f"{name}: {console.count_noun(reads, 'POST')} pinned as read; every other POST asks. {file} can be edited"
    )


@app.command(epilog="nlapi api update shop")
def update(name: Annotated[str, argument("NAME", "A registered name.")]) -> None:
    """Show how an API's description has changed since it was registered, and accept it.

    Until then, calls stop if it names another server or credential, has a new change, or calls a change a read.
    """
    import nlapi
    from nlapi.tools.versions.pins import differences, read_pin, write_pin

    entry = _entry(name)
    try:
        pin = read_pin(name)
    except NlapiError as error:
        console.note(f"warning: {error.message}")
        pin = None
    spec = nlapi.load(entry.source, overlays=entry.overlays, root=entry.root)
    lines = [] if pin is None else differences(pin, spec, with_sites=entry.base_url is None)
    for line in lines:
        console.write(line)
    note_injections(spec)
    write_pin(name, spec)
    console.note(f"{name}: {console.count_noun(len(lines), 'difference')} accepted" if pin else f"{name} is pinned now")


EDIT = """An empty value removes a setting: --set owner=

nlapi api edit github --set owner=octocat --model local:qwen
nlapi api edit plaid --env sandbox
nlapi api edit shop --environment staging=https://staging.shop.example
nlapi api edit github@work --client-id Iv1.8a61f9b3"""

Name = Annotated[str, argument("NAME", "A registered name, or one of its accounts: github@work.")]


@app.command(epilog="nlapi api show shop")
def show(name: Name, output: ListOutput = None) -> None:
    """Show the settings of an API: servers, values, defaults and logins, but no secrets."""
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


@app.command(epilog=EDIT)
def edit(
    name: Name,
    base_url: BaseUrl = None,
    env: Annotated[str | None, option("--env NAME", "The default environment.")] = None,
    environment: Annotated[
        list[str] | None, option("--environment NAME=URL", "The base URL of an environment.")
    ] = None,
    known_values: StoredValues = None,
    auth: Auth = None,
    headers: Headers = None,
    client_id: Annotated[str | None, option("--client-id ID", "The application to log in as.")] = None,
    issuer: Annotated[str | None, option("--issuer URL", "The authorization server.")] = None,
    scope: Annotated[list[str] | None, option("--scope NAME", "A scope that logins request.")] = None,
    redirect_uri: Annotated[
        str | None, option("--redirect-uri URL", "The loopback redirect URI that is registered there.")
    ] = None,
    model: Annotated[str | None, option("--model NAME", "The model to plan with.")] = None,
    output: Annotated[str | None, option("--output -o FORMAT", "The format of answers: json, table, ...")] = None,
) -> None:
    """Change settings of an API or of one of its accounts. Other settings stay.

    Its logins may go to a new base URL too: you have named it for this API.
    """
    from nlapi.cli.target import load
    from nlapi.openapi.urls import parse_url

    entry = _entry(name)
    texts = {"base_url": base_url, "env": env, "client_id": client_id, "issuer": issuer}
    texts |= {"redirect_uri": redirect_uri, "model": model, "output": output}
    if base_url:
        parse_url(base_url)
    if output and output not in list(Output):
        raise UsageError(f"--output {output!r} is not known", hint=f"it is one of {', '.join(Output)}")
    references = parse_pairs(auth, "--auth")
    if references:
        _check_schemes(load(name), references)
        _check_references({scheme: value for scheme, value in references.items() if value})
    maps = {
        "known": _changed(entry.known, parse_pairs(known_values, "--set")),
        "auth": _changed(entry.auth, references),
        "headers": _changed(entry.headers, _stored_headers(load(name), headers) if headers else {}),
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
    if base_url:
        _extend_logins(name, base_url)


def _extend_logins(name: str, base_url: str) -> None:
    """Let the logins of an API go to its new base URL too, and note it."""
    from nlapi.accounts.store import LoginStore
    from nlapi.openapi.urls import parse_url

    store, site = LoginStore(), parse_url(base_url).site
    for key in store.list_keys(name):
        if store.extend(key, site):
            console.note(f"the login {key} goes to {site} too")


def _changed(before: Any, changes: dict[str, str]) -> dict[str, str]:
    """Return the pairs with the changes; an empty value takes one away."""
    return {key: value for key, value in {**before, **changes}.items() if value}


@app.command(epilog="nlapi api rename shop store")
def rename(name: Name, new_name: Annotated[str, argument("NEW", "The name to use from now on.")]) -> None:
    """Rename a registered API. Its logins and accepted changes move with it."""
    from nlapi.accounts.store import LoginStore
    from nlapi.tools.versions.pins import rename_pin

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
    """Return the API that is registered as `name`; UsageError when the name is unknown."""
    entry = registry.find_registration(name)
    if entry is None:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    return entry


@app.command("list", epilog="nlapi api list -o json")
def list_(output: ListOutput = None) -> None:
    """List the registered APIs."""
    rows: list[dict[str, Any]] = []
    for name, entry in registry.read_registrations().items():
        auth, known = dict(entry.auth), dict(entry.known)
        row: dict[str, Any] = {"name": name, "source": entry.source, "base_url": entry.base_url}
        if table.is_json(output):
            row |= {"auth": auth, "set": known}
        else:
            row |= {"auth": "--no-auth" if entry.no_auth else _as_options(auth), "set": _as_options(known)}
        more = {"no_auth": entry.no_auth, "headers": dict(entry.headers), "workflows": list(entry.workflows)}
        rows.append(row | {key: value for key, value in more.items() if value})
    for name, fault in registry.registration_faults().items():
        console.note(f"warning: {registry.profiles_path()}: {name} cannot be used: {fault}")
    table.print_list(
        rows,
        output,
        ("name", "source", "base_url", "auth", "set"),
        empty="no API is registered (`nlapi api add NAME SOURCE` registers one)",
    )


def _credential_options(spec: Spec) -> list[str]:
    """Return the `--auth` options of the operations that require a credential, the most frequent first."""
    from nlapi.client.auth import alternatives

    counter: Counter[tuple[str, ...]] = Counter()
    for operation in spec.operations:
        accepted = alternatives(operation)
        if all(accepted):
            counter.update(tuple(credential.id for credential in credentials) for credentials in accepted)
    # An alternative that needs all of another one and more is not another way in.
    ways = [way for way in counter if not any(set(other) < set(way) for other in counter)]
    ways = sorted(ways, key=lambda way: -counter[way])[:MAX_OPTIONS]
    return [" ".join(f"--auth {id}=env:NAME" for id in way) for way in ways]


def _as_options(pairs: Mapping[str, str]) -> str:
    """Return pairs as they are written on the command line."""
    return " ".join(f"{name}={value}" for name, value in pairs.items())


@app.command(epilog="nlapi api remove shop")
def remove(name: Annotated[str, argument("NAME", "A registered name.")]) -> None:
    """Remove a registered API and its logins."""
    _entry(name)
    forget(name)
    console.note(f"{name} is forgotten")


def forget(name: str) -> None:
    """Remove the registration of an API, its logins, and what was accepted of it."""
    from nlapi.accounts.store import LoginStore
    from nlapi.tools.versions.pins import remove_pin

    def change(registrations: dict[str, Registration]) -> None:
        registrations.pop(name, None)

    registry.change_registrations(change)
    store = LoginStore()
    for key in store.list_keys():
        if _is_part(key.api, name):
            left = store.remove(key)
            console.note(f"the login {key} is forgotten" + (f", but not by the keyring: {left}" if left else ""))
    if "@" not in name:
        remove_file(overlay_file(name))
        remove_pin(name)
