"""The names of resources in a sentence: beside their noun, before what they own, by their form; and names in paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.intents import ARTICLES, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import name_key, singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, Spec, as_map, read_hints, stated_verbs
from nlapi.planner.commands import command_verb, command_words
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import (
    ID_WORDS,
    NOT_BESIDE,
    POSITION_WORDS,
    RENAMES,
    SEARCHES,
    id_like,
    is_subject,
    operation_noun_stems,
    resource_stems,
    takes_id,
)
from nlapi.planner.slots.features import (
    MONEYLIKE,
    NAMELIKE,
    QUERYLIKE,
    is_counted_by_answer,
    is_item_count,
    page_number,
    page_size,
    page_size_rank,
    page_token,
)
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.dates import MONTHS
from nlapi.reading.names import PlainName, find_slugs, is_slug, names_behind_noun, names_behind_preposition
from nlapi.reading.numbers import find_ordinals, is_bound, is_compared, unit_of_mention
from nlapi.reading.question_intent import is_yes_no_question
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Token, ValueMention
from nlapi.resources.answers import answer_words
from nlapi.resources.forms import SPEAKS_OF_TIME
from nlapi.resources.paging import OFFSET_NAMES
from nlapi.resources.paths import segments
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Call, Tool

_SORT_NAMES = stem_set("planner/slots/words", "sort_names")
_OFFSET_WORDS = stem_set("planner/slots/words", "offset_words")
_LINKING = lexicon.words("planner/operations/words", "linking")
_BEFORE_FIELD = lexicon.words("planner/slots/words", "before_field")

_UNIX = lazy_pattern(r"\bunix\b|\bepoch\b|\btimestamp\b", re.IGNORECASE)
_WHEN = stem_set("planner/slots/words", "time_names")
# The least number that is a moment in seconds: in 1973.
_EARLIEST = 100_000_000
BEFORE_ID = lexicon.words("planner/slots/words", "before_id")
# Words that announce an id, and are not one.
_NO_IDS = ID_WORDS | {"name", "number"}
_PARTLY = stem_set("planner/slots/words", "contains")
_SORTS = stem_set("planner/slots/words", "kind_names")
# The largest length and number of a page.
MAX_PAGE = 10_000
_SIZES = stem_set("planner/slots/words", "limits") - stem_set("planner/slots/words", "bounds")
_CREATION = lexicon.words("resources/words", "creation")
_COUNTS = stem_set("planner/slots/words", "counts")
_SKIPS = stem_set("planner/slots/words", "skips")
_ORDERING = stem_set("planner/slots/words", "orderings")
_BEFORE_MONTH = lexicon.words("planner/slots/words", "before_month")
_CURSOR = (stem("cursor"),)
_WHY = lexicon.stems("planner/slots/words", "why")
_BEFORE_REASON = lexicon.words("planner/slots/words", "before_reason")
_CODED_FORMS = lexicon.words("planner/slots/words", "coded_forms")


def _takes_no_money(context: SlotContext, slot: Slot) -> bool:
    """Return whether a slot is for no sum of money: a text, an id, or a filter neither about money nor named."""
    if slot.family in (Family.TEXT, Family.ID):
        return slot.words[-1] not in MONEYLIKE and stem("currency") not in slot.words
    is_filter = slot.location == "query" and not slot.unit and context.sentence.stem_set.isdisjoint(slot.words)
    return is_filter and MONEYLIKE.isdisjoint(slot.prose | set(slot.words))


def is_wrong_sort(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is of a sort that a slot does not take.

    An id is neither a date nor a bound (more than 20), the length of a page neither a sum of money nor the number of a
    resource (task 771220), a cursor never a name, and a value never the field of an order or of groups (by repo count).
    """
    excluded = (_is_other_name, _is_bound_or_too_small, _is_no_reason)
    if is_month(context, mention) or any(is_excluded(context, slot, mention) for is_excluded in excluded):
        return True
    if page_token(slot) and (mention.kind is not MentionKind.DATE or slot.words[-1:] == _CURSOR):
        return not set(slot.words) & context.sentence.stem_set
    if mention.kind is MentionKind.DATE:
        if takes_id(slot):
            return slot.family is not Family.DATE
        if context.operation.effect is not Effect.READ and name_key(slot.name) in _CREATION:
            return True  # the API says itself when an item was made
        # A day in words is no text that does not speak of days: the address of a client is not `tomorrow`.
        is_word = slot.family is Family.TEXT and slot.form is None and not any(map(str.isdigit, mention.text))
        is_of_time = SPEAKS_OF_TIME.search(f"{' '.join(split_words(slot.name))}. {slot.description}") is not None
        return is_word and not is_of_time and context.sentence.stem_set.isdisjoint(slot.words[-1:])
    if mention.form == "money" and _takes_no_money(context, slot):
        return True
    if slot.family is Family.TEXT and (_is_order_field(context, slot, mention) or _is_no_order(slot, mention)):
        return True
    if slot.words and slot.words[-1] in _SORTS and mention.form in _CODED_FORMS:
        return True
    if slot.family in (Family.DATE, Family.TIME) and mention.form in (*_CODED_FORMS, "path", "tag"):
        return True
    if slot.name.lower().startswith("page") and slot.location == "query" and mention.kind is not MentionKind.NUMBER:
        return True
    if _is_offset(slot):
        return not ({*slot.words, *_SKIPS} & context.sentence.stem_set)
    return _is_no_page(context, slot, mention)


def _is_no_order(slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes the order of a list, and a mention is the name of an item: the tasks of [Summer]."""
    is_sort = slot.location == "query" and not _SORT_NAMES.isdisjoint(slot.words)
    return is_sort and mention.kind is MentionKind.NAME and mention.text.lower() not in slot.examples


def _is_offset(slot: Slot) -> bool:
    """Return whether a slot takes the number of entries before a page: `start`, where its description speaks of one."""
    is_named = slot.location == "query" and name_key(slot.name) in OFFSET_NAMES
    return is_named and not _OFFSET_WORDS.isdisjoint((*slot.words, *slot.prose))


def _is_no_page(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes the number or the length of a page, and a mention is another number."""
    if context.operation.effect is not Effect.READ and slot.location == "body":
        return False  # what an item has at most: its credit limit
    if mention.kind is not MentionKind.NUMBER or not (
        page_number(slot) or (page_size(slot) and set(slot.words) & _SIZES)
    ):
        return False
    if page_number(slot) and stem("page") not in context.sentence.stem_set:
        return True
    # A number in the question is not a length of a page (do all cost less than 20), and neither are the last 2 hours.
    if is_yes_no_question(context.sentence.text) and not set(slot.words) & context.sentence.stem_set:
        return True
    # That something is more or less than a number is a condition: those that cost more than 30.
    is_said = not page_size(slot) and set(slot.words) & context.sentence.stem_set
    if is_compared(context.sentence.text, mention.start) and not is_said:
        return True
    # Nor is what an item has: a budget of 100.
    if _follows_field(context, slot, mention):
        return True
    unit = unit_of_mention(context.sentence, mention)
    is_time = unit is not None and unit.dimension == "time"
    return is_time or mention.form in ("money", "percent") or mention.value > MAX_PAGE


def _follows_field(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention stands behind a word of a field of the answer that names neither item nor slot."""
    before = [token for token in context.sentence.tokens[: mention.first] if token.lower not in _LINKING]
    words = frozenset().union(*answer_words(context.operation).fields) - context.operation_stems - set(slot.words)
    return bool(before) and before[-1].stem in words


def is_month(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a mention is a month in which something is, and no name: created in May, all before June."""
    before = context.sentence.word_before(mention.first)
    is_word = mention.kind in (MentionKind.NAME, MentionKind.PHRASE, MentionKind.TITLE)
    return is_word and before in _BEFORE_MONTH and mention.text.lower().rstrip(".") in MONTHS


def _is_no_reason(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes a reason, and a mention is not a quotation, and behind no word for a reason."""
    if _WHY.isdisjoint(slot.words) or mention.kind is MentionKind.QUOTED or mention.form == "reason":
        return False
    return not mention.first or context.sentence.tokens[mention.first - 1].lower not in _BEFORE_REASON


def _is_other_name(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes names that the API has, and a mention is not one of them: the name of another kind of
    item, or mere words. A code may be a name that is misspelt, and the name of a new item is not yet among them.

    A filter by some text, or a kind of item that is not spoken of, takes no name of another kind: who owns [search].
    """
    if slot.names is None:
        is_filter = slot.location == "query" and slot.family is Family.TEXT and not slot.required
        words = {*slot.words, *context.noun} if slot.location == "path" else {*slot.words}
        is_text = is_filter or slot.location == "path"
        return is_text and mention.form == "name" and words.isdisjoint(context.sentence.stem_set)
    if mention.text in slot.names or (slot.location == "body" and slot.name == "name"):
        return False
    if mention.form == "name" or mention.kind is MentionKind.DATE:
        return True
    # `home-feed` is written as names are: a missing item is for the API to report.
    parts = mention.text.split()
    is_plain = len(parts) > 1 or all(word.isalpha() for word in parts)
    return is_plain and mention.kind in (MentionKind.PHRASE, MentionKind.NAME)


def is_about_call(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is about the call: the words of the operation, or the number of items to list."""
    if _has_verb(context, mention):
        return True
    makes = context.operation.method == "POST" and slot.required and not slot.choices
    if (
        makes
        and mention.kind is MentionKind.PHRASE
        and context.sentence.stems[mention.first : mention.last] == context.noun
    ):
        return True  # create a silence
    if mention.kind in (MentionKind.PHRASE, MentionKind.NAME) and takes_id(slot):
        if _describes_other(context, slot, mention):
            return True
        words = {token.stem for token in context.sentence.tokens[mention.first : mention.last] if token.word}
        return words <= _NO_IDS or (mention.kind is MentionKind.NAME and words <= context.operation_stems)
    opening = context.sentence.tokens[mention.first].lower
    if mention.form == "clause" and opening in STOPWORDS - ARTICLES and not NAMELIKE.isdisjoint(slot.words[-1:]):
        return True  # a set [for each customer]
    if mention.kind is MentionKind.PHRASE and slot.location == "query" and context.operation.method != "GET":
        return all(
            word in context.operation_stems for word in context.sentence.stems[mention.first : mention.last]
        )  # flush the [cache]
    filters = (
        slot.location == "query" and slot.family is Family.TEXT and (not slot.required or QUERYLIKE & set(slot.words))
    )
    if filters and _is_of_field(context, slot, mention):
        return True
    if is_counted_by_answer(context, mention):
        return not slot.required
    counted = mention.kind is MentionKind.NUMBER and is_item_count(context, mention)
    is_creation = VERBS.get(command_verb(context.sentence)) is Intent.CREATE
    if counted and is_creation and context.operation.effect is not Effect.READ:
        return {*_COUNTS, *context.sentence.stems[mention.last : mention.last + 1]}.isdisjoint(slot.words)
    return counted and not slot.required and page_size_rank(slot) < max(map(page_size_rank, context.slots))


def _describes_other(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether words describe an item, and are no id of it: the [oldest] order, one [with errors]."""
    if mention.form in ("all", "clause"):
        return QUERYLIKE.isdisjoint(slot.words)
    tokens = [token for token in context.sentence.tokens[mention.first : mention.last] if token.word]
    others = {token.lower for token in tokens if token.stem not in context.operation_stems}
    # Behind its noun it is one: the artifact latest.
    is_behind = mention.first > 1 and context.sentence.stems[mention.first - 1] in context.operation_stems
    return bool(others) and others <= POSITION_WORDS and not is_behind


def _has_verb(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether words begin with the verb of a command for a change, or with one that the description states:
    [ship mailer], [unpin] message 5.
    """
    first = next(iter(command_words(context.sentence)), None)
    is_plain = mention.kind is MentionKind.PHRASE and mention.form not in ("all", "clause")
    if first is None or not is_plain or mention.start != first.start:
        return False
    is_command = context.operation.effect is not Effect.READ and first.stem not in VERBS
    return is_command or first.lower in stated_verbs(context.operation.extensions)


def _is_order_field(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether words behind `by` or `per` name a field of the listed items, and the slot takes no such name."""
    is_read = context.operation.effect is Effect.READ
    if mention.kind is not MentionKind.PHRASE or not is_read or not _ORDERING.isdisjoint(slot.words):
        return False
    tokens = context.sentence.tokens
    nearest = range(mention.first - 1, max(-1, mention.first - 4), -1)
    by = next((index for index in nearest if tokens[index].lower in ("by", "per")), None)
    if by is None:
        return False
    words = {token.stem for token in tokens[by + 1 : mention.last] if token.word}
    return any(words <= set(field) for field in answer_words(context.operation).fields)


def _is_bound_or_too_small(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a number is a bound or a share where an id is taken, or too small for the seconds since 1970."""
    if mention.kind is not MentionKind.NUMBER:
        return False
    is_share = mention.form == "percent"
    if takes_id(slot) and (is_share or is_bound(context.sentence.text, mention.start, mention.end)):
        return True
    moment = not _WHEN.isdisjoint(slot.words) and _UNIX.search(slot.description) is not None
    return moment and slot.family is Family.NUMBER and mention.value < _EARLIEST


def _is_of_field(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is about a field of the answer that the slot is not: [kind], account [acme], [Slave]."""
    words, stems = answer_words(context.operation), context.sentence.stems
    slot_stems = slot.prose | set(slot.words)
    first = mention.first
    while first < mention.last - 1 and context.sentence.tokens[first].lower in _BEFORE_FIELD:
        first += 1
    inside = stems[first : mention.last]
    if QUERYLIKE & set(slot.words) and mention.kind is MentionKind.PHRASE and len(inside) > 1 and inside[0] in _PARTLY:
        return True  # the text behind `containing` is the query, not the word itself
    if mention.text.lower() in slot.examples:
        return False
    runs = [inside[:count] for count in range(1, len(inside) + 1)] if mention.kind is MentionKind.PHRASE else []
    if not QUERYLIKE & set(slot.words):
        at = mention.first
        while at > 0 and context.sentence.tokens[at - 1].lower in BEFORE_ID:
            at -= 1
        runs += [stems[first:at] for first in range(max(0, at - 3), at)]
        nouns = {*slot.words, *context.noun}
        bare = tuple(word for word in inside if word not in nouns)
        if mention.kind in (MentionKind.NAME, MentionKind.PHRASE) and bare in words.values:
            return True
    return any(words.names_field(run) for run in runs if not set(run) <= slot_stems)


_DETERMINERS = word_set("planner/slots/words", "determiners")
_OWNING = lexicon.words("planner/slots/words", "owning")
_GENITIVES = ("'", "’", "'s", "’s")
IP_ADDRESS = lazy_pattern(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")
ADDRESS_STEMS = stem_set("planner/slots/words", "address_names")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameMention:
    """A part of a sentence that may name a resource, with its character positions."""

    name: str
    start: int
    end: int
    score: float
    mention: ValueMention | None = None
    ordinal: str = ""


def resource_names(context: SlotContext, slot: Slot, listing: Operation | None) -> Iterator[NameMention]:
    """Return the names that may be those of the resource of a slot, which `listing` lists, with a score."""
    words = operation_noun_stems(listing) if listing is not None else ()
    if SEARCHES & set(words) or not words:
        words = resource_stems(context.tool, slot) or words
    tokens = context.sentence.tokens
    places = noun_positions(context, words)
    beside = list(names_beside(context, words, coded=slot.is_integer))
    yield from beside
    for mention in context.sentence.mentions if not beside else ():
        if not _may_name(mention, coded=slot.is_integer) or _is_no_name(mention, context, words):
            continue
        # Where the noun is in the sentence, its name stands beside it; a host or an email shows its own kind.
        if places and mention.kind is not MentionKind.LITERAL:
            continue
        if is_subject(context.operation, slot):
            yield NameMention(name=mention.text, start=mention.start, end=mention.end, score=0.9, mention=mention)
        elif _may_be_owner(context, slot, mention) and _owner(mention, context):
            yield NameMention(name=mention.text, start=mention.start, end=mention.end, score=1.2, mention=mention)
    # An ordinal picks a resource to change or to look into (the oldest run), not one of those that are listed.
    for at, last in places:
        is_parent = context.operation.method == "GET" and words != context.noun
        for place, start, end in find_ordinals(context.sentence, at, last - at) if slot.required or is_parent else ():
            noun = context.sentence.text[tokens[at].start : tokens[last - 1].end]
            name = f"the {noun} {place}" if start >= tokens[at].end else f"the {place} {noun}"
            yield NameMention(name=name, start=start, end=end, score=1.6, ordinal=place)
    # Behind plain words a plural is a filter (failed runs), a singular may have a name (the summer campaign).
    for at in (at for at, last in places if _is_singular(tokens[last - 1])):
        first = _modifiers(context, at)
        if first < at and slot.required and not _is_choice(context, first, at, *filter(None, (listing,))):
            yield NameMention(
                name=context.sentence.text[tokens[first].start : tokens[at - 1].end],
                start=tokens[first].start,
                end=tokens[at - 1].end,
                score=1.5,
            )
    yield from _plain_names(context, slot, words)


def _plain_names(context: SlotContext, slot: Slot, words: Sequence[str]) -> Iterator[NameMention]:
    """Return the names in small letters: behind the noun, else (in a sentence without it) by their form."""
    places = noun_positions(context, words)
    if not slot.required and (places or slot.location != "query"):
        return
    spoken = (context.sentence.stems[first:last] for first, last in places)
    for noun in dict.fromkeys((tuple(words), tuple(words[-1:]), *spoken)):
        for name in names_behind_noun(context.sentence, noun):
            if name.is_certain and may_be_name(context, name):
                yield _plain(context, name, 1.5)
    if places:
        return
    if is_subject(context.operation, slot):
        yield from (_plain(context, name, 1.2) for name in find_slugs(context.sentence))
    if _is_parent(context, slot):
        yield from (
            _plain(context, name, 1.2)
            for name in names_behind_preposition(context.sentence)
            # Vehicles in lyon are not those of a garage: a filter takes what can be nothing but a name.
            if may_be_name(context, name) and (slot.required or name.is_certain)
        )


def _is_parent(context: SlotContext, slot: Slot) -> bool:
    """Return whether a slot takes what items belong to: the nearest to the item in the path whose kind is not said, or
    the one filter of the query that takes an id.
    """
    if slot.location == "query":
        ids = [other for other in context.list_operations if other.location == "query"]
        required = [other for other in ids if other.required]
        return context.operation.method == "GET" and (required or ids) == [slot]
    path = [other for other in context.slots if other.location == "path"]
    above = path[:-1] if context.operation.path.rstrip("/").endswith("}") else path
    unsaid = (other for other in above if not noun_positions(context, resource_stems(context.tool, other)))
    return next(iter(reversed(tuple(unsaid))), None) is slot


def _plain(context: SlotContext, name: PlainName, score: float) -> NameMention:
    token = context.sentence.tokens[name.at]
    score += 0.5 * is_slug(token.lower)
    return NameMention(name=token.text, start=token.start, end=token.end, score=score)


def may_be_name(context: SlotContext, name: PlainName) -> bool:
    """Return whether a word may be a name: one that is neither a noun of the API nor a word of the operation."""
    token = context.sentence.tokens[name.at]
    return is_slug(token.lower) or not (token.stem in context.operation_stems or context.is_api_noun(token.stem))


def names_beside(context: SlotContext, words: Sequence[str], *, coded: bool) -> Iterator[NameMention]:
    """Return the names beside a noun of the stems `words`: the campaign Back to School."""
    places = noun_positions(context, words)
    for mention in context.sentence.mentions:
        if not _may_name(mention, coded=coded) or _is_no_name(mention, context, words):
            continue
        near = min((_distance(mention, first, last) for first, last in places), default=NOT_BESIDE)
        if near <= 2:
            # The longer of two names is likelier (Back to School), unless words between join it to the noun.
            loose = -0.1 if mention.form == "joined" and near else 0.15 if mention.form in ALTERNATIVE_FORMS else 0.0
            yield NameMention(
                name=mention.text, start=mention.start, end=mention.end, score=2.4 - 0.2 * near + loose, mention=mention
            )


def noun_positions(context: SlotContext, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return the tokens of a noun of the stems `words`, also of one word written as two: the TSIG key of /tsigkeys."""
    stems, tokens, count = context.sentence.stems, context.sentence.tokens, len(words)
    places = [(at, at + count) for at in range(len(stems) - count + 1) if words and stems[at : at + count] == (*words,)]
    if places or count != 1:
        return places
    pairs = ((at, stem(f"{first.lower}{second.lower}")) for at, (first, second) in enumerate(pairwise(tokens)))
    return [(at, at + 2) for at, joined in pairs if joined == words[0] and tokens[at].word]


def _is_singular(token: Token) -> bool:
    return singular(token.lower) == token.lower


def _owner(mention: ValueMention, context: SlotContext) -> bool:
    """Return whether a mention is the owner of a resource: the loans of [Ada Lovelace], [Ada Lovelace]'s loans."""
    tokens = context.sentence.tokens
    before = context.sentence.word_before(mention.first)
    after = tokens[mention.last].text if mention.last < len(tokens) else ""
    plain = (
        mention.kind is MentionKind.NAME
        and not mention.form
        and not any(token.stem in VERBS for token in tokens[mention.first : mention.last])
    )
    return (plain or mention.kind is MentionKind.QUOTED or mention.form == "host") and (
        before in _OWNING or after in _GENITIVES
    )


def _may_name(mention: ValueMention, *, coded: bool) -> bool:
    """Return whether a mention may be a name; a code (WEB-2) is one of a resource whose id is a number."""
    if mention.kind is MentionKind.LITERAL:
        return (mention.form == "id" and coded) or mention.form in ("email", "host")
    return mention.kind in (MentionKind.TITLE, MentionKind.NAME) or (
        mention.kind is MentionKind.QUOTED and (coded or not id_like(mention.text))
    )


def _may_be_owner(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention may be the owner of the resource of the operation, the last one above it in the path.

    For a change the owner has to be a code, a host or a quotation, which are not the name of the resource itself.
    """
    operation = context.operation
    above = [segment.parameter for segment in segments(operation.route) if segment.parameter]
    if operation.path.rstrip("/").endswith("}"):
        above = above[:-1]  # `{id}.{format}` is not a segment with one value
    if not noun_positions(context, operation_noun_stems(operation)):
        return False
    if slot.location == "path" and above[-1:] != [slot.name]:
        return False
    return operation.method == "GET" or mention.kind in (MentionKind.LITERAL, MentionKind.QUOTED)


def _is_no_name(mention: ValueMention, context: SlotContext, words: Sequence[str]) -> bool:
    """Return whether a mention is not a name of a resource with a noun of the stems `words`."""
    inside = any(first <= mention.first and mention.last <= last for first, last in noun_positions(context, words))
    if (
        is_month(context, mention)
        or mention.form in ("place", "part")
        or inside
        or _new_name(mention, context)
        or _is_noun(mention, context, words)
    ):
        return True
    return mention.kind is MentionKind.NAME and _is_slot_word(mention, context)


def _is_slot_word(mention: ValueMention, context: SlotContext) -> bool:
    """Return whether a mention is the name of a slot or one of its choices: [DNSSEC], a [Master] zone."""
    stems = context.sentence.stems[mention.first : mention.last]
    return any(stems == slot.words for slot in context.slots) or _is_choice(context, mention.first, mention.last)


def _is_choice(context: SlotContext, first: int, last: int, *listings: Operation) -> bool:
    """Return whether tokens are one of the choices of a slot, or of a field of the answer: a [slave] zone."""
    stems = context.sentence.stems[first:last]
    text = " ".join(token.lower for token in context.sentence.tokens[first:last])
    if any(stems in answer_words(operation).values for operation in (context.operation, *listings)):
        return True
    return any(text in map(str.lower, map(str, slot.choices)) for slot in context.slots if slot.choices)


def _new_name(mention: ValueMention, context: SlotContext) -> bool:
    """Return whether a mention is the new name of a resource: rename Summer Sale to [Autumn Sale]."""
    to = mention.first > 0 and context.sentence.tokens[mention.first - 1].lower == "to"
    return to and not RENAMES.isdisjoint(context.sentence.stem_set)


def _is_noun(mention: ValueMention, context: SlotContext, words: Sequence[str]) -> bool:
    """Return whether a mention is nothing but the noun and verbs."""
    words = (*words, *ID_WORDS, "number")
    inner = [token.stem for token in context.sentence.tokens[mention.first : mention.last] if token.text.isalpha()]
    return mention.kind is MentionKind.NAME and all(word in words or word in VERBS for word in inner)


def _distance(mention: ValueMention, first: int, last: int) -> int:
    """Return the tokens between the noun at `first` to `last` and a mention behind or right before it."""
    if mention.first >= last:
        return mention.first - last
    return 0 if mention.last == first else NOT_BESIDE


def _modifiers(context: SlotContext, at: int) -> int:
    """Return the first token of the plain words before the noun at `at`: pause the [summer] campaign."""
    first, opening = at, next(iter(command_words(context.sentence)), None)
    is_change = context.operation.effect is not Effect.READ
    while first > 0 and at - first < 4:
        token = context.sentence.tokens[first - 1]
        is_command = token is opening and (is_change or token.stem in VERBS)
        plain = (
            token.word
            and token.lower not in STOPWORDS
            and token.lower not in _DETERMINERS
            and first - 1 not in context.sentence.value_positions
        )
        if not plain or is_command or token.lower in ("draft", "new", *POSITION_WORDS):
            break
        first -= 1
    return first


# Names of a place that are compared with a sentence, at most: a gateway of 10,000 rules has as many names.
MAX_NAMES = 20_000
_PLACE = lazy_pattern(r"(?P<operation>[^#\s]+)#(?P<pointer>(?:/[^/\s]+)+)")


def name_places(spec: Spec) -> Mapping[str, tuple[str, ...]]:
    """Return the JSON Pointers of names by the id of the read that answers them; {} where the description has none."""
    schemas = as_map(as_map(spec.document.get("components")).get("schemas"))
    places: dict[str, dict[str, None]] = {}
    for schema in schemas.values():
        for place in _PLACE.finditer(read_hints(schema).names):
            places.setdefault(place["operation"], {})[place["pointer"]] = None
    return {operation: tuple(pointers) for operation, pointers in places.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNames:
    """The names that answers have, by (source of the description, place as in `names`)."""

    by_place: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Sequence[tuple[Call, object]]) -> LiveNames:
        """Return the names in the decoded answers of calls of `name_reads`."""
        names: dict[tuple[str, str], tuple[str, ...]] = {}
        for call, data in answers:
            operation = call.tool.operation
            for pointer in name_places(operation.spec).get(operation.id, ()):
                texts = dict.fromkeys(value for value in _values(data, pointer.split("/")[1:]) if value)
                names[operation.spec.source, f"{operation.id}#{pointer}"] = tuple(texts)[:MAX_NAMES]
        return cls(by_place=names)

    @property
    def all(self) -> frozenset[str]:
        """The names of all places."""
        return frozenset(name for names in self.by_place.values() for name in names)

    def mentioned(self, text: str) -> LiveNames:
        """Return the names all of whose words are in a text."""
        stems = stems_of(text)
        return LiveNames(
            by_place={
                place: tuple(name for name in names if (words := stems_of(name)) and words <= stems)
                for place, names in self.by_place.items()
            }
        )

    def samples_of(self, slot: Slot, tool: Tool) -> Slot:
        """Return the slot with the names that it takes as its samples; as it is where none are known."""
        if not self.by_place:
            return slot
        source = tool.operation.spec.source
        places = [(source, place) for place in read_hints(argument_schema(tool, *slot.path)).names.split()]
        if not any(place in self.by_place for place in places):
            return slot
        names = tuple(dict.fromkeys(name for place in places for name in self.by_place.get(place, ())))
        own_names = frozenset(self.by_place.get(places[0], ()))
        others = (name for place, others in self.by_place.items() if place != places[0] for name in others)
        with_names = replace(slot, names=frozenset(names), own_names=own_names, sole_names=own_names.difference(others))
        return replace(with_names, samples=names, examples=frozenset(map(str.lower, names))) if names else with_names


def _values(data: object, steps: Sequence[str]) -> Iterator[str]:
    """Yield the texts at a place of an answer; `*` is every entry of a list."""
    if not steps:
        if isinstance(data, str):
            yield data
    elif steps[0] == "*":
        for entry in data if isinstance(data, list) else ():
            yield from _values(entry, steps[1:])
    elif isinstance(data, Mapping):
        yield from _values(data.get(steps[0]), steps[1:])
