"""How good is it? `make public`, or `python -m benchmarks.public --data DIR [--only NAME]...`

Runs the chapters, two at a time, and writes docs/measured.md with its pictures in docs/measured/. DIR has the folders
`public` (WorkBench, ToolTalk, StableToolBench) and `routing` (recorded outcomes); packages come from PyPI into
environments of their own under .venvs/. What cannot be had is named on the page with the reason. Nothing of the sets
goes into the repository. With `--only`, the chapters are printed and nothing is written. Exits with 1 where a chapter
failed, which leaves the page as it was.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.public.chapter import Bars, Chapter, Failure, measured
from benchmarks.public.drawing import drawing

PAGE = Path(__file__).parents[2] / "docs" / "measured.md"
CHAPTERS: Final = ("bfcl", "search", "approval", "effects", "cascade")
"""In the order of the page."""

INTRODUCTION: Final = """\
This page is written by one command, from public data, and has no figure that the command did not print:

<!-- not run: needs the public sets, and takes twenty minutes -->
```sh
make public DATA=DIR
```

Each chapter asks one question about nlapi, answers it on a set that others made and beside what others do, and ends
with what its figures do not say. The embedded planner is the one that works without a model and without a key: where a
chapter speaks of nlapi alone, no model took part. Nothing that was trained on is scored; where a set has a part that
the developers looked at, that part is reported apart.

The project's own sets are described in [what is measured](../benchmarks/README.md).
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.public", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with public/ and routing/")
    parser.add_argument("--only", action="append", choices=CHAPTERS, help="print this chapter, and write nothing")
    options = parser.parse_args()
    names = options.only or CHAPTERS
    start = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        waiting = {name: pool.submit(measured, name, options.data) for name in names}
        results = {name: future.result() for name, future in waiting.items()}
    failed = [name for name, result in results.items() if isinstance(result, Failure) and not result.is_absence]
    for name in failed:
        print(f"{name} failed:\n{results[name]}", file=sys.stderr)
    text = page(results, minutes=(time.monotonic() - start) / 60)
    if options.only:
        print(text)
    elif not failed:
        write(text, results)
        print(f"{PAGE.relative_to(PAGE.parents[1])} is written.")
    return 1 if failed else 0


def page(results: Mapping[str, Chapter | Failure], *, minutes: float) -> str:
    """Return the page: the answers in short, then the chapters."""
    chapters = {name: result for name, result in results.items() if isinstance(result, Chapter)}
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    lines = ["# How good is it?", "", INTRODUCTION]
    lines += [f"This run: nlapi {version('nlapi')}, {where}, {datetime.now(UTC):%Y-%m-%d}, {minutes:.0f} minutes.", ""]
    for name, chapter in chapters.items():
        lines += chapter.lines(f"measured/{name}-")
    absent = [f"- {name}: {result}" for name, result in results.items() if isinstance(result, Failure)]
    if absent:
        lines += ["## Not measured in this run", "", *absent, ""]
    return "\n".join(lines).rstrip() + "\n"


def write(text: str, results: Mapping[str, Chapter | Failure]) -> None:
    """Write the page, and its pictures in place of those of an earlier run."""
    folder = PAGE.with_suffix("")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, bars in pictures(results):
        (folder / f"{name}-{bars.name}.svg").write_text(drawing(bars), encoding="utf-8")
    PAGE.write_text(text, encoding="utf-8")


def pictures(results: Mapping[str, Chapter | Failure]) -> Sequence[tuple[str, Bars]]:
    """Return the bars of each chapter, with the chapter's name."""
    return [(name, bars) for name, result in results.items() if isinstance(result, Chapter) for bars in result.bars]


if __name__ == "__main__":
    sys.exit(main())
