"""Lists the verbs of commands, their synonyms and opposites, and finds the verb of a command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nlapi.english import lexicon
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import singular, stem

_FILE = "english/verbs"

UPDATE_VERBS = lexicon.stems(_FILE, "update")
"""Verbs for any update: the rest of the sentence says what is changed, and to what."""
CREATE_VERBS = lexicon.stems(_FILE, "create")
"""Verbs for any creation."""
DELETE_VERBS = lexicon.stems(_FILE, "delete")
"""Verbs of a deletion. To cancel, stop, close or disable an item leaves it there."""
TEXT_VERBS = lexicon.stems(_FILE, "text")
"""Verbs for a text, which may stand behind them: what it says is not a command of the user's."""
DETERMINERS = lexicon.words(_FILE, "determiners")
"""Words before a noun, so that the word before them is a verb: note [the] plumber."""
NOUN_FOLLOWERS = lexicon.words(_FILE, "noun_followers")
"""Words behind a noun, so that the word before them is a noun: the note [on] contact 5."""
_PLURAL_FOLLOWERS = lexicon.words(_FILE, "plural_followers")
SETTING_VERBS = lexicon.stems(_FILE, "setting")
"""Verbs that set what a thing is, and create one only with an article behind them."""

_PARTICLE_VERBS = lexicon.by_phrase(_FILE, "particles")
TURN_VERBS = lexicon.stems(_FILE, "turning")
"""Verbs that a particle makes one of: turn [off]."""
_TAKING_VERBS = lexicon.words(_FILE, "taking")
_TAKEN_FROM = lexicon.text(_FILE, "taken_from").split("|")
TAKING_PARTICLES = frozenset(phrase.split()[0] for phrase in _TAKEN_FROM)
"""The first words between an item and what it is taken from: out [of], away [from]."""
_NOUN_STEMS = {stem(verb): stem(noun) for verb, noun in lexicon.table(_FILE, "nouns").items()}
VERBS_BY_NOUN = {stem(noun): verb for verb, noun in lexicon.table(_FILE, "nouns").items()}
"""The verb by the stem of the noun for what it does, where the two begin otherwise: subscribe by subscription."""
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

_WORDS = lexicon.words(_FILE, "classes") | lexicon.words(_FILE, "unclassed")
# The least number of letters that a noun has in common with its verb: assign, assignee.
_MIN_SHARED_LETTERS = 4
MARKS = lexicon.stems(_FILE, "marks")
"""Stems of marks on a thing: to unpin a page deletes its pin, and to unlock a lock deletes none."""
# The least number of letters behind a prefix that undoes: unpin.
_MIN_BASE_LETTERS = 3
UNDOING_PREFIXES = lexicon.ordered("english/words", "undoing_prefixes")


def _states() -> Iterator[tuple[str, bool, str]]:
    """Yield verb, whether an item is in the state after it, and the state, as they are written."""
    for names, verbs in lexicon.table(_FILE, "states").items():
        enter, _, leave = verbs.partition("/")
        for state in names.split():
            yield from ((verb, True, state) for verb in enter.split())
            yield from ((verb, False, state) for verb in leave.split())


_STATE_NAMES = frozenset(state for _, _, state in _states())
STATES_AFTER: dict[str, tuple[str, ...]] = {}
"""The states that an item may be in after a verb, as they are written, the likeliest first."""
_IS_IN_STATE: dict[tuple[str, str], bool] = {}
for _verb, _is_in, _state in _states():
    _IS_IN_STATE[stem(_verb), stem(_state)] = _is_in
    if _is_in:
        STATES_AFTER[_verb] = (*STATES_AFTER.get(_verb, ()), _state)


def state_after(verb: str, state: str) -> bool | None:
    """Return whether an item is in a state after a verb, both as stems; None where it may be or not."""
    return _IS_IN_STATE.get((verb, state))


def is_verb(word: str) -> bool:
    """Return whether a stem is that of a verb which commands something, or undoes or repeats one."""
    for prefix in (*UNDOING_PREFIXES, "re"):
        base = word.removeprefix(prefix).lstrip("-")
        # `re-run` and `undeploy` need not be listed. Short rests are left out: `red` is not a repetition of `d`.
        if base != word and len(base) >= _MIN_SHARED_LETTERS and _commands(base):
            return True
    return _commands(word)


def _commands(word: str) -> bool:
    return word in _CLASS_OF or VERBS.get(word, Intent.READ) is not Intent.READ


def undone_verb(verb: str) -> str:
    """Return the verb that a verb with a prefix undoes: block for unblock; "" for any other."""
    bases = (verb.removeprefix(prefix) for prefix in UNDOING_PREFIXES if verb.startswith(prefix))
    return next((base for base in bases if len(base) >= _MIN_BASE_LETTERS), "")


def is_root_of(verb: str, noun: str) -> bool:
    """Return whether a noun is made of a verb, or of the verb's opposite: followers of follow and of unfollow."""
    roots = undone_verb(verb), verb
    is_formed = noun in (*roots, *map(_NOUN_STEMS.get, roots))
    return is_formed or any(len(root) >= _MIN_SHARED_LETTERS and noun.startswith(root) for root in roots)


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
    if are_plain_opposites(first, second):
        return True
    # Opposites hold for synonyms too; a pair that shares a class (restore, delete) is not one.
    synonyms = {word for word in _OPPOSITE_OF if word == first or are_synonyms(word, first)}
    return any(
        are_synonyms(counterpart, second) for word in synonyms for counterpart in _OPPOSITE_OF[word]
    ) and not are_synonyms(first, second)


def are_plain_opposites(first: str, second: str) -> bool:
    """Return whether two stems themselves are opposites, by a prefix or as a pair, and not only synonyms of theirs."""
    has_prefix = any(first == prefix + second or second == prefix + first for prefix in UNDOING_PREFIXES)
    return has_prefix or second in _OPPOSITE_OF.get(first, ())


def is_participle(word: str) -> bool:
    """Return whether a word in small letters says what was done with something: canceled, but not feed."""
    return word.endswith("ed") and stem(word) in (stem(word[:-1]), stem(word[:-2]))


def opens_with_noun(words: Sequence[str]) -> bool:
    """Return whether a sentence of words in small letters begins with a noun and without a verb before it.

    So do `shipments of order 5`, `approved mileages` and `open orders`, and neither `focus on 5` nor `copied the file`.
    """
    first, following = words[0], next(iter(words[1:]), "")
    if first == "new" or first in _STATE_NAMES or is_participle(first):
        return _is_plural(following)
    return _is_plural(first) and (not following or following in NOUN_FOLLOWERS | _PLURAL_FOLLOWERS)


def _is_plural(word: str) -> bool:
    return singular(word) != word


def is_taken_out(words: Sequence[str]) -> bool:
    """Return whether words in small letters take an item out of another: take 5 out of group 9, not of the trash."""
    out = next((at for at in range(2, len(words) - 1) if " ".join(words[at : at + 2]) in _TAKEN_FROM), None)
    if out is None or words[0] not in _TAKING_VERBS or not DELETE_VERBS.isdisjoint(map(stem, words[out:])):
        return False
    # Neither an amount nor something made of it is an item: take 20 dollars, or a copy, out of account 9.
    return words[1] not in ("a", "an") and not (words[1][:1].isdigit() and out > 2)


def parse_command(words: Iterable[str]) -> tuple[str, int]:
    """Return the stem of the verb at the start of a sentence, and its number of words: `get rid of` is 3.

    `words` are those of the sentence without its opening, in small letters. ("", 0) if none exists.
    """
    all_words = list(words)
    if not all_words:
        return "", 0
    first, *following = all_words
    phrase = " ".join(all_words[:2])
    if phrase in _PHRASES:
        return stem(_PHRASES[phrase]), 3 if phrase == "get rid" else 2
    if is_taken_out(all_words):
        return stem("remove"), 1
    if stem(first) in TURN_VERBS:
        # `turn the lights off`: the particle may be at the end.
        particle = next((word for word in following if word in _PARTICLE_VERBS), "")
        if particle:
            return stem(_PARTICLE_VERBS[particle]), 1
    if "-" in first and first.replace("-", "").isalpha():
        return stem(first.replace("-", "")), 1
    return stem(first), 1
