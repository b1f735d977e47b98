"""Reads what people say who do not know an API's words: `call off the visit` is `cancel the appointment` there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from nlapi.english import lexicon
from nlapi.english.intents import ARTICLES, IMPERATIVES, STOPWORDS, VERBS, Intent, SpeechAct
from nlapi.english.words import stem
from nlapi.lazy_pattern import lazy_pattern

_FILE = "english/everyday"
_WORD = lazy_pattern(r"[^\W_]+(?:['’][^\W_]+)*")
# Words of a text up to which expressions are looked for: a longer one has words of the API.
_MAX_WORDS = 12
_MAX_CHARS = _MAX_WORDS * 40
# Words that may stand between two of an expression: put [the blue phone] down.
_MAX_BETWEEN = 3
# Words of the API that replace an expression. Of 272 `plain words` and `everyday words` 228 find their operation among
# the first five with 3, 215 with 1 (benchmarks.find).
_MAX_API_WORDS = 3
_PRONOUNS = lexicon.words(_FILE, "pronouns")
_FORMS = lexicon.by_word(_FILE, "forms")
_STOP_STEMS = frozenset(map(stem, STOPWORDS))
_SPEECH_ACT = lexicon.pattern(_FILE, "speech_act", re.IGNORECASE)
_CHANGES = frozenset(verb for verb, intent in VERBS.items() if intent is not Intent.READ)
_COMMAND_VERBS = IMPERATIVES | _CHANGES | lexicon.stems(_FILE, "command_verbs")


def read_speech_act(text: str) -> SpeechAct:
    """Return what a text does, by its first words and by the words of wishes in it."""
    match, first = _SPEECH_ACT.match(text[:_MAX_CHARS].replace("’", "'")), _WORD.search(text)
    if match is not None and match.lastgroup is not None:
        return SpeechAct(match.lastgroup)
    return SpeechAct.COMMAND if first and stem(first.group().lower()) in _COMMAND_VERBS else SpeechAct.OTHER


def in_api_words(text: str, has_word: Callable[[str], bool]) -> str:
    """Return a text with its everyday expressions in words of an API; `has_word` tells whether it has a stem."""
    matches = list(_WORD.finditer(text[:_MAX_CHARS]))
    stems = [_stem(match.group()) for match in matches] if len(matches) <= _MAX_WORDS else []
    readings: list[tuple[Sequence[int], str]] = []
    for start, root in enumerate(stems):
        for expression, api_words in _expressions().get(root, ()):
            # A single word that the API has is a word of the API.
            places = _places(stems, start, expression) if len(expression) > 1 or not has_word(root) else ()
            if places and (present := [word for word in api_words if has_word(stem(word))]):
                readings.append((places, " ".join(present[:_MAX_API_WORDS])))
    readings.sort(key=lambda reading: (-len(reading[0]), reading[0][-1] - reading[0][0]))
    replaced: dict[int, str] = {}
    for places, words in readings:
        if replaced.keys().isdisjoint(places):
            replaced |= {**dict.fromkeys(places, ""), places[0]: words}
    for place in sorted(replaced, reverse=True):
        text = text[: matches[place].start()] + replaced[place] + text[matches[place].end() :]
    return text


@cache
def _expressions() -> Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]]:
    """Return the expressions by their first stem, each with the words of APIs for it."""
    by_first: dict[str, list[tuple[Sequence[str], Sequence[str]]]] = defaultdict(list)
    meanings = ((key, text.split("|")) for key, text in lexicon.table(_FILE, "expressions").items())
    for api_words, phrase in ((key, phrase) for key, phrases in meanings for phrase in phrases):
        # An expression has its article for the reader: put my phone down is put the phone down.
        words = [word for word in phrase.split() if word not in ARTICLES]
        others = [_stem(word) for word in words if word not in _PRONOUNS]
        has_content = len(others) > 1 and not _STOP_STEMS.issuperset(others)
        expression = tuple(others if has_content else map(_stem, words))
        by_first[expression[0]].append((expression, api_words.split()))
    return by_first


def _stem(word: str) -> str:
    """Return what a word is compared by: sent is a form of send, and don't one of not."""
    word = word.lower().replace("’", "'")
    return stem(_FORMS.get(word) or word.removesuffix("'s").replace("'", ""))


def _places(stems: Sequence[str], start: int, expression: Sequence[str]) -> Sequence[int]:
    """Return where the words of an expression stand whose first is at `start`; () where one is missing."""
    places = [start]
    for word in expression[1:]:
        after = range(places[-1] + 1, min(places[-1] + 2 + _MAX_BETWEEN, len(stems)))
        place = next((at for at in after if stems[at] == word), None)
        if place is None:
            return ()
        places.append(place)
    return places
