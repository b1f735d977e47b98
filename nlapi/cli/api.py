"""`nlapi api`: register APIs under short names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nlapi.cli import profile, show
from nlapi.cli.options import Auth, BaseUrl, Listing
from nlapi.errors import UsageError

app = typer.Typer(help="Register APIs under short names, with their base URL, credentials and fixed values.")


@app.command(epilog="nlapi api add spotify openapi.yaml --auth bearerAuth=env:TOKEN --set ad_account_id=abc")
def add(
    name: Annotated[str, typer.Argument(help="The name to use with -a.")],
    source: Annotated[str, typer.Argument(help="A path or URL of its description, or a bundled name.")],
    base_url: BaseUrl = None,
    auth: Auth = None,
    known: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value to use whenever it is needed.")
    ] = None,
) -> None:
    """Register an API, or replace one."""
    if not name.replace("-", "_").isidentifier():
        raise UsageError(f"{name!r} cannot be a name", hint="use letters, digits, - and _")
    credentials = profile.pairs(auth, "--auth")
    literal = [scheme for scheme, value in credentials.items() if not value.startswith("env:")]
    if literal:
        raise UsageError(
            f"the credential for {literal[0]} would be stored in a file", hint=f"name a variable: {literal[0]}=env:NAME"
        )
    import nlapi

    source = str(Path(source).resolve()) if Path(source).is_file() else source
    spec = nlapi.load(source)
    entry = profile.Profile(source=source, base_url=base_url, auth=credentials, known=profile.pairs(known, "--set"))
    profile.write_all({**profile.read_all(), name: entry})
    show.note(f"{name}: {spec.title}, {len(spec.operations)} operations")


@app.command("list")
def list_(output: Annotated[Listing | None, typer.Option("-o", "--output")] = None) -> None:
    """Show the registered APIs."""
    rows = [
        {"name": name, "source": one.source, "base_url": one.base_url, "auth": dict(one.auth), "set": dict(one.known)}
        for name, one in profile.read_all().items()
    ]
    show.listing(rows, output, ("name", "source", "base_url", "auth", "set"), empty="no API is registered")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A registered name.")]) -> None:
    """Forget a registered API."""
    profiles = profile.read_all()
    if name not in profiles:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    profile.write_all({other: one for other, one in profiles.items() if other != name})
    show.note(f"{name} is forgotten")
