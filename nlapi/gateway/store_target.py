"""Opens the store that an operator names: a file, or the URL of a PostgreSQL database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nlapi.errors import UsageError
from nlapi.extras import require_extra
from nlapi.gateway.secret_references import SecretReference, is_reference
from nlapi.gateway.store import GatewayStore

SCHEMES = ("postgresql://", "postgres://")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def is_postgres_url(target: str) -> bool:
    """Return whether a text is the URL of a PostgreSQL database, and not the path of a file."""
    return target.startswith(SCHEMES)


def open_store(target: str | Path, *, password: str = "", environment: Mapping[str, str]) -> GatewayStore:
    """Return the store of a file or of a PostgreSQL database, whose tables are made or brought up to date.

    `password` is the reference to the database's password, `env:NAME` or `file:PATH`, whose variables are in
    `environment`. UsageError for a reference or a URL that is none, NlapiError when the database cannot be opened.
    """
    if not is_postgres_url(str(target)):
        if scheme := _URL.match(str(target)):  # as a path it would stand in messages, with a password that it may have
            hint = "give a file, or postgresql://USER@HOST/NAME, in small letters"
            raise UsageError(f"--database is a URL of {scheme[1]}, which is no database of a gateway", hint=hint)
        if password:
            raise UsageError("only a PostgreSQL database has a password", hint="give --database postgresql://...")
        return GatewayStore(target)
    require_extra("postgres", "a PostgreSQL database")
    # Imported here: psycopg is an optional dependency, and takes 0.1 s to import.
    from nlapi.gateway.postgres_database import PostgresAddress, PostgresDatabase

    read_password = _password_reader(password, environment) if password else None
    return GatewayStore(PostgresDatabase(PostgresAddress(str(target), read_password)))


class _PasswordReader:
    """Reads the password behind a reference."""

    def __init__(self, reference: SecretReference) -> None:
        self._reference = reference

    def __call__(self) -> str:
        try:
            return self._reference.read()
        except UsageError as error:
            raise UsageError(error.message, hint="it is the reference of --database-password") from None


def _password_reader(reference: str, environment: Mapping[str, str]) -> _PasswordReader:
    if not is_reference(reference):  # it may be the password itself: it is not repeated
        raise UsageError("--database-password is no reference", hint="give env:NAME or file:PATH, never the password")
    return _PasswordReader(SecretReference(reference, environment))
