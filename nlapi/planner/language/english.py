"""The language that a sentence is in, by its letters and by its little words."""

from __future__ import annotations

import re
import unicodedata

from nlapi.english.lexicon import table, words
from nlapi.planner.language.text import MentionKind, Sentence

_ENGLISH = words("planner/language/words", "english")
_FOREIGN = {
    name: frozenset(text.split()) - _ENGLISH for name, text in table("planner/language/words", "foreign_words").items()
}
_SCRIPTS = table("planner/language/words", "scripts")
_LEAST = 2  # little words of a language that are needed: one alone may be a name (la, die)


def foreign_language(sentence: Sentence) -> str:
    """Return the language that a sentence is plainly in, when that is not English; else ""."""
    text = sentence.text
    for mention in sentence.mentions:
        if mention.kind in (MentionKind.QUOTED, MentionKind.JSON, MentionKind.LITERAL):
            text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
    letters = [char for char in text if char.isalpha()]
    scripts = [script for char in letters if not char.isascii() and (script := _script(char))]
    # A third, because names and terms of the API stay in Latin letters.
    if len(scripts) * 3 > len(letters):
        kana = next((script for script in ("HIRAGANA", "KATAKANA") if script in scripts), "")
        return _SCRIPTS[kana or scripts[0]]
    lowered = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH for word in lowered)
    counts = {name: sum(word in vocabulary for word in lowered) for name, vocabulary in _FOREIGN.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= _LEAST and counts[best] > english else ""


def _script(char: str) -> str:
    return next((script for script in _SCRIPTS if unicodedata.name(char, "").startswith(script)), "")
