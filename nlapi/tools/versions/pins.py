"""What of a registered description its user has accepted: where it sends, by which credentials, and what changes.

The description of an API stays where it is, and whoever can change it there could send the user's credential to their
own host, or call a change a read. So a call stops when one of these has grown (docs/design/071-pins.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from nlapi import bundled
from nlapi.client.server import environments, expand_server_url, server_sites
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.local_files import fault_of, read_file, remove_file, write_file
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, SecurityScheme, Spec, gravest, read_hints
from nlapi.openapi.urls import parse_url
from nlapi.registry import description_name, user_folder
from nlapi.resources.effect_arguments import changing_arguments
from nlapi.resources.paths import paths_overlap, wire_segments

PINS_FOLDER = "pins"

# Of the differences in an error; `nlapi api update` shows all.
MAX_DIFFERENCES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The accepted state of a description.

    `sha256` is that of its document, `sites` are those of all its servers, and `credential_sites` those that get
    credentials: the first is where calls go. `environments` maps the choices of `--env` to their sites, `schemes` maps
    ids to where the credential goes, `effects` "METHOD /path" to the effect, `names` the same to the operationId and
    the name that the description gives its tool, `wires` to the URL that it has on the wire, and `arguments` to those
    of its arguments that make a change of a read. What an earlier version did not store is empty, and is not compared.
    """

    sha256: str
    sites: tuple[str, ...] = ()
    credential_sites: tuple[str, ...] = ()
    environments: Mapping[str, str] = field(default_factory=dict)
    schemes: Mapping[str, str] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    wires: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def pin_of(spec: Spec) -> Pin:
    """Return the state of a description as it is now. Parses every operation."""
    servers = (*spec.servers, *(server for operation in spec.operations for server in operation.servers))
    named = {name: parse_url(url).site for name, url in environments(spec).items()}
    return Pin(
        sha256=spec.derive(document_hash),
        sites=tuple(sorted({*server_sites(servers), *named.values()})),
        credential_sites=server_sites(spec.servers),
        environments=named,
        schemes={id: scheme_text(scheme) for id, scheme in spec.security_schemes.items()},
        effects={_key(operation): operation.effect for operation in spec.operations},
        names={_key(operation): _name(operation) for operation in spec.operations},
        wires={_key(operation): _wire(operation) for operation in spec.operations},
        arguments={_key(operation): found for operation in spec.operations if (found := changing_arguments(operation))},
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
    lines = list(_site_differences(pin, now)) if with_sites else []
    for id, text in now.schemes.items():
        if id not in pin.schemes:
            lines.append(f"it wants a credential {id!r}: {text}")
        elif pin.schemes[id] != text:
            lines.append(f"the credential {id!r} was {pin.schemes[id]}, and is {text}")
    known_names = frozenset(pin.names.values())
    for operation in spec.operations:
        key, name = _key(operation), _name(operation)
        before, old_name = pin.effects.get(key), pin.names.get(key, name)
        if before is None:
            lines += _new_change(pin, operation, now.wires[key])
        elif gravest((before, operation.effect)) is not operation.effect:
            lines.append(f"{key} was a {before}, and is called a {operation.effect}")
        elif with_sites and before is Effect.READ and operation.method not in READ_METHODS:
            lines += _moved_read(key, pin.wires.get(key, now.wires[key]), now.wires[key])
        lessened = sorted({*pin.arguments.get(key, ())} - {*now.arguments.get(key, ())})
        if lessened and operation.effect is Effect.READ:
            lines.append(f"{lessened[0]} of {key} made a change of it, and is said to only read")
        # A script that says --yes to `getItem`, a rule of the policy about `deleteItem` and what an MCP client always
        # allows go by the name.
        if name != old_name and (operation.effect is not Effect.READ or name in known_names):
            lines.append(f"{key} was named {old_name!r}, and is named {name!r}")
    return [*lines, *_hidden_changes(pin, now)]


def _moved_read(key: str, wire: str, now: str) -> Iterator[str]:
    """Yield where a read by POST goes now: at another path it is a POST that nobody accepted."""
    if wire_segments(wire) != wire_segments(now):
        yield f"{key} went to {wire}, and goes to {now}"


def _new_change(pin: Pin, operation: Operation, wire: str) -> Iterator[str]:
    """Yield why an operation that was not accepted may change something: by its method alone, whatever it says."""
    key = _key(operation)
    if operation.effect is not Effect.READ:
        yield f"a new change: {operation.id} ({operation.effect}), which was not described when you accepted it ({key})"
    elif operation.method not in READ_METHODS:
        yield f"a new change: {operation.id}, which claims to be a read; a change until you accept it ({key})"
    else:
        for other in _changes(pin, operation.method):
            ours, theirs = (wire, pin.wires[other]) if other in pin.wires else (operation.path, other.partition(" ")[2])
            if paths_overlap(wire_segments(ours), wire_segments(theirs)):
                yield f"{key} is called a read, and may be {other}, which changes something"


def _changes(pin: Pin, method: str) -> Iterator[str]:
    """Yield the accepted operations of a method that change something, if only by an argument."""
    changes = (key for key, effect in pin.effects.items() if effect is not Effect.READ or key in pin.arguments)
    return (key for key in changes if key.partition(" ")[0] == method)


def _hidden_changes(pin: Pin, now: Pin) -> Iterator[str]:
    """Yield the changes that are described no longer, where a read reaches the same place: /{kind} for /orders."""
    for key, effect in pin.effects.items():
        if effect is Effect.READ or key in now.effects:
            continue
        for other, other_effect in now.effects.items():
            same_method = other_effect is Effect.READ and other.partition(" ")[0] == key.partition(" ")[0]
            if same_method and paths_overlap(*(wire_segments(each.partition(" ")[2]) for each in (key, other))):
                yield f"{key} is described no longer, and {other}, which is called a read, may be it"


def _site_differences(pin: Pin, now: Pin) -> Iterator[str]:
    """Yield the new destinations of a description's credentials and requests."""
    yield from (f"it sends to {site}" for site in now.sites if site not in pin.sites)
    if pin.credential_sites:
        known = [site for site in now.credential_sites if site in pin.sites]
        yield from (f"it sends credentials to {site}" for site in known if site not in pin.credential_sites)
        if known and known[0] != pin.credential_sites[0] and known[0] == now.credential_sites[0]:
            yield f"calls went to {pin.credential_sites[0]}, and go to {known[0]}"
    for name, site in now.environments.items():
        if (before := pin.environments.get(name, site)) != site:
            yield f"the environment {name} was at {before}, and is at {site}"


def _key(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _wire(operation: Operation) -> str:
    """Return the URL of an operation by the description's own servers; a path alone where it names none."""
    with suppress(UsageError):
        return expand_server_url(operation.servers[0]).rstrip("/") + operation.route
    return operation.route


def _name(operation: Operation) -> str:
    stated = read_hints(operation.extensions).name
    return f"{operation.id} (tool {stated})" if stated else operation.id


def check_pin(spec: Spec, name: str, *, base_url: str | None = None) -> None:
    """Raise ConsentError when the description that is registered as `name` sends, wants or changes more than before.

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
    import msgspec

    file = _pin_file(name)
    try:
        content = read_file(file)
        return None if content is None else msgspec.json.decode(content, type=Pin)
    except (OSError, ValueError) as error:
        fault = fault_of(file, error if isinstance(error, OSError) else ValueError("it is damaged"))
        hint = f"`nlapi api update {name}` writes it anew"
        raise ConsentError(f"{fault}; nothing was sent", hint=hint) from None


def write_pin(name: str, spec: Spec) -> None:
    """Store the state of a description as accepted. What ships with nlapi changes only with nlapi, and has no pin."""
    if bundled.is_bundled(spec.source):
        remove_pin(name)
        return
    import msgspec

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
    if "@" not in name:
        with suppress(FileNotFoundError):
            _pin_file(name).replace(_pin_file(new_name))


def _pin_file(name: str) -> Path:
    return user_folder("config") / PINS_FOLDER / f"{description_name(name)}.json"


def scheme_text(scheme: SecurityScheme) -> str:
    """Return where a credential goes, and where its tokens come from."""
    parts = (scheme.kind, scheme.scheme, scheme.location and f"in the {scheme.location}", scheme.name)
    return " ".join([*filter(None, (*parts, scheme.metadata_url)), *flow_urls(scheme.flows)])


def flow_urls(flows: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses at which the flows of OAuth get and renew tokens."""
    for flow in flows.values():
        for key in ("authorizationUrl", "deviceAuthorizationUrl", "tokenUrl", "refreshUrl"):
            if isinstance(flow, Mapping) and isinstance(url := flow.get(key), str):
                yield url
