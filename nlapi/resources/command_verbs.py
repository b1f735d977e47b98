"""Lists the verbs of commands: synonyms, opposites, and the verbs of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import singular, singular_last, singular_words, split_words, stem
from nlapi.openapi.spec import Operation, stated_verbs
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paths import segments

_FILE = "english/verbs"

UPDATE_VERBS = lexicon.stems(_FILE, "update")
"""Verbs for any update: the rest of the sentence says what is changed, and to what."""
CREATE_VERBS = lexicon.stems(_FILE, "create")
"""Verbs for any creation."""
DELETE_VERBS = lexicon.stems(_FILE, "delete")
"""Verbs of a deletion. To cancel, stop, close or disable an item leaves it there."""
TEXT_VERBS = lexicon.stems(_FILE, "text")
"""Verbs for a text, which may stand behind them: what it says is no command of the user's."""
DETERMINERS = lexicon.words(_FILE, "determiners")
"""Words before a noun, so that the word before them is a verb: note [the] plumber."""

_PARTICLE_VERBS = lexicon.by_phrase(_FILE, "particles")
_TURN_VERBS = lexicon.stems(_FILE, "turning")
_PHRASES = lexicon.by_phrase(_FILE, "phrases")


def _classes() -> dict[str, frozenset[int]]:
    classes: dict[str, set[int]] = {}
    for number, line in enumerate(lexicon.lines(_FILE, "classes")):
        for word in line:
            classes.setdefault(stem(word), set()).add(number)
    return {word: frozenset(numbers) for word, numbers in classes.items()}


_CLASS_OF = _classes()
_OPPOSITE_OF: dict[str, frozenset[str]] = {}
for _line in lexicon.lines(_FILE, "opposites"):
    _first_verb, _second_verb = map(stem, _line)
    for _verb, _opposite_verb in ((_first_verb, _second_verb), (_second_verb, _first_verb)):
        _OPPOSITE_OF[_verb] = _OPPOSITE_OF.get(_verb, frozenset()) | {_opposite_verb}

_OPTIONAL_PREFIX = re.compile(r"\((un|de|dis)-?\)(\w+)", re.IGNORECASE)
_WORDS = lexicon.words(_FILE, "classes") | lexicon.words(_FILE, "unclassed")
# The least number of letters that a noun has in common with its verb: assign, assignee.
_MIN_SHARED_LETTERS = 4
_PARTICIPLE = ("ed", "ing")
_SENTENCE_END = re.compile(r"[.;:!\n]")
_LONGEST_SUMMARY = 120
_UNDOING_PREFIXES = ("un", "de", "dis")


def is_verb(word: str) -> bool:
    """Return whether a stem is that of a verb which commands something, or undoes or repeats one."""
    for prefix in (*_UNDOING_PREFIXES, "re"):
        base = word.removeprefix(prefix).lstrip("-")
        # `re-run` and `undeploy` need not be listed. Short rests are left out: `red` is no repetition of `d`.
        if base != word and len(base) >= _MIN_SHARED_LETTERS and _commands(base):
            return True
    return _commands(word)


def _commands(word: str) -> bool:
    return word in _CLASS_OF or VERBS.get(word, Intent.READ) is not Intent.READ


def is_root_of(verb: str, noun: str) -> bool:
    """Return whether a noun is made of a verb, or of the verb's opposite: followers of follow and of unfollow."""
    for prefix in _UNDOING_PREFIXES:
        if (
            verb.startswith(prefix)
            and len(verb) >= _MIN_SHARED_LETTERS + len(prefix)
            and noun.startswith(verb[len(prefix) :])
        ):
            return True
    return len(verb) >= _MIN_SHARED_LETTERS and noun.startswith(verb)


def is_verb_form(word: str) -> bool:
    """Return whether a word, as it is written, is a verb of a command: `protect`, and not `protection`."""
    return word in _WORDS or VERBS.get(word) is not None or (is_verb(stem(word)) and stem(word) == word)


def are_synonyms(first: str, second: str) -> bool:
    """Return whether two stems are the same verb or synonyms."""
    return first == second or not _CLASS_OF.get(first, frozenset()).isdisjoint(_CLASS_OF.get(second, frozenset()))


def are_opposites(first: str, second: str) -> bool:
    """Return whether two stems are opposites, as pause and resume: one undoes the other."""
    if first == second:
        return False
    if any(first == prefix + second or second == prefix + first for prefix in _UNDOING_PREFIXES):
        return True
    # Opposites hold for synonyms too; a pair that shares a class (restore, delete) is none.
    synonyms = {word for word in _OPPOSITE_OF if word == first or are_synonyms(word, first)}
    return any(
        are_synonyms(counterpart, second) for word in synonyms for counterpart in _OPPOSITE_OF[word]
    ) and not are_synonyms(first, second)


def parse_command(words: Iterable[str]) -> tuple[str, int]:
    """Return the stem of the verb at the start of a sentence, and its number of words: `get rid of` is 3.

    `words` are those of the sentence without its opening, in small letters. ("", 0) where there are none.
    """
    all_words = list(words)
    if not all_words:
        return "", 0
    first, *following = all_words
    phrase = " ".join(all_words[:2])
    if phrase in _PHRASES:
        return stem(_PHRASES[phrase]), 3 if phrase == "get rid" else 2
    if stem(first) in _TURN_VERBS:
        # `turn the lights off`: the particle may be at the end.
        particle = next((word for word in following if word in _PARTICLE_VERBS), "")
        if particle:
            return stem(_PARTICLE_VERBS[particle]), 1
    if "-" in first and first.replace("-", "").isalpha():
        return stem(first.replace("-", "")), 1
    return stem(first), 1


def operation_verbs(operation: Operation) -> tuple[str, ...]:
    """Return the stems of words that may be the action of an operation: of its id, summary and end of its path.

    The first words of each are first, as they are the verbs of most descriptions. Participles are left out: to unlock a
    locked manager locks none.
    """
    names = [[word for word in words if not word.endswith(_PARTICIPLE)] for words in _names(operation)]
    first = [words[0] for words in names if words]
    # `check out` and `log in` are written in two words in some texts and as one in ids.
    joined = (head + tail for words in names for head, tail in pairwise(words))
    further = stated_verbs(operation.extensions)
    return tuple(dict.fromkeys(map(stem, (*first, *further, *(word for words in names for word in words), *joined))))


def leading_verbs(operation: Operation, *, stated: bool = True) -> tuple[str, ...]:
    """Return the stems of an operation's own actions: the first verb of its id, summary and path, and those `stated`.

    Both of `Lock or unlock an issue`. DELETE of `/issues/{id}/watch` undoes the verb of its path, which is left out.
    """
    leading = []
    *names, tail = _names(operation)
    for words in (*names, *(() if operation.method == "DELETE" else (tail,))):
        verbs = [index for index, word in enumerate(words) if is_verb(stem(word)) and _is_base(word)]
        leading += [stem(words[index]) for index in verbs[:1]]
        leading += [
            stem(words[index]) for index in verbs[1:2] if words[index - 1] in ("or", "and") and index - 2 == verbs[0]
        ]
    return tuple(dict.fromkeys((*leading, *map(stem, stated_verbs(operation.extensions) if stated else ()))))


def _is_base(word: str) -> bool:
    """Return whether a word may be a verb of a command: no plural, and no participle, as `scheduled` is."""
    return singular(word) == word and not word.endswith(_PARTICIPLE)


def path_end(operation: Operation) -> str:
    """Return the last segment of an operation's path."""
    return operation.path.rstrip("/").rpartition("/")[2]


def _names(operation: Operation) -> tuple[list[str], ...]:
    """Return the words of an operation's id, of its summary and of the end of its path; of `(De)activate` both."""
    tail = operation.path.rstrip("/").rpartition("}")[2].rpartition("/")[2]
    name = split_words(operation.id)
    if operation.method != "DELETE":  # post_statuses_id_pin posts nothing, nor does pause_deployment_post
        method = [operation.method.lower()]
        name = name[1:] if name[:1] == method else name[:-1] if name[1:] and name[-1:] == method else name
    summary = _OPTIONAL_PREFIX.sub(r"\2 \1\2", summary_of(operation))
    return name, _with_base_verb(split_words(summary)), split_words(tail)


def _with_base_verb(words: list[str]) -> list[str]:
    """Return the words of a summary with a verb in the third person as its base: [Cancels] a scheduled message."""
    return [singular(words[0]), *words[1:]] if words and is_verb(stem(words[0])) else words


def summary_of(operation: Operation) -> str:
    """Return the summary of an operation, or else the first sentence of its description: short, and with a verb first.

    `Use to request a delete` says what else the operation is for.
    """
    first = _SENTENCE_END.split(operation.description.strip(), maxsplit=1)[0]
    is_summary = len(first) <= _LONGEST_SUMMARY and is_verb(stem(" ".join(split_words(first)[:1])))
    return operation.summary or (first if is_summary else "")


_VERSION = re.compile(r"v?\d+")


def have_same_noun(first: Operation, second: Operation) -> bool:
    """Return whether two operations are about the same kind of thing, by their paths or ids, versions left out."""
    return not _nouns(first).isdisjoint(_nouns(second))


def have_same_kind(first: Operation, second: Operation) -> bool:
    """Return whether two operations have verbs that may stand for one another, or both create."""
    if _creates(first) and _creates(second):
        return True
    return any(are_synonyms(verb, other) for verb in leading_verbs(first) for other in leading_verbs(second))


def _nouns(operation: Operation) -> frozenset[tuple[str, ...]]:
    words = (word for word in split_words(operation.id) if not is_verb(stem(word)))
    nouns = (_without_version(singular_noun(operation)), _without_version(tuple(words)))
    return frozenset(map(singular_last, filter(None, nouns)))


def _without_version(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if not _VERSION.fullmatch(word))


def _creates(operation: Operation) -> bool:
    """Return whether an operation is a POST to what is named for the things in it: /campaigns, and not /jobs/5/run."""
    path = segments(operation.route)
    if operation.method != "POST" or not path or path[-1].parameter is not None:
        return False
    return singular_words(path[-1].text)[-1:] == singular_noun(operation)[-1:]
