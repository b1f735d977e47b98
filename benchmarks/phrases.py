"""Counts phrases that a native writer seldom uses, in the help, the documentation and the docstrings of packages.

`python -m benchmarks.language` prints them; docs/style.md says what to write in their place.
"""

from __future__ import annotations

import ast
import importlib.metadata
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PEERS = ("schemathesis", "httpx")

PHRASES = {
    "is no X, is none": re.compile(r"\b(?:[Ii]s|[Aa]re|was|were|be) (?:no|none)\b(?! longer)"),
    "what it, what the": re.compile(r"\bwhat (?:it|the)\b", re.IGNORECASE),
    "goes on": re.compile(r"\b(?:go|goes|went|going) on\b", re.IGNORECASE),
    "is told, is said": re.compile(r"\b(?:is|are|was|were|be) (?:told|said|asked about|had)\b", re.IGNORECASE),
    "of its own": re.compile(r"\bof (?:its|their|your) own\b", re.IGNORECASE),
}
"""The patterns, by what docs/style.md calls them."""

# What nobody reads as prose: comments, code, links and the pipes of tables.
_NOT_PROSE = re.compile(r"<!--.*?-->|^(`{3,}).*?^\1`*$|`[^`\n]*`|\]\([^)]*\)|https?://\S+", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"[A-Za-z][\w'-]*")


@dataclass(frozen=True, slots=False, kw_only=True)
class PhraseReport:
    """The words of some texts, and the phrases in them."""

    words: int
    counts: dict[str, int]
    places: tuple[str, ...] = ()

    @cached_property
    def per_thousand(self) -> dict[str, float]:
        """Each phrase in 1,000 words."""
        return {name: 1000 * count / max(1, self.words) for name, count in self.counts.items()}


def count_phrases(texts: Iterable[tuple[str, str]]) -> PhraseReport:
    """Count the phrases in texts, each with the name of the place that it is from."""
    words = 0
    counts = dict.fromkeys(PHRASES, 0)
    places = []
    for place, text in texts:
        prose = _NOT_PROSE.sub(lambda match: "\n" * match[0].count("\n"), text)
        words += len(_WORD.findall(prose))
        for name, pattern in PHRASES.items():
            for match in pattern.finditer(prose):
                counts[name] += 1
                line = prose.count("\n", 0, match.start()) + 1
                places.append(f"{place}:{line}: {name}: {match[0].strip()}")
    return PhraseReport(words=words, counts=counts, places=tuple(places))


def documentation(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield the README and the pages for users, without the generated references and the design pages."""
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        if page.name not in ("reference.md", "python.md"):
            yield page.relative_to(root).as_posix(), page.read_text(encoding="utf-8")


def docstrings(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every docstring below `folder`."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path}:{getattr(node, 'lineno', 1)}", ast.get_docstring(node) or ""


def comment_lines(text: str) -> list[tuple[int, str]]:
    """Return the comment lines with their numbers; directives to tools (noqa, type: ignore) alone are none."""
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        words = token.string.lstrip("# ")
        if token.type == tokenize.COMMENT and not re.match(r"(?:noqa|type:|fmt:|pragma)", words):
            comments.append((token.start[0], words))
    return comments


def comments(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the comments of every module below `folder`, lines that follow one another as one text."""
    for path in sorted(folder.rglob("*.py")):
        last, block = 0, ""
        for line, words in comment_lines(path.read_text(encoding="utf-8")):
            if line != last + 1:
                yield f"{path}:{last}", block
                block = ""
            last, block = line, f"{block}\n{words}"
        yield f"{path}:{last}", block


def help_texts(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a click command, of its options, and of its subcommands."""
    yield name, "\n".join(part for part in (command.help, command.epilog) if part)
    for parameter in command.params:
        yield name, getattr(parameter, "help", None) or ""
    if hasattr(command, "list_commands"):
        context = command.make_context(name, [], resilient_parsing=True)
        for word in command.list_commands(context):
            yield from help_texts(command.get_command(context, word), f"{name} {word}")


def package_texts(name: str) -> dict[str, Iterator[tuple[str, str]]]:
    """Return the help, documentation and docstrings of an installed package; nothing where it is not installed."""
    if name == "nlapi":
        import typer

        from nlapi.cli.app import app

        return {
            "help": help_texts(typer.main.get_command(app), name),
            "docs": documentation(),
            "docstrings": docstrings(ROOT / "nlapi"),
            "comments": comments(ROOT / "nlapi"),
        }
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return {}
    (entry,) = [entry for entry in importlib.metadata.entry_points(group="console_scripts") if entry.name == name]
    command = entry.load()
    described = importlib.metadata.metadata(name).get_payload()
    return {
        "help": help_texts(command, name) if hasattr(command, "params") else iter(()),
        "docs": iter([(f"{name}'s page at the index", str(described))]),
        "docstrings": docstrings(Path(spec.origin).parent),
        "comments": comments(Path(spec.origin).parent),
    }


def phrase_lines() -> Iterator[str]:
    """Yield a table: each phrase in 1,000 words of each kind of text, beside packages that native speakers wrote."""
    yield f"{'in 1,000 words':32}{'words':>9}" + "".join(f"{name:>20}" for name in PHRASES)
    for package in ("nlapi", *PEERS):
        texts = package_texts(package)
        if not texts:
            yield f"{package}: left out, as it is not installed"
        for kind, content in texts.items():
            report = count_phrases(content)
            rates = "".join(f"{rate:>20.2f}" for rate in report.per_thousand.values())
            yield f"{f'{kind} of {package}':32}{report.words:>9,}{rates}"
