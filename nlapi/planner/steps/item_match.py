"""Which items of an answer a name in a question is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import name_key, singular, singular_words, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.planner.slots.entities import named_resource
from nlapi.planner.slots.slot import Slot
from nlapi.planner.slots.values import is_dotted
from nlapi.planner.steps.state import LookupState, ScoredItem
from nlapi.resources.answers import extract_list
from nlapi.resources.envelope import DataView, Noun, find_list, has_noun
from nlapi.resources.identity import FieldRank, Item, field_at, id_of, label_rank, name_of
from nlapi.tools.answers.view import lowercase_headers
from nlapi.tools.plan import Step

# Fields whose whole text identifies an item.
_NAME_FIELDS = lexicon.words("planner/steps/words", "name_fields")
# A name that is equal but for the final dot of the DNS: below an equal one, above every other.
DOT_SCORE = 0.99
_MIN_SCORE = 0.6
# The least ratio of letters with which a name reaches that score.
_MIN_RATIO = 0.77
# Items this near to the best are offered beside it.
_MARGIN = 0.12
# `summer` scores 0.85 for Summer Sale: from 0.75 for a small part of a name up to 0.95 for nearly all of it.
_PART_SCORE, _PART_RANGE = 0.75, 0.2
# A code: web-2 is not web-1, and example.edu not example.net, however alike they are.
_CODE = lazy_pattern(r"\S[\d@_/:]|\w\.\w")
_WORD = lazy_pattern(r"\w+")
_MAX_DEPTH = 4


def name_similarity(text: str, name: str) -> float:
    """Return how well a name matches a text, from 0 to 1; `summer` matches Summer Sale at 0.85."""
    lower, name_lower = text.lower().strip(), name.lower().strip()
    if lower == name_lower:
        return 1.0
    if lower == name_lower.removesuffix("."):
        return DOT_SCORE
    all_stems = stems_of(text)
    stems = {stem(word) for word in split_words(text) if word not in STOPWORDS} or all_stems
    name_stems = stems_of(name)
    if stems and stems <= name_stems:
        return _PART_SCORE + _PART_RANGE * len(stems) / len(name_stems)
    if _CODE.search(text):
        return 0.0
    shared = len(stems & name_stems) / len(stems) if stems else 0.0
    matcher = SequenceMatcher(None, lower, name_lower)
    # The bounds are cheap, and of 50,000 names hardly one is near enough to be compared letter by letter.
    is_near = min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= _MIN_RATIO
    return max(0.6 * shared, 0.9 * matcher.ratio() - 0.1 if is_near else 0.0)


def longest_name(question: str, name: str, names: Iterable[str]) -> str:
    """Return the longest of `names` that stands in a question with `name` in it; "" where none is longer than `name`.

    What is read from a sentence may end at a small letter: `Bank` of [Bank of the West]. A quoted name is whole.
    """
    if any(f"{quote}{name}{quote}" in question for quote in "\"'"):
        return ""
    by_key = {_key(longer): longer for longer in names}
    tokens, key = _key(question).split(), _key(name)
    for size in range(len(tokens), len(key.split()), -1):
        for first in range(len(tokens) - size + 1):
            run = " ".join(tokens[first : first + size])
            if run in by_key and f" {key} " in f" {run} ":
                return by_key[run]
    return ""


def _key(text: str) -> str:
    """Return the words of a text in small letters, without what stands between them."""
    return " ".join(_WORD.findall(text.casefold()))


def best_matches(items: Sequence[ScoredItem]) -> list[ScoredItem]:
    """Return the items that the name may be of, best first: all that are nearly as good; none where all are too bad."""
    ranked = sorted(items, key=lambda item: -item.score)
    best = ranked[0].score if ranked else 0.0
    if best < _MIN_SCORE:
        return []
    threshold = best if best >= DOT_SCORE else best - _MARGIN
    return [item for item in ranked if item.score >= threshold]


def items_of(step: Step, kind: str) -> list[Item]:
    """Return the items that an answer lists; where it lists several kinds, those under a name like `kind`."""
    if step.result is None:
        return []
    data, words = step.result.data, singular_words(kind)
    envelope = find_list(DataView(data), Noun(words=words))
    if envelope is not None and any(has_noun(key, words) for key in envelope.keys):
        return [entry for entry in envelope.entries(data) or () if isinstance(entry, Mapping)]
    listed = extract_list(data, step.call.tool.operation, lowercase_headers(step.result))
    return listed.object_entries if listed is not None else []


def score_items(state: LookupState, slot: Slot, items: Sequence[Item], question: str = "") -> list[ScoredItem]:
    """Return the items of a list with their ids, each scored by its match with the name of the look-up."""
    # At the end of a sentence nobody can tell a full stop from the final dot of the DNS.
    names = (state.name, f"{state.name}.") if is_dotted(question, state.name) else (state.name,)
    scored: list[ScoredItem] = []
    for item in items:
        id = _id_for(state, slot, item)
        ids = () if state.field else (id, *(nested_field(item, path) for path in state.id_fields))
        is_id = any(str(value).lower() == state.name.lower() for value in ids)
        score = 1.0 if is_id else max(_item_score(name, item) for name in names)
        scored.append(ScoredItem(score=score, id=id, name=name_of(item)))
    if items and not any(entry.name for entry in scored) and not best_matches(scored):
        return [_scored_by_text(entry, state.name, item) for entry, item in zip(scored, items, strict=True)]
    return scored


def _scored_by_text(entry: ScoredItem, name: str, item: Item) -> ScoredItem:
    """Return the score of an item of a kind that has no names: by a text that it has, and that is not its state."""
    texts = (value for key, value in item.items() if label_rank(str(key)) is not FieldRank.STATE)
    text = next((text for text in texts if isinstance(text, str) and text.lower() == name.lower().strip()), "")
    return ScoredItem(score=1.0, id=entry.id, name=text) if text else entry


def _item_score(name: str, item: Item) -> float:
    texts = (value for key, value in item.items() if isinstance(value, str) and name_key(str(key)) in _NAME_FIELDS)
    return 1.0 if any(text.lower() == name.lower().strip() for text in texts) else name_similarity(name, name_of(item))


def _id_for(state: LookupState, slot: Slot, item: Item) -> object:
    """Return the value of an item that the slot takes; its own id where another call reads the field."""
    if state.field:
        return id_of(item) if state.via else nested_field(item, state.field)
    id = nested_field(item, state.id_field) if state.id_field else None
    return id_of(item, slot.name, named_resource(slot)) if id is None else id


def nested_field(item: Item, field: str) -> object:
    """Return a field of an item; for `artist.id` the id of the artist in it, alone or the first of several."""
    if (value := field_at(item, field)) is not None:
        return value
    entity, _, name = field.rpartition(".")
    if not entity:
        return None
    level: list[Any] = [item]
    for _ in range(_MAX_DEPTH):
        pairs = [(key, value) for entry in level if isinstance(entry, Mapping) for key, value in entry.items()]
        for key, value in pairs:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Mapping) and singular(key.lower()) == entity and first.get(name) is not None:
                return first[name]
        level = [entry for _, value in pairs for entry in (value if isinstance(value, list) else (value,))]
    return None


def chosen_id(reply: object, items: Sequence[ScoredItem]) -> object:
    """Return the id that a reply of the user is, or that of the item which the reply names; else the reply."""
    with_ids = [item for item in items if item.id is not None]
    for item in with_ids:
        if reply in (item.id, str(item.id), item.name):
            return item.id
    scored = [ScoredItem(score=name_similarity(str(reply), item.name), id=item.id, name=item.name) for item in with_ids]
    matches = best_matches(scored)
    return matches[0].id if len(matches) == 1 else reply
