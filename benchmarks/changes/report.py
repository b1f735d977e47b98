"""The figures of a run: tables by API and by kind, the wrong changes that stand, and what differs between two runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.changes.cases import READ
from benchmarks.changes.run import Outcome, Rating

LEAST_RIGHT = 0.55
"""The share of the changes with a right request that have to stand."""

_READS = (Rating.READ, Rating.OTHER_READ, Rating.NEEDS, Rating.REFUSED, Rating.WRONG)
_CHANGES = tuple(rating for rating in Rating if rating not in (Rating.READ, Rating.OTHER_READ))

FIGURES, END = "<!-- figures -->", "<!-- end of the figures -->"


def tables(outcomes: Sequence[Outcome]) -> str:
    """Two tables of Markdown, by API and by kind of command, and one of the questions where there are any."""
    commands, questions = _apart(outcomes)
    parts = [
        _table("API", commands, lambda outcome: outcome.api),
        _table("kind", commands, lambda outcome: outcome.kind),
    ]
    if questions:
        parts.append(_table("questions to", questions, lambda outcome: outcome.api, _READS))
    return "\n\n".join(parts)


def _apart(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """The commands, and the questions."""
    return [one for one in outcomes if one.kind != READ], [one for one in outcomes if one.kind == READ]


def _table(
    what: str, outcomes: Sequence[Outcome], group: Callable[[Outcome], str], ratings: Sequence[Rating] = _CHANGES
) -> str:
    names = dict.fromkeys(sorted(map(group, outcomes), key=lambda name: (name != "plain", name)))
    rows = [(name, [outcome for outcome in outcomes if group(outcome) == name]) for name in names]
    lines = [f"| {what} | commands | {' | '.join(ratings)} | as a read |", f"| --- |{' ---: |' * (len(ratings) + 2)}"]
    for name, members in [*rows, ("all", list(outcomes))]:
        counts = Counter(outcome.rating for outcome in members)
        cells = [str(counts[rating] or "") for rating in ratings]
        reads = sum(outcome.is_read for outcome in members)
        lines.append(f"| {name} | {len(members)} | {' | '.join(cells)} | {reads or ''} |")
    return "\n".join(lines)


def summary(outcomes: Sequence[Outcome]) -> str:
    """What the benchmark is about, in one line; a second one counts the questions where there are any."""
    outcomes, questions = _apart(outcomes)
    wrong = sum(outcome.rating is Rating.WRONG for outcome in (*outcomes, *questions))
    with_right = [outcome for outcome in outcomes if outcome.must_stand]
    stands = sum(outcome.is_right for outcome in with_right)
    reads = sum(outcome.is_read for outcome in outcomes)
    share = f" ({stands / len(with_right):.0%})" if with_right else ""
    traps = len(outcomes) - len(with_right)
    held = sum(outcome.rating is Rating.HELD for outcome in outcomes)
    read = sum(outcome.rating is Rating.READ for outcome in questions)
    fully = f"{stands + held + read} of {len(outcomes) + len(questions)} sentences are fully right"
    about = f"\n{read} of {len(questions)} questions are answered by the right request; {fully}" if questions else ""
    return (
        f"{len(outcomes)} commands: {wrong} wrong changes stand; "
        f"{stands} of {len(with_right)} right ones stand{share}; {traps} must not stand; {reads} ended as a read{about}"
    )


def passes(outcomes: Sequence[Outcome]) -> bool:
    """Whether no wrong change stands and enough of the right ones do."""
    with_right = [outcome for outcome in _apart(outcomes)[0] if outcome.must_stand]
    stands = sum(outcome.is_right for outcome in with_right)
    return all(one.rating is not Rating.WRONG for one in outcomes) and stands >= LEAST_RIGHT * len(with_right)


def details(outcome: Outcome) -> str:
    """The lines about one outcome: what was said, is right, was planned, and became of it."""
    right = " | or ".join(outcome.right) or f"must not stand: {outcome.why}"
    rows = [("right", right)]
    rows += [("planned", planned) for planned in outcome.planned]
    rows += [("account", line) for line in outcome.account]
    rows += [("shown", request) for request in outcome.proposed if request not in outcome.sent]
    rows += [("SENT", request) for request in outcome.sent]
    end = f"exit {outcome.code}, {outcome.confidence:.0%} sure: {' '.join(outcome.message.split())[:300]}"
    lines = [f"{outcome.rating}{' (as a read)' if outcome.is_read else ''}  {outcome.id} [{outcome.kind}]"]
    lines[0] += f"  {outcome.sentence}"
    return "\n".join([*lines, *(f"    {name:8} {text}" for name, text in [*rows, ("end", end)])])


def write_page(outcomes: Sequence[Outcome], page: Path) -> None:
    """Put the figures between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(FIGURES)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{FIGURES}\n{summary(outcomes)}.\n\n{tables(outcomes)}\n{END}{after}", encoding="utf-8")


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write one JSON line for each outcome."""
    lines = (json.dumps(outcome.as_dict(), ensure_ascii=False) for outcome in outcomes)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def differences(outcomes: Sequence[Outcome], path: Path) -> Iterator[str]:
    """A line for each command that is rated otherwise than in an earlier run, and one with the counts."""
    earlier: dict[tuple[str, str], Mapping[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        earlier[row["api"], row["sentence"]] = row
    changed: Counter[str] = Counter()
    for outcome in outcomes:
        row = earlier.get((outcome.api, outcome.sentence))
        if row is None or row["rating"] == outcome.rating:
            continue
        change = f"{row['rating']} -> {outcome.rating}"
        changed[change] += 1
        yield f"{change}  {outcome.id} [{outcome.kind}]  {outcome.sentence}"
    yield "; ".join(f"{count} {change}" for change, count in changed.most_common()) or "nothing is rated otherwise"
