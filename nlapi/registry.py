"""The APIs that the user registered, as profiles in one TOML file, and the user's folders and policy.

The command line and `nlapi.load` both use it, so it is below `cli` although it reads the environment
(docs/design/022-credentials-by-place.md, docs/design/093-profiles.md).

Beside it stand the values of arguments that the user stored for an API, in one JSON file: an account, a workspace.
They belong to one place where the API runs: those of production are not used for staging, nor the other way round.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi.credential_references import VARIABLE, is_reference, read_reference
from nlapi.errors import NlapiError, UsageError, file_faults
from nlapi.local_files import fault_of, locked, read_file, read_toml, write_file

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table


PROFILES_FILE = "apis.toml"
# Of versions before 0.2: read until something is registered, and then moved aside.
EARLIER_FILE = "apis.json"
HEADER = "The APIs that you registered (docs/accounts.md). `nlapi api` changes this file, and so may you."
# A policy that cannot be read stops the command: it may contain a `deny` (docs/design/024-consent-to-a-plan.md).
REPAIR_HINT = "nothing is sent until it is mended, as it may forbid it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registered API. `auth` maps scheme ids to references such as `env:NAME`, never to a credential.

    `headers` are sent with each call, and are not credentials. `known` maps argument names to values. With `no_auth`
    it is called without the credentials that are described. `workflows` are the locations of Arazzo documents.
    `environments` maps names to base URLs, and `env` is the one that is used if no other is named. `client_id`,
    `issuer`, `scopes` and `redirect_uri` are for `nlapi auth login`; `model` and `output` are the defaults of those
    options; `rules` are rules of the policy for this API.
    """

    # The field names are the keys of apis.toml (`known` is `set` there): they do not change.
    source: str
    base_url: str | None = None
    auth: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    overlays: Sequence[str] = ()
    root: str | None = None
    no_auth: bool = False
    workflows: Sequence[str] = ()
    env: str = ""
    environments: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""
    issuer: str = ""
    scopes: Sequence[str] = ()
    redirect_uri: str = ""
    model: str = ""
    output: str = ""
    rules: Sequence[Mapping[str, object]] = ()


_TEXTS = frozenset(("source", "base_url", "root", "env", "client_id", "issuer", "redirect_uri", "model", "output"))
_TEXT_LISTS = frozenset(("overlays", "workflows", "scopes"))
_TEXT_MAPS = frozenset(("auth", "headers", "known", "environments"))
_KEYS = {"set" if entry.name == "known" else entry.name: entry.name for entry in fields(Registration)}


def user_folder(kind: str) -> Path:
    """Return the user's folder for `kind` (config, state, cache or data): `NLAPI_CONFIG_DIR`, else the system's."""
    if folder := os.environ.get(f"NLAPI_{kind.upper()}_DIR"):
        return Path(folder)
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("nlapi"))


def log_folder() -> Path:
    """Return the folder of the transcripts and the receipts of consent."""
    return user_folder("state") / "log"


def profiles_path() -> Path:
    """Return the file of the registered APIs."""
    return user_folder("config") / PROFILES_FILE


def read_registrations() -> dict[str, Registration]:
    """Return every registered API by name, but for damaged entries (`registration_faults`).

    NlapiError when the file as a whole cannot be read; it is not changed.
    """
    return _read_profiles()[0]


def registration_faults() -> dict[str, str]:
    """Return what is wrong with each entry that cannot be used, by name."""
    return _read_profiles()[1]


def _read_profiles() -> tuple[dict[str, Registration], dict[str, str]]:
    entries = _read_entries()
    registrations: dict[str, Registration] = {}
    faults: dict[str, str] = {}
    # An account (`github@work`) has what its API has, so that the API is read first.
    for name in sorted(entries, key=lambda name: "@" in name):
        base = registrations.get(name.partition("@")[0]) if "@" in name else None
        try:
            registrations[name] = _parse(entries[name], base)
        except (TypeError, AttributeError) as error:
            faults[name] = str(error)
    return registrations, faults


def _read_entries() -> dict[str, Any]:
    """Return the entries of the file by name, as they are written."""
    file = profiles_path()
    try:
        document = read_toml(file)
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from None
    if document is None:
        return _earlier_entries(user_folder("config") / EARLIER_FILE)
    entries = document.get("apis", {})
    if not isinstance(entries, dict):
        raise _damaged(file, TypeError("apis is not a table"))
    return entries


def _earlier_entries(file: Path) -> dict[str, Any]:
    try:
        content = read_file(file)
        data: Any = {} if content is None else json.loads(content)
        return {name: {"set" if key == "known" else key: value for key, value in entry.items() if value is not None}
                for name, entry in data.items()}  # fmt: skip
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> NlapiError:
    return NlapiError(fault_of(file, error), hint="mend it, or move it away and register again")


def read_policy() -> tuple[str, Mapping[str, object] | None]:
    """Return the path of the user's policy and its content, None without a policy. UsageError when it is damaged."""
    file = user_folder("config") / "policy.toml"
    try:
        return str(file), read_toml(file)
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(file, error), hint=REPAIR_HINT) from None


def _parse(data: Any, base: Registration | None) -> Registration:
    """Return one entry of the file; what an account does not say is that of `base`. TypeError for another form."""
    if not isinstance(data, Mapping):
        raise TypeError("it is not a table")
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in _KEYS:
            raise TypeError(f"{key!r} is not known; it has {', '.join(_KEYS)}")
        _check_form(key, _KEYS[key], value)
        values[_KEYS[key]] = tuple(value) if isinstance(value, list) else value
    if base is not None:
        # Not the credentials: the account would act as somebody else.
        return replace(base, **{"auth": {}, **values})
    if "source" not in values:
        raise TypeError("it has no source")
    return Registration(**values)


def _check_form(key: str, name: str, value: object) -> None:
    """Raise TypeError, with the key, for a value of another form than the key's."""
    if name in _TEXTS:
        expected, fits = "a text", isinstance(value, str)
    elif name in _TEXT_LISTS:
        expected, fits = "a list of texts", isinstance(value, list) and _are(str, value)
    elif name in _TEXT_MAPS:
        expected, fits = "a table of texts", isinstance(value, Mapping) and _are(str, value.values())
    elif name == "rules":
        expected, fits = "a list of tables", isinstance(value, list) and _are(Mapping, value)
    else:
        expected, fits = "true or false", isinstance(value, bool)
    if not fits:
        raise TypeError(f"{key} is not {expected}")


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(isinstance(value, kind) for value in values)


def change_registrations(change: Callable[[dict[str, Registration]], None]) -> None:
    """Let `change` change the registered APIs, and write them in one step; other processes wait for their turn.

    Comments and damaged entries of the file stay. NlapiError when the file as a whole is damaged or its folder cannot
    be written.
    """
    file = profiles_path()
    with file_faults(f"{file.parent} cannot be written", hint="set NLAPI_CONFIG_DIR"), locked(file):
        before = read_registrations()
        after = dict(before)
        change(after)
        document = _document(file)
        _write_entries(document, before, after)
        write_file(file, document.as_string())
        earlier = file.with_name(EARLIER_FILE)
        if earlier.exists():
            earlier.replace(earlier.with_name(f"{EARLIER_FILE}.migrated"))


def _document(file: Path) -> TOMLDocument:
    """Return the file for editing; a new one with the entries of an earlier version."""
    import tomlkit

    if (content := read_file(file)) is not None:
        return tomlkit.parse(content)
    document = tomlkit.document()
    document.add(tomlkit.comment(HEADER))
    apis = tomlkit.table(is_super_table=True)
    for name, entry in _read_entries().items():
        apis.append(name, entry)
    document.append("apis", apis)
    return document


def _write_entries(
    document: TOMLDocument, before: Mapping[str, Registration], after: Mapping[str, Registration]
) -> None:
    import tomlkit

    if "apis" not in document:
        document.append("apis", tomlkit.table(is_super_table=True))
    apis: Any = document["apis"]
    for name in before.keys() - after.keys():
        apis.remove(name)
    for name, entry in after.items():
        if before.get(name) != entry:
            # What is damaged is written anew, as its unknown keys would be in the way again.
            table = apis.get(name) if name in before else None
            apis[name] = _updated(table, entry, after.get(name.partition("@")[0]) if "@" in name else None)


def _updated(table: Table | None, entry: Registration, base: Registration | None) -> Table:
    """Return the table of an entry, an existing one with what has changed; an account has what differs from its API."""
    import tomlkit

    table = table if table is not None else tomlkit.table()
    for key, name in _KEYS.items():
        value = getattr(entry, name)
        inherited = getattr(base, name) if base is not None and name != "auth" else None
        is_default = value in (None, "", False) or (isinstance(value, Mapping | Sequence) and not value)
        if value == inherited or (is_default and not inherited):
            table.pop(key, None)
        else:
            plain = _plain(value)
            if table.get(key) != plain:
                table[key] = plain
    return table


def as_entry(entry: Registration) -> dict[str, Any]:
    """Return a registration as its entry in the file, with every key."""
    return {key: _plain(getattr(entry, name)) for key, name in _KEYS.items()}


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value


def is_name(text: str) -> bool:
    """Return whether an API can be registered under this name: letters, digits, `-` and `_`, 255 at most.

    An account of it has its name behind an `@`: `github@work`.
    """
    name, mark, account = text.partition("@")
    parts = (name, account) if mark else (name,)
    return len(text) <= 255 and all(part.replace("-", "_").isidentifier() for part in parts)


def find_registration(name: str) -> Registration | None:
    """Return the API that is registered as `name`, or None. NlapiError for a damaged entry, which it names.

    An account that is not registered itself has what its API has, but for the credentials.
    """
    if not is_name(name):
        return None
    registrations, faults = _read_profiles()
    base = name.partition("@")[0]
    for damaged in (name, base):
        if damaged in faults:
            raise NlapiError(
                f"{profiles_path()}: the API {damaged!r} cannot be used: {faults[damaged]}", hint="mend it"
            )
    if name in registrations or "@" not in name or base not in registrations:
        return registrations.get(name)
    return replace(registrations[base], auth={})


def description_name(name: str) -> str:
    """Return the registered name that the description of `name` belongs to: that of the API, for an account of it."""
    base, mark, _ = name.partition("@")
    if not mark:
        return name
    entry = _read_entries().get(name, {})
    return name if isinstance(entry, Mapping) and "source" in entry else base


def resolve_credential(scheme: str, reference: str) -> str:
    """Return the credential behind a reference (`env:NAME`, `file:PATH`, `cmd:COMMAND`), or `reference` itself.

    CredentialError when it is not available.
    """
    return read_reference(reference, f"--auth {scheme}") if is_reference(reference) else reference


def variables_of(references: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that holds the credential, by scheme id, for the references that name one."""
    return {scheme: text.removeprefix(VARIABLE) for scheme, text in references.items() if text.startswith(VARIABLE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsKey:
    """The name of an API or a plugin, and the URL where the API runs, "" for that of its description."""

    name: str
    base_url: str = ""


def _file() -> Path:
    return user_folder("config") / "settings.json"


def _read() -> dict[str, dict[str, dict[str, str]]]:
    file = _file()
    try:
        content = read_file(file)
        data: Any = {} if content is None else json.loads(content)
        return {
            str(name): {
                str(url): {str(key): str(value) for key, value in values.items()} for url, values in urls.items()
            }
            for name, urls in data.items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise NlapiError(fault_of(file, error)[:300], hint="mend it, or remove it") from None


def read_settings(key: SettingsKey) -> dict[str, str]:
    """Return the stored values by argument, or {}. NlapiError when the file is damaged."""
    return dict(_read().get(key.name, {}).get(key.base_url, {}))


def other_places(key: SettingsKey) -> tuple[str, ...]:
    """Return the other URLs that values are stored for under the same name."""
    return tuple(url for url, values in _read().get(key.name, {}).items() if url != key.base_url and values)


def change_settings(key: SettingsKey, changes: Mapping[str, str]) -> dict[str, str]:
    """Store values, remove those that are "", and return what is stored then. NlapiError when that is impossible."""
    file = _file()
    with file_faults(f"{file} cannot be written", hint="set NLAPI_CONFIG_DIR"), locked(file):
        stored = _read()
        values = stored.setdefault(key.name, {}).setdefault(key.base_url, {})
        values.update(changes)
        for name in [name for name, value in values.items() if not value]:
            del values[name]
        write_file(file, json.dumps(stored, indent=2, ensure_ascii=False))
        return dict(values)
