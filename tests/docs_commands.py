"""The fenced blocks of the documents, and what runs the commands in them.

A block of `sh` or `console` is run, unless a comment `<!-- not run: the reason -->` stands on the line above it. A
block with a title is a file that the commands after it find. In a block of `console`, lines with `$ ` are commands at
a terminal, and the others are what it shows: `...` stands for anything, and a number for any number.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))))
GENERATED = ("docs/reference.md", "docs/python.md")
SHELL = ("sh", "console")

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
# The comment behind a command; a number sign within a word is none.
_COMMENT = re.compile(r"(?:^|\s{2,})# .*$")
_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)\}?")
_SERVERS = ("sandbox", "chat", "setup", "mcp", "demo")
_GATEWAY_SERVERS = ("serve", "host", "control-plane", "migrate", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    title: str = ""
    reason: str = ""

    @property
    def is_run(self) -> bool:
        return self.language in SHELL and not self.reason

    @property
    def commands(self) -> tuple[str, ...]:
        """The command lines, joined where a backslash ends one, without comments and prompts."""
        text = self.text.replace("\\\n", " ")
        lines = text.splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        stripped = (_COMMENT.sub("", line).strip() for line in lines)
        return tuple(line for line in stripped if line and not line.startswith("#"))


def blocks(page: str) -> tuple[Block, ...]:
    """Return the fenced blocks of a page, from the top."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return tuple(
        Block(
            page=page,
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            text=re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
            title=match["title"] or "",
            reason=match["reason"] or "",
        )
        for match in _FENCE.finditer(text)
    )


def command_words(line: str, environment: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the words of a command line, with its variables, and the file that its output is put into."""
    known = _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), line)
    words = shlex.split(known.removesuffix("&"))
    if ">" in words:
        at = words.index(">")
        return words[:at], words[at + 1]
    return words, ""


def serves(words: Sequence[str]) -> bool:
    """Return whether the words after `nlapi` start something that does not end by itself, or needs a person."""
    first, second = (*words, "", "")[:2]
    if {"--help", "-h"} & set(words):
        return False
    return first in _SERVERS or (first == "gateway" and second in _GATEWAY_SERVERS)


def unknown_word(words: Sequence[str]) -> str:
    """Return the complaint about an option or command that the program does not have; empty if it has all of them."""
    import typer

    from nlapi.cli.app import app

    command = typer.main.get_command(app)
    context = command.make_context("nlapi", ["--help"], resilient_parsing=True)
    rest = list(words)
    try:
        while hasattr(command, "resolve_command"):
            name, command, rest = command.resolve_command(context, rest)
            if not hasattr(command, "resolve_command"):
                command.make_context(name, rest, parent=context)
    except Exception as error:  # of click, or of the copy that typer has of it
        if type(error).__name__ in ("NoSuchOption", "NoSuchCommand"):
            return str(error)
        if type(error).__name__ == "UsageError" and "No such command" in str(error):
            return str(error)
    return ""


def shown_patterns(block: Block) -> Iterator[tuple[str, list[tuple[str, str]], list[re.Pattern[str]]]]:
    """Yield each command of a session, the questions that are answered, and a pattern for each line that is shown."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    for part in parts[1:]:
        first, *lines = part.replace("\\\n", " ").splitlines()
        answers = []
        patterns = []
        for line in lines:
            if answer := re.search(r"^(.*\]): (\S+)$", line):
                answers.append((answer[1], answer[2]))
                line = answer[1]
            if line.strip() not in ("", "..."):
                patterns.append(re.compile(_pattern(line.strip())))
        yield _COMMENT.sub("", first).strip(), answers, patterns


def _pattern(line: str) -> str:
    return r"\s+".join(_word_pattern(word) for word in line.split())


def _word_pattern(word: str) -> str:
    text = re.sub(r"\d+", lambda match: r"\d+", re.escape(word).replace(r"\.\.\.", ".*"))
    return re.sub("─+", "─+", text)
