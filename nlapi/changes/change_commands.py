"""Finds the words by which a sentence commands a change where the likeliest operation only reads."""

from __future__ import annotations

import re
from collections.abc import Callable

from nlapi.changes.mentions import QUOTED
from nlapi.changes.sentences import PARTICLES, QUESTION_PATTERN, SECOND_SENTENCE, opening_length
from nlapi.english import lexicon
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.hints import stated_verbs
from nlapi.openapi.spec import Operation
from nlapi.resources.lexicon import DETERMINERS, is_verb, parse_command
from nlapi.resources.naming import ACTION_KINDS, STOPWORDS, VERBS, Intent

_WISH = re.compile(
    r"(?<!which )(?<!that )(?<!\bit )(?<!\bone )"
    r"\b(?:should(?! i\b| we\b)|ought to|from now on|(?:is|are) no \w+ any ?more|always|whenever|every time)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"\?\s*$")
# Kinds of actions that change nothing.
_READING_KINDS = frozenset(("find", "compute", "convert", "check", "compare", "help"))
# Verbs of changes that people also use for reads: open the invoice, call up, log, rate.
_ALSO_READS = lexicon.stems("changes/words", "also_reads")
# First words of sentences that ask for information.
_INFORMATION_WORDS = lexicon.words("changes/words", "information_words")
_VERB_PARTICLES = PARTICLES | {"on"}
_AFTER_NOUNS = frozenset("of for on in at by is are was were between with from".split())
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")
# Words of a kind between a verb and an id: close [merge request] 7.
_MAX_KIND_WORDS = 3


def find_change_command(question: str, read: Operation, is_api_noun: Callable[[str], bool]) -> str:
    """Return the words by which a sentence commands a change that `read` is not; "" where it may ask for a read.

    `is_api_noun` tells of a stem whether it names an item of the API: `order status 5` asks for a status.
    """
    text = question.strip()
    body = text[opening_length(text) :]
    if (
        _QUESTION.search(text)
        or SECOND_SENTENCE.search(text)
        or QUESTION_PATTERN.search(text[: len(text) - len(body) + 20])
    ):
        return ""
    if wish := _WISH.search(QUOTED.sub("_", body)):
        return wish.group().lower() if not _is_question(body) else ""
    words = [match.group().strip(",;:!.") for match in _WORD.finditer(body)]
    if len(words) < 2:
        return ""
    verb, length = parse_command([word.lower() for word in words])
    first = words[0].lower()
    if verb in _ALSO_READS or VERBS.get(verb) is Intent.READ or ACTION_KINDS.get(verb) in _READING_KINDS:
        return ""
    if not is_verb(verb) and not _may_be_verb(first, words[length:], is_api_noun):
        return ""
    # A plural or a participle is a noun phrase: `orders of ada`, `archived projects`.
    if singular(first) != first or first.endswith(("ed", "ing")) or verb in _read_verbs(read):
        return ""
    return " ".join(words[:length]).lower() if _has_object(words[length:], is_api_noun(stem(first))) else ""


def _is_question(text: str) -> bool:
    first = next(iter(split_words(text[:40])), "")
    return VERBS.get(stem(first)) is Intent.READ or first in _INFORMATION_WORDS


def _may_be_verb(first: str, following: list[str], is_api_noun: Callable[[str], bool]) -> bool:
    """Return whether an unknown word may be a verb: mirror [all] traffic, cordon [the] node, boost status [5].

    It is no noun of the API, no verb of reading, and is before its object.
    """
    if (
        not first.isalpha()
        or is_api_noun(stem(first))
        or first in _INFORMATION_WORDS
        or first in STOPWORDS
        or stem(first) in ACTION_KINDS
    ):
        return False
    if not following or following[0].lower() in _AFTER_NOUNS:
        return False
    return following[0].lower() in DETERMINERS or (
        len(following) > 1 and is_api_noun(stem(following[0].lower())) and _is_value(following[1])
    )


def _read_verbs(read: Operation) -> tuple[str, ...]:
    """Return the verbs of a read that are no plural nouns: `export` of /reports/export, not `comments`."""
    words = {stem(word) for name in (read.id, read.summary) for word in split_words(name)[:1] if singular(word) == word}
    words.update(map(stem, stated_verbs(read.extensions)))
    tail = [word for word in split_words(read.path.rstrip("/").rpartition("/")[2]) if not word.endswith("ed")]
    return (*words, *(stem(word) for word in tail if singular(word) == word and "{" not in read.path[-1:]))


def _has_object(words: list[str], is_noun: bool) -> bool:
    """Return whether the words behind a verb are its object: the server, server 5, "please review"."""
    while words and words[0].lower() in _VERB_PARTICLES:
        words = words[1:]
    if not words:
        return False
    if words[0].lower() in DETERMINERS or _is_value(words[0]):
        return True
    if words[0].lower() == "to" and len(words) > 1:
        return _has_object(words[1:], is_noun=False)
    if words[0].lower() in _AFTER_NOUNS or is_noun:
        return False
    for word in words[: _MAX_KIND_WORDS + 1]:
        if word.lower() in _AFTER_NOUNS:
            return False
        if _is_value(word):
            return True
    return False


def _is_value(word: str) -> bool:
    return word[:1] in "\"'#@" or any(map(str.isdigit, word)) or "@" in word or "_" in word
