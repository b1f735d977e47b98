"""`nlapi check`: the problems of a description, and a score of how well a model can use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show, table, target
from nlapi.cli.options import FLAG, ListOutput, Overlays, Root, Source

if TYPE_CHECKING:
    from nlapi.issue import Issue
    from nlapi.openapi.spec import Spec
    from nlapi.tools.lint import Report

EPILOG = """The score is 100 less what each rule takes; docs/check.md has the rules and their weights.

nlapi check openapi.yaml
nlapi check openapi.yaml --overlay better.yaml
nlapi check https://example.com/openapi.json -o json --min-score 80"""


def check(
    source: Source,
    output: ListOutput = None,
    overlays: Overlays = None,
    root: Root = None,
    min_score: Annotated[
        int | None,
        typer.Option("--min-score", metavar="N", min=0, max=100, help="Exit with 1 when the score is below this."),
    ] = None,
    no_standard: Annotated[
        bool,
        typer.Option("--no-standard", metavar=FLAG, help="Leave out the slow check against the OpenAPI standard."),
    ] = False,
) -> None:
    """Check a description for lost operations, violations of the standard, and what is unclear to a model.

    Exits with 1 when an operation is lost, or when the score is below --min-score.
    """
    from nlapi.issue import Level
    from nlapi.tools.lint import lint

    spec = target.load(source, overlays, root)
    with show.working(f"reading {len(spec.operations)} operations of {spec.title} as a model would"):
        report = lint(spec)
    issues = _all(_issues(spec, standard=not no_standard), report)
    if table.is_json(output):
        show.write(show.json_text(_summary(spec, report, issues)))
    else:
        for line in _lines(issues):
            show.write(line)
        _write_reads(spec)
    counts = {level: sum(issue.level is level for issue in issues) for level in Level}
    usable = sum(operation.usable for operation in spec.operations)
    nouns = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "remark"}
    found = ", ".join(show.counted(counts[level], noun) for level, noun in nouns.items())
    usable_of = f"{usable} of {len(spec.operations)} operations usable"
    show.note(f"{spec.title}: {usable_of}; {found}; score {report.score} of 100")
    if taken := ", ".join(f"{rule.value} -{points:.1f}" for rule, points in report.lost.items() if points >= 0.05):
        show.note(f"points lost: {taken}")
    if counts[Level.ERROR]:
        raise typer.Exit(1)
    if min_score is not None and report.score < min_score:
        show.note(f"the score is below {min_score}")
        raise typer.Exit(1)


def _write_reads(spec: Spec) -> None:
    """Print a table of the POSTs that are reads by evidence, with the reasons for each."""
    # They are sent without a question, so a person should see the reasons (docs/design/020-effects.md).
    reads = _reads(spec)
    if not reads:
        return
    show.note(f"{show.counted(len(reads), 'POST')} classified as read, and sent without a question:")
    rows: list[dict[str, Any]] = []
    for read in reads:
        first, *more = read["why"]
        rows += [{**read, "why": first}, *({"why": reason} for reason in more)]
    table.table(rows, ("operation", "request", "why"))


def _reads(spec: Spec) -> list[dict[str, Any]]:
    from nlapi.resources.effect_overlay import reads_by_evidence

    return [
        {"operation": one.id, "request": f"{one.method} {one.path}", "why": list(evidence.reasons)}
        for one, evidence in reads_by_evidence(spec.operations)
    ]


def _issues(spec: Spec, *, standard: bool) -> tuple[Issue, ...]:
    from nlapi.openapi.check import check

    if not standard:
        return check(spec, standard=False)
    # openapi-spec-validator takes 13 s of CPU for GitHub's description, hence the note and --no-standard.
    with show.working(f"checking {len(spec.operations)} operations against the OpenAPI standard", told=True):
        return check(spec, standard=True)


def _all(found: tuple[Issue, ...], report: Report) -> tuple[Issue, ...]:
    """Return all issues, worst first: nlapi's own, then the model's, then those of the standard alone."""
    from nlapi.openapi.check import RULE

    ours = [issue for issue in found if issue.rule != RULE]
    # Real descriptions break the standard often without any effect on a call, so its findings come last.
    return (*ours, *report.issues, *(issue for issue in found if issue.rule == RULE))


def _lines(issues: tuple[Issue, ...]) -> Iterator[str]:
    """Yield a line for each problem; one at more than two locations is written once, with the count."""
    places: dict[tuple[str, str, str], list[Issue]] = {}
    for issue in issues:
        places.setdefault((issue.level, issue.message, issue.hint), []).append(issue)
    for same in places.values():
        more = f" (and in {len(same) - 1} more places)" if len(same) > 2 else ""
        for issue in same if not more else same[:1]:
            yield f"{' '.join(str(issue).split())}{more}"


def _summary(spec: Spec, report: Report, issues: tuple[Issue, ...]) -> dict[str, Any]:
    return {
        "score": report.score,
        "title": spec.title,
        "operations": len(spec.operations),
        "usable": sum(operation.usable for operation in spec.operations),
        "points_lost": {rule.value: round(points, 2) for rule, points in report.lost.items()},
        "reads_by_evidence": _reads(spec),
        "issues": [asdict(issue) for issue in issues],
    }
