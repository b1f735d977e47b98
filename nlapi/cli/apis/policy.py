"""`nlapi policy`: the user's rules that allow, ask about or deny operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi import bundled, registry
from nlapi.cli.options import ListOutput, argument
from nlapi.cli.render import console, table
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.tools.rules import PolicyRule

app = typer.Typer(help="Show and test the rules that let a call run, ask you or refuse it.")


@app.callback(invoke_without_command=True)
def policy(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list", epilog="nlapi policy list -o json")
def list_(output: ListOutput = None) -> None:
    """List the rules, in the order of the file."""
    file, rules = _rules()
    rows: list[dict[str, Any]] = [{"verdict": str(rule.verdict), **_globs(rule)} for rule in rules]
    if not table.is_json(output):
        rows = [
            {name: value if isinstance(value, str) else " ".join(value) for name, value in row.items()} for row in rows
        ]
    if rows:
        console.dim(file)
    table.print_list(rows, output, ("verdict", "api", "operation", "effect"), empty=f"there is no rule in {file}")


CHECK = """nlapi policy check
nlapi policy check ads"""


@app.command(epilog=CHECK)
def check(
    sources: Annotated[
        list[str] | None, argument("SOURCE", "APIs to check the rules against. Default: the registered ones.")
    ] = None,
) -> None:
    """Count the operations that each rule matches; rules that match none are named."""
    from nlapi.cli.target import base_url_of, load
    from nlapi.client.server import site_of
    from nlapi.tools.rules import bind_rules, identify, unmatched

    file, rules = _rules()
    problems: list[str] = []
    used_rules: set[str] = set()
    for source in sources or _api_names(rules):
        spec = load(source)
        registered = registry.find_registration(source) or registry.Registration(source=source)
        base_url = base_url_of(spec, registered, None, None)
        sites = {operation: site_of(operation, base_url) for operation in spec.operations}
        bound_rules = bind_rules(rules, identify(spec, source))
        problems += [f"{problem} in {source}" for problem in unmatched(bound_rules, spec.operations)]
        for rule in bound_rules:
            count = sum(rule.applies_to(operation, site=site) for operation, site in sites.items())
            if rule.is_bound or count:
                used_rules.add(rule.location)
                console.write(f"{source}: {rule}: {console.count_noun(count, 'operation')}")
    if not sources:
        unused_rules = (rule for rule in rules if rule.location not in used_rules and rule.api != ("*",))
        problems += [
            f"{rule.location}: no registration, source or origin is {' or '.join(rule.api)}" for rule in unused_rules
        ]
    # A glob with a typing error in a `deny` protects nothing, so it is an error here and not only a note.
    if problems:
        raise UsageError("; ".join(problems), hint="such a rule holds nothing back")
    console.note(f"{file}: {console.count_noun(len(rules), 'rule')}")


def _rules() -> tuple[str, tuple[PolicyRule, ...]]:
    """Return the path of the policy and its rules."""
    from nlapi.tools.rules import parse_rules

    file, document = registry.read_policy()
    return file, parse_rules(document or {}, file)


def _api_names(rules: tuple[PolicyRule, ...]) -> list[str]:
    """Return the names of the registered APIs, and of the bundled ones that a rule names."""
    from nlapi.tools.rules import matches_name

    # A rule for any API ("*") would load every bundled description as well, though nobody uses them.
    names = list(registry.read_registrations())
    specific_rules = [rule for rule in rules if rule.api != ("*",)]
    bundled_names = (
        name for name in bundled.spec_names() if any(matches_name(rule.api, name) for rule in specific_rules)
    )
    return [*names, *(name for name in bundled_names if name not in names)]


def _globs(rule: PolicyRule) -> dict[str, tuple[str, ...]]:
    return {"api": rule.api, "operation": rule.operation, "effect": rule.effect}
