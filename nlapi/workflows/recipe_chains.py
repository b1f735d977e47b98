"""Chooses, of the chains that a description supports, those that a person would ask for: the recipes of an API.

A recipe that nobody would ask for is worse than none, so each rule here leaves something out
(docs/design/081-plugin-recipes.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.collection_index import VAGUE_NOUNS
from nlapi.resources.grouping import Resource
from nlapi.resources.paths import Place, segments
from nlapi.workflows.chain_model import Chain, ChainKind, ChainStep, with_article
from nlapi.workflows.chain_words import NAME_FIELDS
from nlapi.workflows.chains import ChainFinder
from nlapi.workflows.suggest import is_within

MAX_RECIPES = 12

_MAX_OF_KIND = {
    ChainKind.PUBLISH: 3,
    ChainKind.CREATE: 3,
    ChainKind.WAIT: 3,
    ChainKind.REPORT: 2,
    ChainKind.CHANGE: 4,
}

# Recipes that are about one noun.
_MAX_OF_NOUN = 2

# Inputs that a person has to say: with more, the calls are made one by one.
MAX_INPUTS = 14

# Fields of one body that may be given beside those that it requires.
MAX_OPTIONAL = 30

# A resource below which so many operations are is there already: a workspace, a business, a service. Spotify's business
# has 35 % of the operations below it, Twilio Verify's service 60 %; of the bundled ads, a campaign has 20 %.
_SCOPE_SHARE, _SCOPE_OPERATIONS = 0.3, 12

# What is said about a thing, or who takes part in it, comes later and by itself, not when the thing is made.
_LATER_NOUNS = lexicon.words("workflows/words", "later_nouns")

# Whom one works for: they are there already when a task begins.
_EXISTING_NOUNS = lexicon.words("workflows/words", "recipe_chains_existing_nouns")

_REPORT_NOUNS = lexicon.words("workflows/words", "report_nouns")
_START_WORDS = frozenset("start from since begin after starting".split())
_END_WORDS = frozenset("end to until before ending".split())
_CHOICE_WORDS = frozenset("metric metrics field fields dimension dimensions granularity interval groupby group".split())


def recipe_chains(finder: ChainFinder, limit: int = MAX_RECIPES) -> list[Chain]:
    """Return the chains that are recipes, the most useful of each kind in turn; [] where none is sensible."""
    return _RecipeChoice(finder).chosen(limit)


class _RecipeChoice:
    def __init__(self, finder: ChainFinder) -> None:
        self.finder = finder
        self.spec: Spec = finder.index.spec
        self.values = finder.values

    def chosen(self, limit: int) -> list[Chain]:
        chains = [chain for chain in self.finder.chains() if self._is_sensible(chain)]
        published = {noun for chain in chains if chain.kind is ChainKind.PUBLISH for noun in _draft_nouns(chain)}
        # Drafts before what is live, where the API has both.
        chains = [chain for chain in chains if chain.kind is not ChainKind.CREATE or not _nouns(chain) <= published]
        # What is checked before it is published is published by that recipe alone.
        checked = {chain.operations[-1] for chain in chains if chain.kind is ChainKind.PUBLISH and len(chain.steps) > 2}
        chains = [
            chain for chain in chains if chain.kind is not ChainKind.CHANGE or chain.operations[-1] not in checked
        ]
        chains = [self._by_name(chain) if chain.kind is ChainKind.CHANGE else chain for chain in chains]
        chains = [self._with_addition(chain) for chain in chains] + [*self._reports()]
        ranked = sorted(chains, key=lambda chain: (-chain.weight, chain.summary))
        ranked = [
            chain
            for chain in ranked
            if not any(chain is not other and chain.kind >= other.kind and is_within(chain, other) for other in ranked)
        ]
        result: list[Chain] = []
        nouns: Counter[str] = Counter()
        for turn in range(max(_MAX_OF_KIND.values())):
            for kind, most in _MAX_OF_KIND.items():
                candidates = [
                    chain
                    for chain in ranked
                    if chain.kind is kind and chain not in result and nouns[chain.steps[-1].noun] < _MAX_OF_NOUN
                ]
                if turn < most and candidates:
                    result.append(min(candidates, key=lambda chain: nouns[chain.steps[-1].noun]))
                    nouns[result[-1].steps[-1].noun] += 1
        return [replace(chain, steps=tuple(map(self._with_optional, chain.steps))) for chain in result[:limit]]

    def _with_optional(self, step: ChainStep) -> ChainStep:
        """Return a creation that takes what its body merely allows as well, if somebody gives it."""
        body = step.operation.body
        if step.verb not in ("create", "upload") or body is None:
            return step
        taken = {*self.values.required_places(step.operation), *step.values, *step.constants, *step.asked}
        names = self.values.reader.properties(body.schema)
        places = [place for place in (("body", name) for name in names) if place not in taken]
        writable = [place for place in places if not self.values.place_schema(step.operation, place).get("readOnly")]
        return replace(step, optional=tuple(writable[:MAX_OPTIONAL]))

    def _is_sensible(self, chain: Chain) -> bool:
        if chain.kind in (ChainKind.READ_BACK, ChainKind.LOOK_UP) or not all(map(self._has_plain_noun, chain.steps)):
            return False
        if self._input_count(chain) > MAX_INPUTS or any(
            operation.effect is Effect.DESTROY for operation in chain.operations
        ):
            return False
        match chain.kind:
            case ChainKind.CREATE:
                return self._is_sensible_creation(chain)
            case ChainKind.WAIT:
                return self._is_sensible_wait(chain)
            case ChainKind.CHANGE:
                return self._is_sensible_change(chain)
        return True

    def _has_plain_noun(self, step: ChainStep) -> bool:
        words = step.noun.split()
        return bool(words) and words[-1] not in VAGUE_NOUNS and all(word.isalpha() and len(word) > 1 for word in words)

    def _input_count(self, chain: Chain) -> int:
        """Return the number of values that a person has to say: those above all paths are counted once."""
        places = {
            (place if place[0] == "path" else (step.noun, place))
            for step in chain.steps
            for place in (*self.values.required_places(step.operation), *step.asked)
            if place not in step.values and place not in step.constants
        }
        return len(places)

    # --- creations

    def _is_sensible_creation(self, chain: Chain) -> bool:
        created = [self._resource(step.operation) for step in chain.steps]
        if any(resource is None or self._is_scope(resource) for resource in created):
            return False
        *earlier, last = chain.steps
        # An issue field and then a field: the same thing in two places.
        is_again = any(step.noun.split()[-1] == last.noun.split()[-1] for step in earlier)
        is_existing = any(step.noun.split()[-1] in _EXISTING_NOUNS for step in earlier)
        return not is_again and not is_existing and all(map(self._is_named, earlier)) and self._is_part(last)

    def _is_part(self, step: ChainStep) -> bool:
        """Return whether the last thing is a part of the others, which one makes with them."""
        noun = step.noun.split()
        if noun[-1] in _LATER_NOUNS:
            return False
        is_below = all(location == "path" for location, _ in step.values)
        return self._is_named(step) or _adds(step) if is_below else True

    def _with_addition(self, chain: Chain) -> Chain:
        """Return a chain whose last step adds to the thing that was made, with a sentence that says so."""
        *earlier, last = chain.steps
        if chain.kind is not ChainKind.CREATE or len(earlier) != 1 or not _adds(last):
            return chain
        return replace(chain, summary=f"Create {with_article(earlier[0].noun)} and add {with_article(last.noun)} to it")

    def _is_named(self, step: ChainStep) -> bool:
        """Return whether a person gives the new thing a name."""
        places = (*self.values.required_places(step.operation), *self.values.name_places(step.operation))
        return any(
            location == "body" and set(name_words(name)) & {"name", "title", "subject"} for location, name in places
        )

    def _resource(self, operation: Operation) -> Resource | None:
        return self.finder.semantics.classify(operation).resource

    def _is_scope(self, resource: Resource) -> bool:
        """Return whether most of an API is below one item of a resource, so that nobody makes one for a task."""
        count = self._operations_below.get(resource, 0)
        return count >= _SCOPE_OPERATIONS and count >= _SCOPE_SHARE * len(self.finder.index.operations)

    @cached_property
    def _operations_below(self) -> Counter[Resource]:
        counts: Counter[Resource] = Counter()
        for operation in self.finder.index.operations:
            path = segments(operation.route)
            for parent in {
                entry.resource for entry in self.finder.semantics.parents(path) if entry.resource is not None
            }:
                counts[parent] += 1
        return counts

    # --- waits and changes

    def _is_sensible_wait(self, chain: Chain) -> bool:
        """Return whether a machine does the work: where the caller may set the state, it is a note of the caller's."""
        resource, wait = self._resource(chain.steps[0].operation), next(step.wait for step in chain.steps if step.wait)
        body = chain.steps[0].operation.body
        names = self.values.reader.properties(body.schema) if body is not None else {}
        is_set = name_key(wait.keys[-1]) in map(name_key, names)
        return resource is not None and not self._is_scope(resource) and not is_set

    def _is_sensible_change(self, chain: Chain) -> bool:
        """Return whether an item is found by its very name: a search may find another thing first."""
        finding, change = chain.steps
        scopes, known = (
            {segment.parameter for segment in segments(operation.route) if segment.parameter}
            for operation in (change.operation, finding.operation)
        )
        # A search over all repositories finds an issue of another one: its number means something else here.
        is_within = scopes - {name for _, name in change.values} <= known
        return is_within and bool(self._name_field(finding)) and not self.values.is_upload(change.operation)

    def _name_field(self, finding: ChainStep) -> str:
        """Return the field of the listed items with the name that is asked for; "" where they have none."""
        part = self.values.answers.list_part(finding.operation)
        if part is None or part.is_map or part.entry_keys or finding.list_keys is None:
            return ""
        names = self.values.reader.properties(part.schema)
        filter_name = finding.asked[0][1]
        if filter_name in names:
            return filter_name if {"name", "title"} & set(name_words(filter_name)) else ""
        return next((name for key in NAME_FIELDS for name in names if name_key(name) == key), "")

    def _by_name(self, chain: Chain) -> Chain:
        """Return a chain that finds an item by its very name, also where the list is filtered by a part of it."""
        finding = chain.steps[0]
        name = " ".join(name_words(self._name_field(finding)))
        summary = chain.summary.replace(" by a search ", f" by its {name} ")
        step = replace(finding, choose_by=self._name_field(finding))
        return replace(chain, summary=summary, steps=(step, *chain.steps[1:]))

    # --- reports

    def _reports(self) -> Iterator[Chain]:
        """Yield reports: reads with a period, and with a choice of what is counted or how it is cut."""
        for operation in self.finder.index.operations:
            path = segments(operation.route)
            text = next((segment.text for segment in reversed(path) if not segment.parameter), "")
            words = set(singular_words(text)) | set(name_words(text))
            if operation.effect is not Effect.READ or not words & _REPORT_NOUNS or operation.method != "GET":
                continue
            period, choices = self._period(operation), self._choices(operation)
            required = [place for place in self.values.required_places(operation) if place[0] == "path"]
            if not period or not choices or len(required) > 2:
                continue
            noun = " ".join(singular_words(text))
            noun = noun if words & {"report"} else f"{noun} report"
            step = ChainStep(operation=operation, noun=noun, verb="get", asked=(*period, *choices))
            yield Chain(
                kind=ChainKind.REPORT,
                summary=f"Get {with_article(noun)} for a period",
                steps=(step,),
                weight=10.0 - len(path),
            )

    def _period(self, operation: Operation) -> tuple[Place, ...]:
        """Return the parameters of the beginning and the end of a period; () without both."""
        starts = [place for place in _query(operation) if _START_WORDS & set(name_words(place[1]))]
        ends = [place for place in _query(operation) if _END_WORDS & set(name_words(place[1]))]
        return (starts[0], ends[0]) if starts and ends and starts[0] != ends[0] else ()

    def _choices(self, operation: Operation) -> tuple[Place, ...]:
        return tuple(place for place in _query(operation) if _CHOICE_WORDS & set(name_words(place[1])))[:3]


def _adds(step: ChainStep) -> bool:
    """Return whether an operation adds something that exists to a thing, by its own words: addTracksToPlaylist."""
    return step.operation.id.lower().startswith("add") and name_words(step.operation.id)[:1] == ("add",)


def _query(operation: Operation) -> Sequence[Place]:
    return [("query", parameter.name) for parameter in operation.parameters if parameter.location == "query"]


def _nouns(chain: Chain) -> set[str]:
    return {step.noun for step in chain.steps}


def _draft_nouns(chain: Chain) -> set[str]:
    """Return the nouns of the drafts of a chain, with those of the live things that they become."""
    nouns = {step.noun for step in chain.steps if step.verb == "create"}
    return nouns | {noun.removesuffix(" draft") for noun in nouns}
