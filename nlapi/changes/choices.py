"""Finds the words of a sentence that say a choice of a closed list, a state or a flag, or the verb that implies it."""

from __future__ import annotations

import re
from typing import Any

from nlapi.changes.lexicon import alike, is_verb, opposite
from nlapi.changes.mentions import Mention, Sentence, Word
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Origin

# Words in the names of flags that do not name what is switched: is_private, enable_backups.
_SWITCHES = frozenset(map(stem, "is has be should enable enabled disable disabled flag active to do allow use".split()))
_ON = frozenset(map(stem, "on enable enabled active activate yes true".split()))
_OFF = frozenset(map(stem, "off disable disabled inactive deactivate no not without false".split()))
_NEGATION = frozenset("no not without non never don't dont off false".split())
# Verb -> the states that it sets, where these have other names than the verb.
_STATES: dict[str, frozenset[str]] = {
    stem(verb): frozenset(map(stem, states.split()))
    for verb, states in {
        "resume": "active running enabled resumed",
        "unpause": "active running enabled unpaused",
        "reactivate": "active enabled",
        "activate": "active enabled",
        "enable": "active enabled",
        "start": "active running started",
        "pause": "paused suspended",
        "suspend": "suspended",
        "stop": "stopped",
        "disable": "disabled inactive",
        "deactivate": "inactive disabled deactivated",
        "cancel": "cancelled canceled",
        "close": "closed",
        "reopen": "open opened reopened",
        "open": "open opened",
        "complete": "completed complete done",
        "finish": "finished completed done",
        "resolve": "resolved",
        "publish": "published",
        "archive": "archived",
    }.items()
}


def verb_or_words(argument: str, value: Any, sentence: Sentence) -> tuple[Origin, Mention] | None:
    """Return the words of a sentence for a choice or a flag; VERB where the command itself implies it."""
    plain = tuple(word for word in sentence.words if not word.is_quoted)
    if isinstance(value, bool):
        return _flag(argument, value, plain)
    wanted = tuple(map(_stem, pieces(value)))
    if not wanted:
        return None
    return _choice(wanted, plain) or _state(wanted, plain)


def _choice(wanted: tuple[str, ...], words: tuple[Word, ...]) -> tuple[Origin, Mention] | None:
    """Return the words of a choice where they are next to each other in the sentence."""
    said = [(one, word) for word in words for one in map(_stem, pieces(word.text))]
    for place in range(len(said) - len(wanted) + 1):
        here = said[place : place + len(wanted)]
        if tuple(one for one, _ in here) == wanted and not _is_piece([word for _, word in here], wanted):
            first, last = here[0][1], here[-1][1]
            mention = Mention(words=first.text if first is last else "", start=first.start, end=last.end)
            verb = first is last and is_verb(stem(first.text.lower())) and _opens(first, words)
            return (Origin.VERB if verb else Origin.WORDS), mention
    return None


def _is_piece(words: list[Word], wanted: tuple[str, ...]) -> bool:
    """Return whether a word has more parts than the choice: `active` of active-users.txt."""
    return sum(len(pieces(word.text)) for word in dict.fromkeys(words)) != len(wanted)


def _state(wanted: tuple[str, ...], words: tuple[Word, ...]) -> tuple[Origin, Mention] | None:
    """Return the verb of the sentence where it sets this state."""
    if len(wanted) != 1:
        return None
    for word in words:
        if not _opens(word, words):
            continue
        verb = stem(word.text.lower())
        if wanted[0] in map(_stem, _STATES.get(verb, ())) or (is_verb(verb) and _stem(verb) == wanted[0]):
            return Origin.VERB, word.mention
    return None


def _flag(argument: str, value: bool, words: tuple[Word, ...]) -> tuple[Origin, Mention] | None:
    """Return the word of a flag, where all its words are in the sentence, and denied where it is false."""
    name = argument.rpartition(".")[2]
    every = frozenset(map(_stem, pieces(name)))
    own = every - _SWITCHES
    denied = any(word.text.lower() in _NEGATION for word in words)
    for word in words:
        said = _stem(word.text.lower())
        if not own:
            switched = _ON if value else _OFF
            if said in switched:
                return (Origin.VERB if is_verb(said) else Origin.WORDS), word.mention
            continue
        opens = _opens(word, words)
        verb = next((one for one in own if said == one or (opens and len(own) == 1 and alike(said, one))), "")
        if verb and value is not denied and own <= {_stem(w.text.lower()) for w in words} | {said, verb}:
            return (Origin.VERB if opens and is_verb(said) else Origin.WORDS), word.mention
        # `unlock it` sets `locked: false`, although the sentence denies nothing.
        if opens and not value and len(own) == 1 and any(opposite(said, one) for one in own):
            return Origin.VERB, word.mention
    return None


_CONNECTIVES = re.compile(r"(?:and|then|please|to|now|also)", re.IGNORECASE)


def _opens(word: Word, words: tuple[Word, ...]) -> bool:
    """Return whether a word is in the place of a command: first in the sentence, or behind an `and`."""
    place = words.index(word)
    return place == 0 or bool(_CONNECTIVES.fullmatch(words[place - 1].text)) or words[place - 1].text.lower() == "you"


def _stem(word: str) -> str:
    """Return the stem of a word, for `cancelled` and `canceled` the same."""
    found = stem(word.lower())
    # British spelling doubles the l, and descriptions have both.
    return found[:-1] if found.endswith("ll") and len(found) > 5 else found
