"""Whether the tests notice a fault in what keeps a user safe: `python -m benchmarks.mutants [--count 42] [--seed 1]`.

A mutant is a copy of the repository with one fault: a comparison turned round, a `not` dropped, `and` for `or`, another
constant, a branch that is never taken. The faults are drawn from the modules of AREAS, the same ones for a seed. Each
mutant is given the tests that are about its module, until one fails; one that outlives them is printed with its line.
`--tests ROOT` takes the tests of another checkout, to compare two suites on the same faults.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

AREAS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "guard": (("nlapi/changes/*.py",), ("tests/changes", "tests/planner/test_offline_guard.py")),
    "policy": (("nlapi/agent/policy.py",), ("tests/agent/test_agent_policy.py", "tests/cli/test_cli_policy.py")),
    "rules": (("nlapi/tools/rules.py",), ("tests/tools/test_rules.py", "tests/tools/test_tools_rules.py")),
    "masks": (("nlapi/client/masking.py",), ("tests/client/test_client_masking.py",)),
    "ledger": (
        ("nlapi/tools/repetition/ledger.py", "nlapi/tools/sending/request_changes.py"),
        ("tests/test_once.py", "tests/cli/test_cli_once.py"),
    ),
    "paging": (
        ("nlapi/resources/paging.py",),
        ("tests/resources/test_paging.py", "tests/tools/test_tools_pages.py", "tests/planner/test_offline_pages.py"),
    ),
    "pins": (("nlapi/tools/versions/pins.py",), ("tests/cli/test_cli_pins.py",)),
}
"""What is mutated, and the tests that are about it."""

COPIED = ("nlapi", "tests", "benchmarks", "training", "prompts", "specs", "plugins", "docs", "examples")
LIMIT_S = 600
"""Seconds for the tests of one mutant; one that makes them hang is noticed."""

OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A place in a module where one node gives way to another text."""

    file: str
    line: int
    start: int
    end: int
    text: str
    kind: str


def faults(file: str) -> Iterator[Fault]:
    """Yield every fault that can be put into the functions of `file`, in the order of its text."""
    source = (ROOT / file).read_text(encoding="utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    functions = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    seen = set()
    for function in functions:
        for statement in function.body:
            for node in ast.walk(statement):
                for kind, changed, text in _changes(node):
                    start = starts[changed.lineno - 1] + changed.col_offset
                    end = starts[(changed.end_lineno or 0) - 1] + (changed.end_col_offset or 0)
                    if (start, kind) not in seen:
                        seen.add((start, kind))
                        yield Fault(file=file, line=changed.lineno, start=start, end=end, text=text, kind=kind)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    match node:
        case ast.Compare(ops=[operator, *others]):
            turned = ast.Compare(node.left, [OPPOSITES[type(operator)](), *others], node.comparators)
            yield "comparison", node, f"({ast.unparse(turned)})"
        case ast.UnaryOp(op=ast.Not()):
            yield "not", node, f"({ast.unparse(node.operand)})"
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and/or", node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
        case ast.If() | ast.IfExp():
            yield "branch", node.test, "False"
        case ast.Constant(value=bool() as value):
            yield "constant", node, str(not value)
        case ast.Constant(value=int() as value):
            yield "constant", node, f"({value + 1})"


def drawn(area: str, count: int, seed: int) -> list[Fault]:
    files = sorted(file.relative_to(ROOT).as_posix() for pattern in AREAS[area][0] for file in ROOT.glob(pattern))
    found = [fault for file in files for fault in faults(file)]
    return random.Random(f"{seed} {area}").sample(found, min(count, len(found)))


def is_noticed(fault: Fault, tests: Sequence[str], copy: Path) -> bool:
    """Return whether one of `tests` fails on the fault, which is taken out of the copy again."""
    target = copy / fault.file
    whole = target.read_bytes()
    target.write_bytes(whole[: fault.start] + fault.text.encode() + whole[fault.end :])
    try:
        return not passes(tests, copy)
    finally:
        target.write_bytes(whole)


def passes(tests: Sequence[str], copy: Path) -> bool:
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=42, help="mutants in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=AREAS, action="append", help="this area; may be repeated")
    parser.add_argument("--tests", type=Path, default=ROOT, metavar="ROOT", help="the checkout whose tests are taken")
    options = parser.parse_args()
    noticed = total = 0
    with tempfile.TemporaryDirectory(prefix="nlapi-mutants-") as folder:
        copy = Path(folder)
        copied(copy, options.tests)
        for area in options.only or AREAS:
            tests = [test for test in AREAS[area][1] if (copy / test).exists()]
            began = time.monotonic()
            if not passes(tests, copy):
                raise SystemExit(f"{area}: the tests fail without a fault")
            chosen = drawn(area, options.count // len(AREAS), options.seed)
            outlived = [fault for fault in chosen if not is_noticed(fault, tests, copy)]
            noticed, total = noticed + len(chosen) - len(outlived), total + len(chosen)
            print(
                f"{area}: {len(chosen) - len(outlived)} of {len(chosen)}, {time.monotonic() - began:.0f} s", flush=True
            )
            for fault in outlived:
                print(f"  {fault.kind} {fault.file}:{fault.line}: {fault.text[:100]}", flush=True)
    print(f"noticed: {noticed} of {total}")
    return 0


def copied(copy: Path, tests: Path) -> None:
    """Copy what the tests need; those of `tests`, a checkout."""
    for name in COPIED:
        source = (tests if name == "tests" else ROOT) / name
        shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "sealed"))
    for name in ("pyproject.toml", "README.md", "SECURITY.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, copy / name)


if __name__ == "__main__":
    raise SystemExit(main())
