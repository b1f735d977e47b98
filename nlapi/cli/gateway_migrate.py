"""`nlapi gateway migrate`: moves a gateway from its file to a PostgreSQL database that several share."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

from nlapi.cli import console
from nlapi.cli.gateway_options import Artifacts, default_database, open_database
from nlapi.cli.options import option
from nlapi.errors import UsageError
from nlapi.extras import require_extra

EPILOG = (
    """nlapi gateway migrate --to postgresql://nlapi@db.internal/gateway --to-password env:GATEWAY_DATABASE_PASSWORD"""
)

Source = Annotated[str | None, option("--database FILE", "The file of the gateway, if not with the user's data.")]
Target = Annotated[str, option("--to URL", "An empty database: postgresql://USER@HOST/NAME.", show_default=False)]


def migrate(
    to: Target,
    database: Source = None,
    to_password: Annotated[
        str | None, option("--to-password REFERENCE", "Where its password is: env:NAME or file:PATH.")
    ] = None,
    artifacts: Artifacts = None,
) -> None:
    """Copy revisions, versions, tokens, the audit log and decisions of a gateway into a PostgreSQL database.

    The gateway has to be stopped; its file stays as it is. What was interrupted is completed by running it again, and
    where all is there already nothing is changed.
    """
    from nlapi.gateway.artifacts import ArtifactStore
    from nlapi.gateway.routing_keys.key_ring import FILE_SUFFIX
    from nlapi.gateway.store_copy import copy_store
    from nlapi.gateway.store_target import is_postgres_url

    require_extra("gateway", "`nlapi gateway migrate`")
    file = Path(database or default_database())
    if (database and is_postgres_url(database)) or not file.is_file():
        raise UsageError(f"--database {file.name} is no file of a gateway", hint="name the file, such as gateway.db")
    if not is_postgres_url(to):  # not repeated: it may have a password
        raise UsageError("--to is no URL of a PostgreSQL database", hint="such as postgresql://nlapi@db/gateway")
    with closing(open_database(str(file), None)) as source:
        source.claim()
        contents = ArtifactStore(artifacts) if artifacts else ArtifactStore.beside(str(file))
        with closing(open_database(to, to_password)) as target:
            copy = copy_store(source, contents, target)
            console.write(
                f"{copy.outcome}: {copy.rows['revisions']} revisions, {copy.rows['tokens']} tokens, "
                f"{copy.rows['audit']} entries of the audit log, {copy.rows['decisions']} decisions; "
                f"{copy.contents} contents of versions sent"
            )
            for problem in copy.problems:
                console.note(problem)
            keys = Path(f"{file}{FILE_SUFFIX}")
            options = f" --routing-keys file:{keys}" if keys.exists() else ""
            console.note(f"start gateways on it with `nlapi gateway serve --database {target.path}{options}`")
