"""Measures how large and how plain the package is: lines and complex functions by folder, and modules with one user.

usage: python -m benchmarks.house [--list]     (some seconds)

A function is complex as `benchmarks.understanding` counts it. A module has one user where one other module of the
package imports it; the modules of commands, which a table names, have none and do not count.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.understanding import MOST_DECISIONS, PACKAGE, decisions

MOST_MODULES = 30
"""Modules at one level of a folder: with more, nobody finds a room."""


def module_name(path: Path) -> str:
    """Return the dotted name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module imports, at its top and in its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def main() -> int:
    """Print a line for each folder, and with --list the complex functions and the modules with one user."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("--list", action="store_true", help="also print the complex functions and the modules")
    options = parser.parse_args()
    lines, functions, complex_functions = Counter[str](), Counter[str](), defaultdict[str, list[str]](list)
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    for path, tree in trees.items():
        relative = path.relative_to(PACKAGE)
        folder = relative.parts[0] if len(relative.parts) > 1 else "(top level)"
        lines[folder] += path.read_text(encoding="utf-8").count("\n")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[folder] += 1
                if (count := decisions(node)) > MOST_DECISIONS:
                    complex_functions[folder].append(f"{relative}:{node.lineno} {node.name} {count}")
    users = defaultdict[str, set[Path]](set)
    for path, tree in trees.items():
        for name in imports(tree):
            users[name].add(path)
    single = [path for path in trees if path.name != "__init__.py" and len(users[module_name(path)] - {path}) == 1]
    crowded = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in trees)
    for folder in sorted(lines):
        share = 100 * len(complex_functions[folder]) / max(functions[folder], 1)
        print(f"{folder:12} {lines[folder]:7,} lines {functions[folder]:6,} functions {share:6.1f} % complex")
    total = sum(map(len, complex_functions.values()))
    print(f"{'all':12} {sum(lines.values()):7,} lines {sum(functions.values()):6,} functions, {total} complex")
    print(f"modules with one user: {len(single)}, {sum(len(path.read_text().splitlines()) for path in single):,} lines")
    print(f"folders with more than {MOST_MODULES} modules:", *(name for name, n in crowded.items() if n > MOST_MODULES))
    if options.list:
        print(*(line for names in complex_functions.values() for line in names), sep="\n")
        print(*(path.relative_to(PACKAGE) for path in single), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
