"""Compares what a sentence says, a verb and its object, with what an operation says that it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from nlapi.changes.sentences import Case
from nlapi.english import lexicon
from nlapi.english.command_verbs import DELETE_VERBS, are_synonyms
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.nouns import VERSION
from nlapi.tools.tool import Origin

# The end of the object in a summary: `Delete a branch [of a repository]`.
OBJECT_END = lexicon.pattern("changes/words", "object_end")
ARTICLES = lexicon.words("changes/words", "articles")
_PLAIN_ADJECTIVES = lexicon.words("changes/words", "plain_adjectives")
_ID_STEMS = lexicon.stems("changes/words", "id_stems")
UNSPOKEN_WORDS = lexicon.words("changes/words", "unspoken_words")
"""Words of paths that people do not say."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A verb as a stem, and the singular nouns of its object in one word: `delete` and `usersession`."""

    verb: str
    nouns: str

    def is_like(self, other: Statement) -> bool:
        """Return whether two statements are of one action. Synonyms of a deletion may leave the item there."""
        return self.nouns == other.nouns and self._has_verb_of(other)

    def is_part_of(self, other: Statement) -> bool:
        """Return whether another statement says more of the same object: an invoice, of a client invoice."""
        return self.nouns != other.nouns and other.nouns.endswith(self.nouns) and self._has_verb_of(other)

    def _has_verb_of(self, other: Statement) -> bool:
        deletes = DELETE_VERBS.intersection((self.verb, other.verb))
        return self.verb == other.verb or (len(deletes) == 2 if deletes else are_synonyms(self.verb, other.verb))


@lru_cache(maxsize=4096)
def _read_statement(text: str) -> Statement | None:
    """Return the statement at the start of a text; None where it has no object."""
    verb, *others = [word for word in split_words(OBJECT_END.split(text)[0]) if word not in ARTICLES] or [""]
    nouns = [stem(singular(word)) for word in others if word not in _PLAIN_ADJECTIVES]
    return Statement(stem(verb), "".join(nouns)) if nouns else None


def statements_of(operation: Operation) -> list[Statement]:
    """Return what the summary and the id of an operation state."""
    texts = (operation.summary, operation.id.replace("/", ".").rpartition(".")[2])
    return [statement for text in texts if (statement := _read_statement(text)) is not None]


def sentence_statement(case: Case) -> Statement | None:
    """Return what a sentence states before its first value; None where that has no verb or no object."""
    if case.opens_with_noun:
        return None
    words: list[str] = []
    for word in case.command_words:
        if words and word.is_used:
            break
        words.append(word.lower)
    return _read_statement(" ".join(words))


def is_stated(case: Case, operation: Operation) -> bool:
    """Return whether a sentence has the verb of an operation and just its object, in the operation's own words."""
    command = sentence_statement(case)
    return command is not None and any(command.is_like(statement) for statement in statements_of(operation))


def check_statement(case: Case) -> Iterator[str]:
    """Yield another change that the sentence states, and that takes as many ids: of services, or of resources.

    The one is meant whose own nouns the sentence has.
    """
    if any(entry.origin is Origin.SETTING and case.location(entry) == "path" for entry in case.account.sources):
        return
    statements = set(statements_of(case.operation))
    command = sentence_statement(case)

    def is_unsaid(operation: Operation) -> bool:
        return command is not None and any(map(command.is_part_of, statements_of(operation)))

    is_part = is_unsaid(case.operation)
    for other in case.operation.spec.operations:
        is_rival = other.effect is not Effect.READ and not other.deprecated and other.id != case.operation.id
        if not is_rival or not _has_form_of(other, case.operation):
            continue
        is_stated_too = not statements.isdisjoint(statements_of(other)) or is_stated(case, other)
        if (is_stated_too or (is_part and is_unsaid(other))) and _is_apart(case, other):
            yield f"{other.id} does what the sentence says as well"
            return


def _has_form_of(operation: Operation, other: Operation) -> bool:
    """Return whether two paths take as many ids, and both end with one or neither."""
    first, second = operation.path.rstrip("/"), other.path.rstrip("/")
    return first.count("{") == second.count("{") and first.endswith("}") == second.endswith("}")


def _is_apart(case: Case, other: Operation) -> bool:
    """Return whether the sentence says none of the nouns that an operation has and another has not.

    Two collections with the same nouns are apart too: merge_request/{id} and merge_requests/{id}.
    """
    nouns, other_nouns = _nouns(case.operation), _nouns(other)
    if nouns == other_nouns:
        return _collections(case.operation) != _collections(other)
    return not nouns <= other_nouns and (nouns - other_nouns).isdisjoint(case.stems)


def _collections(operation: Operation) -> list[str]:
    """Return the segments of a path before its ids, without a version and without words for an id (/by_name/{name})."""
    parts = [part for part in operation.path.split("/") if part and not VERSION.fullmatch(part)]
    named = [part for part in parts if "{" in part or not UNSPOKEN_WORDS.issuperset(split_words(part))]
    return [first for first, second in pairwise(named) if "{" in second and "{" not in first]


def _nouns(operation: Operation) -> frozenset[str]:
    """Return the stems of the words of a path, and of the noun of its last id."""
    *parts, last = [part for part in operation.path.split("/") if part] or [""]
    words = [word for part in parts if "{" not in part and not VERSION.fullmatch(part) for word in split_words(part)]
    words += (word for word in split_words(last) if word not in UNSPOKEN_WORDS)
    return stems_of(" ".join(map(singular, words))) - _ID_STEMS
