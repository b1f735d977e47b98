"""Finds operations by words: misspelt words are corrected, and a command may be in other words than the API's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from nlapi.english.everyday import in_api_words, read_speech_act
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.search.index import Index, correct_spelling

# Characters that a command is read in: it stands at the beginning of a long question, and most are shorter.
_MAX_COMMAND = 120


class OperationSearch:
    """A search over operations, the same for `nlapi find`, `nlapi.search` and the `find` tool of models."""

    def __init__(self, operations: Iterable[Operation], *, cached: bool = True) -> None:
        """Index the operations; with `cached`, those of one Spec by its cache."""
        self._index = (Index.of if cached else Index)(operations)

    @classmethod
    def of(cls, spec: Spec) -> OperationSearch:
        """Return the search over the visible operations of a Spec, which is built once."""
        return spec.derive(_visible_search)

    def correct(self, words: str) -> str:
        """Return words with each misspelt one as the API has it."""
        return correct_spelling(words, self._index)

    def scored(self, words: str, limit: int) -> list[tuple[Operation, float]]:
        """Return at most `limit` operations that fit words, best first, with scores that only compare."""
        scores: dict[Operation, float] = {}
        speech_act, words = read_speech_act(words), in_api_words(words, self._index.has_word)
        for text in dict.fromkeys((self._with_api_verb(words), words)):
            for operation, score in self._index.search(text, limit, is_near=True, speech_act=speech_act):
                scores[operation] = max(score, scores.get(operation, score))
        return sorted(scores.items(), key=lambda pair: -pair[1])[:limit]

    def search(self, words: str, limit: int) -> list[Operation]:
        """Return at most `limit` operations that fit words, misspelt or not, best first."""
        return [operation for operation, _ in self.scored(self.correct(words), limit)]

    @cached_property
    def _verbs(self) -> frozenset[str]:
        """The stems of the verbs that command the operations."""
        from nlapi.planner.commands import operation_verbs

        return frozenset(verb for operation in self._index.operations for verb in operation_verbs(operation))

    def _with_api_verb(self, words: str) -> str:
        """Return words with the command at their beginning as a verb of the APIs: [get rid of] a domain as `delete`."""
        # Both belong to the embedded planner, which a model rarely needs.
        from nlapi.planner.commands import read_command
        from nlapi.reading.clauses import opening_length
        from nlapi.reading.text import tokenize

        head = words[:_MAX_COMMAND]
        if len(words) > _MAX_COMMAND:  # at a blank: half a word is another one
            head = head.rpartition(" ")[0] or head
        tokens = tokenize(head)
        read = read_command(tokens, opening_length(head), lambda: self._verbs, self._index.has_word)
        return words if read == tokens else f"{' '.join(token.lower for token in read)} {words[len(head) :]}".rstrip()


def _visible_search(spec: Spec) -> OperationSearch:
    return OperationSearch(spec.visible_operations)
