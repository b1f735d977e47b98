"""What each hand-made rule of the planner is worth: the sentences that are won with it, and the wrong changes it holds.

A rule is turned off for the sentences in which it says something at all, by today's forests: no other sentence can
change. Graded are the sentences of benchmarks/accuracy, the commands of benchmarks.changes, what operators tell the
gateway (benchmarks.operators), and the public development questions.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any

import nlapi
from benchmarks import operators
from benchmarks.accuracy import sample
from benchmarks.accuracy.measure import Result, plain_result, training_result
from benchmarks.changes import cases as commands
from benchmarks.changes.run import Rating, open_bench, without_registrations
from benchmarks.npm import cache as cache_folder
from benchmarks.offline.sentences import TODAY
from nlapi.planner import OfflinePlanner
from training.corpus import Corpus, today_of
from training.real import real_rows
from training.rules import RULES, Rule, lines_of, place_of, traced, without
from training.scoring import score

Verdict = tuple[bool, bool]
"""Whether a sentence is planned exactly right, and whether a wrong change stands."""
SHARE = 3
"""One in so many of the commands and of the public questions is graded unless all are asked for."""
_RIGHT = frozenset({Rating.HELD, Rating.READ})
_PUBLIC = 60
"""Public descriptions that are read in one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A sentence: what becomes of it, which rules say something about it, and what becomes of it without each."""

    group: str
    api: str
    sentence: str
    verdict: Verdict
    rules: tuple[str, ...]
    without: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Sentences whose descriptions are loaded in one process."""

    kind: str
    name: str
    share: int


Judge = tuple[str, str, str, Callable[[], Verdict]]


def parts(*, every: bool) -> list[Part]:
    """Return the parts of the sample, the largest descriptions first."""
    share = 1 if every else SHARE
    result = [Part(kind="sentences", name=name, share=1) for name in sample.names()]
    result += [Part(kind="commands", name=api.name, share=share) for api in commands.load()]
    result += [Part(kind="public", name=str(first), share=share) for first in range(0, len(_public_specs()), _PUBLIC)]
    result += [
        Part(kind="operators", name=str(file), share=share) for file in sorted(operators.FOLDER.glob("questions*.yaml"))
    ]
    if every:
        here = set(sample.names())
        result += [Part(kind="real", name=api, share=1) for api in sorted({row["api"] for row in real_rows()} - here)]
    return result


@cache
def _public_specs() -> tuple[str, ...]:
    return tuple(dict.fromkeys(row["spec"] for row in Corpus().public))


def grade(part: Part, names: Sequence[str], earlier: Mapping[str, Graded]) -> list[Graded]:
    """Grade the sentences of a part with all rules, and without each of those `names` that say something.

    `earlier` are the sentences that were graded before, each with the rules that it was graded without.
    """
    if earlier and not any(set(names) & set(one.rules) - one.without.keys() for one in earlier.values()):
        return list(earlier.values())
    graded: list[Graded] = []
    for group, api, sentence, judge in _KINDS[part.kind](part):
        if part.share > 1 and zlib.crc32(sentence.encode()) % part.share:
            continue
        one = earlier.get(sentence) or _with_all(group, api, sentence, judge)
        due = set(names) & set(one.rules) - one.without.keys()
        others = {name: _without(RULES[name], judge) for name in sorted(due)}
        graded.append(replace(one, without={**one.without, **others}))
    return graded


def _with_all(group: str, api: str, sentence: str, judge: Callable[[], Verdict]) -> Graded:
    asked: set[str] = set()
    with traced(RULES, asked):
        verdict = judge()
    return Graded(group=group, api=api, sentence=sentence, verdict=verdict, rules=tuple(sorted(asked)), without={})


def _without(rule: Rule, judge: Callable[[], Verdict]) -> Verdict:
    with without(rule):
        return judge()


def _sentences(part: Part) -> Iterator[Judge]:
    with tempfile.TemporaryDirectory() as folder:
        spec = nlapi.load(str(sample.unpack(part.name, Path(folder))))
    for row in sample.training_rows(part.name):
        planner = OfflinePlanner([spec], today=date.fromisoformat(row["today"]))
        yield "real", part.name, row["question"], partial(_judge, training_result, row, planner)
    planner = OfflinePlanner([spec], today=TODAY)
    for row in sample.plain_rows(part.name):
        yield "sentences", part.name, row["question"], partial(_judge, plain_result, row, planner)


def _real(part: Part) -> Iterator[Judge]:
    corpus = Corpus()
    for row in (row for row in real_rows() if row["api"] == part.name):
        spec, _ = corpus.catalogue(row["spec"])
        planner = OfflinePlanner([spec], today=today_of(row))
        yield "real", part.name, row["question"], partial(_judge, training_result, row, planner)


def _judge(measure: Callable[..., Result], row: Mapping[str, Any], planner: OfflinePlanner) -> Verdict:
    result = measure(row, planner)
    return result.is_exact, result.has_wrong_change


def _public(part: Part) -> Iterator[Judge]:
    corpus, first = Corpus(), int(part.name)
    chosen = set(_public_specs()[first : first + _PUBLIC])
    for row in corpus.public:
        if row["spec"] in chosen and len(row["calls"]) == 1:
            spec, _ = corpus.catalogue(row["spec"])
            planner = OfflinePlanner([spec], today=today_of(row))
            yield "public", row["api"], row["question"], partial(_judge_public, row, planner)


def _judge_public(row: Mapping[str, Any], planner: OfflinePlanner) -> Verdict:
    plan = planner.plan(row["question"])
    return score(row, plan.calls[0] if plan.calls else None, ())[1], False


def _commands(part: Part) -> Iterator[Judge]:
    api = next(api for api in commands.load() if api.name == part.name)
    path = api.path()
    if path is None:
        return
    bench = open_bench(path)
    for case in api.cases:
        yield "commands", api.name, case.sentence, partial(_judge_command, bench, case)


def _judge_command(bench: Any, case: Any) -> Verdict:
    (outcome,) = bench.outcomes([case])
    return outcome.is_right or outcome.rating in _RIGHT, outcome.rating is Rating.WRONG


def _operators(part: Part) -> Iterator[Judge]:
    questions = operators.load(Path(part.name))
    with operators.operated_session(questions) as session:
        for question in questions.questions:
            yield "operators", "gateway", str(question["ask"]), partial(_judge_operator, question, session)


def _judge_operator(question: Mapping[str, object], session: Any) -> Verdict:
    rating = operators.outcome_of(question, session).rating
    return rating is operators.Rating.RIGHT, rating is operators.Rating.WRONG


_KINDS: Mapping[str, Callable[[Part], Iterator[Judge]]] = {
    "sentences": _sentences,
    "real": _real,
    "public": _public,
    "commands": _commands,
    "operators": _operators,
}


def grade_all(names: Sequence[str], *, every: bool, jobs: int) -> list[Graded]:
    """Grade the sample, or every sentence; what was graded by the same code before is kept in the cache folder."""
    file = cache_folder() / f"rules-{_digest()}.json"
    store: dict[str, list[Any]] = json.loads(file.read_bytes()) if file.exists() else {}
    graded: list[Graded] = []
    with (
        tempfile.TemporaryDirectory(prefix="nlapi-rules-") as home,
        ProcessPoolExecutor(jobs, initializer=without_registrations, initargs=(home,), max_tasks_per_child=1) as pool,
    ):
        chosen = parts(every=every)
        earlier = [{row["sentence"]: _read(row) for row in store.get(repr(part), ())} for part in chosen]
        work = pool.map(partial(_grade, names=tuple(names)), chosen, earlier)
        for part, some in zip(chosen, work, strict=True):
            graded += some
            store[repr(part)] = list(map(asdict, some))
            file.write_text(json.dumps(store), encoding="utf-8")
    return graded


def _grade(part: Part, earlier: Mapping[str, Graded], *, names: Sequence[str]) -> list[Graded]:
    return grade(part, names, earlier)


def _read(row: Mapping[str, Any]) -> Graded:
    without = {name: (right, wrong) for name, (right, wrong) in row["without"].items()}
    right, wrong = row["verdict"]
    return Graded(**{**row, "verdict": (right, wrong), "rules": tuple(row["rules"]), "without": without})


def _digest() -> str:
    """Return what tells the code and the data of the planner from any other."""
    root = Path(nlapi.__file__).parent
    files = (path for path in sorted(root.rglob("*")) if path.suffix in (".py", ".toml", ".json"))
    return hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a rule is worth on sentences that it was not written for."""

    rule: Rule
    lines: int
    won: int
    lost: int
    apis: int
    """how many APIs have a sentence that it wins"""
    held: int
    """wrong changes that stand without it, less those that stand with it"""
    sentences: int
    left_out: int

    @property
    def pays(self) -> bool:
        """Whether it wins sentences of two APIs, three and one for 40 lines at least, or holds a wrong change."""
        return self.held > 0 or (self.apis > 1 and self.won - self.lost >= max(3, self.lines / 40))


def worth(rule: Rule, graded: Iterable[Graded]) -> Worth:
    """Return what a rule is worth."""
    answered = [one for one in graded if rule.name in one.without]
    introduced = written_for(rule)
    kept = [one for one in answered if one.sentence not in introduced]
    pairs = [(one.api, one.verdict, one.without[rule.name]) for one in kept]
    won = [api for api, (right, _), (without_it, _) in pairs if right and not without_it]
    return Worth(
        rule=rule,
        lines=lines_of(rule),
        won=len(won),
        lost=sum(without_it and not right for _, (right, _), (without_it, _) in pairs),
        apis=len(set(won)),
        held=sum(without_it - wrong for _, (_, wrong), (_, without_it) in pairs),
        sentences=len(kept),
        left_out=len(answered) - len(kept),
    )


def written_for(rule: Rule) -> str:
    """Return what the commit that introduced a rule added to tests and sentences; "" where that is not earlier."""
    for module, attribute in rule.places:
        name = f"def {attribute}(" if callable(place_of(module, attribute)[1]) else f"{attribute} ="
        result = _git("log", "--reverse", "--format=%H", f"-S{name}", "--", "nlapi").split()
        if result:
            return _git("show", "--format=", "--unified=0", result[0], "--", "tests", "benchmarks", "training", "docs")
    return ""


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), capture_output=True, check=False, text=True, errors="replace").stdout


def table(rows: Iterable[Worth]) -> str:
    """Return the table of rules, the longest first."""
    lines = [
        "| rule | lines | says something | left out | won | lost | APIs | wrong changes held | pays |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    ordered = sorted(rows, key=lambda row: -row.lines)
    lines += (
        f"| {row.rule.name} | {row.lines} | {row.sentences} | {row.left_out} | {row.won} | {row.lost} | {row.apis}"
        f" | {row.held} | {'yes' if row.pays else 'no'} |"
        for row in ordered
    )
    return "\n".join(lines)


def report(names: Sequence[str], *, every: bool, jobs: int) -> str:
    """Return the table of these rules, or of all where none is named."""
    chosen = list(names or RULES)
    graded = grade_all(chosen, every=every, jobs=jobs)
    right = sum(one.verdict[0] for one in graded)
    wrong = sum(one.verdict[1] for one in graded)
    head = f"{len(graded)} sentences, {right} right, {wrong} wrong changes stand"
    return f"{head}\n{table(worth(RULES[name], graded) for name in chosen)}"
