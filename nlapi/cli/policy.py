"""`nlapi policy`: the user's rules that allow, ask about or deny operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi import bundled, registry
from nlapi.cli import show, table
from nlapi.cli.options import ListOutput
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.tools.rules import Rule

app = typer.Typer(help="What is sent without a question, only after one, or never; without a command, the rules.")


@app.callback(invoke_without_command=True)
def policy(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list", epilog="nlapi policy list -o json")
def list_(output: ListOutput = None) -> None:
    """Show the rules, in the order of the file."""
    file, rules = _rules()
    rows: list[dict[str, Any]] = [{"verdict": str(rule.verdict), **_globs(rule)} for rule in rules]
    if not table.is_json(output):
        rows = [
            {name: value if isinstance(value, str) else " ".join(value) for name, value in row.items()} for row in rows
        ]
    if rows:
        show.dim(file)
    table.listing(rows, output, ("verdict", "api", "operation", "effect"), empty=f"there is no rule in {file}")


CHECK = """nlapi policy check
nlapi policy check ads"""


@app.command(epilog=CHECK)
def check(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="APIs to check the rules on; the registered ones, if none is given."),
    ] = None,
) -> None:
    """Count the operations that each rule matches, and name the rules that match nothing."""
    from nlapi.cli.target import load
    from nlapi.tools.rules import api_names, unmatched

    file, rules = _rules()
    problems: list[str] = []
    concerned: set[Rule] = set()
    for source in sources or _known(rules):
        spec = load(source)
        about = [rule for rule in rules if rule.is_about_api(api_names(spec, source))]
        concerned.update(about)
        problems += [f"{problem} in {source}" for problem in unmatched(about, spec.operations)]
        for rule in about:
            count = sum(rule.is_about(operation) for operation in spec.operations)
            show.write(f"{source}: {rule}: {show.counted(count, 'operation')}")
    if not sources:
        idle = (rule for rule in rules if rule not in concerned and rule.api != ("*",))
        problems += [f"{rule.location}: no API is called {' or '.join(rule.api)}" for rule in idle]
    # A glob with a typing error in a `deny` protects nothing, so it is an error here and not only a note.
    if problems:
        raise UsageError("; ".join(problems), hint="such a rule holds nothing back")
    show.note(f"{file}: {show.counted(len(rules), 'rule')}")


def _rules() -> tuple[str, tuple[Rule, ...]]:
    """Return the path of the policy and its rules."""
    from nlapi.tools.rules import parse_rules

    file, document = registry.read_policy()
    return file, parse_rules(document or {}, file)


def _known(rules: tuple[Rule, ...]) -> list[str]:
    """Return the names of the registered APIs, and of the bundled ones that a rule names."""
    # A rule for any API ("*") would load every bundled description as well, though nobody uses them.
    names = list(registry.read_registrations())
    named = [rule for rule in rules if rule.api != ("*",)]
    shipped = (name for name in bundled.spec_names() if any(rule.is_about_api((name,)) for rule in named))
    return [*names, *(name for name in shipped if name not in names)]


def _globs(rule: Rule) -> dict[str, tuple[str, ...]]:
    return {"api": rule.api, "operation": rule.operation, "effect": rule.effect}
