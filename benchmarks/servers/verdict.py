"""The verdict on a reply, from what was printed and from the server's state before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from benchmarks.servers.command import Reply
from benchmarks.servers.printed import table_rows, unfolded
from benchmarks.servers.sentences import Answer, Effect, Kind, Sentence
from benchmarks.servers.state import Difference, State, difference


class Verdict(StrEnum):
    RIGHT = "right"
    ASKED = "asked"
    REFUSED = "refused"
    FAILED = "failed"
    """A change that had no effect, although something was sent."""
    WRONG_READ = "wrong read"
    WRONG_CHANGE = "wrong change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict
    reason: str = ""


OPTIONAL = "~"
_NUMBER = re.compile(r"(?<![\w.:/-])\d+(?![\w:/-]|\.\d)")
_PART = re.compile(r"(?<![\w.:/-])(\d+) of (\d+)\b")
_ABSENT = re.compile(
    r"there (is|are|was|were) no\b|\bno (such|\w+ (called|named|with|match\w*))|not found|does(n't| not) exist"
    r"|no\w* \w+ found|\b404\b|^(no|none|nothing|0)\b|\b0 of \d+|unknown|could not find|not known",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER_WORDS = {"no": 0, "none": 0} | {
    word: number for number, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), 1)
}


def judge(sentence: Sentence, reply: Reply, before: State, after: State) -> Judgement:
    """Return whether a reply is right, else what it is."""
    change = difference(before, after)
    if sentence.kind is Kind.CHANGE:
        return _judge_change(sentence, reply, change)
    if change:
        return Judgement(verdict=Verdict.WRONG_CHANGE, reason=f"changed: {change}")
    if sentence.kind is Kind.READ:
        return _judge_read(sentence.answer, reply)
    return _judge_refusal(sentence, reply)


def _judge_change(sentence: Sentence, reply: Reply, change: Difference) -> Judgement:
    if not change:
        return _judge_no_effect(reply)
    reasons = [contradiction(effect, change) for effect in sentence.effects]
    if all(reasons):
        return Judgement(verdict=Verdict.WRONG_CHANGE, reason=f"{reasons[0]}; changed: {change}")
    if reply.code:
        return Judgement(verdict=Verdict.FAILED, reason=f"changed as told, but exit code {reply.code}")
    wrong = missing_from(sentence.answer, reply)
    return Judgement(verdict=Verdict.WRONG_READ if wrong else Verdict.RIGHT, reason=wrong)


def _judge_no_effect(reply: Reply) -> Judgement:
    """A change that was told, and a state that is as before."""
    if stopped := _stopped(reply):
        return stopped
    if reply.has_sent_change or reply.code:
        return Judgement(verdict=Verdict.FAILED, reason=f"no effect: {_told(reply)}")
    return Judgement(verdict=Verdict.WRONG_READ, reason=f"read instead of changed: {_told(reply)}")


def _judge_read(answer: Answer, reply: Reply) -> Judgement:
    if stopped := _stopped(reply):
        return stopped
    wrong = f"exit code {reply.code}: {_told(reply)}" if reply.code else missing_from(answer, reply)
    return Judgement(verdict=Verdict.WRONG_READ if wrong else Verdict.RIGHT, reason=wrong)


def _judge_refusal(sentence: Sentence, reply: Reply) -> Judgement:
    """A sentence for which it is right to ask, to refuse or to say that a thing is absent."""
    text = f"{reply.printed}\n{reply.messages}"
    stopped = _stopped(reply)
    if sentence.kind is Kind.MISSING:
        told = text if stopped or reply.code else reply.closing
        says_so = _ABSENT.search(told) is not None and not _shown(sentence.answer.hides, reply.printed)
        if says_so and not _sent(sentence.answer.unsent, reply):
            return Judgement(verdict=Verdict.RIGHT)
        verdict = Verdict.FAILED if reply.has_sent_change else Verdict.WRONG_READ
        reason = "would say so of what exists" if says_so else "does not say that it is absent"
        return stopped or Judgement(verdict=verdict, reason=f"{reason}: {_told(reply)}")
    if stopped is None:
        # A change of a server without state, or one that the snapshot does not look at, is a change all the same.
        changed = Verdict.FAILED if reply.has_failed_request else Verdict.WRONG_CHANGE
        verdict = changed if reply.has_sent_change else Verdict.WRONG_READ
        return Judgement(verdict=verdict, reason=f"neither asked nor refused: {_told(reply)}")
    begin = f"\n{reply.messages}".rfind("\nerror")
    question = reply.printed if begin < 0 else reply.messages[begin:]
    absent = [wanted for wanted in sentence.answer.asks if not _has(wanted, question)]
    if absent:
        return Judgement(verdict=stopped.verdict, reason=f"does not speak of {absent[0]!r}: {_told(reply)}")
    if sentence.kind is Kind.ASK and stopped.verdict is Verdict.REFUSED:
        return stopped
    return Judgement(verdict=Verdict.RIGHT)


def _stopped(reply: Reply) -> Judgement | None:
    """Asked (exit code 7 with a question), or refused (7 without one, 6, 2, 1 with no failed request); else None."""
    if reply.code == 7 and reply.has_asked:
        return Judgement(verdict=Verdict.ASKED, reason=_told(reply))
    if reply.code in (2, 6, 7) or (reply.code == 1 and not reply.has_failed_request):
        return Judgement(verdict=Verdict.REFUSED, reason=_told(reply))
    return None


def _told(reply: Reply) -> str:
    """The error, else the closing sentence."""
    errors = [line for line in reply.messages.splitlines() if line.startswith("error")]
    return (errors[-1] if errors else reply.closing)[:400]


def missing_from(answer: Answer, reply: Reply) -> str:
    """Return what is wrong with a printed answer, or ""."""
    printed = unfolded(reply.printed)
    for wanted in answer.shows:
        if not _has(wanted, printed):
            return f"{wanted!r} is not shown"
    if shown := _shown(answer.hides, printed):
        return f"{shown!r} is shown"
    for wanted in answer.closing:
        if not _has(wanted, reply.closing):
            return f"{wanted!r} is not in the closing sentence {reply.closing!r}"
    if shown := _shown(answer.closing_hides, reply.closing):
        return f"{shown!r} is in the closing sentence {reply.closing!r}"
    return _wrong_number(answer, reply) or _wrong_order(answer.order, printed) or _wrong_boolean(answer, reply)


def _wrong_number(answer: Answer, reply: Reply) -> str:
    rows = len(table_rows(reply.printed))
    if answer.rows is not None and answer.rows != rows:
        return f"{rows} rows are shown, not {answer.rows}"
    part = _PART.search(reply.closing)
    if part and rows == int(part[2]) != int(part[1]):
        return f"all {rows} are shown above {reply.closing!r}"
    if answer.count is not None and answer.count != first_number(reply.closing):
        return f"{answer.count} is not the number of the closing sentence {reply.closing!r}"
    for group, number in answer.counts.items():
        name = re.escape(group)
        forms = (rf"\b{number} (\w+ ){{0,2}}{name}\b", rf"\b{name}\b[^\w\n]+{number}\b")
        if not any(re.search(form, reply.printed, re.IGNORECASE) for form in forms):
            return f"{number} {group} is not said in {reply.closing!r}"
    return ""


def first_number(text: str) -> int | None:
    """Return the first number that stands by itself, also as a word; None where there is none."""
    digits = _NUMBER.search(text)
    word = re.search(rf"\b({'|'.join(_NUMBER_WORDS)})\b", text, re.IGNORECASE)
    if word and (digits is None or word.start() < digits.start()):
        return _NUMBER_WORDS[word[1].lower()]
    return int(digits[0]) if digits else None


def _wrong_order(order: tuple[str, ...], printed: str) -> str:
    places = [printed.lower().find(text.lower()) for text in order]
    return f"the order is not {', '.join(order)}" if -1 in places or places != sorted(places) else ""


def _wrong_boolean(answer: Answer, reply: Reply) -> str:
    """A yes for a no is wrong; the facts alone, without a yes or no, are as good."""
    said = re.match(r"\W*(yes|no)\b", reply.closing, re.IGNORECASE)
    if answer.says_yes is None or said is None or (said[1].lower() == "yes") == answer.says_yes:
        return ""
    return f"the answer is {'yes' if answer.says_yes else 'no'}, not {reply.closing!r}"


def _has(wanted: str, text: str) -> bool:
    """Tell whether a text has one of the alternatives between bars; line breaks of a table count as spaces."""
    flat = " ".join(text.split())
    parts = (re.escape(" ".join(part.split())) for part in wanted.split("|"))
    return any(re.search(rf"(?<!\w){part}(?!\w)", flat, re.IGNORECASE) for part in parts)


def _sent(unsent: tuple[str, ...], reply: Reply) -> bool:
    return any(part in exchange.url for part in unsent for exchange in reply.exchanges)


def _shown(hidden: tuple[str, ...], text: str) -> str:
    return next((word for word in hidden if _has(word, text)), "")


def contradiction(effect: Effect, change: Difference) -> str:
    """Return how a difference is not the expected effect, or ""."""
    gone: State = {name: {} for name in change.removed}
    removed: State = {pattern: {} for pattern in effect.removed}
    return (
        _unlike("added", effect.added, change.added, exactly=False)
        or _unlike("removed", removed, gone, exactly=False)
        or _unlike("changed", effect.changed, change.changed, exactly=True)
    )


def _unlike(what: str, expected: Mapping[str, Any], actual: Mapping[str, Any], exactly: bool) -> str:
    """Match items with patterns: those that stand for one first, then those for any number."""
    rest = dict(actual)
    for pattern, attributes in expected.items():
        if pattern.startswith(OPTIONAL):
            continue
        names = [name for name in rest if fnmatchcase(name, pattern)]
        reasons = [(name, _attributes_unlike(attributes, rest[name], exactly)) for name in names]
        match = next((name for name, reason in reasons if not reason), None)
        if match is None:
            return f"{what} {pattern!r}: {reasons[0][1] if reasons else 'none'}"
        del rest[match]
    optional = [pattern[1:].strip() for pattern in expected if pattern.startswith(OPTIONAL)]
    left = [name for name in rest if not any(fnmatchcase(name, pattern) for pattern in optional)]
    return f"{what} {left[0]!r} as well" if left else ""


def _attributes_unlike(expected: Mapping[str, Any], actual: Mapping[str, Any], exactly: bool) -> str:
    for name, value in expected.items():
        if not matches(value, actual.get(name)):
            return f"{name} is {actual.get(name)!r}, not {value!r}"
    left = actual.keys() - expected.keys() if exactly else ()
    return f"{min(left)} changed as well" if left else ""


def matches(expected: Any, actual: Any) -> bool:
    """Compare an attribute with what is expected of it; lists without regard to order."""
    if isinstance(expected, Mapping) and expected.keys() <= {"has", "about", "within", "any"}:
        if "any" in expected:
            return any(matches(value, actual) for value in expected["any"])
        if "has" in expected:
            return str(expected["has"]).lower() in str(actual).lower()
        if "about" in expected:
            return isinstance(actual, (int, float)) and abs(actual - expected["about"]) <= expected.get("within", 0)
        return True
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return sorted(map(str, expected)) == sorted(map(str, actual))
    if isinstance(expected, str) and isinstance(actual, str):
        return expected.lower() == actual.lower()
    return bool(expected == actual)
