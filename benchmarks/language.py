"""Measures the language of the code and of the texts: names, docstrings, comments, and phrases of help and docs.

usage: python -m benchmarks.language [FOLDER] [--list]     (some seconds; tests/test_language.py holds the limits)

Names are all identifiers of the syntax trees: definitions, arguments, variables, attributes and keywords. Texts are the
strings with a blank in them that are no docstrings: help, prompts, errors. Foreign phrases are counted in both.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.phrases import comment_lines, count_phrases, documentation, phrase_lines

EVERYDAY_WORDS = frozenset(
    "one found made told said given kept wanted meant known own taken left asked held seen shown named placed".split()
)
# Subordinate clauses as a first line say what a thing relates to, and not what it is or returns.
_CLAUSE = re.compile(r"(?:What|Which|Where|Those)\b")
# Correct, and what nobody writes whose first language is English: "this is no list", "what the answer has".
FOREIGN_PHRASES = {
    "is no X, is none": re.compile(r"(?<!there )\b(?:is|are|was|were) (?:no(?! longer)|none)\b", re.IGNORECASE),
    "what it, what the": re.compile(r"\bwhat (?:it|the)\b", re.IGNORECASE),
}
_ANY = re.compile(r"\bAny\b")
# Two comments that say the same as the line below them share this part of its words.
_REPEATS = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReport:
    """The texts that a person reads, of the modules of a folder."""

    words: int
    foreign: dict[str, list[str]]
    """the places of each foreign phrase"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageReport:
    """Counts over the modules of a folder."""

    names: int
    everyday_names: Counter[str]
    repeated_classes: dict[str, list[str]]
    docstrings: int
    clause_docstrings: list[str]
    question_docstrings: list[str]
    lines: int
    comments: int
    repeating_comments: list[str]
    any_annotations: int
    places: list[str]
    texts: TextReport

    @property
    def everyday_per_thousand(self) -> float:
        """Everyday words in 1,000 names."""
        return 1000 * sum(self.everyday_names.values()) / max(1, self.names)

    @property
    def comments_per_hundred(self) -> float:
        """Lines of comments in 100 lines."""
        return 100 * self.comments / max(1, self.lines)


def measure(folder: Path) -> LanguageReport:
    """Count the names, docstrings, comments and `Any` annotations of every module below `folder`."""
    names = lines = comments = docstrings = any_annotations = 0
    everyday: Counter[str] = Counter()
    classes: dict[str, list[str]] = {}
    clauses: list[str] = []
    questions: list[str] = []
    repeating: list[str] = []
    places: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines += len(text.splitlines())
        nodes = list(ast.walk(tree))
        for name, line in _identifiers(nodes):
            names += 1
            if name.strip("_") in EVERYDAY_WORDS:
                everyday[name.strip("_")] += 1
                places.append(f"{path}:{line}: {name}")
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, []).append(f"{path}:{node.lineno}")
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = (ast.get_docstring(node) or "").partition("\n")[0].strip()
            if first:
                docstrings += 1
                place = f"{path}:{getattr(node, 'lineno', 1)}: {first}"
                if _CLAUSE.match(first):
                    clauses.append(place)
                if first.endswith("?"):
                    questions.append(place)
        any_annotations += sum(len(_ANY.findall(ast.unparse(annotation))) for annotation in _annotations(nodes))
        found_comments = comment_lines(text)
        comments += len(found_comments)
        repeating += [f"{path}:{line}: {comment}" for line, comment in _repeats(text, found_comments)]
    return LanguageReport(
        names=names,
        everyday_names=everyday,
        repeated_classes={name: where for name, where in classes.items() if len(where) > 1},
        docstrings=docstrings,
        clause_docstrings=clauses,
        question_docstrings=questions,
        lines=lines,
        comments=comments,
        repeating_comments=repeating,
        any_annotations=any_annotations,
        places=places,
        texts=measure_texts(folder),
    )


def measure_texts(folder: Path) -> TextReport:
    """Count the words and the foreign phrases of the texts of every module below `folder`."""
    words = 0
    foreign: dict[str, list[str]] = {name: [] for name in FOREIGN_PHRASES}
    for path in sorted(folder.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for line, sentence in _sentences(nodes):
            words += len(re.findall(r"[A-Za-z']+", sentence))
            for name, pattern in FOREIGN_PHRASES.items():
                matches = pattern.findall(sentence)
                foreign[name] += [f"{path}:{line}: {sentence.strip()[:100]!r}"] * len(matches)
    return TextReport(words=words, foreign=foreign)


def _sentences(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the line of each text with a blank in it that is not a docstring, and the text; X is for a value."""
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    inner = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    skipped = inner | docstrings
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield from [(node.lineno, node.value)] if " " in node.value else []


def _identifiers(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.keyword(arg=str(name)):
                yield name, node.lineno


def _annotations(nodes: Sequence[ast.AST]) -> Iterator[ast.expr]:
    """Yield the annotations of parameters, of what functions return and of fields of classes."""
    for node in nodes:
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.ClassDef):
            yield from (item.annotation for item in node.body if isinstance(item, ast.AnnAssign))


def _repeats(text: str, comments: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the comments of three words or more whose words nearly all stand in the next line of code."""
    lines = text.splitlines()
    for number, comment in comments:
        words = re.findall(r"[a-z]{3,}", comment.lower())
        code = next((line for line in lines[number:] if line.strip() and not line.lstrip().startswith("#")), "")
        code_words = set(re.findall(r"[a-z]{3,}", code.lower()))
        if len(words) >= 3 and sum(word in code_words for word in words) >= _REPEATS * len(words):
            yield number, comment


def main() -> None:
    """Print the counts and, with --list, each place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="nlapi", type=Path)
    parser.add_argument("--list", action="store_true", help="print every place too")
    options = parser.parse_args()
    report = measure(options.folder)
    clause_share = len(report.clause_docstrings) / max(1, report.docstrings)
    question_share = len(report.question_docstrings) / max(1, report.docstrings)
    everyday = ", ".join(f"{word} {count}" for word, count in report.everyday_names.most_common(6))
    print(f"{report.lines:,} lines")
    print(f"names: {report.names:,}, everyday words {report.everyday_per_thousand:.2f} of 1,000 ({everyday or 'none'})")
    print(f"class names that stand twice: {', '.join(sorted(report.repeated_classes)) or 'none'}")
    print(
        f"docstrings: {report.docstrings:,}, What/Which/Where/Those {clause_share:.2%}, questions {question_share:.2%}"
    )
    print(f"comments: {report.comments_per_hundred:.2f} in 100 lines, {len(report.repeating_comments)} repeat the code")
    print(f"Any in signatures and fields: {report.any_annotations}")
    for line in phrase_lines():
        print(line)
    counts = (f"{name!r} {1000 * len(where) / report.texts.words:.2f}" for name, where in report.texts.foreign.items())
    print(f"texts that a person reads, of 1,000 words: {', '.join(counts)}")
    if options.list:
        for place in (
            *report.places,
            *(f"{place}: class {name}" for name, where in report.repeated_classes.items() for place in where),
            *report.clause_docstrings,
            *report.question_docstrings,
            *report.repeating_comments,
            *count_phrases(documentation()).places,
            *(place for places in report.texts.foreign.values() for place in places),
        ):
            print(place)


if __name__ == "__main__":
    main()
