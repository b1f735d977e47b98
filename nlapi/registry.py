"""The APIs that the user registered, stored in one JSON file, and the environment variables that they name.

The command line and `nlapi.load` both use it, so it is below `cli` although it reads the environment
(docs/design/022-credentials-by-place.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nlapi.credential_references import VARIABLE, is_reference, read_reference
from nlapi.errors import NlapiError, UsageError
from nlapi.local_files import locked, write_file

# A policy that cannot be read stops the command: it may contain a `deny` (docs/design/024-consent-to-a-plan.md).
REPAIR_HINT = "nothing is sent until it is mended, as it may forbid it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registered API. `auth` maps scheme ids to references such as `env:NAME`, never to a credential.

    `known` maps argument names to values. With `no_auth` it is called without credentials. `workflows` are the
    locations of Arazzo documents.
    """

    source: str
    # The field names are the keys of apis.json (`asdict`): they do not change.
    base_url: str | None = None
    auth: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    overlays: Sequence[str] = ()
    root: str | None = None
    no_auth: bool = False
    workflows: Sequence[str] = ()


def user_folder(kind: str) -> Path:
    """Return the user's folder for `kind` (config, state, cache or data): `NLAPI_CONFIG_DIR`, else the system's."""
    if folder := os.environ.get(f"NLAPI_{kind.upper()}_DIR"):
        return Path(folder)
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("nlapi"))


def read_registrations() -> dict[str, Registration]:
    """Return every registered API by name. NlapiError when the file is damaged; it is not changed."""
    file = user_folder("config") / "apis.json"
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        return {name: _parse(entry) for name, entry in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NlapiError(
            f"{file} cannot be read: {reason}", hint="mend it, or move it away and register again"
        ) from None


def read_policy() -> tuple[str, Mapping[str, object] | None]:
    """Return the path of the user's policy and its content, None without a policy. UsageError when it is damaged."""
    file = user_folder("config") / "policy.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return str(file), None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", hint=REPAIR_HINT
        ) from None
    import tomllib

    try:
        return str(file), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}", hint=REPAIR_HINT) from None


def _parse(data: Mapping[str, Any]) -> Registration:
    """Return one entry of the file. TypeError or AttributeError for a form that change_registrations does not write."""
    entry = Registration(**data)
    texts = (entry.source, entry.base_url or "", entry.root or "", *entry.auth.items(), *entry.known.items())
    for text in (*texts, tuple(entry.overlays), tuple(entry.workflows)):
        if not all(isinstance(part, str) for part in (text if isinstance(text, tuple) else (text,))):
            raise TypeError(f"{text!r} should be a text")
    if not isinstance(entry.no_auth, bool):
        raise TypeError(f"no_auth is {entry.no_auth!r}, not true or false")
    return entry


def change_registrations(change: Callable[[dict[str, Registration]], None]) -> None:
    """Let `change` change the registered APIs, and write them in one step; other processes wait for their turn.

    NlapiError when the file is damaged or its folder cannot be written.
    """
    file = user_folder("config") / "apis.json"
    try:
        with locked(file):
            registrations = read_registrations()
            change(registrations)
            entries = {name: asdict(entry) for name, entry in sorted(registrations.items())}
            write_file(file, json.dumps(entries, indent=2))
    except OSError as error:
        raise NlapiError(f"{file.parent} cannot be written: {error.strerror}", hint="set NLAPI_CONFIG_DIR") from None


def is_name(text: str) -> bool:
    """Return whether an API can be registered under this name: letters, digits, `-` and `_`, 255 at most."""
    return len(text) <= 255 and text.replace("-", "_").isidentifier()


def find_registration(name: str) -> Registration | None:
    """Return the API that is registered as `name`, or None."""
    return read_registrations().get(name) if is_name(name) else None


def resolve_credential(scheme: str, reference: str) -> str:
    """Return the credential behind a reference (`env:NAME`, `file:PATH`, `cmd:COMMAND`), or `reference` itself.

    CredentialError when it cannot be had.
    """
    return read_reference(reference, f"--auth {scheme}") if is_reference(reference) else reference


def variables_of(references: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that holds the credential, by scheme id, for the references that name one."""
    return {scheme: text.removeprefix(VARIABLE) for scheme, text in references.items() if text.startswith(VARIABLE)}
