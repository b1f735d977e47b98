"""Detects a sentence that commands or wishes a change, so that no read can be the right call for it."""

from __future__ import annotations

import re
from collections.abc import Callable

from nlapi.changes.lexicon import DETERMINERS, command_of, is_verb
from nlapi.changes.mentions import QUOTED
from nlapi.changes.sentences import ASKING, opening
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import DEEDS, STOPWORDS, VERBS, Intent, pieces, singular, stem

_WISH = re.compile(
    r"(?<!which )(?<!that )(?<!\bit )(?<!\bone )"
    r"\b(?:should(?! i\b| we\b)|ought to|from now on|(?:is|are) no \w+ any ?more|always|whenever|every time)\b",
    re.IGNORECASE,
)
# The start of a second sentence: of several, the first need not be the request.
_SENTENCES = re.compile(r"[.!?]\s+\S")
_QUESTION = re.compile(r"\?\s*$")
# Kinds of actions that change nothing.
_READING = frozenset(("find", "compute", "convert", "check", "compare", "help"))
# Verbs of changes that people also use for reads: open the invoice, call up, log, rate.
_ALSO_READS = frozenset(
    map(stem, "show list name call open watch log file record download export track report rate play note".split())
)
# First words of sentences that ask for information.
_ASKED = frozenset(
    """
        compare summarize summarise explain describe analyze analyse calculate compute estimate determine solve predict
        translate convert recommend suggest rank sort filter print output preview visit access load pull grab bring
        provide return retrieve fetch extract detect identify evaluate simulate inspect monitor measure explore discover
        perform produce train research
        classify categorize total average sum group match test validate verify parse decode encode
        search query inquire enquire browse lookup define quote project forecast price cost review scan trace study
        who what which when where why how is are was were do does did has have can could would will any some more most
        hello hey thanks show me us tell help let give need want looking interested planning
    """.split()
)
_PARTICLES = frozenset("off up out down away back on over".split())
_BEHIND_NOUNS = frozenset("of for on in at by is are was were between with from".split())
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")
# Words of a kind between a verb and an id: close [merge request] 7.
_MOST_BETWEEN = 3


def commanded_change(question: str, read: Operation, names: Callable[[str], bool]) -> str:
    """Return the words by which a sentence commands a change that `read` is not; "" where it may ask for a read.

    `is_api_noun` tells of a stem whether it names an item of the API: `order status 5` asks for a status.
    """
    text = question.strip()
    rest = text[opening(text) :]
    if _QUESTION.search(text) or _SENTENCES.search(text) or ASKING.search(text[: len(text) - len(rest) + 20]):
        return ""
    if wish := _WISH.search(QUOTED.sub("_", rest)):
        return wish.group().lower() if not _reads(rest) else ""
    words = [match.group().strip(",;:!.") for match in _WORD.finditer(rest)]
    if len(words) < 2:
        return ""
    verb, length = command_of([word.lower() for word in words])
    first = words[0].lower()
    if verb in _ALSO_READS or VERBS.get(verb) is Intent.READ or DEEDS.get(verb) in _READING:
        return ""
    if not is_verb(verb) and not _may_command(first, words[length:], names):
        return ""
    # A plural or a participle is a noun phrase: `orders of ada`, `archived projects`.
    if singular(first) != first or first.endswith(("ed", "ing")) or verb in _own(read):
        return ""
    return " ".join(words[:length]).lower() if _goes_on(words[length:], names(stem(first))) else ""


def _reads(text: str) -> bool:
    first = next(iter(pieces(text[:40])), "")
    return VERBS.get(stem(first)) is Intent.READ or first in _ASKED


def _may_command(first: str, after: list[str], names: Callable[[str], bool]) -> bool:
    """Return whether an unknown word may be a verb: mirror [all] traffic, cordon [the] node, boost status [5].

    It is no noun of the API, no verb of reading, and is before its object.
    """
    if not first.isalpha() or names(stem(first)) or first in _ASKED or first in STOPWORDS or stem(first) in DEEDS:
        return False
    if not after or after[0].lower() in _BEHIND_NOUNS:
        return False
    return after[0].lower() in DETERMINERS or (len(after) > 1 and names(stem(after[0].lower())) and _is_value(after[1]))


def _own(read: Operation) -> tuple[str, ...]:
    """Return the verbs of a read that are no plural nouns: `export` of /reports/export, not `comments`."""
    words = {stem(word) for name in (read.id, read.summary) for word in pieces(name)[:1] if singular(word) == word}
    tail = [word for word in pieces(read.path.rstrip("/").rpartition("/")[2]) if not word.endswith("ed")]
    return (*words, *(stem(word) for word in tail if singular(word) == word and "{" not in read.path[-1:]))


def _goes_on(words: list[str], is_noun: bool) -> bool:
    """Return whether the words behind a verb are its object: the server, server 5, "please review"."""
    while words and words[0].lower() in _PARTICLES:
        words = words[1:]
    if not words:
        return False
    if words[0].lower() in DETERMINERS or _is_value(words[0]):
        return True
    if words[0].lower() == "to" and len(words) > 1:
        return _goes_on(words[1:], is_noun=False)
    if words[0].lower() in _BEHIND_NOUNS or is_noun:
        return False
    for word in words[: _MOST_BETWEEN + 1]:
        if word.lower() in _BEHIND_NOUNS:
            return False
        if _is_value(word):
            return True
    return False


def _is_value(word: str) -> bool:
    return word[:1] in "\"'#@" or any(map(str.isdigit, word)) or "@" in word or "_" in word
