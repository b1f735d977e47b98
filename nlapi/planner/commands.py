"""Commands: whether a sentence orders a change or asks to see something, and its verb in the words of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from nlapi.english.intents import IMPERATIVES, VERBS, Intent
from nlapi.english.lexicon import stems, table, words
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation, stated_verbs
from nlapi.reading.clauses import opening_length
from nlapi.reading.text import Sentence, Token
from nlapi.tools.phrase import NOUN_FOLLOWERS

_GIVE = words("reading/words", "request_verbs")
_US = words("reading/words", "request_objects")
_QUESTION_WORDS = stems("reading/words", "question_words")


def command_verb(sentence: Sentence) -> str:
    """Return the stem of the first word behind the opening of a sentence; "" without one."""
    start = opening_length(sentence.text)
    return next((token.stem for token in sentence.tokens if token.start >= start and token.word), "")


def only_reads(sentence: Sentence, operation: Operation) -> bool:
    """Return whether a sentence begins with a verb that reads, or has no verb that could command `operation`.

    A verb of the operation itself (return, lend) commands it, whatever it means elsewhere.
    """
    start = opening_length(sentence.text)
    words = [token for token in sentence.tokens if token.start >= start and token.word]
    if not words:
        return True
    verbs = operation_verbs(operation)
    opening = words[0]
    if opening.stem in verbs and not _plural(opening):
        return False
    if _imperative(opening, next(iter(words[1:]), None)):
        return False
    if opening.stem in _QUESTION_WORDS or VERBS.get(opening.stem) is Intent.READ:
        return True
    return not any(map(is_imperative, words))


def _imperative(opening: Token, after: Token | None) -> bool:
    """Return whether a sentence may begin with a command: [refund 10] EUR, but no [note on] contact 5 or [give me]."""
    if opening.stem not in IMPERATIVES or after is None or _plural(opening):
        return False
    is_request = opening.lower in _GIVE and after.lower in _US
    return not is_request and after.lower not in NOUN_FOLLOWERS


def operation_verbs(operation: Operation) -> frozenset[str]:
    """Return the stems that command an operation: the first word of its id and its summary, and /runs/{id}/[cancel]."""
    first = [words[0] for words in (split_words(operation.id), split_words(operation.summary)) if words]
    _, inside, last = operation.path.rstrip("/").rpartition("}/")
    further = stated_verbs(operation.extensions)
    return frozenset(map(stem, (*first, *split_words(last if inside else "")[:1], *further)))


def is_imperative(token: Token) -> bool:
    """Return whether a token may be a verb in the imperative that changes something."""
    changes = VERBS.get(token.stem, Intent.READ) is not Intent.READ
    return changes and not _plural(token) and token.lower != "active" and not token.lower.endswith(("ed", "ing", "ion"))


def _plural(token: Token) -> bool:
    return singular(token.lower) != token.lower


# The verbs that an API may have for a phrase, the likeliest first.
_VERBS_OF = {
    phrase: tuple(verbs.split())
    for phrases, verbs in table("reading/words", "commands").items()
    for phrase in phrases.split("|")
}
_PHRASE = lazy_pattern(rf"(?:{'|'.join(sorted(_VERBS_OF, key=len, reverse=True))})\b(?=\s)", re.IGNORECASE)
_PARTED = lazy_pattern(
    r"(?P<verb>turn|switch|shut|power|bring|take|call|roll|dial|ramp|scale|put|hand|pass)\s+"
    r"(?P<what>(?:(?!\b(?:to|into)\b)[^,;.?])+?)\s+"
    r"(?P<particle>on hold|on ice|on|off|down|up|back|out|over|offline|online|live)\b(?!\s+(?:the|a|an|my|our)\b)",
    re.IGNORECASE,
)
# Make X a Y, of an X that is a name: `make the deployment a canary` says something else.
_MAKE = lazy_pattern(
    r"(?:make|turn) (?P<what>\"[^\"]+\"|'[^']+'|[\w-]+(?:[.@:][\w-]+)+|[A-Z][\w-]*(?: [A-Z][\w-]*)*) "
    r"(?:into )?(?P<how>an? .+)$"
)
_NOUNS = words("reading/words", "noun_verbs")
_LINKS = words("reading/words", "noun_links")


def _is_noun(word: str, following: str) -> bool:
    """Return whether a sentence begins with a noun rather than a command: [end dates], [star rating of] a film."""
    first, after, *_ = [*following.split()[:2], "", ""]
    is_plain = first.islower() and first.isalpha()
    return word in _NOUNS and is_plain and (singular(first) != first or after.lower() in _LINKS)


def normalize_command(
    question: str,
    commanded: Callable[[], Collection[str]],
    knows: Callable[[str], bool] = lambda _: False,
    chooses: Callable[[str], bool] = lambda _: False,
) -> str:
    """Return `question` with its command in a verb of the API: `kill the run` is `cancel the run` where runs have it.

    `commanded` gives the stems of the verbs that command the API's operations, `knows` tells whether a stem is
    anywhere in their descriptions, `chooses` whether a phrase is itself a choice of an argument (a `type` of action
    that is `reboot`).
    """
    start = opening_length(question)
    if (make := _MAKE.match(question, start)) is not None:
        question = f"{question[:start]}set {make['what']} to {make['how']}"
    if (parted := _PARTED.match(question, start)) is not None:
        together = " ".join(f"{parted['verb']} {parted['particle']}".lower().split())
        if together in _VERBS_OF:
            question = f"{question[:start]}{together} {parted['what']}{question[parted.end() :]}"
    match = _PHRASE.match(question, start)
    if match is None:
        return question
    phrase = " ".join(match.group().lower().split())
    verbs, api_verbs = _VERBS_OF[phrase], commanded()
    # A phrase for deleting that the API only mentions somewhere (trash) is still replaced: the API has `delete` for it.
    deletes = VERBS.get(stem(verbs[0])) is Intent.DELETE
    is_understood = stem(phrase) in api_verbs or (knows(stem(phrase)) and not deletes)
    if is_understood or _is_noun(phrase, question[match.end() :]) or chooses(phrase):
        return question
    verb = next((verb for verb in verbs if stem(verb) in api_verbs), verbs[0] if deletes else phrase)
    return f"{question[:start]}{verb}{question[match.end() :]}"
