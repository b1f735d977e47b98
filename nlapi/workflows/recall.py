"""Finds workflows by what a person says, by their own texts and by the operations of their steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nlapi.openapi.spec import Operation
from nlapi.tools.index import FIELD_WEIGHTS, Fields, Index, TextIndex, build_postings, distinct_words, text_terms
from nlapi.tools.phrase import Phrase, read_phrase
from nlapi.tools.word_similarity import rarity, similarity_or_synonym
from nlapi.workflows.model import ArazzoWorkflow, WorkflowDocument
from nlapi.workflows.sources import LinkedDocument

# Weight of the relevance of the operations beside the texts: fitted on 150 reworded summaries, where a quarter more or
# less changes nothing (`python -m benchmarks.workflow_recall`, 2026-11-27).
_OPERATION_WEIGHT = 0.4

# Least share of what a question says that a workflow has, of words, and of difference to the next workflow, from which
# on it is what the question means. Of 150 reworded summaries 44 find a workflow so, 40 of them the right one; none of
# them finds one of another API, and none of 50 questions about other matters finds one of 956 (same benchmark).
_MIN_COVERAGE, _MIN_WORDS, _MIN_MARGIN = 0.5, 2, 1.0

# Least similarity of two words that say the same: that of synonyms.
_SAME = 0.85

# Weights of the texts of a workflow that no operation has.
_STEP_WEIGHT, _INPUT_WEIGHT = 0.8, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMatch:
    """A workflow that a question may mean. Only differences between scores mean anything.

    `coverage` is the share of what the question says, by how rare its words are, that the workflow says too: 0 to 1.
    `is_confident` only the first of a search can be; it is no consent to run it.
    """

    workflow: ArazzoWorkflow
    document: WorkflowDocument
    score: float
    coverage: float
    is_confident: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    workflow: ArazzoWorkflow
    document: WorkflowDocument
    terms: frozenset[str]
    operations: tuple[Operation, ...]


class WorkflowIndex:
    """An immutable index over the workflows of several documents; of linked ones, the operations of the steps count."""

    def __init__(self, documents: Iterable[WorkflowDocument | LinkedDocument]) -> None:
        self._entries: list[_Entry] = []
        texts: list[Fields] = []
        for entry in documents:
            document = entry.document if isinstance(entry, LinkedDocument) else entry
            for workflow in document.workflows:
                texts.append(_weighted_texts(workflow))
                self._entries.append(
                    _Entry(
                        workflow=workflow,
                        document=document,
                        terms=workflow_terms(workflow),
                        operations=_operations(entry, workflow) if isinstance(entry, LinkedDocument) else (),
                    )
                )
        self._texts = TextIndex(build_postings(texts), len(texts))
        specs = dict.fromkeys(operation.spec for entry in self._entries for operation in entry.operations)
        self._operations = Index(operation for spec in specs for operation in spec.visible_operations)

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, question: str, limit: int = 5) -> list[WorkflowMatch]:
        """Return at most `limit` workflows, best first; none where no word of the question is in any, or near one."""
        phrase = read_phrase(question)
        texts = self._texts.near_scores(phrase)
        relevance = self._relevance(question, [number for number, score in enumerate(texts) if score])
        scores = [
            (score + _OPERATION_WEIGHT * _mean(relevance, entry.operations), -number)
            for number, (entry, score) in enumerate(zip(self._entries, texts, strict=True))
            if score
        ]
        ranked = sorted(scores, reverse=True)
        margin = ranked[0][0] - ranked[1][0] if len(ranked) > 1 else _MIN_MARGIN
        matches: list[WorkflowMatch] = []
        for score, place in ranked[:limit]:
            entry = self._entries[-place]
            coverage, count = _coverage(phrase, entry.terms)
            is_clear = not matches and margin >= _MIN_MARGIN and count >= _MIN_WORDS and coverage >= _MIN_COVERAGE
            matches.append(
                WorkflowMatch(
                    workflow=entry.workflow,
                    document=entry.document,
                    score=score,
                    coverage=coverage,
                    is_confident=is_clear,
                )
            )
        return matches

    def _relevance(self, question: str, candidates: Sequence[int]) -> dict[Operation, float]:
        """Return the relevance of the operations of the APIs, where a candidate has any."""
        if not any(self._entries[number].operations for number in candidates):
            return {}
        return dict(self._operations.search(question, len(self._operations), include_all=True))


def find_workflows(
    question: str, documents: Iterable[WorkflowDocument | LinkedDocument], limit: int = 5
) -> list[WorkflowMatch]:
    """Return at most `limit` workflows that a question may mean, best first."""
    return WorkflowIndex(documents).search(question, limit)


def workflow_terms(workflow: ArazzoWorkflow) -> frozenset[str]:
    """Return the stems of all that a workflow says."""
    return frozenset(term for _, terms in _weighted_texts(workflow) for term in terms)


def are_same(first: str, second: str) -> bool:
    """Return whether two stems say the same."""
    return similarity_or_synonym(first, second) >= _SAME


def _weighted_texts(workflow: ArazzoWorkflow) -> Fields:
    description = workflow.description if workflow.description != workflow.summary else ""
    steps = " ".join(step.description for step in workflow.steps)
    # An operationPath is a pointer: what is before `paths` names the source.
    targets = (step.target.rpartition("paths/")[2].replace("~1", "/") for step in workflow.steps)
    calls = " ".join(f"{step.id} {target}" for step, target in zip(workflow.steps, targets, strict=True))
    return [
        (FIELD_WEIGHTS["id"], text_terms(workflow.id)),
        (FIELD_WEIGHTS["summary"], text_terms(workflow.summary)),
        (FIELD_WEIGHTS["description"], text_terms(description)),
        (_STEP_WEIGHT, text_terms(steps)),
        (FIELD_WEIGHTS["arguments"], text_terms(calls)),
        (_INPUT_WEIGHT, text_terms(" ".join(map(str, workflow.input_schemas)))),
    ]


def _operations(linked: LinkedDocument, workflow: ArazzoWorkflow) -> tuple[Operation, ...]:
    targets = (linked.target(step).operation for step in workflow.steps)
    return tuple(operation for operation in targets if operation is not None)


def _mean(relevance: dict[Operation, float], operations: Sequence[Operation]) -> float:
    return sum(relevance.get(operation, 0.0) for operation in operations) / max(1, len(operations))


def _coverage(phrase: Phrase, terms: frozenset[str]) -> tuple[float, int]:
    """Return the share of a phrase that has a word, or a synonym of it, among some terms, and how many words have."""
    words = [word.stem for word in distinct_words(phrase)]
    total = sum(map(rarity, words))
    common = [word for word in words if any(are_same(word, term) for term in terms)]
    return (sum(map(rarity, common)) / total if total else 0.0), len(common)
