"""Lists the verbs of operations, which commands are compared with."""

from __future__ import annotations

import re
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.command_verbs import MARKS, UNDOING_PREFIXES, VERBS_BY_NOUN, are_synonyms, is_verb
from nlapi.english.words import singular, singular_last, singular_words, split_words, stem
from nlapi.openapi.spec import Operation, stated_verbs
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paths import segments

_OPTIONAL_PREFIX = lexicon.pattern("resources/words", "optional_prefix", re.IGNORECASE)
_PARTICIPLE = ("ed", "ing")
_SENTENCE_END = re.compile(r"[.;:!\n]")
_LONGEST_SUMMARY = 120


def further_verbs(operation: Operation) -> tuple[str, ...]:
    """Return the words that command an operation beside those of its name: what the description states, what its noun
    is made of, as `subscribe` for POST /subscriptions, and what undoes that or a mark: `unpin` for DELETE /pins/{id}.
    """
    stated = stated_verbs(operation.extensions)
    if operation.method not in ("POST", "DELETE"):
        return stated
    literals = [segment for segment in operation.route.strip("/").split("/") if "{" not in segment]
    noun = stem(singular(next(iter(split_words(literals[-1])[-1:]), ""))) if literals else ""
    verb = VERBS_BY_NOUN.get(noun, noun if noun in MARKS and operation.method == "DELETE" else "")
    return (*stated, f"{UNDOING_PREFIXES[0]}{verb}" if operation.method == "DELETE" else verb) if verb else stated


def operation_verbs(operation: Operation) -> tuple[str, ...]:
    """Return the stems of words that may be the action of an operation: of its id, summary and end of its path.

    The first words of each are first, as they are the verbs of most descriptions. Participles are left out: to unlock a
    locked manager locks none.
    """
    names = [[word for word in words if not word.endswith(_PARTICIPLE)] for words in _names(operation)]
    first = [words[0] for words in names if words]
    # `check out` and `log in` are written in two words in some texts and as one in ids.
    joined = (head + tail for words in names for head, tail in pairwise(words))
    further = further_verbs(operation)
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
    return tuple(dict.fromkeys((*leading, *map(stem, further_verbs(operation) if stated else ()))))


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
