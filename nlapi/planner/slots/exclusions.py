"""The exclusion of mentions that are no value of a slot: the call itself, another field, a number of another sort."""

from __future__ import annotations

import re

from nlapi.english.lexicon import stems as stem_set
from nlapi.english.words import split_words, stem
from nlapi.openapi.hints import stated_verbs
from nlapi.openapi.spec import Effect
from nlapi.planner.language.dates import MONTHS
from nlapi.planner.language.numbers import is_bound, is_compared, unit_of_mention
from nlapi.planner.language.question_intent import is_yes_no_question
from nlapi.planner.language.text import MentionKind, ValueMention
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import ID_WORDS, takes_id
from nlapi.planner.slots.features import (
    MONEYLIKE,
    QUERYLIKE,
    is_counted_by_answer,
    is_item_count,
    page_number,
    page_size,
    page_token,
)
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.slots.values import slot_unit
from nlapi.resources.answers import answer_words
from nlapi.resources.nouns import noun_of
from nlapi.tools.units import find_unit

_UNIX = re.compile(r"\bunix\b|\bepoch\b|\btimestamp\b", re.IGNORECASE)
_WHEN = stem_set("planner/slots/words", "time_names")
# The least number that is a moment in seconds: in 1973.
_EARLIEST = 100_000_000
BEFORE_ID = frozenset(("#", ".", ":", "=", "is", "equal", "equals", "to", "of"))
# Words that announce an id, and are none.
_NO_IDS = ID_WORDS | {"name", "number"}
_PARTLY = stem_set("planner/slots/words", "contains")
_SORTS = stem_set("planner/slots/words", "kind_names")
# The largest length and number of a page.
MAX_PAGE = 10_000
_SIZES = stem_set("planner/slots/words", "limits") - stem_set("planner/slots/words", "bounds")
_SKIPS = stem_set("planner/slots/words", "skips")
_ORDERING = stem_set("planner/slots/words", "orderings")
_BEFORE_MONTH = frozenset("in since before after until till during".split())
_CURSOR = (stem("cursor"),)
_WHY = frozenset(map(stem, ("why", "reason", "cause")))
_BEFORE_REASON = frozenset("because since reason why cause due : - –".split())
_CODED_FORMS = frozenset(("email", "url", "uuid", "host"))


def is_wrong_sort(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is of a sort that a slot does not take.

    A date is no id, a sum of money or the number of a resource (task 771220) no length of a page, a name no cursor, a
    bound (more than 20) no id, the field of an order or of groups (by repo count) no value.
    """
    excluded = (_is_other_name, _is_bound_or_too_small, _is_share_of_time, _is_no_reason)
    if is_month(context, mention) or any(is_excluded(context, slot, mention) for is_excluded in excluded):
        return True
    if page_token(slot) and (mention.kind is not MentionKind.DATE or slot.words[-1:] == _CURSOR):
        return not set(slot.words) & context.sentence.stem_set
    if mention.kind is MentionKind.DATE:
        return (
            takes_id(slot) and slot.family is not Family.DATE and (slot.family is Family.ID or slot.location == "path")
        )
    if mention.form == "money" and slot.family in (Family.TEXT, Family.ID) and slot.words[-1] not in MONEYLIKE:
        return True
    if slot.family is Family.TEXT and _is_order_field(context, slot, mention):
        return True
    if slot.words and slot.words[-1] in _SORTS and mention.form in _CODED_FORMS:
        return True
    if slot.family in (Family.DATE, Family.TIME) and mention.form in (*_CODED_FORMS, "path", "tag"):
        return True
    if slot.name.lower().startswith("page") and slot.location == "query" and mention.kind is not MentionKind.NUMBER:
        return True
    if slot.name.lower() in ("offset", "skip") and slot.location == "query":
        return not ({*slot.words, *_SKIPS} & context.sentence.stem_set)
    return _is_no_page(context, slot, mention)


def _is_no_page(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes the number or the length of a page, and a mention is another number."""
    if mention.kind is not MentionKind.NUMBER or not (
        page_number(slot) or (page_size(slot) and set(slot.words) & _SIZES and not _is_rate(slot))
    ):
        return False
    if page_number(slot) and stem("page") not in context.sentence.stem_set:
        return True
    # What is asked about is no length of a page (do all cost less than 20), and neither are the last 2 hours.
    if is_yes_no_question(context.sentence.text) and not set(slot.words) & context.sentence.stem_set:
        return True
    # That something is more or less than a number is a condition: those that cost more than 30.
    if is_compared(context.sentence.text, mention.start) and not set(slot.words) & context.sentence.stem_set:
        return True
    unit = unit_of_mention(context.sentence, mention)
    is_time = unit is not None and unit.dimension == "time"
    return is_time or mention.form in ("money", "percent") or mention.value > MAX_PAGE


def is_month(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a mention is a month in which something is, and no name: created in May, all before June."""
    before = context.sentence.tokens[mention.first - 1].lower if mention.first else ""
    is_word = mention.kind in (MentionKind.NAME, MentionKind.PHRASE, MentionKind.TITLE)
    return is_word and before in _BEFORE_MONTH and mention.text.lower().rstrip(".") in MONTHS


def _is_share_of_time(_: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is in per cent, and a slot takes a time."""
    unit = slot_unit(slot) if mention.form == "percent" else None
    return unit is not None and unit.dimension == "time"


def _is_no_reason(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes a reason, and a mention is no quotation, and behind no word for a reason."""
    if _WHY.isdisjoint(slot.words) or mention.kind is MentionKind.QUOTED:
        return False
    return not mention.first or context.sentence.tokens[mention.first - 1].lower not in _BEFORE_REASON


def _is_rate(slot: Slot) -> bool:
    """Return whether a slot takes how much of something there is in a time: tokens_per_day."""
    return len(slot.words) > 1 and slot.words[-2] == "per" and find_unit(split_words(slot.name)[-1]) is not None


def _is_other_name(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a slot takes names that the API has, and a mention is none of them: the name of another kind of
    item, or mere words. A code may be a name that is misspelt, and the name of a new item is none of those that it has.

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
    # `home-feed` is written as names are: that there is none is for the API to say.
    parts = mention.text.split()
    is_plain = len(parts) > 1 or all(word.isalpha() for word in parts)
    return is_plain and mention.kind in (MentionKind.PHRASE, MentionKind.NAME)


def is_about_call(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is about the call: the words of the operation, or the number of items to list."""
    if _has_stated_verb(context, mention):
        return True
    makes = context.operation.method == "POST" and slot.required and not slot.choices
    if (
        makes
        and mention.kind is MentionKind.PHRASE
        and context.sentence.stems[mention.first : mention.last] == context.noun
    ):
        return True  # create a silence
    if (
        mention.kind is MentionKind.LITERAL
        and takes_id(slot)
        and mention.text.lower() == "".join(noun_of(context.operation))
    ):
        return True  # decode the [base64] text
    if mention.kind in (MentionKind.PHRASE, MentionKind.NAME) and takes_id(slot):
        words = {token.stem for token in context.sentence.tokens[mention.first : mention.last] if token.word}
        return words <= _NO_IDS or (mention.kind is MentionKind.NAME and words <= context.operation_stems)
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
    counted = mention.kind is MentionKind.NUMBER and not slot.required and is_item_count(context, mention)
    return counted and not page_size(slot) and any(map(page_size, context.slots))


def _has_stated_verb(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether words begin with the verb of the command, where the description states it: [ship mailer]."""
    first = next((at for at, token in enumerate(context.sentence.tokens) if token.word), -1)
    if mention.kind is not MentionKind.PHRASE or mention.first != first:
        return False
    return context.sentence.tokens[first].lower in stated_verbs(context.operation.extensions)


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
    """Return whether a number is a bound where an id is taken, or too small for the seconds since 1970."""
    if mention.kind is not MentionKind.NUMBER:
        return False
    if takes_id(slot) and is_bound(context.sentence.text, mention.start, mention.end):
        return True
    moment = not _WHEN.isdisjoint(slot.words) and _UNIX.search(slot.description) is not None
    return moment and slot.family is Family.NUMBER and mention.value < _EARLIEST


def _is_of_field(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is about a field of the answer that the slot is not: [kind], account [acme], [Slave]."""
    words, stems = answer_words(context.operation), context.sentence.stems
    slot_stems = slot.prose | set(slot.words)
    first = mention.first
    while first < mention.last - 1 and context.sentence.tokens[first].lower in ("the", "a", "an", "all", "our"):
        first += 1
    inside = stems[first : mention.last]
    if QUERYLIKE & set(slot.words) and mention.kind is MentionKind.PHRASE and len(inside) > 1 and inside[0] in _PARTLY:
        return True  # the text behind `containing` is the query, not the word itself
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
