"""`nlapi gateway keys`: create, list and rotate the keys that sign the routing keys of clients."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli.gateway.options import (
    Database,
    DatabasePassword,
    add_audit_entry,
    default_database,
    key_base,
    open_database,
)
from nlapi.cli.options import ListOutput, option
from nlapi.cli.render import console
from nlapi.cli.render.table import is_json
from nlapi.errors import UsageError, require_extra

if TYPE_CHECKING:
    from nlapi.gateway.routing_keys.key_ring import KeyRing
    from nlapi.gateway.store.store import GatewayStore

app = typer.Typer(
    name="keys",
    help="Create, list and rotate the keys that admit requests to the data plane.",
    no_args_is_help=True,
    epilog="""nlapi gateway keys create
nlapi gateway keys list
nlapi gateway keys rotate
nlapi gateway keys rotate --overlap 0""",
)

RoutingKeys = Annotated[
    str | None,
    option(
        "--routing-keys REFERENCE",
        "The keys that sign routing keys: file:PATH or env:NAME; by default a file beside the database.",
    ),
]


def open_ring(source: str | None, store: GatewayStore, environment: Mapping[str, str]) -> KeyRing:
    """Return the keys at a reference, or those of a store, which are made where it has none. UsageError."""
    from nlapi.gateway.routing_keys.key_ring import KeyRing, default_source, missing_keys, registered_keys

    base = key_base(store)
    # Made here, they would be others than those of the gateways that share the database.
    if store.is_shared and registered_keys(store):
        source = source or default_source(base)
        location = source.removeprefix("file:")
        if source.startswith("file:") and not Path(location).exists():
            raise missing_keys(store, location)
    return KeyRing(source, environment=environment) if source else KeyRing.beside(base)


@app.command("list", epilog="nlapi gateway keys list -o json")
def list_keys(database: Database = None, routing_keys: RoutingKeys = None, output: ListOutput = None) -> None:
    """List the keys by id and use, without the private keys."""
    from nlapi.gateway.routing_keys.key_ring import KeyRing, default_source

    require_extra("gateway", "`nlapi gateway keys`")
    ring = KeyRing(routing_keys or default_source(_key_base(database)), environment=os.environ)
    rows = _key_rows(ring)
    if is_json(output):
        console.write(console.format_json(rows))
        return
    for row in rows:
        until = f"  until {row['retires_at']}" if row["retires_at"] else ""
        console.write(f"{row['kid']}  {row['state']}  from {row['signs_from']}{until}")


@app.command(epilog="nlapi gateway keys rotate --overlap 0      # a key that leaked is refused at once")
def rotate(
    database: Database = None,
    database_password: DatabasePassword = None,
    routing_keys: RoutingKeys = None,
    overlap: Annotated[
        int, option("--overlap SECONDS", "How long the previous key stays valid.", min=0, max=86_400)
    ] = 3600,
) -> None:
    """Start signing with a new key. The previous one stays valid for an hour."""
    from nlapi.gateway.routing_keys.key_ring import KeyRegistration, KeyRing, default_source

    require_extra("gateway", "`nlapi gateway keys`")
    ring = KeyRing(routing_keys or default_source(_key_base(database)), environment=os.environ, creates=True)
    with _open_store(database, database_password) as store:
        registration = KeyRegistration(store, ring) if store is not None and store.is_shared else None
        if registration is not None:
            registration.join()
        ring.rotate(overlap)
        kid = ring.keys.keys[-1].kid
        detail = f"routing key {kid}" + (
            f"; the one before is accepted for {overlap} s" if overlap else "; no other is accepted"
        )
        if registration is not None:
            registration.check()
        if store is not None:
            add_audit_entry(store, "rotateKeys", detail)
    console.note(f"{ring.source}: {detail}")


@app.command(epilog="nlapi gateway keys create --database postgresql://nlapi@db/gateway --routing-keys file:keys.json")
def create(
    database: Database = None,
    database_password: DatabasePassword = None,
    routing_keys: RoutingKeys = None,
    replace: Annotated[
        bool, option("--replace", "Replace the file and the database's keys; anything they signed is refused.")
    ] = False,
) -> None:
    """Create the key file for all gateways on one database. An existing file is kept."""
    from nlapi.gateway.routing_keys.key_ring import (
        default_source,
        missing_keys,
        registered_keys,
        replace_registered,
        write_keys,
    )
    from nlapi.gateway.routing_keys.key_set import fingerprints, generate_set

    require_extra("gateway", "`nlapi gateway keys`")
    source = routing_keys or default_source(_key_base(database))
    path = Path(source.removeprefix("file:"))
    if not source.startswith("file:"):
        raise UsageError(
            f"{source} is not a file", hint="make a file with file:PATH, and put its text into the variable"
        )
    if path.exists() and not replace:
        hint = "copy it to the other machines; `nlapi gateway keys rotate` adds a key, and --replace makes others"
        raise UsageError(f"{path} is there already", hint=hint)
    keys = generate_set(time.time())
    with _open_store(database, database_password) as store:
        with store.transaction() if store is not None and store.is_shared else nullcontext():
            if store is not None and store.is_shared:
                if registered_keys(store) and not replace:
                    raise missing_keys(store, str(path))
                replace_registered(store, fingerprints(keys))
            write_keys(path, keys, replaces=replace)
        if store is not None:
            add_audit_entry(store, "createKeys", f"routing key {keys.keys[0].kid}")
    console.note(
        f"{path} has the routing key {keys.keys[0].kid}. Copy it to each machine with a gateway of this database"
    )
    console.note(f"(scp -p keeps its mode 0600), and start the gateways with --routing-keys file:{path}")


@contextmanager
def _open_store(database: str | None, password: str | None) -> Iterator[GatewayStore | None]:
    """Open a database; None where only the file of keys is on this machine, which has no audit log either."""
    from nlapi.gateway.store.store import is_postgres_url

    if not (database and is_postgres_url(database)) and not Path(_key_base(database)).exists():
        yield None
        return
    with closing(open_database(database, password)) as store:
        yield store


def _key_base(database: str | None) -> str:
    """Return the path beside which the routing keys of a database are."""
    from nlapi.gateway.store.store import is_postgres_url

    return str(default_database()) if database is None or is_postgres_url(database) else database


def _key_rows(ring: KeyRing) -> list[dict[str, str]]:
    from nlapi.gateway.routing_keys.key_set import describe_keys

    states = dict(describe_keys(ring.keys, time.time()))
    return [
        {
            "kid": key.kid,
            "state": states[key.kid],
            "signs_from": _format_time(key.signs_from),
            "retires_at": "" if key.retires_at is None else _format_time(key.retires_at),
        }
        for key in ring.keys.keys
    ]


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
