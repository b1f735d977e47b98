"""Checks that an operation is about the object in the sentence: no child, no attribute, not many for one."""

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
    path_end,
)
from nlapi.changes.sentences import Case, takes_choice
from nlapi.openapi.spec import READ_METHODS, Effect, Operation
from nlapi.resources.naming import pieces, singular, stem
from nlapi.resources.nouns import VERSION
from nlapi.resources.paths import EXTENSION
from nlapi.tools.account import SAID, Origin, Source
from nlapi.tools.synonyms import SYNONYMS

# Words of paths that people do not say.
_WRAPPERS = frozenset(
    "api rest action actions resource resources object objects by name id me self current service services new"
    " in to of on".split()
)
# Last words in the paths of updates that people do not say: /vlans/settings. To delete the settings is another
# operation.
_OF_UPDATES = frozenset(
    "setting settings state status details info configuration properties attributes preferences".split()
)
# Verbs at the end of paths that say no more than the method.
_GENERAL = GENERIC_CREATES | GENERIC_UPDATES | TAKING_AWAY
_ARTICLES = frozenset("a an the my our your this that old all its".split())
_PREPOSITIONS = frozenset("of from for on in at to with by called named titled id no".split())
_OBJECTS = frozenset(map(stem, "object item resource entity record".split()))
# The end of the object in a summary: `Delete a branch [of a repository]`.
_BREAK = re.compile(r"\b(?:by|of|from|for|in|on|with|using|to|and|if|at|as|via|or|its|all)\b|[.,;:(]")
_MANY = frozenset("all bulk batch many multiple every".split())


def another_kind(case: Case) -> Iterator[str]:
    """Yield the part of the path behind the item, or the kind of the item, that the sentence does not name."""
    kinds, tail = _named_parts(case.operation)
    # DELETE is stricter: of two objects that a sentence may mean, one is lost.
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
    """Yield an operation on many items where one is named, or on all of a collection."""
    operation = case.operation
    tail = path_end(operation)
    last = pieces(EXTENSION.sub("", tail))
    several = any(isinstance(one.value, list) and len(one.value) > 1 for one in case.account.sources)
    words = (*pieces(operation.id), *pieces(tail), *_of_all(operation))
    many = next((word for word in words if word in _MANY and stem(word) not in case.said), None)
    if many and not several:
        yield f"{operation.id} works on many at once ({many}), and the sentence does not say so"
        return
    has_target = any(one.origin in SAID and one.origin is not Origin.DESCRIPTION for one in _sources_beside_path(case))
    echo = any(echoes(case.command, stem(word)) for word in last)
    if "{" in tail or has_target:
        return
    if operation.method == "DELETE":
        if not echo and last and singular(last[-1]) != last[-1]:
            yield f"{operation.id} takes away all of the {last[-1]} at once"
    elif case.takes_away and _nouns(last, _WRAPPERS):
        yield f"which of them {operation.id} takes away is not said"


def _unsaid_object(case: Case) -> str:
    """Return the deleted object in a summary that the sentence does not name: Delete a campaign [draft]; or ""."""
    words = pieces(_BREAK.split(case.operation.summary)[0])
    if len(words) < 2 or not is_verb_form(singular(words[0])):
        return ""
    noun = words[-1]
    if noun not in pieces(case.operation.path) and singular(noun) not in map(singular, pieces(case.operation.path)):
        return ""
    # `delete it` and `delete the item` name any object.
    sayable = case.said | _OBJECTS
    return "" if stem(noun) in sayable or is_verb_form(noun) or _is_said(case, words[1:]) else noun


def _unsaid_qualifier(case: Case) -> str:
    """Return the qualifier of a deleted object that the sentence does not have: [draft] ad; "" without one.

    It is in the id, the summary and the path. A state is in the id and the path alone: remove [deleted] nodes.
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
    """Return the object that the sentence deletes, where the path has no such part: delete the [budget] of ad set 5."""
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
    """Yield words of a summary for an operation on many: Archive [all] cards, Add a [list] of tags."""
    words = pieces(operation.summary)
    for word, after in pairwise(words):
        if word in _MANY and singular(after) != after and after in pieces(operation.path):
            yield word
    if "list of" in operation.summary.lower() and singular(words[-1]) == words[-1]:
        yield "multiple"


def _named_parts(operation: Operation) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words of the literal segments right before the last placeholder, and of those behind it."""
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
    """Return the nouns of a segment, without the verb at its start as in `addTag`, and without `unspoken` words.

    `project_files` names files: a last word in the plural is a noun, whatever else it may mean.
    """
    plain = words[1:] if singular(words[0]) == words[0] and is_verb_form(words[0]) else words
    return [word for word in plain if word not in silent]


def _is_another_act(case: Case, words: Sequence[str]) -> bool:
    """Return whether a segment is only a verb, as `/draft`, of neither the sentence nor any operation."""
    (word, *more) = words
    act = stem(word)
    if more or not is_verb_form(word) or singular(word) != word or act in _GENERAL:
        return False
    command = case.command
    alike_ones = alike(command, act) or opposite(command, act) or echoes(command, act)
    return not alike_ones and act not in case.said and not _sets_state(case)


def _sets_state(case: Case) -> bool:
    """Return whether a value is one of a closed set, which then says the action in place of the path."""
    return any(takes_choice(case.call, one.argument) for one in case.account.sources)


def _says_verb(case: Case, words: Sequence[str]) -> bool:
    return any(alike(case.command, stem(word)) for word in words)


def _says_argument(case: Case) -> bool:
    """Return whether the item of an operation without a placeholder is named by its argument: the [channel] C1."""
    if "{" in case.operation.path or case.takes_away:
        return False
    arguments = (pieces(one.argument) for one in case.account.sources if one.words)
    nouns = (words[0] for words in arguments if len(words) == 1 or words[-1] == "id")
    return any(stem(noun) in case.said for noun in nouns if noun not in _WRAPPERS and not is_verb_form(noun))


def _is_said(case: Case, nouns: Sequence[str]) -> bool:
    """Return whether the last noun is in the sentence: `queue` for a work queue, `pull request` for pullrequests."""
    last = nouns[-1]
    if echoes(case.command, stem(last)):
        return True
    return not {stem(last), stem(singular(last)), stem("".join((*nouns[:-1], singular(last))))}.isdisjoint(case.said)


def _is_spoken(case: Case) -> bool:
    """Return whether words name the item of the last placeholder; a value of the profile or a default needs none."""
    last = case.operation.path.rpartition("{")[2].partition("}")[0]
    names = [name for name, place in case.call.tool.places.items() if place == ("path", last)]
    return any(one.words for one in case.account.sources if one.argument in names)


def _is_only_one(case: Case) -> bool:
    """Return whether the API has no other change with the sentence's verb, so that no kind has to be named."""
    command, operation = case.command, case.operation
    if command in TAKING_AWAY | GENERIC_UPDATES | GENERIC_CREATES:
        return False
    others = (one for one in operation.spec.operations if one is not operation and one.method not in READ_METHODS)
    return not any(
        alike(command, verb) for one in others for verb in leading_verbs(one) if one.effect is not Effect.READ
    )
