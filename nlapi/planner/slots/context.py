"""The context of a sentence and one operation: the words of its slots, and the surroundings of each mention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.command_verbs import CREATE_VERBS
from nlapi.english.intents import STOPWORDS
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import text as word_text
from nlapi.english.lexicon import words as word_set
from nlapi.english.word_similarity import similarity
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.openapi.spec import Operation
from nlapi.planner.slots.entities import named_resource
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.clauses import find_value_changes
from nlapi.reading.gazetteer import COUNTRIES, CURRENCY_CODES, CURRENCY_NAMES, LANGUAGES, STATES, is_region, region_of
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Sentence, ValueChange, ValueMention
from nlapi.resources.ids import IdKind, id_kind
from nlapi.resources.nouns import VERSION, noun_of
from nlapi.tools.sending.state_reads import updates_item
from nlapi.tools.tool import Tool

_SKIPPED = lexicon.words("planner/slots/words", "skipped_before")

# Samples of a description that are compared.
_SAMPLES = 8
# Word vectors less alike than this say nothing.
_MIN_SIMILARITY = 0.35
_KIND_LINES = (line.split(": ") for line in word_text("planner/slots/words", "world_kinds").strip().splitlines())
_KINDS = {stem(word): kind for kind, names in _KIND_LINES for word in names.split()}
_NEAR = lexicon.words("planner/slots/words", "near")


@lru_cache(maxsize=8192)
def world_kind(text: str) -> str:
    """Return the kind of what a text names: currency, language, country, state or town; "" for anything else."""
    lower = text.lower().removeprefix("the ")
    if text in CURRENCY_CODES or lower in CURRENCY_NAMES:
        return "currency"
    if lower in LANGUAGES:
        return "language"
    if lower in COUNTRIES:
        return "country"
    if lower in STATES:
        return "state"
    town, comma, after = text.partition(", ")
    if comma:
        return "town" if is_region(after) or region_of(town) else ""
    return "town" if text[:1].isupper() and region_of(text) else ""


def world_fit(mention: ValueMention, slot: Slot) -> float:
    """Return 1 for a mention of the kind in the name of a slot, 0.5 in its description, -1 for one of another kind."""
    if mention.kind not in (
        MentionKind.NAME,
        MentionKind.PHRASE,
        MentionKind.QUOTED,
        MentionKind.LITERAL,
        MentionKind.TITLE,
    ):
        return 0.0
    by_name, expected = _expected_kinds(slot)
    kind = world_kind(mention.text.strip(" .,")) if expected else ""
    if not kind:
        return -0.4 if by_name and by_name != "town" else 0.0
    if kind == expected:
        return 1.0 if by_name else 0.5
    return 0.0 if not by_name else 0.2 if {kind, by_name} <= _NEAR else -1.0


@lru_cache(maxsize=4096)
def _expected_kinds(slot: Slot) -> tuple[str, str]:
    """Return the kind in the name of a slot, and the one in its name or else in its description."""
    by_name = _first_kind(slot.words)
    return by_name, by_name or _first_kind(sorted(slot.prose))


def _first_kind(words: Iterable[str]) -> str:
    return next((_KINDS[word] for word in words if word in _KINDS), "")


def similar_stems(words: Iterable[str], stems: Iterable[str]) -> dict[str, float]:
    """Return the `stems` that are like one of `words`, with their similarity to the nearest."""
    content = [word for word in words if word not in STOPWORDS]
    near = ((word, max((similarity(content_word, word) for content_word in content), default=0.0)) for word in stems)
    return {word: likeness for word, likeness in near if likeness >= _MIN_SIMILARITY}


@lru_cache(maxsize=4096)
def sample_stems(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the last words of the samples in the description of a slot."""
    return tuple(stem(words[-1]) for sample in slot.samples[:_SAMPLES] if (words := split_words(sample)))


def _by_preposition(name: str) -> dict[str, tuple[str, ...]]:
    """Return the stems of the words of each line of a list, by the preposition in front of them."""
    lines = (line.split(": ") for line in word_text("planner/slots/words", name).strip().splitlines())
    return {preposition: tuple(map(stem, words.split())) for preposition, words in lines}


ROLES = {preposition: frozenset(roles) for preposition, roles in _by_preposition("roles").items()}
ROLE_VERBS = {verb: preposition for preposition, verbs in _by_preposition("role_verbs").items() for verb in verbs}
LEADING_PREPOSITIONS = lexicon.words("planner/slots/words", "leading_prepositions")
_FILLERS = word_set("planner/slots/words", "fillers")
_GENERIC = stem_set("planner/slots/words", "generic_names")
_PARTING = word_set("planner/slots/words", "parting")
_STOPS = frozenset(".?!;")
# Weight of the words of a sentence by their distance to the left and to the right of a mention.
_WEIGHTS_BEFORE = (1.0, 0.85, 0.65, 0.45, 0.3, 0.2)
_WEIGHTS_BEHIND = (0.75, 0.5, 0.3)
# Distance, in tokens, to a word that is not in the sentence.
NO_DISTANCE = 12

# A stem, its weight, and the position of its token.
WeightedStems = list[tuple[str, float, int]]
Surroundings = tuple[WeightedStems, WeightedStems, str]


@dataclass(frozen=True, kw_only=True)
class SlotContext:
    """A sentence and the slots of one operation.

    `listers` are the operations that list the resources whose id a slot takes, so that a name can be looked up;
    `opaque` the slots among those whose resources have a name besides the id, so that no plain word is the id, and
    `nameless` those whose resources have none. `given` slots are preset: the sentence fills none of them but those that
    are `remembered` from an earlier answer of the user, and those only where it is clear. `names` tells whether a stem
    is a noun of the API.
    """

    sentence: Sentence
    tool: Tool
    slots: tuple[Slot, ...]
    list_operations: Mapping[Slot, Operation] = field(default_factory=dict)
    opaque: frozenset[Slot] = frozenset()
    nameless: frozenset[Slot] = frozenset()
    preset: frozenset[Slot] = frozenset()
    remembered: frozenset[Slot] = frozenset()
    is_chosen: bool = False
    """whether the operation is the one that is planned, and no longer one of several"""
    is_api_noun: Callable[[str], bool] = lambda _: False
    inner_stems: dict[ValueMention, tuple[Sequence[str], float, str]] = field(default_factory=dict, init=False)
    item_counts: dict[ValueMention, bool] = field(default_factory=dict, init=False)
    _similar_to_name: dict[Slot, Mapping[str, float]] = field(default_factory=dict, init=False)
    _similar_to_samples: dict[Slot, Mapping[str, float]] = field(default_factory=dict, init=False)
    _rival_cache: dict[Slot, list[int]] = field(default_factory=dict, init=False)
    _surroundings: dict[ValueMention, Surroundings] = field(default_factory=dict, init=False)

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    def id_kind(self, slot: Slot) -> IdKind:
        """Return the kind of the ids that a slot takes; NEW for the key of an item that the sentence creates."""
        makes = self.operation.method in ("PUT", "POST") and self.commands_creation
        is_own = slot.location == "body" and len(slot.path) == 1 and bool(slot.words) and not named_resource(slot)
        is_key = makes and (is_own or self.operation.path.rstrip("/").endswith(f"{{{slot.name}}}"))
        # The id that a new item gets is that of none of a list.
        has_name = slot in self.opaque and not (is_key and is_own)
        kind = id_kind(split_words(slot.name), slot.item or slot.schema, slot.description, has_name=has_name)
        return IdKind.NEW if is_key and kind is not IdKind.OPAQUE else kind

    @cached_property
    def commands_creation(self) -> bool:
        """Whether the sentence begins with a verb that makes an item."""
        # What is added to something may be there already: add the member bob to the team.
        return any(token.stem in CREATE_VERBS - {"add"} for token in self.sentence.tokens[:3])

    @cached_property
    def value_change(self) -> tuple[Slot, ValueChange] | None:
        """The field whose value an update changes from one to another; None where the sentence does not name one field
        alone.
        """
        change = next(find_value_changes(self.sentence.text), None)
        if change is None or not updates_item(self.operation):
            return None
        # The last word before the old value is `from`, which may be the name of a field too.
        before = [token.stem for token in self.sentence.tokens if token.end < change.start][:-1]
        fields = (slot for slot in self.slots if slot.location == "body")
        named = [slot for slot in fields if set(before).issuperset(slot.words)]
        return (named[0], change) if len(named) == 1 else None

    @cached_property
    def noun(self) -> tuple[str, ...]:
        """The stems of the noun of the operation."""
        return tuple(map(stem, noun_of(self.operation)))

    @cached_property
    def operation_stems(self) -> frozenset[str]:
        """The stems that name the operation or one of its slots, which are not a value by themselves."""
        operation = self.operation
        # Not the placeholders: they are names of slots, which are among the words anyway.
        literal = " ".join(part for part in operation.path.split("/") if "{" not in part)
        text = f"{operation.id} {operation.summary} {literal}"
        slot_words = {word for slot in self.slots for word in slot.words}
        return frozenset({stem(word) for word in split_words(text) if word not in STOPWORDS} | slot_words)

    @cached_property
    def object_stems(self) -> frozenset[str]:
        """The stems of the words of the path and the summary, which say what the operation makes."""
        literal = " ".join(part for part in self.operation.path.split("/") if "{" not in part)
        return stems_of(f"{' '.join(map(singular, split_words(literal)))} {self.operation.summary}")

    @cached_property
    def labels(self) -> frozenset[str]:
        """The names of the slots and of the segments of the path, which stand before values, in small letters."""
        literals = (part.lower() for part in self.operation.path.split("/") if "{" not in part)
        segments = (singular(part) for part in literals if not VERSION.fullmatch(part))
        return frozenset((*(slot.name.lower() for slot in self.slots), *segments))

    @cached_property
    def joined_stems(self) -> dict[int, str]:
        """The stems of names that are two words in the sentence, by the second word: charge [station], `fall back`."""
        names = {word for slot in self.slots for word in slot.words}
        pairs = enumerate(pairwise(self.sentence.tokens), 1)
        joined = ((at, stem(first.lower + second.lower)) for at, (first, second) in pairs if first.word and second.word)
        return {at: name for at, name in joined if name in names}

    @cached_property
    def description_stems(self) -> frozenset[str]:
        """The stems of the description of the operation, which say less than `common`."""
        return stems_of(self.operation.description[:300])

    @cached_property
    def _stem_counts(self) -> tuple[Counter[str], Counter[str]]:
        """In how many names of slots each stem is, and in how many names and descriptions."""
        names = Counter(word for slot in self.slots for word in set(slot.words))
        texts = Counter(word for slot in self.slots for word in slot.prose | set(slot.words))
        return names, texts

    @cached_property
    def name_weights(self) -> dict[Slot, Mapping[str, float]]:
        """The weight of each word of the name of each slot: the fewer slots have it, the more."""
        names, _ = self._stem_counts
        weights: dict[Slot, Mapping[str, float]] = {}
        for slot in self.slots:
            # `name` and `id` are words of so many slots that they say nothing, unless the slot has no other word.
            words = [word for word in slot.words if word not in _GENERIC] or list(slot.words)
            weights[slot] = {word: 1.0 / names[word] for word in words}
        return weights

    def similar_to_name(self, slot: Slot) -> Mapping[str, float]:
        """Return the stems of the sentence that are near in meaning to the name of a slot, with how near."""
        near = self._similar_to_name.get(slot)
        if near is None:
            near = self._similar_to_name[slot] = similar_stems(self.name_weights[slot], self.sentence.content_stems)
        return near

    def similar_to_samples(self, slot: Slot) -> Mapping[str, float]:
        """Return the stems of the sentence that are near in meaning to the samples in the description of a slot."""
        near = self._similar_to_samples.get(slot)
        if near is None:
            near = self._similar_to_samples[slot] = similar_stems(sample_stems(slot), self.sentence.content_stems)
        return near

    @cached_property
    def required_count(self) -> int:
        """The number of required slots."""
        return sum(slot.required for slot in self.slots)

    @cached_property
    def ranks(self) -> dict[Slot, tuple[int, Sequence[Slot], int]]:
        """The position of each slot, all slots of its family, and its position among those."""
        families: dict[Family, list[Slot]] = {}
        ranks: dict[Slot, tuple[int, Sequence[Slot], int]] = {}
        for position, slot in enumerate(self.slots):
            same = families.setdefault(slot.family, [])
            ranks[slot] = position, same, len(same)
            same.append(slot)
        return ranks

    def numeric_order(self, mention: ValueMention, slot: Slot) -> float:
        """Return 1 for a number at the position, among the numbers, of the slot among those for numbers; else less."""
        mentions, slots = self._numeric
        if mention not in mentions or slot not in slots:
            return 0.0
        return 1.0 - abs(mentions[mention] - slots[slot]) / max(len(mentions), len(slots))

    def turn_distance(self, mention: ValueMention, slot: Slot) -> float:
        """Return how many positions a mention of its kind is behind the slot of its family; 0 is in turn."""
        if mention.form in ALTERNATIVE_FORMS or mention.kind is MentionKind.PHRASE:
            return -NO_DISTANCE
        return float(self._turns.get(mention, 0) - self.ranks[slot][2])

    @cached_property
    def _turns(self) -> dict[ValueMention, int]:
        """The position of each mention among those of its kind."""
        turns: dict[ValueMention, int] = {}
        kinds: Counter[str] = Counter()
        for mention in self.sentence.mentions:
            if mention.form not in ALTERNATIVE_FORMS and mention.kind is not MentionKind.PHRASE:
                turns[mention] = kinds[mention.kind]
                kinds[mention.kind] += 1
        return turns

    @cached_property
    def _numeric(self) -> tuple[dict[ValueMention, int], dict[Slot, int]]:
        numbers = [
            mention
            for mention in self.sentence.mentions
            if mention.kind is MentionKind.NUMBER and mention.form != "spelt"
        ]
        slots = [slot for slot in self.slots if slot.family is Family.NUMBER]
        return {mention: at for at, mention in enumerate(numbers)}, {slot: at for at, slot in enumerate(slots)}

    def distances(self, mention: ValueMention, slot: Slot) -> tuple[float, float, float, float]:
        """Return the distances of a mention to the name of the slot before and behind it, and of any other."""
        name, rivals = self.name_positions[slot], self._rival_positions(slot)
        return (
            _distance_before(name, mention),
            _distance_behind(name, mention),
            _distance_before(rivals, mention),
            _distance_behind(rivals, mention),
        )

    @cached_property
    def name_positions(self) -> dict[Slot, list[int]]:
        """The tokens of the sentence that are words of the name of each slot."""
        names = [{word, self.joined_stems.get(at, word)} for at, word in enumerate(self.sentence.stems)]
        weights = self.name_weights
        return {
            slot: [
                at
                for at, words in enumerate(names)
                if words & weights[slot].keys() and at not in self.positions_of_longer_names(slot)
            ]
            for slot in self.slots
        }

    def positions_of_longer_names(self, slot: Slot) -> frozenset[int]:
        """Return the tokens of the whole names of slots that have all words of the name of this one and more: the
        [last name] is no `name`.
        """
        return self._longer_names[slot]

    @cached_property
    def _longer_names(self) -> dict[Slot, frozenset[int]]:
        stems, names = self.sentence.stems, {slot.words for slot in self.slots if len(slot.words) > 1}
        spoken = {
            name: [at for at in range(len(stems) - len(name) + 1) if stems[at : at + len(name)] == name]
            for name in names
        }
        return {
            slot: frozenset(
                at
                for name, places in spoken.items()
                if places and slot.words and set(slot.words) < set(name)
                for place in places
                for at in range(place, place + len(name))
            )
            for slot in self.slots
        }

    def _rival_positions(self, slot: Slot) -> list[int]:
        """Return the tokens that are words of the name of another slot, and not of this one."""
        rivals = self._rival_cache.get(slot)
        if rivals is None:
            tokens = {at for rival in self.slots if rival is not slot for at in self.name_positions[rival]}
            rivals = self._rival_cache[slot] = sorted(tokens.difference(self.name_positions[slot]))
        return rivals

    def prose_weight(self, word: str) -> float:
        """Return the weight of a word of descriptions: the fewer slots have it, the more."""
        return 1.0 / max(1, self._stem_counts[1][word])

    def surroundings(self, mention: ValueMention) -> Surroundings:
        """Return the stems before and behind a mention with their weights, and the preposition that leads to it."""
        cached = self._surroundings.get(mention)
        if cached is None:
            cached = self._surroundings[mention] = (
                _before(self.sentence, mention, self.joined_stems),
                _behind(self.sentence, mention),
                _leader(self.sentence, mention),
            )
        return cached


def _distance_before(places: Sequence[int], mention: ValueMention) -> float:
    return min((mention.first - at for at in places if at < mention.first), default=NO_DISTANCE)


def _distance_behind(places: Sequence[int], mention: ValueMention) -> float:
    return min((at - mention.last + 1 for at in places if at >= mention.last), default=NO_DISTANCE)


def _before(sentence: Sentence, mention: ValueMention, joined: Mapping[int, str]) -> WeightedStems:
    """Return the stems before a mention, nearest first, without the unit of a number between: it belongs to that."""
    weighted: WeightedStems = []
    at, step = mention.first - 1, 0
    while at >= 0 and step < len(_WEIGHTS_BEFORE):
        token = sentence.tokens[at]
        if token.text in _STOPS:
            break
        # Behind another number or date the words count less: they are likelier about that one.
        if at in sentence.value_positions and mention.kind is not MentionKind.PHRASE:
            if at + 1 < mention.first and weighted and weighted[-1][2] == at + 1:
                weighted.pop()
            step += 3
        elif at in sentence.title_positions:
            step += token.word
        elif token.word and token.lower not in _FILLERS:
            weighted.append((joined.get(at, token.stem), _WEIGHTS_BEFORE[step], at))
            step += 1
        elif token.text == ",":
            step += 1
        at -= 1
    return weighted


def _behind(sentence: Sentence, mention: ValueMention) -> WeightedStems:
    """Return the stems behind a mention, nearest first, to the end of the clause."""
    weighted: WeightedStems = []
    for step, token in enumerate(sentence.tokens[mention.last : mention.last + len(_WEIGHTS_BEHIND)]):
        if (
            token.text in _STOPS
            or token.text == ","
            or token.lower in _PARTING
            or mention.last + step in sentence.value_positions
        ):
            break
        if token.word:
            weighted.append((token.stem, _WEIGHTS_BEHIND[step], mention.last + step))
    return weighted


def _leader(sentence: Sentence, mention: ValueMention) -> str:
    """Return the preposition in front of a mention, `to` for the second end of a range (between 1 and 5)."""
    at = mention.first - 1
    while at >= 0 and sentence.tokens[at].lower in _SKIPPED:
        at -= 1
    if at < 0:
        return ""
    word = sentence.tokens[at].lower
    # `and` ends a range only behind `between` or `from`; in `red and blue` it joins two values.
    if word in ("and", "-", "–") and any(
        token.lower in ("between", "from") for token in sentence.tokens[max(0, at - 5) : at]
    ):
        return "to"
    if word in ROLES or word in LEADING_PREPOSITIONS:
        return word
    return ROLE_VERBS.get(sentence.tokens[at].stem, "")
