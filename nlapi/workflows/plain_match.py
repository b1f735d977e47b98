"""Finds the workflow that a sentence plainly means: it says the name of one, and little else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from nlapi.changes.sentences import SENTENCE_CHECKS, build_case
from nlapi.english.word_similarity import rarity, similarity_or_synonym
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.planner import OfflinePlanner, read_question
from nlapi.tools.arguments import argument_schema
from nlapi.tools.plan import Plan
from nlapi.tools.search.index import (
    FIELD_WEIGHTS,
    Fields,
    Index,
    TextIndex,
    build_postings,
    distinct_words,
    text_terms,
    word_terms,
)
from nlapi.tools.search.phrase import read_phrase
from nlapi.tools.tool import Account, Call, Missing, Origin
from nlapi.workflows.model import ArazzoWorkflow, WorkflowDocument
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.workflow_tools import WorkflowTool, WorkflowTools

# The least probability that words of the sentence mean an input. It is the floor of an optional argument in the
# embedded planner; with that of a required one, 0.08, values are made up where the user should be asked
# (docs/design/008-learned-slots.md).
MIN_SURE = 0.5


def read_inputs(question: str, entry: WorkflowTool, known_values: Mapping[str, Any]) -> Plan | None:
    """Return the call of a workflow with the inputs that a sentence says, and those that have to be asked for.

    None where it asks for no change and the workflow makes one.
    """
    plan = OfflinePlanner((entry.tool,)).plan(question, known=known_values, chosen=entry.operation)
    if not plan.calls:
        return None
    call = plan.calls[0]
    account = call.account or Account()
    if entry.effect is not Effect.READ and any(_reasons_against(call, account, question)):
        return None
    unsure = {
        source.argument.partition(".")[0]
        for source in account.sources
        if source.origin in (Origin.WORDS, Origin.LOOKUP) and source.sure < MIN_SURE
    }
    arguments = {name: value for name, value in call.arguments.items() if name not in unsure}
    sources = tuple(source for source in account.sources if source.argument.partition(".")[0] not in unsure)
    missing = list(plan.missing)
    for name in entry.tool.required:
        if name in unsure and not any(item.argument == name for item in plan.missing):
            schema = argument_schema(entry.tool, name)
            about = str(schema.get("description", ""))
            missing.append(Missing(tool=entry.tool, argument=name, description=about, schema=schema))
    call = replace(call, arguments=arguments, account=replace(account, sources=sources))
    return replace(plan, calls=(call,), missing=tuple(missing))


def _reasons_against(call: Call, account: Account, question: str) -> Iterator[str]:
    """Yield why a sentence commands no change: a question, a wish, a condition, a negation."""
    case = build_case(call, account, question)
    for sentence_check in SENTENCE_CHECKS:
        yield from sentence_check(case)


# Weight of the relevance of the operations beside the texts: fitted on 150 reworded summaries, where a quarter more or
# less changes nothing (`python -m benchmarks.workflow_recall`, 2026-11-27).
_OPERATION_WEIGHT = 0.4

# Least share of what a question says that a workflow has, of words, and of difference to the next workflow, from which
# on the question means it. Of 150 reworded summaries 44 find a workflow so, 40 of them the right one; none of
# them finds one of another API, and none of 50 questions about other matters finds one of 956 (same benchmark).
_MIN_COVERAGE, _MIN_WORDS, _RECALL_MARGIN = 0.5, 2, 1.0

# Least similarity of two words that say the same: that of synonyms.
_SAME = 0.85

# Weights of the texts of a workflow that no operation has.
_STEP_WEIGHT, _INPUT_WEIGHT = 0.8, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMatch:
    """A workflow that a question may mean. Only differences between scores mean anything.

    `coverage` is the share of the question's words, by how rare they are, that the workflow has too: 0 to 1.
    `is_confident` only the first of a search can be; it is not a consent to run it.
    """

    workflow: ArazzoWorkflow
    document: WorkflowDocument
    score: float
    coverage: float
    is_confident: bool = False


class WorkflowIndex:
    """An immutable index over the workflows of several documents; of linked ones, the operations of the steps count."""

    def __init__(self, documents: Iterable[WorkflowDocument | LinkedDocument]) -> None:
        self._entries: list[tuple[WorkflowDocument, ArazzoWorkflow, tuple[Operation, ...]]] = []
        for entry in documents:
            document = entry.document if isinstance(entry, LinkedDocument) else entry
            for workflow in document.workflows:
                operations = _operations(entry, workflow) if isinstance(entry, LinkedDocument) else ()
                self._entries.append((document, workflow, operations))
        texts = [_weighted_texts(workflow) for _, workflow, _ in self._entries]
        self._texts = TextIndex(build_postings(texts), len(texts))
        specs = dict.fromkeys(operation.spec for _, _, operations in self._entries for operation in operations)
        self._operations = Index(operation for spec in specs for operation in spec.visible_operations)

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, question: str, limit: int = 5) -> list[WorkflowMatch]:
        """Return at most `limit` workflows, best first; none where no word of the question is in any, or near one."""
        phrase = read_phrase(question)
        words = [word.stem for word in distinct_words(phrase)]
        texts = self._texts.near_scores(phrase)
        relevance: dict[Operation, float] = {}
        if any(self._entries[number][2] for number in texts):
            relevance = dict(self._operations.search(question, len(self._operations), include_all=True))
        scores = [
            (score + _OPERATION_WEIGHT * _mean(relevance, self._entries[number][2]), -number)
            for number, score in texts.items()
        ]
        ranked = sorted(scores, reverse=True)
        margin = ranked[0][0] - ranked[1][0] if len(ranked) > 1 else _RECALL_MARGIN
        matches: list[WorkflowMatch] = []
        for score, place in ranked[:limit]:
            document, workflow, _ = self._entries[-place]
            coverage, count = _share(words, workflow_terms(workflow))
            is_clear = not matches and margin >= _RECALL_MARGIN and count >= _MIN_WORDS and coverage >= _MIN_COVERAGE
            matches.append(
                WorkflowMatch(
                    workflow=workflow, document=document, score=score, coverage=coverage, is_confident=is_clear
                )
            )
        return matches


def workflow_terms(workflow: ArazzoWorkflow) -> frozenset[str]:
    """Return the stems of all that a workflow says."""
    return frozenset(term for _, terms in _weighted_texts(workflow) for term in terms)


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
        named, *others = (
            max(
                _share(dict.fromkeys(text_terms(text)), words)[0]
                for text in (match.workflow.id, match.workflow.summary)
            )
            for match in matches
        )
        margin = matches[0].score - matches[1].score if len(matches) > 1 else _MIN_MARGIN
        if named < _MIN_NAMED or named - max(others, default=0.0) < _MIN_LEAD or margin < _MIN_MARGIN:
            return None
        free = _free_words(question, entry)
        explained, _ = _share(free, workflow_terms(entry.workflow))
        if explained < _MIN_EXPLAINED:
            return None
        operations = (
            operation for index in self._operations for operation, _ in index.search(question, _MAX_OPERATIONS)
        )
        rival = max((_share(free, _operation_terms(operation))[0] for operation in operations), default=0.0)
        return entry if explained - rival >= _MIN_LEAD else None

    def likely(self, question: str) -> WorkflowTool | None:
        """Return the workflow that a sentence may mean, to be named where nothing else is found."""
        matches = self._index.search(question, 1) if len(question) <= _MAX_LENGTH else []
        return self._entry(matches) if matches and matches[0].is_confident else None

    def _entry(self, matches: Sequence[WorkflowMatch]) -> WorkflowTool | None:
        return self._tools.get((matches[0].document, matches[0].workflow.id)) if matches else None


def _share(words: Iterable[str], terms: Iterable[str]) -> tuple[float, int]:
    """Return the share of words, by rarity, that are among terms, themselves or as synonyms, and how many are."""
    words, terms = tuple(words), tuple(terms)
    total = sum(map(rarity, words))
    common = [word for word in words if any(similarity_or_synonym(word, term) >= _SAME for term in terms)]
    return (sum(map(rarity, common)) / total if total else 0.0), len(common)


def _stems(text: str) -> list[str]:
    return [word.stem for word in distinct_words(read_phrase(text))]


def _free_words(question: str, entry: WorkflowTool) -> list[str]:
    """Return the stems of the words that are neither values of the inputs nor names, ids or quotations."""
    plan = read_inputs(question, entry, {})
    account = plan.calls[0].account if plan is not None else None
    sources = account.sources if account is not None else ()
    used = {term for source in sources for word in source.words.split() for term in word_terms(word)}
    catalogue = OfflinePlanner((entry.tool,)).catalogue
    rest = read_question(question, catalogue, date.today()).without_values(catalogue.index.is_entity)
    return [word for word in _stems(rest) if word not in used]


def _operation_terms(operation: Operation) -> frozenset[str]:
    return frozenset(text_terms(f"{operation.id} {operation.summary} {operation.path} {operation.description[:400]}"))
