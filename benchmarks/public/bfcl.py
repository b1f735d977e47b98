"""Does the planner make the right call? BFCL v4, rated by its own checker, without a model.

python -m benchmarks.public.bfcl --data DIR. The questions and the checker are those of the package `bfcl-eval`, in an
environment of its own under .venvs/; DIR/questions/dev.jsonl names the questions that the planner was trained on, which
are reported apart. How functions become an API: benchmarks/public/bfcl_handler.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.environments import StepError, environment
from benchmarks.public.bfcl_handler import JsonObject, answer
from benchmarks.public.chapter import Bars, Chapter, MissingError, Source, Table, alone

PACKAGE: Final = "bfcl-eval==2026.3.23"
WRITTEN: Final = date(2023, 1, 1)
"""The day from which a day without a year is counted: the answers of the set lie in 2023, and no question says so."""
CATEGORIES: Final = {
    "simple_python": "one function",
    "multiple": "two to four functions",
    "live_simple": "one function, asked by users",
    "live_multiple": "several functions, asked by users",
    "irrelevance": "no function fits",
    "live_irrelevance": "no function fits, asked by users",
}
TARGETS: Final = {
    "simple_python": 66.0,
    "multiple": 72.0,
    "live_simple": 52.0,
    "live_multiple": 56.0,
    "irrelevance": 82.0,
}
PUBLISHED: Final = {
    "Claude Opus 4.5": (76.8, 95.5, 86.4, 78.2),
    "xLAM-1b": (71.3, 85.5, 63.2, 54.2),
    "Hammer2.0-0.5b": (62.2, 80.0, 48.8, 44.1),
}
"""Of the leaderboard's page, for the first four categories: not run here."""
# The share of the surest answers whose accuracy is given apart.
_SUREST = 0.4

_CLASSES: Final = {
    "wrong_count": "no call, a question, or several calls",
    "wrong_func_name": "another function",
    "missing_required": "a required argument is missing",
    "missing_optional": "a stated argument is missing",
    "unexpected_param": "an argument that was not said",
    "value_error:string": "another text",
    "value_error:list": "another list",
    "value_error:dict": "another object",
    "value_error:others": "another number or truth value",
    "type_error": "a value of another type",
    "irrelevance_error": "a call where no function fits",
}
"""The checker's classes of errors, by a part of their name, in plain words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one question: `error` is the checker's class, "" for a right answer.

    `trained_on` says that the question is among those which the planner was trained on.
    """

    id: str
    category: str
    error: str
    calls: bool
    asks: bool
    confidence: float
    seconds: float
    trained_on: bool

    @property
    def right(self) -> bool:
        return not self.error


def measure(data: Path) -> Chapter:
    """Return the chapter of BFCL."""
    rows = list(outcomes(data, CATEGORIES))
    unseen = {name: [row for row in rows if row.category == name and not row.trained_on] for name in CATEGORIES}
    missed = [
        f"{CATEGORIES[name]}: {_percent(unseen[name])} %, wanted {target:.0f} %: {_errors(unseen[name])}."
        for name, target in TARGETS.items()
        if _accuracy(unseen[name]) < target
    ]
    milliseconds = 1000 * fmean(row.seconds for row in rows)
    figures = ", ".join(f"{_percent(unseen[name])} % ({text})" for name, text in CATEGORIES.items())
    return Chapter(
        title="Does the planner without a model make the right call?",
        summary=(
            "The Berkeley Function-Calling Leaderboard gives functions and a sentence, and its own program rates the "
            f"call. On questions that nothing was trained on: {figures}. "
            f"A question takes {milliseconds:.0f} ms on one core, its description read included."
        ),
        sources=[
            Source(
                name="BFCL v4",
                version=PACKAGE,
                licence="Apache-2.0",
                origin="https://pypi.org/project/bfcl-eval",
            )
        ],
        command="python -m benchmarks.public.bfcl --data DIR",
        tables=[_accuracy_table(rows, unseen), _error_table(unseen)],
        bars=[_bars(name, at, unseen[name]) for at, name in enumerate(CATEGORIES) if name in TARGETS],
        unknown=[
            "A day without a year is counted from 1 January 2023, as the right answers lie in that year.",
            "The leaderboard's column for one function is a mean over Python, Java and JavaScript; here it is Python.",
            "The published figures are over all questions of a category, and were not run again here.",
            "Parallel calls, several turns, memory and web search are not measured: the planner's part is one request.",
            "A wrong call is not one that was sent: nlapi shows a change first, and asks where a sentence is unclear.",
        ],
        missed=missed,
    )


def outcomes(data: Path, categories: Iterable[str]) -> Iterator[Outcome]:
    """Yield what came of each question of some categories. MissingError where the set cannot be had."""
    trained_on = _training_questions(data)
    try:
        # The checker needs nothing of what the package requires for the models that it can ask.
        python = environment("bfcl", "--no-deps", PACKAGE)
    except StepError as error:
        raise MissingError(f"{PACKAGE} cannot be installed: {error.reason}") from error
    for category in categories:
        entries = _questions(python, category)
        answers = {
            entry["id"]: answer(chain.from_iterable(entry["question"]), entry["function"], today=WRITTEN)
            for entry in entries
        }
        errors = _checked(python, category, {number: given.calls for number, given in answers.items()})
        for number, given in answers.items():
            yield Outcome(
                id=number,
                category=category,
                error=errors[number],
                calls=bool(given.calls),
                asks=given.asks,
                confidence=given.confidence,
                seconds=given.seconds,
                trained_on=f"bfcl_{category}/{number}" in trained_on,
            )


def _training_questions(data: Path) -> frozenset[str]:
    file = data / "questions" / "dev.jsonl"
    if not file.is_file():
        raise MissingError(f"{file} is not there: it says which questions the planner was trained on")
    with file.open(encoding="utf-8") as lines:
        return frozenset(json.loads(line)["id"] for line in lines)


@cache
def _data_folder(python: Path) -> Path:
    code = "import bfcl_eval, pathlib; print(pathlib.Path(bfcl_eval.__file__).parent / 'data')"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def _questions(python: Path, category: str) -> list[JsonObject]:
    with (_data_folder(python) / f"BFCL_v4_{category}.json").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _checked(python: Path, category: str, calls: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Return the checker's class of error for each question."""
    rows = "".join(
        json.dumps({"id": number, "category": category, "calls": given}) + "\n" for number, given in calls.items()
    )
    program = Path(__file__).with_name("bfcl_checker.py")
    done = subprocess.run([python, program], input=rows, capture_output=True, text=True, check=True)
    return {row["id"]: row["error"] for row in map(json.loads, done.stdout.splitlines())}


def _accuracy(rows: Sequence[Outcome]) -> float:
    return 100 * fmean(row.right for row in rows) if rows else 0.0


def _percent(rows: Sequence[Outcome]) -> str:
    return f"{_accuracy(rows):.1f}" if rows else "-"


def _error_class(error: str) -> str:
    return next((text for part, text in _CLASSES.items() if part in error), error)


def _errors(rows: Sequence[Outcome]) -> str:
    counts = Counter(_error_class(row.error) for row in rows if row.error)
    return ", ".join(f"{text} {count}" for text, count in counts.most_common())


def _accuracy_table(rows: Sequence[Outcome], unseen: Mapping[str, Sequence[Outcome]]) -> Table:
    lines = []
    for at, (name, text) in enumerate(CATEGORIES.items()):
        every = [row for row in rows if row.category == name]
        surest = sorted(unseen[name], key=lambda row: -row.confidence)[: int(len(unseen[name]) * _SUREST)]
        published = [f"{figures[at]:.1f}" if at < len(figures) else "-" for figures in PUBLISHED.values()]
        trained_on = [row for row in every if row.trained_on]
        has_calls = "irrelevance" not in name
        lines.append(
            [
                text,
                _percent(unseen[name]),
                str(len(unseen[name])),
                _percent(surest) if has_calls else "-",
                _percent(trained_on),
                _percent(every),
                *published,
            ]
        )
    columns = ["BFCL v4, right in %", "nlapi", "questions", "surest 40 %", "trained on", "all", *PUBLISHED]
    return Table(title="Right calls by the leaderboard's own checker, without a model", columns=columns, rows=lines)


def _error_table(unseen: Mapping[str, Sequence[Outcome]]) -> Table:
    counts = {name: Counter(_error_class(row.error) for row in rows if row.error) for name, rows in unseen.items()}
    kinds = dict.fromkeys(text for text in _CLASSES.values() if any(text in count for count in counts.values()))
    lines = [[kind, *(str(count[kind] or "-") for count in counts.values())] for kind in kinds]
    return Table(
        title="What was wrong, of the questions that nothing was trained on", columns=["", *unseen], rows=lines
    )


def _bars(name: str, at: int, rows: Sequence[Outcome]) -> Bars:
    published = [(model, figures[at]) for model, figures in PUBLISHED.items() if at < len(figures)]
    return Bars(
        name=name.replace("_", "-"),
        title=f"BFCL v4, {CATEGORIES[name]}",
        unit="% right",
        bars=[("nlapi, no model", round(_accuracy(rows), 1)), *published],
        target=TARGETS[name],
    )


if __name__ == "__main__":
    sys.exit(alone(measure, __doc__))
