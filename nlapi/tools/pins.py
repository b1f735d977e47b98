"""What of a registered description its user has accepted: where it sends, by which credentials, and what changes.

The description of an API stays where it is, and whoever can change it there could send the user's credential to a host
of their own, or call a change a read. So a call stops when one of these has grown (docs/design/071-pins.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson

from nlapi import bundled
from nlapi.client.server import expand_server_url
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.local_files import remove_file, write_file
from nlapi.openapi.model import SecurityScheme
from nlapi.openapi.spec import Effect, Spec
from nlapi.openapi.urls import parse_url
from nlapi.registry import description_name, user_folder

PINS_FOLDER = "pins"

# Of the differences in an error; `nlapi api update` shows all.
MAX_DIFFERENCES = 4

_GRAVITY = {effect: gravity for gravity, effect in enumerate((Effect.READ, Effect.WRITE, Effect.DESTROY))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The accepted state of a description.

    `sha256` is that of its document, `sites` are those of its servers, `schemes` maps ids to where the credential goes,
    and `effects` maps "METHOD /path" to the effect.
    """

    sha256: str
    sites: tuple[str, ...] = ()
    schemes: Mapping[str, str] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)


def pin_of(spec: Spec) -> Pin:
    """Return the state of a description as it is now. Parses every operation."""
    return Pin(
        sha256=spec.derive(document_hash),
        sites=tuple(sorted(_sites(spec))),
        schemes={id: _scheme_text(scheme) for id, scheme in spec.security_schemes.items()},
        effects={f"{operation.method} {operation.path}": operation.effect for operation in spec.operations},
    )


def document_hash(spec: Spec) -> str:
    """Return the SHA-256 of a description with its files and overlays."""
    try:
        content = orjson.dumps(spec.document)
    except TypeError:  # integers of more than 64 bits
        content = json.dumps(spec.document).encode()
    return hashlib.sha256(content).hexdigest()


def differences(pin: Pin, spec: Spec, *, with_sites: bool = True) -> list[str]:
    """Return what has been added to a description or lessened in it since it was accepted, a sentence each.

    Without `with_sites`, not where it sends: the user has named the place.
    """
    if pin.sha256 == spec.derive(document_hash):
        return []
    now = pin_of(spec)
    lines = [f"it sends to {site}" for site in now.sites if site not in pin.sites] if with_sites else []
    for id, text in now.schemes.items():
        if id not in pin.schemes:
            lines.append(f"it wants a credential {id!r}: {text}")
        elif pin.schemes[id] != text:
            lines.append(f"the credential {id!r} was {pin.schemes[id]}, and is {text}")
    for operation in spec.operations:
        key = f"{operation.method} {operation.path}"
        before = pin.effects.get(key)
        if before is None and operation.effect is not Effect.READ:
            lines.append(f"a new change: {key} ({operation.effect})")
        elif before is not None and _GRAVITY[operation.effect] < _GRAVITY[before]:
            lines.append(f"{key} was a {before}, and is called a {operation.effect}")
    return lines


def check_pin(spec: Spec, name: str, *, base_url: str | None = None) -> None:
    """Raise ConsentError when the description that is registered as `name` sends, wants or changes what it did not.

    `base_url` is the one that the user has named, if any.
    """
    pin = read_pin(name) if name else None
    if pin is None:
        return
    found = differences(pin, spec, with_sites=base_url is None)
    if found:
        more = f"; and {len(found) - MAX_DIFFERENCES} more" if len(found) > MAX_DIFFERENCES else ""
        raise ConsentError(
            f"the description of {name} has changed since you registered it: "
            f"{'; '.join(line[:200] for line in found[:MAX_DIFFERENCES])}{more}; nothing was sent",
            hint=f"`nlapi api update {name}` shows the difference and accepts it",
        )


def read_pin(name: str) -> Pin | None:
    """Return the accepted state of the API registered as `name`; None where none is stored.

    ConsentError for one that cannot be read.
    """
    file = _pin_file(name)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Pin)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        hint = f"`nlapi api update {name}` writes it anew"
        raise ConsentError(f"{file} cannot be read: {reason}; nothing was sent", hint=hint) from None


def write_pin(name: str, spec: Spec) -> None:
    """Store the state of a description as accepted. What ships with nlapi changes only with nlapi, and has no pin."""
    if not Path(spec.source).is_file() and bundled.spec(spec.source) is not None:
        remove_pin(name)
        return
    file = _pin_file(name)
    try:
        write_file(file, msgspec.json.format(msgspec.json.encode(pin_of(spec)), indent=1))
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="set NLAPI_CONFIG_DIR") from None


def remove_pin(name: str) -> None:
    """Forget the accepted state of an API."""
    remove_file(_pin_file(name))


def rename_pin(name: str, new_name: str) -> None:
    """Let the accepted state of an API be that of its new name."""
    if "@" not in name and (file := _pin_file(name)).is_file():
        file.replace(_pin_file(new_name))


def _pin_file(name: str) -> Path:
    return user_folder("config") / PINS_FOLDER / f"{description_name(name)}.json"


def _sites(spec: Spec) -> set[str]:
    """Return the sites of all servers that operations may be sent to."""
    sites = set()
    for server in (*spec.servers, *(server for operation in spec.operations for server in operation.servers)):
        with suppress(UsageError):
            sites.add(parse_url(expand_server_url(server)).site)
    return sites


def _scheme_text(scheme: SecurityScheme) -> str:
    """Return where a credential goes, and where its tokens come from."""
    parts = (scheme.kind, scheme.scheme, scheme.location and f"in the {scheme.location}", scheme.name)
    return " ".join([*filter(None, (*parts, scheme.metadata_url[:200])), *_flow_urls(scheme.flows)])


def _flow_urls(flows: Mapping[str, Any]) -> Iterator[str]:
    for flow in flows.values():
        for key in ("authorizationUrl", "tokenUrl", "refreshUrl"):
            if isinstance(flow, Mapping) and isinstance(url := flow.get(key), str):
                yield url[:200]
