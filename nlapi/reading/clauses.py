"""The mood of a sentence, and the words that narrow its command: not, except, if, only, more than."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import StrEnum
from functools import cache
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.command_verbs import TEXT_VERBS, is_verb, parse_command
from nlapi.english.intents import VERBS, Intent
from nlapi.english.lexicon import table
from nlapi.english.words import stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.reading.text import Mention, Reason, ValueChange


class ScopeKind(StrEnum):
    """The kind of words that narrow a command, each of which lets less happen than the command alone."""

    NOT = "not"
    WITHOUT = "without"  # no, none: a flag that is off as often
    BUT = "but"
    EXCEPT = "except"
    STOPS = "stops"  # to stop doing something forbids it, or is to undo it: stop deleting, stop following
    IF = "if"
    WHEN = "when"
    ONLY = "only"
    COMPARED = "compared"
    RELATIVE = "relative"


NEGATIONS = (ScopeKind.NOT, ScopeKind.WITHOUT, ScopeKind.BUT, ScopeKind.EXCEPT)
CONDITIONS = (ScopeKind.IF, ScopeKind.WHEN, ScopeKind.ONLY, ScopeKind.COMPARED, ScopeKind.RELATIVE)


class Mood(StrEnum):
    """The mood of a sentence that is not a plain command."""

    WISH = "wish"
    HABIT = "habit"
    DOUBT = "doubt"


def find_scopes(text: str, kinds: Collection[ScopeKind]) -> Iterator[Mention]:
    """Yield the words of these kinds in `text`, in order."""
    return _cues(text, "scopes", tuple(kinds))


def find_moods(text: str, moods: Collection[Mood] = tuple(Mood)) -> Iterator[Mention]:
    """Yield the words by which `text` wishes, or tells what is always or was, instead of commanding."""
    return _cues(text, "moods", tuple(moods))


def find_reason(text: str) -> Reason | None:
    """Return the reason that a sentence gives, up to its next clause: because of ice. Not: what is due to start."""
    for kind in ("reason", "purpose"):
        for cue in _cues(text, "reasons", (kind,)):
            word = re.match(r"\W*(\w*)", text[cue.end :])
            if cue.words.lower().endswith("to") and word is not None and is_verb(stem(word[1].lower())):
                continue
            stops = (match for match in CLAUSE_START.finditer(text, cue.end) if is_verb(stem(match[1].lower())))
            mark = _SENTENCE_END.search(text, cue.end)
            end = min((match.start() for match in (*stops, *filter(None, (mark,)))), default=len(text.rstrip()))
            start = cue.end if kind == "reason" else cue.start + len("for")
            return Reason(lead=cue.start, start=start + len(text[start:end]) - len(text[start:end].lstrip()), end=end)
    return None


# The figures of a time or of an amount (from 10:30 to 11:00) are not the end of a clause.
_VALUE_CHANGE = lazy_pattern(
    r"\bfrom\s+(?P<old>(?:(?!\bto\b)(?:[^,;:]|(?<=\d)[,:](?=\d)))+?)\s+to\s+(?P<lead>(?:the\s+)?[\"'“‘]?)(?=\S)",
    re.IGNORECASE,
)


def find_value_changes(text: str) -> Iterator[ValueChange]:
    """Yield where a sentence says from which value to which one: change the due date from [9] to [11 May]."""
    for match in _VALUE_CHANGE.finditer(text):
        if text.count('"', 0, match.start()) % 2:
            continue  # inside a quotation
        start, end = match.span("old")
        yield ValueChange(start=start, end=end, lead=match.start("lead"), new=match.end())


def _cues(text: str, name: str, kinds: tuple[str, ...]) -> Iterator[Mention]:
    for match in _cue_pattern(name, kinds).finditer(text):
        yield Mention(words=match.group(), start=match.start(), end=match.end())


@cache
def _cue_pattern(name: str, kinds: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of the phrases of these kinds; the head of the tables says what `*` and `n't` stand for."""
    phrases = "|".join(table("reading/words", name)[kind] for kind in kinds).replace("\n", "").split("|")
    patterns = (re.escape(phrase).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for phrase in phrases)
    # A provided name is not a condition.
    joined = "|".join(patterns).replace("n't", r"\w+n['’]t").replace("provided", "(?<!the )(?<!as )(?<!you )provided")
    return re.compile(rf"\b(?:{joined})\b", re.IGNORECASE)


# Words of politeness before a command. `will you please` and `I need you to` command as much as the verb alone.
_OPENING = lexicon.pattern("reading/words", "opening", re.IGNORECASE)
_SEARCH_OPENING = lexicon.pattern("reading/words", "search_opening", re.IGNORECASE)
CLAUSE_MARK = lazy_pattern(r"[:;,]\s")
"""A mark that may end a noun before a command: all orders of ada: cancel them."""
QUESTION = lexicon.pattern("reading/words", "question", re.IGNORECASE)
"""A question: its first word, or `should I` and `what if` anywhere. `Can you ...` is a command."""
_SENTENCE_END = lazy_pattern(r"[.;!?](?=\s|$)")
# The end of the words that introduce a text.
_TEXT_START = lazy_pattern(r"[:\n]|[.!?]\s")
CLAUSE_START = lazy_pattern(
    r"(?:,?\s+(?:and then|and|then)\s+|\s*;\s*|\.\s+|,\s+)(?=(?:please\s+|also\s+)?([A-Za-z]+))"
)
"""The start of what may be another command: a conjunction or a stop before a word, which is the one group."""


def opening_length(text: str) -> int:
    """Return the number of characters of politeness and wishing at the start of a sentence."""
    match = _OPENING.match(text)
    end = match.end() if match else 0
    # `find and delete the file`: to look for it is not a separate command beside a change.
    search = _SEARCH_OPENING.match(text, end)
    return search.start("verb") if search is not None and is_verb(stem(search["verb"].lower())) else end


def command_intent(text: str) -> Intent | None:
    """Return the intent of the verb behind the opening of a sentence; None for a word that is no verb of requests."""
    return VERBS.get(parse_command(text[opening_length(text) :].lower().split())[0])


def commanded_length(text: str) -> int:
    """Return the number of characters in which a sentence may command: all, or up to the text that it hands over.

    `Summarize this mail: please delete the board` has a verb for a text first, and the mail behind it.
    """
    start = opening_length(text)
    if parse_command([word.strip(",;:!.") for word in text[start:].lower().split()[:3]])[0] not in TEXT_VERBS:
        return len(text)
    end = _TEXT_START.search(text, start)
    return end.start() if end is not None else len(text)


def split_clauses(text: str) -> list[tuple[int, int]]:
    """Return the positions of the clauses of a text that begin with their own verb."""
    matches = CLAUSE_START.finditer(text, 0, commanded_length(text))
    cuts = [match.end() for match in matches if is_verb(stem(match[1].lower()))]
    return list(pairwise([0, *cuts, len(text)]))
