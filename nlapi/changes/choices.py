"""Finds the words of a sentence that say a choice of a closed list, a state or a flag, or the verb that implies it."""

from __future__ import annotations

import re
from typing import Any

from nlapi.changes.lexicon import are_synonyms, is_verb, are_opposites
from nlapi.changes.mentions import Mention, UserSentence, SentenceWord
from nlapi.resources.naming import split_words, stem
from nlapi.tools.account import Origin

# Words in the names of flags that do not name what is switched: is_private, enable_backups.
_SWITCH_STEMS = frozenset(map(stem, "is has be should enable enabled disable disabled flag active to do allow use".split()))
_ON_STEMS = frozenset(map(stem, "on enable enabled active activate yes true".split()))
_OFF_STEMS = frozenset(map(stem, "off disable disabled inactive deactivate no not without false".split()))
_NEGATION_WORDS = frozenset("no not without non never don't dont off false".split())
# Verb -> the states that it sets, where these have other names than the verb.
_STATES_BY_VERB: dict[str, frozenset[str]] = {
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


def find_choice(argument: str, value: Any, sentence: UserSentence) -> tuple[Origin, Mention] | None:
    """Return the words of a sentence for a choice or a flag; VERB where the command itself implies it."""
    words = tuple(word for word in sentence.words if not word.is_quoted)
    if isinstance(value, bool):
        return _find_flag(argument, value, words)
    stems = tuple(map(_normal_stem, split_words(value)))
    if not stems:
        return None
    return _find_words(stems, words) or _find_state_verb(stems, words)


def _find_words(stems: tuple[str, ...], words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the words of a choice where they are next to each other in the sentence."""
    spoken = [(piece, word) for word in words for piece in map(_normal_stem, split_words(word.text))]
    for index in range(len(spoken) - len(stems) + 1):
        window = spoken[index : index + len(stems)]
        if tuple(piece for piece, _ in window) == stems and not _is_piece([word for _, word in window], stems):
            first, last = window[0][1], window[-1][1]
            mention = Mention(words=first.text if first is last else "", start=first.start, end=last.end)
            verb = first is last and is_verb(stem(first.text.lower())) and _is_command_position(first, words)
            return (Origin.VERB if verb else Origin.WORDS), mention
    return None


def _is_piece(words: list[SentenceWord], stems: tuple[str, ...]) -> bool:
    """Return whether a word has more parts than the choice: `active` of active-users.txt."""
    return sum(len(split_words(word.text)) for word in dict.fromkeys(words)) != len(stems)


def _find_state_verb(stems: tuple[str, ...], words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the verb of the sentence where it sets this state."""
    if len(stems) != 1:
        return None
    for word in words:
        if not _is_command_position(word, words):
            continue
        verb = stem(word.text.lower())
        if stems[0] in map(_normal_stem, _STATES_BY_VERB.get(verb, ())) or (is_verb(verb) and _normal_stem(verb) == stems[0]):
            return Origin.VERB, word.mention
    return None


def _find_flag(argument: str, value: bool, words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the word of a flag, where all its words are in the sentence, and denied where it is false."""
    name = argument.rpartition(".")[2]
    name_stems = frozenset(map(_normal_stem, split_words(name)))
    flag_stems = name_stems - _SWITCH_STEMS
    is_denied = any(word.text.lower() in _NEGATION_WORDS for word in words)
    for word in words:
        spoken = _normal_stem(word.text.lower())
        if not flag_stems:
            switch_stems = _ON_STEMS if value else _OFF_STEMS
            if spoken in switch_stems:
                return (Origin.VERB if is_verb(spoken) else Origin.WORDS), word.mention
            continue
        is_command = _is_command_position(word, words)
        verb = next((name_stem for name_stem in flag_stems if spoken == name_stem or (is_command and len(flag_stems) == 1 and are_synonyms(spoken, name_stem))), "")
        if verb and value is not is_denied and flag_stems <= {_normal_stem(candidate.text.lower()) for candidate in words} | {spoken, verb}:
            return (Origin.VERB if is_command and is_verb(spoken) else Origin.WORDS), word.mention
        # `unlock it` sets `locked: false`, although the sentence denies nothing.
        if is_command and not value and len(flag_stems) == 1 and any(are_opposites(spoken, name_stem) for name_stem in flag_stems):
            return Origin.VERB, word.mention
    return None


_CONNECTIVES = re.compile(r"(?:and|then|please|to|now|also)", re.IGNORECASE)


def _is_command_position(word: SentenceWord, words: tuple[SentenceWord, ...]) -> bool:
    """Return whether a word is in the place of a command: first in the sentence, or behind an `and`."""
    index = words.index(word)
    return index == 0 or bool(_CONNECTIVES.fullmatch(words[index - 1].text)) or words[index - 1].text.lower() == "you"


def _normal_stem(word: str) -> str:
    """Return the stem of a word, for `cancelled` and `canceled` the same."""
    result = stem(word.lower())
    # British spelling doubles the l, and descriptions have both.
    return result[:-1] if result.endswith("ll") and len(result) > 5 else result
