"""Adds the noun of the items to a choice that is counted or listed by its plural: how many dog patients are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from nlapi.english.lexicon import stems
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.model import as_list
from nlapi.openapi.spec import Operation
from nlapi.planner.language.reader import tokenize
from nlapi.planner.language.text import FILLER_STEMS, Token
from nlapi.resources.answers import answer_schemas, answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import STOPWORDS, VERBS, Intent
from nlapi.resources.nouns import noun_of

_KINDS = stems("planner/slots/words", "kind_names")
_QUOTES = frozenset("\"'`“”‘’«»")
Noun = tuple[str, ...]


class ChoiceNouns:
    """The nouns of the items of the lists of some APIs, by the choices (stems) that pick among the items."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._reads = [item for item in operations if item.method == "GET" and _is_plural(noun_of(item))]
        self._named: defaultdict[str, list[Operation]] = defaultdict(list)
        for operation in self._reads:
            for word in set(_words_of(operation)):
                self._named[stem(word)].append(operation)
        self._of_parameters: Mapping[str, set[Noun]] | None = None
        self._of_answers: Mapping[str, set[Noun]] | None = None

    @cached_property
    def _lists(self) -> list[Operation]:
        return [operation for operation in self._reads if _is_list(operation)]

    def noun(self, choice: str) -> Noun:
        """Return the noun of the items that a choice (a stem) picks among; () where it is none, or of several kinds.

        Choices of arguments go before those of fields of the answer. A word that names a list is no choice.
        """
        # Most words name a list, which is seen without looking at the answer of each operation.
        if any(map(_is_list, self._named.get(choice, ()))):
            return ()
        if self._of_parameters is None:
            self._of_parameters = _by_choice((entry, _parameter_choices(entry)) for entry in self._lists)
        nouns = self._of_parameters.get(choice)
        if nouns is None:
            if self._of_answers is None:
                self._of_answers = _by_choice((entry, answer_words(entry).values) for entry in self._lists)
            nouns = self._of_answers.get(choice, set())
        return next(iter(nouns)) if len(nouns) == 1 else ()


def with_choice_nouns(text: str, nouns: Callable[[], ChoiceNouns]) -> str:
    """Return a sentence with the noun of the items behind a plural that is a choice of them: list the cat patients."""
    tokens = tokenize(text)
    for at, token in enumerate(tokens):
        if not _is_content(token):
            continue
        if token.stem in VERBS:
            return text  # a command, or a noun that is an action (updates) rather than a kind of item
        if token.text != token.lower or singular(token.lower) == token.lower:
            continue
        around = [other for other in (*tokens[at - 1 : at], *tokens[at + 1 : at + 2]) if other.text in _QUOTES]
        is_last = at + 1 == len(tokens) or not _is_content(tokens[at + 1])
        noun = nouns().noun(token.stem) if is_last and not around else ()
        if not noun or {stem(word) for word in noun} & {other.stem for other in tokens}:
            return text
        return f"{text[: token.start]}{singular(token.lower)} {' '.join(noun)}{text[token.end :]}"
    return text


def _is_content(token: Token) -> bool:
    """Return whether a word is more than a question word, a verb of reading, an article or another little word."""
    is_little = token.lower in STOPWORDS or token.stem in FILLER_STEMS or VERBS.get(token.stem) is Intent.READ
    return token.word and token.text.isalpha() and not is_little


def _by_choice(pairs: Iterable[tuple[Operation, Iterable[tuple[str, ...]]]]) -> Mapping[str, set[Noun]]:
    nouns: defaultdict[str, set[Noun]] = defaultdict(set)
    for operation, choices in pairs:
        for words in choices:
            if len(words) == 1:
                nouns[words[0]].add(noun_of(operation))
    return nouns


def _is_list(operation: Operation) -> bool:
    return collection_index(operation.spec).is_list(operation)


def _is_plural(noun: Noun) -> bool:
    return bool(noun) and singular(noun[-1]) != noun[-1]


def _parameter_choices(operation: Operation) -> Iterator[tuple[str, ...]]:
    """Yield the stems of the choices of arguments that say what an item is.

    Such an argument is named as a field of the items, or as a kind where they are not described. The choices of others
    (sort=name, include=votes, filter=owner) are no items.
    """
    reader, answer = answer_schemas(operation.spec).reader, answer_words(operation)
    for parameter in operation.parameters:
        words = tuple(map(stem, split_words(parameter.name)))
        is_kind = answer.names_field(words) if answer.fields else not _KINDS.isdisjoint(words)
        schema = reader.flat(parameter.schema) if parameter.location == "query" and is_kind else {}
        for choices in (schema.get("enum"), reader.flat(schema.get("items")).get("enum")):
            yield from (tuple(map(stem, split_words(choice))) for choice in as_list(choices) if isinstance(choice, str))


def _words_of(operation: Operation) -> Iterator[str]:
    yield from split_words(f"{operation.id} {operation.summary} {operation.path}")
