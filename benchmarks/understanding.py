"""Measures the part of nlapi that understands a sentence: its lines, complexity, and word lists in code.

usage: python -m benchmarks.understanding [--list]     (some seconds)

Printed as well: the files that a question runs through. A function is complex with over ten decisions: branches,
loops, handlers, each `and` and `or`, each `for` and `if` of a comprehension. A word list is a literal of three or more
English words in code, or a pattern with three or more alternatives that are words: what belongs into a data file.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "nlapi"
PARTS = (
    *("english", "reading", "planner", "changes", "answers", "account", "guard", "index"),
    *("resources/effect", "resources/forms", "resources/ids", "resources/id_sources", "resources/nouns"),
    *("resources/semantics", "resources/command_verbs", "resources/effect_arguments", "resources/effect_overlay"),
    *("tools/phrase", "tools/index", "tools/quantities", "workflows/plain_match"),
)
"""Folders and modules of the part; those that are not there any more, or not yet, count nothing."""

QUESTION = "pause the campaign Summer Sale"
MOST_DECISIONS = 10
_FEWEST_WORDS = 3
_WORD = re.compile(r"[a-z]+(?:[ '-][a-z]+)*")
_ALTERNATIVE = re.compile(r"(?<=[|(:])(?:[a-z]{2,}|\[[a-z]{1,3}\][a-z]+)(?=[|)?])")
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.Assert, ast.match_case)
# Runs `ask` on the bundled API without a server, and prints each file of the package in which a function was called.
_TRACE = """
import sys
files = set()
def profile(frame, event, argument):
    files.add(frame.f_code.co_filename)
sys.setprofile(profile)
from nlapi.cli.main import main
try:
    main()
except SystemExit:
    pass
sys.setprofile(None)
print("FILES " + str(len({name for name in files if sys.argv[0] in name})), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over the modules of the part."""

    lines: dict[str, int]
    functions: int
    complex_functions: list[str]
    word_lists: list[str]


def modules() -> Iterator[Path]:
    """Yield the modules of the part."""
    for part in PARTS:
        folder = PACKAGE / part
        yield from sorted(folder.rglob("*.py")) if folder.is_dir() else ()
        module = PACKAGE / f"{part}.py"
        if module.is_file():
            yield module


def decisions(function: ast.AST) -> int:
    """Return 1 and the number of decisions in a function, those of functions in it included."""
    count = 1
    for node in ast.walk(function):
        if isinstance(node, _BRANCHES):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
    return count


def _words(node: ast.AST) -> int:
    """Return how many words a literal lists: a collection of strings, a string that is split, or a pattern."""
    match node:
        case ast.Set(elts=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            texts = [element.value for element in elements if isinstance(element, ast.Constant)]
            return sum(isinstance(text, str) and _WORD.fullmatch(text) is not None for text in texts)
        case ast.Dict(keys=keys):
            names = [key.value for key in keys if isinstance(key, ast.Constant)]
            return sum(isinstance(name, str) and _WORD.fullmatch(name) is not None for name in names)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="split")):
            return len(text.split())
        case ast.Constant(value=str(text)) if "|" in text and "\n" not in text:
            return len(_ALTERNATIVE.findall(text))
    return 0


def measure() -> Figures:
    """Count the lines, functions and word lists of every module of the part."""
    lines: dict[str, int] = {}
    functions = 0
    complex_functions: list[str] = []
    word_lists: list[str] = []
    for path in modules():
        name = path.relative_to(PACKAGE).as_posix()
        source = path.read_text(encoding="utf-8")
        lines[name] = source.count("\n")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                if (count := decisions(node)) > MOST_DECISIONS:
                    complex_functions.append(f"{name}:{node.lineno} {node.name} {count}")
            elif (count := _words(node)) >= _FEWEST_WORDS:
                word_lists.append(f"{name}:{getattr(node, 'lineno', 0)} {count} words")
    return Figures(lines, functions, complex_functions, word_lists)


def files_of_a_question() -> int:
    """Return in how many files of the package a function is called by `nlapi ask --dry-run` without a model."""
    options = ["ask", QUESTION, "-a", "ads", "--planner", "offline", "--dry-run"]
    command = [sys.executable, "-c", _TRACE.replace("sys.argv[0]", repr(str(PACKAGE))), *options]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = re.findall(r"^FILES (\d+)$", finished.stderr, re.MULTILINE)
    if not counts:
        raise RuntimeError(finished.stderr)
    return int(counts[0])


def main() -> int:
    """Print the figures, and with --list where each complex function and word list stands."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.understanding", description=__doc__)
    parser.add_argument("--list", action="store_true", help="also print the complex functions and the word lists")
    options = parser.parse_args()
    figures = measure()
    packages: dict[str, int] = {}
    for name, count in figures.lines.items():
        part = "/".join(name.split("/")[:2]) if name.startswith("planner/") else name.split("/")[0]
        packages[part] = packages.get(part, 0) + count
    for part, count in packages.items():
        print(f"{part:28} {count:6,}")
    share = 100 * len(figures.complex_functions) / figures.functions
    print(f"{'lines':28} {sum(figures.lines.values()):6,}")
    print(f"{'functions':28} {figures.functions:6,}, {len(figures.complex_functions)} complex ({share:.1f} %)")
    print(f"{'word lists in code':28} {len(figures.word_lists):6,}")
    print(f"{'files a question runs through':28} {files_of_a_question():5,}")
    if options.list:
        print(*figures.complex_functions, *figures.word_lists, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
