"""`nlapi check`: the problems of a description, and a score of how well a model can use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import target
from nlapi.cli.options import ListOutput, Overlays, Root, Source, flag, option
from nlapi.cli.render import console, table

if TYPE_CHECKING:
    from nlapi.errors import Issue
    from nlapi.openapi.spec import Spec
    from nlapi.tools.definitions.lint import LintReport

EPILOG = """The score is 100 minus the weight of each broken rule; docs/check.md lists the rules.

nlapi check openapi.yaml
nlapi check openapi.yaml --overlay better.yaml
nlapi check https://example.com/openapi.json -o json --min-score 80"""


def check(
    source: Source,
    output: ListOutput = None,
    overlays: Overlays = None,
    root: Root = None,
    min_score: Annotated[
        int | None, option("--min-score N", "Exit with 1 if the score is lower.", min=0, max=100)
    ] = None,
    no_standard: Annotated[bool, flag("--no-standard", "Skip the slow check against the OpenAPI standard.")] = False,
) -> None:
    """Check a description for mistakes, lost operations and unclear texts.

    Exits with 1 if an operation is lost, or if the score is below --min-score.
    """
    from nlapi.errors import Level
    from nlapi.tools.definitions.lint import lint

    spec = target.load(source, overlays, root)
    with console.show_progress(f"reading {len(spec.operations)} operations of {spec.title} as a model would"):
        report = lint(spec)
    issues = _sorted_issues(_issues(spec, standard=not no_standard), report)
    if table.is_json(output):
        console.write(console.format_json(_summary(spec, report, issues)))
    else:
        for line in _lines(issues):
            console.write(line)
        _write_reads(spec)
    counts = {level: sum(issue.level is level for issue in issues) for level in Level}
    usable = sum(operation.usable for operation in spec.operations)
    nouns = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "remark"}
    summary = ", ".join(console.count_noun(counts[level], noun) for level, noun in nouns.items())
    usable_of = f"{usable} of {len(spec.operations)} operations usable"
    console.note(f"{spec.title}: {usable_of}; {summary}; score {report.score} of 100")
    if lost_points := ", ".join(
        f"{rule.value} -{points:.1f}" for rule, points in report.lost.items() if points >= 0.05
    ):
        console.note(f"points lost: {lost_points}")
    if counts[Level.ERROR]:
        raise typer.Exit(1)
    if min_score is not None and report.score < min_score:
        console.note(f"the score is below {min_score}")
        raise typer.Exit(1)


def _write_reads(spec: Spec) -> None:
    """Print a table of the POSTs that are reads by evidence, with the reasons for each."""
    # They are sent without a question, so a person should see the reasons (docs/design/020-effects.md).
    reads = _reads(spec)
    if not reads:
        return
    console.note(f"{console.count_noun(len(reads), 'POST')} classified as read, and sent without a question:")
    rows: list[dict[str, Any]] = []
    for read in reads:
        first_reason, *further_reasons = read["why"]
        rows += [{**read, "why": first_reason}, *({"why": reason} for reason in further_reasons)]
    table.print_table(rows, ("operation", "request", "why"))


def _reads(spec: Spec) -> list[dict[str, Any]]:
    from nlapi.resources.effect_overlay import reads_by_evidence

    return [
        {"operation": operation.id, "request": f"{operation.method} {operation.path}", "why": list(evidence.reasons)}
        for operation, evidence in reads_by_evidence(spec.operations)
    ]


def _issues(spec: Spec, *, standard: bool) -> tuple[Issue, ...]:
    from nlapi.openapi.check import check
    from nlapi.tools.texts.prompt_injection import find_injections

    injections = tuple(find_injections(spec.document))
    if not standard:
        return (*injections, *check(spec, standard=False))
    # openapi-spec-validator takes 13 s of CPU for GitHub's description, hence the note and --no-standard.
    with console.show_progress(
        f"checking {len(spec.operations)} operations against the OpenAPI standard", as_line=True
    ):
        return (*injections, *check(spec, standard=True))


def _sorted_issues(issues: tuple[Issue, ...], report: LintReport) -> tuple[Issue, ...]:
    """Return all issues, worst first: nlapi's own, then the model's, then those of the standard alone."""
    from nlapi.openapi.check import STANDARD_RULE

    nlapi_issues = [issue for issue in issues if issue.rule != STANDARD_RULE]
    # Real descriptions break the standard often without any effect on a call, so its findings come last.
    return (*nlapi_issues, *report.issues, *(issue for issue in issues if issue.rule == STANDARD_RULE))


def _lines(issues: tuple[Issue, ...]) -> Iterator[str]:
    """Yield a line for each problem; one at more than two locations is written once, with the count."""
    groups: dict[tuple[str, str, str], list[Issue]] = {}
    for issue in issues:
        groups.setdefault((issue.level, issue.message, issue.hint), []).append(issue)
    for duplicates in groups.values():
        suffix = f" (and in {len(duplicates) - 1} more places)" if len(duplicates) > 2 else ""
        for issue in duplicates if not suffix else duplicates[:1]:
            yield f"{' '.join(str(issue).split())}{suffix}"


def _summary(spec: Spec, report: LintReport, issues: tuple[Issue, ...]) -> dict[str, object]:
    return {
        "score": report.score,
        "title": spec.title,
        "operations": len(spec.operations),
        "usable": sum(operation.usable for operation in spec.operations),
        "points_lost": {rule.value: round(points, 2) for rule, points in report.lost.items()},
        "reads_by_evidence": _reads(spec),
        "issues": [asdict(issue) for issue in issues],
    }
