"""That an operation is about the very thing that the sentence names: no child of it, no attribute, not many for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from nlapi.changes.lexicon import (
    GENERIC_CREATES,
    GENERIC_UPDATES,
    TAKING_AWAY,
    alike,
    echoes,
    is_verb_form,
    leading_verbs,
    opposite,
)
from nlapi.changes.sentences import Case, takes_choice
from nlapi.openapi.spec import READ_METHODS, Effect, Operation
from nlapi.resources.naming import pieces, singular, stem
from nlapi.resources.nouns import VERSION
from nlapi.resources.paths import EXTENSION
from nlapi.tools.account import SAID, Origin, Source
from nlapi.tools.synonyms import SYNONYMS

_WRAPPERS = frozenset(
    "api rest action actions resource resources object objects by name id me self current service services new"
    " in to of on".split()
)
"""Words of paths that name nothing which people say."""
_OF_UPDATES = frozenset(
    "setting settings state status details info configuration properties attributes preferences".split()
)
"""Ends of the paths of updates that name nothing either: /vlans/settings. To delete the settings is another thing."""
_GENERAL = GENERIC_CREATES | GENERIC_UPDATES | TAKING_AWAY
"""Verbs that paths may end in without saying more than the method."""
_ARTICLES = frozenset("a an the my our your this that old all its".split())
_PREPOSITIONS = frozenset("of from for on in at to with by called named titled id no".split())
_OBJECTS = frozenset(map(stem, "object item resource entity record".split()))
_BREAK = re.compile(r"\b(?:by|of|from|for|in|on|with|using|to|and|if|at|as|via|or|its|all)\b|[.,;:(]")
_MANY = frozenset("all bulk batch many multiple every".split())


def another_kind(case: Case) -> Iterator[str]:
    """A part of the path behind the thing, or the kind of the thing itself, that nobody said."""
    kinds, tail = _named_parts(case.operation)
    silent = _WRAPPERS if case.operation.method == "DELETE" else _WRAPPERS | _OF_UPDATES
    if case.operation.method == "POST" and tail and singular(tail[-1][-1]) != tail[-1][-1]:
        tail = tail[-1:]  # what is made is said; of what, by the ids before
    elif case.operation.method != "DELETE" and tail and len(tail[-1]) == 1 and _says_verb(case, tail[-1]):
        tail = []  # the lifecycle of /users/{id}/lifecycle/suspend is nothing that anybody says
    for words in tail:
        nouns = _nouns(words, silent)
        if len(nouns) > 1 and is_verb_form(nouns[-1]) and stem(nouns[-1]) == case.command:
            nouns = nouns[:-1]  # admin.conversations.archive
        by_argument = not kinds and _says_verb(case, words) and _says_argument(case)
        if (nouns and not _is_said(case, nouns) and not by_argument) or _is_another_act(case, words):
            yield _reason(case, words)
            return
    if case.takes_away:
        if noun := _unsaid_object(case) or _other_object(case, [*kinds, *tail]):
            yield _reason(case, [noun])
            return
        kinds = [words for words in kinds if _nouns(words, _WRAPPERS)][-1:]
    if case.takes_away and (state := _unsaid_qualifier(case)):
        yield _reason(case, [state])
        return
    if not _is_spoken(case):
        return
    kind_said = any(_is_said(case, _nouns(words, _WRAPPERS) or words) for words in kinds)
    if kinds and not kind_said and not _is_only_one(case):
        yield _reason(case, kinds[-1])


def many_for_one(case: Case) -> Iterator[str]:
    """An operation on many things where one is named, or on all of a collection."""
    operation = case.operation
    tail = operation.path.rstrip("/").rpartition("/")[2]
    last = pieces(EXTENSION.sub("", tail))
    several = any(isinstance(one.value, list) and len(one.value) > 1 for one in case.account.sources)
    words = (*pieces(operation.id), *pieces(tail), *_of_all(operation))
    many = next((word for word in words if word in _MANY and stem(word) not in case.said), None)
    if many and not several:
        yield f"{operation.id} works on many at once ({many}), and the sentence does not say so"
        return
    has_target = any(one.origin in SAID and one.origin is not Origin.DESCRIPTION for one in _sources_beside_path(case))
    echo = any(echoes(case.command, stem(word)) for word in last)
    if (
        operation.method == "DELETE"
        and not echo
        and "{" not in tail
        and last
        and singular(last[-1]) != last[-1]
        and not has_target
    ):
        yield f"{operation.id} takes away all of the {last[-1]} at once"
    elif (
        operation.method != "DELETE"
        and case.takes_away
        and "{" not in tail
        and not has_target
        and _nouns(last, _WRAPPERS)
    ):
        yield f"which of them {operation.id} takes away is not said"


def _unsaid_object(case: Case) -> str:
    """What a summary says is taken away, where nobody said that: Delete a campaign [draft]; "" else."""
    summary = re.split(
        r"\b(?:by|of|from|for|in|on|with|using|to|and|if|at|as|via|or|its|all)\b|[.,;:(]", case.operation.summary
    )[0]
    words = pieces(summary)
    if len(words) < 2 or not is_verb_form(singular(words[0])):
        return ""
    noun = words[-1]
    if noun not in pieces(case.operation.path) and singular(noun) not in map(singular, pieces(case.operation.path)):
        return ""
    sayable = case.said | _OBJECTS
    return "" if stem(noun) in sayable or is_verb_form(noun) or _is_said(case, words[1:]) else noun


def _unsaid_qualifier(case: Case) -> str:
    """What an operation says of what it takes away, in its id, its summary and its path, and nobody said: [draft] ad.

    A state is said by the id and the path alone: remove [deleted] nodes.
    """
    operation = case.operation
    path, summary = pieces(operation.path), {stem(word) for word in pieces(operation.summary)}
    for word in pieces(operation.id)[1:]:
        state = word.endswith("ed") and len(word) > len("need")
        named = stem(word) in summary and word not in _WRAPPERS
        here = word in path or stem(word) in map(stem, path)
        if here and (state or named) and stem(word) not in case.said and not echoes(case.command, stem(word)):
            return word
    return ""


def _other_object(case: Case, parts: Sequence[Sequence[str]]) -> str:
    """What the sentence wants taken away, where that is no part of the path: delete the [budget] of ad set 5."""
    nouns: list[str] = []
    for word in case.begun[case.command_length :]:
        if word.covered or word.lower in _PREPOSITIONS:
            break
        if word.lower not in _ARTICLES:
            nouns.append(word.lower)
    if not nouns:
        return ""
    own = {stem(word) for words in parts for word in words} | {stem("".join(words)) for words in parts}
    own |= {stem(word) for word in pieces(_BREAK.split(case.operation.summary)[0])}  # not: and all its metadata
    if any(word.lower == "from" for word in case.words):
        own |= {stem(word) for word in pieces(case.operation.path)}
    own = own.union(*(SYNONYMS.get(word, frozenset()) for word in own))
    joined = stem("".join(map(singular, nouns)))
    heads = {stem(piece) for piece in pieces(nouns[-1])} | {joined}
    return "" if not heads.isdisjoint(own) else nouns[-1]


def _reason(case: Case, words: Sequence[str]) -> str:
    return f"{case.operation.id} is about the {' '.join(map(singular, words))}, which the sentence does not say"


def _sources_beside_path(case: Case) -> Iterator[Source]:
    return (one for one in case.account.sources if case.place(one) != "path")


def _of_all(operation: Operation) -> Iterator[str]:
    """Words of a summary by which it is about many: Archive [all] cards, Add a [list] of tags."""
    words = pieces(operation.summary)
    for word, after in pairwise(words):
        if word in _MANY and singular(after) != after and after in pieces(operation.path):
            yield word
    if "list of" in operation.summary.lower() and singular(words[-1]) == words[-1]:
        yield "multiple"


def _named_parts(operation: Operation) -> tuple[list[list[str]], list[list[str]]]:
    """The words of the literal segments right before the last placeholder, and of those behind it."""
    parts = [part for part in operation.route.strip("/").split("/") if part]
    last = max((at for at, part in enumerate(parts) if "{" in part), default=-1)
    tail = parts[last + 1 :] if last >= 0 else parts[-1:]
    if last >= 0 and (custom := parts[last].partition("}")[2].strip(":")):
        tail = [custom, *tail]
    kinds: list[str] = []
    for part in reversed(parts[:last] if last > 0 else []):
        if "{" in part or len(kinds) == 2:
            break
        kinds.insert(0, part)
    return _words_of(kinds), _words_of(tail)


def _words_of(parts: Sequence[str]) -> list[list[str]]:
    return [words for part in parts if not VERSION.fullmatch(part) and (words := pieces(EXTENSION.sub("", part)))]


def _nouns(words: Sequence[str], silent: frozenset[str]) -> list[str]:
    """The words of a segment that name a thing: the verb that it begins with, as in `addTag`, does not.

    `project_files` names files: what ends in a plural is a thing, whatever else it may mean.
    """
    plain = words[1:] if singular(words[0]) == words[0] and is_verb_form(words[0]) else words
    return [word for word in plain if word not in silent]


def _is_another_act(case: Case, words: Sequence[str]) -> bool:
    """Whether a segment is but a verb, as `/draft`, which is none of the sentence's and not a verb of any operation."""
    (word, *more) = words
    act = stem(word)
    if more or not is_verb_form(word) or singular(word) != word or act in _GENERAL:
        return False
    command = case.command
    alike_ones = alike(command, act) or opposite(command, act) or echoes(command, act)
    return not alike_ones and act not in case.said and not _sets_state(case)


def _sets_state(case: Case) -> bool:
    """Whether a value is one of a closed set: what is done is then said by that, and not by the path."""
    return any(takes_choice(case.call, one.argument) for one in case.account.sources)


def _says_verb(case: Case, words: Sequence[str]) -> bool:
    return any(alike(case.command, stem(word)) for word in words)


def _says_argument(case: Case) -> bool:
    """Whether what an operation without a placeholder works on is said by its argument: the [channel] C1."""
    if "{" in case.operation.path or case.takes_away:
        return False
    arguments = (pieces(one.argument) for one in case.account.sources if one.words)
    nouns = (words[0] for words in arguments if len(words) == 1 or words[-1] == "id")
    return any(stem(noun) in case.said for noun in nouns if noun not in _WRAPPERS and not is_verb_form(noun))


def _is_said(case: Case, nouns: Sequence[str]) -> bool:
    """Whether the last noun is said: `the queue x` is enough for a work queue, and `pull request` for pullrequests."""
    last = nouns[-1]
    if echoes(case.command, stem(last)):
        return True
    return not {stem(last), stem(singular(last)), stem("".join((*nouns[:-1], singular(last))))}.isdisjoint(case.said)


def _is_spoken(case: Case) -> bool:
    """Whether the thing of the last placeholder was told by words; what the profile or a default says needs none."""
    last = case.operation.path.rpartition("{")[2].partition("}")[0]
    names = [name for name, place in case.call.tool.places.items() if place == ("path", last)]
    return any(one.words for one in case.account.sources if one.argument in names)


def _is_only_one(case: Case) -> bool:
    """Whether no other change of the API is commanded by the verb of the sentence, so that no kind has to be said."""
    command, operation = case.command, case.operation
    if command in TAKING_AWAY | GENERIC_UPDATES | GENERIC_CREATES:
        return False
    others = (one for one in operation.spec.operations if one is not operation and one.method not in READ_METHODS)
    return not any(
        alike(command, verb) for one in others for verb in leading_verbs(one) if one.effect is not Effect.READ
    )
