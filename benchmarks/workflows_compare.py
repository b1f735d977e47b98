"""nlapi beside two other Arazzo runners on the same workflows: `python -m benchmarks.workflows_compare --root DIR`.

Each runner plays each workflow against the same sandbox on loopback, with the same inputs, the sample data new each
time. What counts is what the sandbox saw, not what a runner says. Jentic's arazzo-runner is looked for in --jentic (a
virtual environment), Redocly's CLI in --redocly (a folder with node_modules); a runner that is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import nlapi
from benchmarks.measure import nlapi as nlapi_command
from benchmarks.workflows.collection import DESCRIPTION, WORKFLOWS, Api, Case, choose, read, standard_path
from benchmarks.workflows.evidence import Evidence, judge
from benchmarks.workflows.inputs import InputSource
from benchmarks.workflows.stage import Exchange, open_stage
from nlapi.openapi.spec import Spec
from nlapi.workflows.read import read_document
from nlapi.workflows.repair import repair, workflow_node
from nlapi.workflows.sources import link

# Seconds of a workflow; a sandbox answers in milliseconds, the rest is for runners that wait and try again.
LIMIT_S = 40

Command = Callable[[Path, Case, Mapping[str, Any]], list[str]]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A program that runs a workflow of a document, with the command for it."""

    name: str
    command: Command
    has_repairs: bool = False
    """whether it also gets the inputs that the repairs of nlapi add"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One workflow by one runner; `code` is None when it was stopped at the time limit."""

    case: Case
    code: int | None
    cpu: float
    log: tuple[Exchange, ...]
    evidence: Evidence
    output: str

    @property
    def is_true(self) -> bool:
        return self.code is not None and self.evidence.is_true(self.code)


@dataclass(kw_only=True)
class Tally:
    """The runs of one runner."""

    runner: Runner
    runs: list[Run] = field(default_factory=list)


def ours(*, has_repairs: bool = False) -> Runner:
    program = [nlapi_command(), "workflow", "run"]
    flags = [*(["--repair"] if has_repairs else []), "--yes", "--no-log", "-o", "json"]

    def command(document: Path, case: Case, inputs: Mapping[str, Any]) -> list[str]:
        texts = (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in inputs.items())
        options = [option for text in texts for option in ("--input", text)]
        return [*program, document.name, case.id, *options, *flags]

    return Runner(name="nlapi --repair" if has_repairs else "nlapi", command=command, has_repairs=has_repairs)


def jentic(folder: Path) -> Runner:
    program = str(folder / "bin" / "arazzo-runner")

    def command(document: Path, case: Case, inputs: Mapping[str, Any]) -> list[str]:
        arguments = ["execute-workflow", str(document), "--workflow-id", case.id, "--inputs", json.dumps(inputs)]
        return [program, "--log-level", "ERROR", *arguments]

    return Runner(name="arazzo-runner", command=command)


def redocly(folder: Path) -> Runner:
    program = str(folder / "node_modules" / ".bin" / "redocly")

    def command(document: Path, case: Case, inputs: Mapping[str, Any]) -> list[str]:
        limits = ["--max-fetch-timeout", "10000", "--execution-timeout", str(LIMIT_S * 1000)]
        return [program, "respect", document.name, "-w", case.id, "-i", json.dumps(inputs), *limits]

    return Runner(name="Respect", command=command)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the runners get: documents with the addresses edited only, or one workflow each, or all inputs."""

    as_published: bool = False
    alone: bool = False
    all_inputs: bool = False


def edit(api: Api, url: str, *, as_published: bool) -> tuple[dict[str, Any], dict[str, Any], Counter[str]]:
    """Return the description and the document of an API with the edits that every runner gets, and their numbers."""
    description, document = json.loads(json.dumps(api.description)), json.loads(json.dumps(api.document))
    counts: Counter[str] = Counter()
    for source in document["sourceDescriptions"]:
        source["url"] = f"./{DESCRIPTION}"
        counts["source URLs"] += 1
    for node in _nodes(description):
        if node is description or "servers" in node:
            node["servers"] = [{"url": url}]
            counts["server lists"] += 1
        if not as_published and isinstance(node.get("security"), list):
            del node["security"]
            counts["security requirements left out"] += 1
    for step in (step for workflow in document["workflows"] for step in workflow["steps"]):
        path = step.get("operationPath", "")
        if not as_published and standard_path(path) != path:
            step["operationPath"] = standard_path(path)
            counts["operationPaths in the form of the standard"] += 1
    return description, document, counts


def _nodes(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the root, the path items and the operations of a description: what may have servers and security."""
    root: Any = description
    yield root
    for item in root.get("paths", {}).values():
        if isinstance(item, dict):
            yield item
            yield from (node for node in item.values() if isinstance(node, dict))


def play(runner: Runner, document: Path, case: Case, inputs: Mapping[str, Any]) -> tuple[int | None, float, str]:
    """Return the exit code (None at the time limit), the CPU seconds and the output of a run."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **{"HOME": str(document.parent), "NO_COLOR": "1", "REDOCLY_TELEMETRY": "off", "PYTHONPATH": str(Path.cwd())},
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    with subprocess.Popen(
        runner.command(document, case, inputs),
        cwd=document.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(LIMIT_S, stop)
        timer.start()
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    code = None if stopped.is_set() else process.returncode
    return code, usage.ru_utime + usage.ru_stime, output.decode("utf-8", "replace")


def compare(cases: Sequence[Case], runners: Sequence[Runner], setting: Setting) -> tuple[list[Tally], Counter[str]]:
    """Return what became of each workflow with each runner, and the numbers of edits."""
    tallies, edits = [Tally(runner=runner) for runner in runners], Counter[str]()
    for api in {case.api.name: case.api for case in cases}.values():
        with tempfile.TemporaryDirectory(prefix="workflows-") as name:
            folder = Path(name)
            description, document, counts = edit(api, "http://127.0.0.1", as_published=setting.as_published)
            edits += counts
            (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
            spec = nlapi.load(folder / DESCRIPTION)
            source = InputSource(spec)
            with open_stage(spec) as stage:
                description, document, _ = edit(api, stage.url, as_published=setting.as_published)
                (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
                for case in (case for case in cases if case.api is api):
                    workflows = [case.id] if setting.alone else [other.id for other in api.cases]
                    trees = [tree for tree in document["workflows"] if tree["workflowId"] in workflows]
                    written = json.dumps({**document, "workflows": trees}, indent=1)
                    (folder / WORKFLOWS).write_text(written, encoding="utf-8")
                    inputs = source.inputs(case, all_inputs=setting.all_inputs)
                    script = _repaired(case, folder / WORKFLOWS, spec)
                    answers = source.inputs(script, all_inputs=setting.all_inputs)
                    for tally in tallies:
                        stage.reset()
                        given = answers if tally.runner.has_repairs else inputs
                        code, cpu, output = play(tally.runner, folder / WORKFLOWS, case, given)
                        evidence = judge(case, stage.log, spec, script=script if tally.runner.has_repairs else case)
                        run = Run(case=case, code=code, cpu=cpu, log=tuple(stage.log), evidence=evidence, output=output)
                        tally.runs.append(run)
            source.close()
    return tallies, edits


def _repaired(case: Case, file: Path, spec: Spec) -> Case:
    """Return a workflow with the repairs that nlapi proposes."""
    document = read_document(str(file))
    linked = link(document, sources={source.name: "" for source in document.sources}, loader=lambda _: spec)
    return Case(api=case.api, tree=workflow_node(repair(linked)[0].document.tree, case.id))


Row = tuple[str, Callable[[Run], bool]]
ROWS: tuple[Row, ...] = (
    ("ended: every step sent, its criteria met", lambda run: run.evidence.is_ended),
    ("ended, and every hand-over between steps carried", lambda run: run.evidence.is_whole),
    ("with a wrong request", lambda run: bool(run.evidence.wrong)),
    ("exit code true", lambda run: run.is_true),
    ("exit code 0, but a step failed or was not sent", lambda run: run.code == 0 and not run.is_true),
    ("another exit code, but all criteria met", lambda run: bool(run.code) and not run.is_true),
    ("stopped at the time limit", lambda run: run.code is None),
    ("no request at all", lambda run: not run.log),
)


def table(tallies: Sequence[Tally]) -> Iterator[str]:
    """Yield the lines of the table of runners."""
    yield f"| of {len(tallies[0].runs)} workflows | {' | '.join(tally.runner.name for tally in tallies)} |"
    yield "| --- |" + " --- |" * len(tallies)
    for title, holds in ROWS:
        yield f"| {title} | {' | '.join(str(sum(map(holds, tally.runs))) for tally in tallies)} |"
    figures: tuple[tuple[str, Callable[[Tally], str]], ...] = (
        ("requests", lambda tally: f"{sum(len(run.log) for run in tally.runs):,}"),
        ("wrong requests", lambda tally: str(sum(len(run.evidence.wrong) for run in tally.runs))),
        ("... with `None`, an expression or the like", lambda tally: str(_stray(tally))),
        ("CPU seconds", lambda tally: f"{sum(run.cpu for run in tally.runs):.0f}"),
        ("CPU seconds of a workflow, median", lambda tally: f"{median(run.cpu for run in tally.runs):.2f}"),
    )
    for title, figure in figures:
        yield f"| {title} | {' | '.join(map(figure, tallies))} |"


def _stray(tally: Tally) -> int:
    return sum(bool(entry.stray_text) for run in tally.runs for entry in run.evidence.wrong)


def describe(tally: Tally) -> Iterator[str]:
    """Yield a line for each run: its exit code, what ended, and the first wrong request."""
    for run in tally.runs:
        marks = "".join(
            mark if holds else "-"
            for mark, holds in (("E", run.evidence.is_ended), ("W", run.evidence.is_whole), ("T", run.is_true))
        )
        answers = " ".join(str(entry.status) if entry else "..." for entry in run.evidence.exchanges)
        wrong = f"  {run.evidence.wrong[0]}: {run.evidence.wrong[0].fault}" if run.evidence.wrong else ""
        yield f"{tally.runner.name:14} {marks} exit {run.code}  {run.case.name}  [{answers}]{wrong[:300]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflows_compare", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the folder of APIs")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="how many workflows (100)")
    parser.add_argument("--jentic", type=Path, metavar="DIR", help="a virtual environment with arazzo-runner")
    parser.add_argument("--redocly", type=Path, metavar="DIR", help="a folder with @redocly/cli in node_modules")
    parser.add_argument(
        "--as-published", action="store_true", help="edit the addresses only, not the security and the operationPaths"
    )
    parser.add_argument("--alone", action="store_true", help="give each runner a document with the one workflow")
    parser.add_argument("--all-inputs", action="store_true", help="give optional query and header inputs too")
    parser.add_argument("--show", action="store_true", help="print a line for each run")
    parser.add_argument("--outputs", type=Path, metavar="DIR", help="write what the runners print to this folder")
    options = parser.parse_args()
    runners = [
        ours(),
        ours(has_repairs=True),
        *(make(folder) for make, folder in ((jentic, options.jentic), (redocly, options.redocly)) if folder),
    ]
    cases = choose(read(options.root), options.count)
    setting = Setting(as_published=options.as_published, alone=options.alone, all_inputs=options.all_inputs)
    tallies, edits = compare(cases, runners, setting)
    for tally in tallies:
        if options.show:
            print("\n".join(describe(tally)))
        if options.outputs:
            _write_outputs(tally, options.outputs)
    print("\n".join(table(tallies)))
    print(f"\nEdits, the same for all: {', '.join(f'{count:,} {title}' for title, count in edits.items())}.")
    return 0


def _write_outputs(tally: Tally, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for run in tally.runs:
        name = f"{tally.runner.name}-{run.case.name.replace(' ', '-').replace('/', '-')}.txt"
        lines = [f"{entry}  {entry.fault}  {entry.content[:500]!r}" for entry in run.log]
        (folder / name).write_text("\n".join([*lines, "", run.output]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
