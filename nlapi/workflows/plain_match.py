"""Finds the workflow that a sentence plainly means: it says the name of one, and little else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.index import Index, distinct_words, text_terms, word_terms
from nlapi.tools.phrase import read_phrase
from nlapi.tools.word_similarity import rarity
from nlapi.workflows.model import ArazzoWorkflow
from nlapi.workflows.recall import WorkflowIndex, WorkflowMatch, are_same, workflow_terms
from nlapi.workflows.workflow_tools import WorkflowTool, WorkflowTools

# Least shares, by how rare the words are: of the sentence that the workflow says too, apart from its inputs; of the id
# or the summary of the workflow that the sentence says; of both over what comes second, a workflow or an operation.
# Fitted on one half of the APIs of the collection: of 1,213 sentences there that mean no workflow one starts one, and
# none of 1,356 on the other half. With 0.8 and 0.75 it is 8 and 7, and 5 more start the right one
# (`python -m benchmarks.workflow_start`, 2026-11-27).
_MIN_EXPLAINED, _MIN_NAMED, _MIN_LEAD = 0.9, 0.8, 0.1
_MIN_MARGIN = 1.0

# Characters of a sentence that is read, and operations that are compared with the workflow.
_MAX_LENGTH, _MAX_OPERATIONS = 2_000, 15


class PlainMatcher:
    """The workflows and operations of the APIs at hand. Calling it returns the workflow that a sentence means."""

    def __init__(self, tools: WorkflowTools, specs: Sequence[Spec]) -> None:
        self._tools = {(entry.linked.document, entry.workflow.id): entry for entry in tools}
        self._documents = tuple(dict.fromkeys(entry.linked for entry in tools))
        self._specs = tuple(specs)

    @cached_property
    def _index(self) -> WorkflowIndex:
        return WorkflowIndex(self._documents)

    @cached_property
    def _operations(self) -> tuple[Index, ...]:
        return tuple(Index.of(spec.visible_operations) for spec in self._specs if spec.visible_operations)

    def __call__(self, question: str) -> WorkflowTool | None:
        """Return the workflow that a sentence plainly means; None where it may mean anything else."""
        matches = self._index.search(question, 3) if len(question) <= _MAX_LENGTH else []
        entry = self._entry(matches)
        if entry is None:
            return None
        words = _stems(question)
        named, *others = (_named_share(match.workflow, words) for match in matches)
        margin = matches[0].score - matches[1].score if len(matches) > 1 else _MIN_MARGIN
        if named < _MIN_NAMED or named - max(others, default=0.0) < _MIN_LEAD or margin < _MIN_MARGIN:
            return None
        free = _free_words(question, entry)
        explained = _share(free, workflow_terms(entry.workflow))
        if explained < _MIN_EXPLAINED:
            return None
        operations = (
            operation for index in self._operations for operation, _ in index.search(question, _MAX_OPERATIONS)
        )
        rival = max((_share(free, _operation_terms(operation)) for operation in operations), default=0.0)
        return entry if explained - rival >= _MIN_LEAD else None

    def likely(self, question: str) -> WorkflowTool | None:
        """Return the workflow that a sentence may mean, to be named where nothing else is found."""
        matches = self._index.search(question, 1) if len(question) <= _MAX_LENGTH else []
        return self._entry(matches) if matches and matches[0].is_confident else None

    def _entry(self, matches: Sequence[WorkflowMatch]) -> WorkflowTool | None:
        return self._tools.get((matches[0].document, matches[0].workflow.id)) if matches else None


def _named_share(workflow: ArazzoWorkflow, words: Sequence[str]) -> float:
    """Return how much of the id or of the summary of a workflow is said."""
    return max(_share(dict.fromkeys(text_terms(text)), words) for text in (workflow.id, workflow.summary))


def _share(words: Iterable[str], terms: Iterable[str]) -> float:
    """Return the share of words, by how rare they are, that are among terms, themselves or as synonyms."""
    words, terms = tuple(words), tuple(terms)
    total = sum(map(rarity, words))
    common = (word for word in words if any(are_same(word, term) for term in terms))
    return sum(map(rarity, common)) / total if total else 0.0


def _stems(text: str) -> list[str]:
    return [word.stem for word in distinct_words(read_phrase(text))]


def _free_words(question: str, entry: WorkflowTool) -> list[str]:
    """Return the stems of the words that are no values of the inputs, and no names, ids or quotations."""
    # The embedded planner takes long to import: few sentences come so far.
    from nlapi.workflows.sentence_inputs import read_inputs, without_values

    said = read_inputs(question, entry, {})
    sources = said.call.account.sources if said is not None and said.call.account is not None else ()
    used = {term for source in sources for word in source.words.split() for term in word_terms(word)}
    return [word for word in _stems(without_values(question, entry)) if word not in used]


def _operation_terms(operation: Operation) -> frozenset[str]:
    return frozenset(text_terms(f"{operation.id} {operation.summary} {operation.path} {operation.description[:400]}"))
