"""What a runner of a public set gives back: text, tables and bars of one chapter, as Markdown and at a terminal."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class MissingError(Exception):
    """A set, a package or a program is not on this machine; the text says which, and how it is had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A public set: its name, its version (a commit or a release), its licence, and where it is from."""

    name: str
    version: str
    licence: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures in rows; the first column names what was measured, ours first."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> list[str]:
        """Return the table as Markdown, its columns padded for a terminal."""
        widths = [max(len(row[at]) for row in (self.columns, *self.rows)) for at in range(len(self.columns))]
        head, *body = (
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in (self.columns, *self.rows)
        )
        return [f"**{self.title}**", "", head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One figure for several ways of doing the same, to be drawn; `target` is the figure that was aimed at."""

    name: str
    title: str
    unit: str
    bars: Sequence[tuple[str, float]]
    target: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One question about nlapi and its answer on public data.

    Attributes:
        title: The question, in plain words: "Does a search find the right operation?".
        summary: The answer in two or three sentences, with the figures of this run.
        sources: The sets it was measured on.
        command: The command that prints this chapter.
        tables, bars: The figures.
        unknown: What these figures do not say, a sentence each.
        missed: Each target that is not reached, with the figure and the reason.
    """

    title: str
    summary: str
    sources: Sequence[Source]
    command: str
    tables: Sequence[Table]
    bars: Sequence[Bars] = ()
    unknown: Sequence[str] = ()
    missed: Sequence[str] = ()

    def lines(self, pictures: str | None = None) -> list[str]:
        """Return the chapter as Markdown; `pictures` is where the links to its drawings begin, None leaves them out."""
        lines = [f"## {self.title}", "", self.summary, ""]
        for bars in self.bars if pictures else ():
            lines += [f"![{bars.title}]({pictures}{bars.name}.svg)", ""]
        for table in self.tables:
            lines += [*table.lines(), ""]
        for heading, texts in (("Targets that are not reached", self.missed), ("What this does not say", self.unknown)):
            if texts:
                lines += [f"{heading}:", "", *(f"- {text}" for text in texts), ""]
        where = "; ".join(f"{one.name} ({one.version}, {one.licence}, {one.origin})" for one in self.sources)
        return [*lines, f"Measured on {where} by `{self.command}`.", ""]


Measure = Callable[[Path], Chapter]


class Failure(str):
    """Why a chapter has no figures: something is not here (`is_absence`), or its traceback."""

    is_absence: bool = False


def measured(name: str, data: Path) -> Chapter | Failure:
    """Run a chapter in this process; what it prints goes to the terminal."""
    measure: Measure = importlib.import_module(f"benchmarks.public.{name}").measure
    start = time.monotonic()
    try:
        return measure(data)
    except MissingError as missing:
        failure = Failure(missing)
        failure.is_absence = True
        return failure
    except Exception:
        return Failure(traceback.format_exc())
    finally:
        print(f"{name}: {(time.monotonic() - start) / 60:.1f} min", file=sys.stderr, flush=True)


def alone(measure: Measure, description: str | None) -> int:
    """Print one chapter: what `python -m benchmarks.public.NAME --data DIR` does.

    Returns:
        The exit status: 0, also where what the chapter needs is not here.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder that holds public/, routing/"
    )
    try:
        print("\n".join(measure(parser.parse_args().data).lines()))
    except MissingError as missing:
        print(f"left out: {missing}", file=sys.stderr)
    return 0
