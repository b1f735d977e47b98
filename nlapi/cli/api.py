"""`nlapi api`: register APIs under short names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import effects, profile, show, table
from nlapi.cli.options import Auth, BaseUrl, ListOutput, Overlays, Root
from nlapi.errors import CredentialError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec

app = typer.Typer(
    help="Register APIs under short names, with their base URL, credentials and fixed values.", no_args_is_help=True
)

ADD = """A credential is kept as the name of an environment variable, never as itself.

nlapi api add shop https://shop.example/openapi.json --auth bearer=env:SHOP_TOKEN
nlapi api add spotify openapi.yaml --set ad_account_id=abc"""


@app.command(epilog=ADD)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to use from now on, as in -a NAME.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A path or URL of its description, or a bundled name.")
    ],
    base_url: BaseUrl = None,
    auth: Auth = None,
    known: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value to use whenever it is needed.")
    ] = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Register an API, or replace one."""
    import nlapi
    from nlapi.openapi.address import parse

    if not name.replace("-", "_").isidentifier():
        raise UsageError(f"{name!r} cannot be a name", hint="use letters, digits, - and _")
    if source == "-":
        raise UsageError("standard input cannot be registered", hint="give a path or a URL")
    credentials = _references(auth)
    if base_url is not None:
        parse(base_url)
    source, *layers = (str(Path(one).resolve()) if Path(one).is_file() else one for one in (source, *(overlays or ())))
    root = str(Path(root).resolve()) if root else None
    accepted = effects.stays_accepted(name, source, layers)
    if accepted is not None:
        layers = [*(layer for layer in layers if layer != accepted), accepted]
    spec = nlapi.load(source, overlays=layers, root=root)
    for scheme in credentials.keys() - spec.security_schemes.keys():
        names = ", ".join(spec.security_schemes) or "none"
        raise CredentialError(f"{spec.title} has no security scheme {scheme!r}", hint=f"it has {names}")
    values = profile.pairs(known, "--set")
    entry = profile.Profile(
        source=source, base_url=base_url, auth=credentials, known=values, overlays=layers, root=root
    )
    profile.write_all({**profile.read_all(), name: entry})
    show.note(f"{name}: {spec.title}, {show.counted(len(spec.operations), 'operation')}")
    if accepted is None:
        effects.propose(name, spec)
    else:
        show.note(f"its accepted reads stay: {accepted}")
    if not credentials and (schemes := [one for one in spec.security_schemes if _is_wanted(spec, one)]):
        ways = " or ".join(f"--auth {scheme}=env:NAME" for scheme in schemes)
        show.note(f"It wants a credential, and none is registered: add it again with {ways}")


def _references(auth: list[str] | None) -> dict[str, str]:
    """`--auth` as the names of variables; UsageError for a credential itself, which is not shown."""
    references = profile.pairs(auth, "--auth")
    for scheme, value in references.items():
        if not value.startswith("env:"):
            raise UsageError(
                f"the credential for {scheme} would be stored in a file", hint=f"name a variable: {scheme}=env:NAME"
            )
    return references


@app.command(epilog="nlapi api accept shop")
def accept(name: Annotated[str, typer.Argument(metavar="NAME", help="A registered name.")]) -> None:
    """Pin the POSTs that were classified as read: no other POST is sent without a question from then on."""
    effects.accept(name)


@app.command("list", epilog="nlapi api list -o json")
def list_(output: ListOutput = None) -> None:
    """Show the registered APIs."""
    told = dict if table.is_json(output) else _told
    rows = [
        {"name": name, "source": one.source, "base_url": one.base_url, "auth": told(one.auth), "set": told(one.known)}
        for name, one in profile.read_all().items()
    ]
    table.listing(
        rows,
        output,
        ("name", "source", "base_url", "auth", "set"),
        empty="no API is registered (`nlapi api add NAME SOURCE` registers one)",
    )


def _is_wanted(spec: Spec, scheme: str) -> bool:
    """Is there an operation that takes this credential, and cannot do without one?"""
    wanted = (operation.security for operation in spec.operations)
    return any(all(ways) and any(scheme in way for way in ways) for ways in wanted)


def _told(pairs: Mapping[str, str]) -> str:
    """As they are given on the command line."""
    return " ".join(f"{name}={value}" for name, value in pairs.items())


@app.command(epilog="nlapi api remove shop")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="A registered name.")]) -> None:
    """Forget a registered API."""
    profiles = profile.read_all()
    if name not in profiles:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    profile.write_all({other: one for other, one in profiles.items() if other != name})
    effects.discard(name)
    show.note(f"{name} is forgotten")
