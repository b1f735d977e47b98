"""The candidates that a sentence has so clearly that no forest decides: a task called "Order laptops"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache, partial

from nlapi.english import lexicon
from nlapi.english.command_verbs import UPDATE_VERBS
from nlapi.english.intents import ARTICLES, METHODS, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import name_words, singular, stem
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.commands import command_verb
from nlapi.planner.slots.choices import sets_commanded_flag
from nlapi.planner.slots.context import LEADING_PREPOSITIONS, SlotContext
from nlapi.planner.slots.entities import (
    RENAMES,
    SEARCHES,
    SLUG,
    TO_WORDS,
    is_subject,
    named_resource,
    resource_stems,
    resource_words,
    takes_id,
)
from nlapi.planner.slots.features import NAMELIKE, is_item_count, page_size
from nlapi.planner.slots.name_mentions import noun_positions
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.planner.slots.values import slot_unit, wants_clock
from nlapi.reading.gazetteer import COUNTRIES, DEMONYMS
from nlapi.reading.names import find_item_name
from nlapi.reading.numbers import unit_of_mention
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Sentence, ValueMention
from nlapi.resources.command_verbs import leading_verbs
from nlapi.resources.ids import code_nouns, is_id_of_other, item_nouns
from nlapi.tools.quantities.units import RATES
from nlapi.tools.sending.state_reads import updates_item

# Words behind a number that may name the things it counts, at most.
_REACH = 6
# Words at which that ends: 4 calls [for] partner-x.
_ENDS = lexicon.words("planner/slots/words", "ends")
_MONEY = stem("dollar")
_BARE_WORDS = lexicon.stems("planner/slots/words", "bare_words")


def is_stated_amount(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether the words behind a number name its slot, and no other slot as well."""
    mention, slot = candidate.mention, candidate.slot
    if mention is None or not _is_amount(slot) or mention.kind is not MentionKind.NUMBER or mention.form == "percent":
        return False
    if candidate.conversion not in ("", "measured"):
        return False
    counted = _counted_stems(context.sentence, mention)
    if not counted:
        return False
    amounts = [other for other in context.slots if _is_amount(other)]
    matches = [other for other in amounts if _names(counted, other)]
    if not matches:
        spoken = counted | context.sentence.stem_set
        matches = [other for other in amounts if _names(spoken, other) and not counted.isdisjoint(other.words)]
    if not matches:
        matches = [other for other in amounts if _has_only_words(context, counted, other, amounts)]
    if matches != [slot]:
        return False
    unit, wire_unit = unit_of_mention(context.sentence, mention), slot_unit(slot)
    is_converted = unit is not None and wire_unit is not None and unit.factor != wire_unit.factor
    return is_converted is (candidate.conversion == "measured")


def _is_currency_of_amount(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is the currency of the only sum of money, and its slot the only one of a body for one."""
    mention, slot = candidate.mention, candidate.slot
    if mention is None or candidate.conversion != "currency" or slot.location != "body":
        return False
    sums = [other for other in context.sentence.mentions if other.form == "money"]
    takers = [other for other in context.slots if other.location == "body" and _CURRENCY in other.words]
    return sums == [mention] and takers == [slot]


def _is_amount(slot: Slot) -> bool:
    return slot.family is Family.NUMBER and slot.location == "body" and not slot.is_array


def _counted_stems(sentence: Sentence, mention: ValueMention) -> frozenset[str]:
    """Return the stems of what a number counts, those of the period included: request and second of 50 rps."""
    stems: set[str] = {_MONEY} if mention.form == "money" and mention.currency == "USD" else set()
    for token in sentence.tokens[mention.last : mention.last + _REACH]:
        if token.lower in _ENDS or token.text in ".,;:?!":
            break
        if token.word and token.lower not in STOPWORDS:
            stems |= RATES.get(token.lower, frozenset((token.stem,)))
    return frozenset(stems)


@lru_cache(maxsize=4096)
def _name_stems(slot: Slot) -> frozenset[str]:
    return frozenset(slot.words) - STOPWORDS - _BARE_WORDS


def _names(counted: frozenset[str], slot: Slot) -> bool:
    """Return whether the words are all of the name of a slot, which has two at least: requests per second."""
    name = _name_stems(slot)
    return len(name) > 1 and name <= counted


def _has_only_words(context: SlotContext, counted: frozenset[str], slot: Slot, amounts: list[Slot]) -> bool:
    """Return whether a word is in the name or the description of a slot, and of no other: 8 calls in [flight]."""
    slot_words = (slot.prose | set(slot.words)) - context.operation_stems.difference(slot.words)
    others: set[str] = set().union(*(other.prose | set(other.words) for other in amounts if other is not slot))
    return not counted.isdisjoint(slot_words - others)


# Probability of such a candidate.
OVERRIDE_PROBABILITY = 0.95
_VALUE = (stem("value"),)
_NEW, _NAME = stem("new"), stem("name")
_NAMING = word_set("planner/slots/words", "naming")
_MOMENT_ENDS = lexicon.stems("planner/slots/words", "moment_ends")
_AFTER_FIELD = lexicon.words("planner/slots/words", "after_field")
_SETTING = lexicon.words("planner/slots/words", "setting")
_BETWEEN_FIELDS = lexicon.words("planner/slots/words", "between_fields")
_DESTINATIONS = stem_set("changes/words", "to_arguments")
_TOPIC_LEADS = word_set("planner/slots/words", "topic_leads")
_CODES = frozenset((MentionKind.NUMBER, MentionKind.LITERAL))
_LITERALS = frozenset((MentionKind.NUMBER, MentionKind.LITERAL, MentionKind.QUOTED))
_RELATING = word_set("planner/slots/words", "relating")
_ORIGINS = stem_set("changes/words", "from_arguments")
_NAMES = frozenset((MentionKind.NAME, MentionKind.PHRASE, MentionKind.TITLE))
# Operations of an API whose parameters are compared. Four searches may all require the place.
_LEAST_COMPARED, _MOST_COMPARED = 10, 50
_NUMBER, _CURRENCY = stem("number"), stem("currency")
_ADDRESS_FAMILIES = {"url": Family.URL, "email": Family.EMAIL}
_REASONS = stem_set("planner/slots/words", "reasons")
_CONVERSIONS = frozenset(("", "singular"))
_BETWEEN = lexicon.words("planner/slots/words", "between")
_ACTORS = lexicon.stems("planner/slots/words", "actors")
_DID = lexicon.words("planner/slots/words", "did")
_ANYBODY = lexicon.words("planner/slots/words", "anybody")
_AUXILIARIES = lexicon.words("planner/slots/words", "auxiliaries")
_SAYS_NAME = lexicon.pattern("planner/slots/words", "says_name", re.IGNORECASE)
_PERCENT = lexicon.stems("planner/slots/words", "percent")
_EMAIL = stem("email")
_PHONES = lexicon.stems("planner/slots/words", "phone_names")
_FILES = lexicon.stems("planner/slots/words", "files")
_LOOKING_BACK = lexicon.words("planner/slots/words", "looking_back")
_DAYS = lexicon.words("planner/slots/words", "days")
_LOCATING = lexicon.words("planner/slots/words", "locating")
_SOUGHT_LEADS = word_set("planner/slots/words", "sought_leads")
_SEARCH_TEXTS = stem_set("planner/slots/words", "search_texts")
_RANGE_ENDS = lexicon.words("planner/slots/words", "range_ends")


def apply_overrides(
    context: SlotContext, weighed: Iterable[SlotCandidate], offered: Iterable[SlotCandidate]
) -> Iterator[SlotCandidate]:
    """Return the weighed candidates, with the clear ones of all that are `offered` at the probability SURE."""
    weighed, offered = (
        [entry for entry in entries if not _is_start_of_name(context, entry)] for entries in (weighed, offered)
    )
    names = [(entry.start, entry.end) for entry in offered if _is_live_name(context, entry)]
    # Of `name` and `supportChat.name` the last one wins, the one with the fewest parents that the sentence lacks.
    fields = sorted(filter(partial(_is_set, context), offered), key=partial(_missing_parents, context), reverse=True)
    stated = {entry.mention: entry.slot for entry in fields}
    offered = [entry for entry in offered if stated.get(entry.mention, entry.slot) is entry.slot]
    candidates = [
        entry
        for entry in weighed
        if stated.get(entry.mention, entry.slot) is entry.slot and not _is_choice_in_name(context, entry, names)
    ]
    naming, renaming = naming_slot(context), _renaming_slot(context)
    subject = next((slot for slot in context.slots if is_subject(context.operation, slot)), None)
    name = find_item_name(context.sentence, resource_stems(context.tool, subject)) if subject is not None else None
    if name is None and subject is not None and subject.words and subject.words[-1] in NAMELIKE:
        name = find_item_name(context.sentence, context.noun)  # the reviewer anna: /reviewers/{username}
    # A clear candidate may have been left out by the forests, so that all offered ones are looked at.
    rated = {(id(candidate.slot), id(candidate.mention), candidate.conversion) for candidate in candidates}
    dropped = [
        candidate
        for candidate in offered
        if candidate.mention is not None
        and (id(candidate.slot), id(candidate.mention), candidate.conversion) not in rated
    ]
    for at, candidate in enumerate((*candidates, *dropped)):
        weighs = at < len(candidates)
        plain = not _is_start_of_title(context, candidate) and (
            (candidate.slot is naming and _takes_text(candidate) and _is_new_name(context, candidate))
            or (candidate.slot is renaming and _takes_text(candidate) and _ends_with_name(context, candidate))
            or (candidate.slot is subject and _takes_text(candidate) and _is_token(candidate, name))
            or (_takes_text(candidate) and _is_new_value(context, candidate, name))
            or _is_clear(context, candidate)
            or _is_sought(context, candidate, candidates)
        )
        if plain and not (weighs and candidate.probability >= OVERRIDE_PROBABILITY):
            yield replace(candidate, probability=OVERRIDE_PROBABILITY)
        elif weighs:
            yield candidate


def _missing_parents(context: SlotContext, candidate: SlotCandidate) -> int:
    """Return the number of objects around a slot that the sentence does not name; a word before the noun of the item is
    no name: the [support] ticket.
    """
    items = {start for start, _ in noun_positions(context, context.noun)}
    names = [noun_positions(context, tuple(map(stem, name_words(part)))) for part in candidate.slot.path[:-1]]
    return sum(all(end in items for _, end in places) for places in names)


def _is_start_of_title(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is less than what follows called, named, titled: [Q4] of `called Q4 Suppliers`."""
    mention = candidate.mention
    if mention is None or mention.kind is MentionKind.TITLE or not _takes_text(candidate):
        return False
    return context.sentence.in_title(mention, further=True)


def _is_start_of_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a field of a body takes the code alone with which a name begins: [Q3] Review.

    A day or a choice behind a code is no part of its name: flight LH400 Monday.
    """
    mention, slot = candidate.mention, candidate.slot
    if mention is None or mention.kind is not MentionKind.LITERAL or slot.location != "body" or takes_id(slot):
        return False
    mentions = context.sentence.mentions
    names = (other for other in mentions if other.kind is MentionKind.NAME and other.start == mention.start)
    others = {other.first for other in mentions if other.kind in (MentionKind.DATE, MentionKind.CHOICE)}
    choices = {str(choice).lower() for other in context.slots for choice in other.choices}
    rest = {token.lower for name in names for token in context.sentence.tokens[mention.last : name.last]}
    return slot.family is Family.TEXT and bool(rest) and rest.isdisjoint(choices) and mention.last not in others


def _takes_text(candidate: SlotCandidate) -> bool:
    """Return whether a value is a mention as it stands."""
    return candidate.mention is not None and candidate.conversion in _CONVERSIONS


def _is_clear(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether the words around a value, or its kind, show its slot."""
    return (
        (_takes_text(candidate) and _is_stated(context, candidate))
        or _is_live_name(context, candidate)
        or _is_only_of_kind(context, candidate)
        or _is_actor(context, candidate)
        or is_stated_amount(context, candidate)
        or _is_currency_of_amount(context, candidate)
        or sets_commanded_flag(context, candidate)
    )


def _is_stated(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether the sentence or the description says that a text is the value of its slot."""
    return (
        _is_labelled(context, candidate)
        or is_code_of(context, candidate)
        or _gives_reason(context, candidate)
        or _is_set(context, candidate)
    )


def _is_live_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is a name that the API has, and no slot that fits as well takes the same."""
    slot = candidate.slot
    value = candidate.value
    if candidate.conversion not in ("", "sample") or not isinstance(value, str) or value not in (slot.names or ()):
        return False
    rivals = (rival for rival in context.slots if rival is not slot and value in (rival.names or ()))
    rank = _name_rank(context, slot, value)
    return not any(_name_rank(context, rival, value) > rank for rival in rivals)


def _is_choice_in_name(context: SlotContext, candidate: SlotCandidate, names: Sequence[tuple[int, int]]) -> bool:
    """Return whether a choice is nothing but a name that another slot takes, and its own slot is not spoken of."""
    slot = candidate.slot
    if not names or slot.names or candidate.mention is None or candidate.mention.kind is not MentionKind.CHOICE:
        return False
    is_name = any(start <= candidate.start < candidate.end <= end for start, end in names)
    return is_name and set(slot.words).isdisjoint(context.sentence.stem_set)


def _name_rank(context: SlotContext, slot: Slot, name: str) -> tuple[bool, int]:
    """Return how well a slot fits a name, to be compared: the slot of its kind before one that takes it as well, the
    slot whose further words stand there (as the [fallback]) before one that has none, and that before all others.
    """
    further = slot.words[:-1]
    is_spoken = all(word in context.sentence.stem_set or word in context.joined_stems.values() for word in further)
    return name in slot.own_names, len(further) if is_spoken else -len(further)


def _is_only_of_kind(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is the only one of its kind in a sentence, and its slot the only one that takes the kind.

    The kinds are a share in per cent, the time to look back (the last 2 hours), a country (a German user), an address
    of mail or of the web, a telephone number, the path of a file, and a day.
    """
    mention, mentions = candidate.mention, context.sentence.mentions
    return mention is not None and any(
        is_of_kind(context.sentence, mention)
        and is_plain(context, candidate, mention)
        and sum(is_of_kind(context.sentence, other) for other in mentions) == 1
        and [slot for slot in context.slots if takes(slot)] == [candidate.slot]
        for is_of_kind, takes, is_plain in _KINDS
    )


def _is_sought(context: SlotContext, candidate: SlotCandidate, rated: Iterable[SlotCandidate]) -> bool:
    """Return whether a value is what a sentence searches for, and no other slot is likelier to take it: search [the
    books] for [dragons].
    """
    mention, slot, tokens = candidate.mention, candidate.slot, context.sentence.tokens
    takes = slot.family is Family.TEXT and slot.location == "query" and set(slot.words) <= _SEARCH_TEXTS
    if (
        mention is None
        or not takes
        or not _takes_text(candidate)
        or _word_before(context, mention) not in _SOUGHT_LEADS
    ):
        return False
    ends = mention.last == len(tokens) or not tokens[mention.last].word
    if not ends or SEARCHES.isdisjoint(context.sentence.stems[: mention.first]):
        return False
    return all(
        rival.slot is slot or rival.probability < candidate.probability for rival in rated if rival.mention is mention
    )


def _is_actor(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a read asks what somebody did, and the slot takes who: what did [ana] change, all [ana] did."""
    mention, slot, tokens = candidate.mention, candidate.slot, context.sentence.tokens
    if mention is None or candidate.conversion or slot.location != "query" or _ACTORS.isdisjoint(slot.words):
        return False
    if mention.last - mention.first != 1 or not mention.first or mention.last >= len(tokens):
        return False
    verb, actor = tokens[mention.last], tokens[mention.first]
    if actor.lower in STOPWORDS or actor.lower in _ANYBODY:
        return False
    if verb.lower in _DID and verb.lower != "made" and tokens[mention.first - 1].stem not in VERBS:
        return True  # everything [ana] did
    return tokens[mention.first - 1].lower in _AUXILIARIES and (verb.stem in VERBS or verb.lower.endswith("ed"))


def _is_percent(_: Sentence, mention: ValueMention) -> bool:
    return mention.kind is MentionKind.NUMBER and mention.form == "percent"


def _is_country(_: Sentence, mention: ValueMention) -> bool:
    name = mention.text.lower()
    return mention.kind is MentionKind.NAME and (name in DEMONYMS or name in COUNTRIES)


def _is_email(_: Sentence, mention: ValueMention) -> bool:
    return mention.form == "email"


def _is_phone(_: Sentence, mention: ValueMention) -> bool:
    return mention.form == "phone"


def _is_address(_: Sentence, mention: ValueMention) -> bool:
    return mention.form == "url"


def _is_file(_: Sentence, mention: ValueMention) -> bool:
    return mention.form in ("path", "url")


def _is_day(_: Sentence, mention: ValueMention) -> bool:
    return mention.kind is MentionKind.DATE


def _is_as_said(_: SlotContext, candidate: SlotCandidate, __: ValueMention) -> bool:
    return not candidate.conversion


def _is_measured(context: SlotContext, candidate: SlotCandidate, mention: ValueMention) -> bool:
    fits = unit_fits(context.sentence, mention, candidate.slot, candidate.conversion)
    return candidate.conversion in ("", "measured") and fits


def _is_code(_: SlotContext, candidate: SlotCandidate, mention: ValueMention) -> bool:
    return candidate.conversion == "code" and mention.text[:1].isupper()


def _is_located(context: SlotContext, candidate: SlotCandidate, mention: ValueMention) -> bool:
    before = context.sentence.word_before(mention.first)
    return not candidate.conversion and before in _LOCATING and context.operation.method == "POST"


def _is_day_alone(context: SlotContext, candidate: SlotCandidate, mention: ValueMention) -> bool:
    is_day = type(mention.value) is date and not candidate.conversion
    return is_day and _stands_alone(context.sentence, mention)


def _takes_path(slot: Slot) -> bool:
    return slot.family is Family.TEXT and slot.location == "body" and not _FILES.isdisjoint(slot.prose | {*slot.words})


def _takes_url(slot: Slot) -> bool:
    return slot.family is Family.URL and slot.location == "body"


def _takes_email(slot: Slot) -> bool:
    return slot.family is Family.EMAIL or (slot.family is Family.TEXT and _EMAIL in slot.words)


def _takes_phone(slot: Slot) -> bool:
    return slot.family is Family.TEXT and not _PHONES.isdisjoint(slot.words)


def _takes_country(slot: Slot) -> bool:
    return stem("country") in slot.words


def _takes_percent(slot: Slot) -> bool:
    return slot.family is Family.NUMBER and not _PERCENT.isdisjoint((*slot.words, *slot.prose))


def _takes_time(slot: Slot) -> bool:
    unit = slot_unit(slot)
    return slot.family is Family.NUMBER and slot.location == "query" and unit is not None and unit.dimension == "time"


def _takes_day(slot: Slot) -> bool:
    return slot.family is Family.DATE and slot.location == "query" and slot.name.lower() in _DAYS


def _looks_back(sentence: Sentence, mention: ValueMention) -> bool:
    """Return whether a number is the time to look back: the last [2] hours, the past [half] hour, the [last] hour."""
    unit = unit_of_mention(sentence, mention)
    before = sentence.word_before(mention.first)
    is_time = mention.kind is MentionKind.NUMBER and unit is not None and unit.dimension == "time"
    return is_time and bool({before, mention.text.lower()} & _LOOKING_BACK)


# The kinds of values: what is one, the slots that take it, and when it is plain.
_KINDS: tuple[
    tuple[
        Callable[[Sentence, ValueMention], bool],
        Callable[[Slot], bool],
        Callable[[SlotContext, SlotCandidate, ValueMention], bool],
    ],
    ...,
] = (
    (_is_percent, _takes_percent, _is_as_said),
    (_looks_back, _takes_time, _is_measured),
    (_is_country, _takes_country, _is_code),
    (_is_email, _takes_email, _is_as_said),
    (_is_phone, _takes_phone, _is_as_said),
    (_is_address, _takes_url, _is_located),
    (_is_file, _takes_path, _is_as_said),
    (_is_day, _takes_day, _is_day_alone),
)


def unit_fits(sentence: Sentence, mention: ValueMention, slot: Slot, conversion: str) -> bool:
    """Return whether a number has the unit of the slot, as it stands or after its conversion."""
    return conversion == "measured" or unit_of_mention(sentence, mention) == slot_unit(slot)


def _stands_alone(sentence: Sentence, mention: ValueMention) -> bool:
    """Return whether no word makes a day the end of a range: since Monday."""
    before = sentence.word_before(mention.first)
    return before not in _RANGE_ENDS


def _is_new_value(context: SlotContext, candidate: SlotCandidate, name: int | None) -> bool:
    """Return whether a mention is all that follows the name of a resource and `to`: set the variable x to [5]."""
    mention, tokens = candidate.mention, context.sentence.tokens
    if name is None or mention is None or candidate.conversion or candidate.slot.location != "body":
        return False
    if candidate.slot.words != _VALUE or not RENAMES.isdisjoint(context.sentence.stem_set):
        return False
    ends = mention.last == len(tokens) or not any(token.word for token in tokens[mention.last :])
    return ends and mention.first == name + 2 and tokens[name + 1].lower in _SETTING


def _is_token(candidate: SlotCandidate, at: int | None) -> bool:
    """Return whether a candidate is the token at `at`, as it stands."""
    mention = candidate.mention
    return (
        mention is not None
        and at is not None
        and not candidate.conversion
        and (mention.first, mention.last) == (at, at + 1)
    )


def _gives_reason(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a mention is the reason that a sentence gives, for a slot that takes one."""
    is_reason = candidate.mention is not None and candidate.mention.form == "reason"
    return is_reason and not candidate.conversion and takes_reason(candidate.slot)


def is_value_before(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether an update names one field and its new value, and a candidate is the old one, or is the new one in
    another field: change the [departure] from 9 [to 11 December].
    """
    if context.value_change is None or candidate.slot.location == "path" or candidate.end <= candidate.start:
        return False
    field, change = context.value_change
    is_new = candidate.start >= change.lead
    return change.has_old(candidate.start, candidate.end) or (is_new and candidate.slot is not field)


def takes_reason(slot: Slot) -> bool:
    """Return whether a slot takes the reason for what is done."""
    return not _REASONS.isdisjoint(slot.words)


def is_elsewhere_in_reason(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is of the words of a reason, and its slot takes no reason, or the whole of one."""
    reason, slot = context.sentence.reason, candidate.slot
    if reason is None or candidate.end <= candidate.start or not reason.holds(candidate.start, candidate.end):
        return False
    is_whole = candidate.mention is None or candidate.mention.form == "reason" or slot.family is Family.CHOICE
    return not (takes_reason(slot) and is_whole)


def _is_set(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a mention is the new value of a field: change the [account] of example.org to [globex]."""
    mention, slot, tokens = candidate.mention, candidate.slot, context.sentence.tokens
    if mention is None or candidate.conversion or slot.location == "path" or not slot.words:
        return False
    partly = mention.kind in (MentionKind.PHRASE, MentionKind.NAME) and mention.form not in ("whole", "")
    if partly or not mention.first or tokens[mention.first - 1].lower not in _SETTING:
        return False
    if (
        mention.last < len(tokens)
        and tokens[mention.last].text not in ".!?"
        and not _begins_field(context, mention.last)
        and not _begins_item(context, mention.last)
    ):
        return False  # what follows may belong to it
    if not updates_item(context.operation) and UPDATE_VERBS.isdisjoint(leading_verbs(context.operation)):
        return False
    # Of `the payee to Bob and its memo to cash` each `to` is behind its own field.
    last = max((at + 1 for at in range(mention.first - 1) if tokens[at].lower in _SETTING), default=1)
    stems, ends = context.sentence.stems, range(last, mention.first)
    names = _spoken_names(context, slot, mention)
    others = context.positions_of_longer_names(slot)
    named = (end for name in names for end in ends if stems[end - len(name) : end] == name and end - 1 not in others)
    return any(tokens[end].lower in _AFTER_FIELD for end in named)


def _begins_field(context: SlotContext, at: int) -> bool:
    """Return whether the name of another field begins behind a conjunction: to Bob [and its memo to] cash."""
    tokens, stems = context.sentence.tokens, context.sentence.stems
    first = next((other for other in range(at, len(tokens)) if tokens[other].lower not in _BETWEEN_FIELDS), len(tokens))
    names = (slot.words for slot in context.slots if slot.location == "body" and slot.words)
    ends = (first + len(name) for name in names if stems[first : first + len(name)] == name)
    return first > at and any(end < len(tokens) and tokens[end].lower in _SETTING for end in ends)


def _begins_item(context: SlotContext, at: int) -> bool:
    """Return whether the item of another value begins behind a preposition: to lunch [in budget] b-1."""
    tokens, stems = context.sentence.tokens, context.sentence.stems
    first = at + 1 + sum(token.lower in ARTICLES for token in tokens[at + 1 : at + 2])
    nouns = (resource_stems(context.tool, slot) for slot in context.slots if slot.location == "path")
    ends = (first + len(noun) for noun in nouns if noun and stems[first : first + len(noun)] == noun)
    ids = {mention.first for mention in context.sentence.mentions if mention.kind in _CODES}
    return tokens[at].lower in LEADING_PREPOSITIONS and any(end in ids for end in ends)


def _spoken_names(context: SlotContext, slot: Slot, mention: ValueMention) -> Iterator[tuple[str, ...]]:
    """Yield the stems by which people name a field: its own words, of the id of a new plan those of the plan, where the
    value is a code, and of due_on and due_at the one that takes the whole mention as the due date.
    """
    yield slot.words
    *before, last = slot.words
    noun = tuple(word for word in named_resource(slot) if word != _NEW)
    if noun and takes_id(slot) and mention.kind in _CODES and all(other.words != noun for other in context.slots):
        yield noun
    if slot.family is Family.DATE and before and last in _MOMENT_ENDS:
        yield *before, stem("date" if wants_clock(slot) is isinstance(mention.value, datetime) else "time")


def _is_labelled(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value stands right behind all words of the name of its slot alone: longitude -0.12, last name
    Smith.

    The noun of the item itself may be left out: a server of type cx22, for server_type.
    """
    mention, noun = candidate.mention, context.noun
    is_name = mention is not None and mention.kind is MentionKind.NAME and mention.form == ""
    if mention is None or not (mention.kind in _LITERALS or (is_name and len(candidate.slot.words) > 1)):
        return False

    def name(slot: Slot) -> tuple[str, ...]:
        is_own = slot.words[: len(noun)] == noun and slot.location == "body" and len(slot.words) > len(noun)
        return slot.words[len(noun) :] if is_own else slot.words

    words = name(candidate.slot)
    items = (resource_stems(context.tool, slot) for slot in context.slots if slot.location == "path")
    if mention.kind in _CODES and candidate.slot.location == "body" and words in items:
        return False  # reply to comment 417: /comments/{id}/replies
    is_alone = [slot for slot in context.slots if name(slot) == words] == [candidate.slot]
    return bool(words) and is_alone and context.sentence.stems[: mention.first][-len(words) :] == words


def is_address_of_other(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether an address of the web or of mail is in a slot for any text that is not spoken of, and another slot
    takes only those.
    """
    mention, slot = candidate.mention, candidate.slot
    family = _ADDRESS_FAMILIES.get(mention.form) if mention is not None else None
    is_any_text = slot.family is Family.TEXT and slot.location == "body" and not slot.required_by_object
    if family is None or not is_any_text or not context.sentence.stem_set.isdisjoint(slot.words):
        return False
    return any(other.family is family and other.location == "body" for other in context.slots)


def is_topic(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether plain words are what something is about, and their slot takes an id: posts about [bicycles]."""
    mention, slot = candidate.mention, candidate.slot
    if mention is None or mention.kind is not MentionKind.PHRASE or slot.location == "path" or not takes_id(slot):
        return False
    return _word_before(context, mention) in _TOPIC_LEADS


def is_in_other_direction(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether one of several codes follows `to` and another is in the slot of a destination, or the other way
    round: move [/a.txt] to [/archive], issue [12] to project [99].
    """
    mention, sentence = candidate.mention, context.sentence
    if mention is None or mention.kind not in _CODES or TO_WORDS.isdisjoint(token.lower for token in sentence.tokens):
        return False
    targets = [
        other for other in context.slots if other.location == "body" and not _DESTINATIONS.isdisjoint(other.words)
    ]
    if len(targets) != 1:
        return False

    def lead(code: ValueMention) -> str:
        at = code.first - 1
        skipped = {*ARTICLES, *targets[0].words} - TO_WORDS
        while at > 0 and not skipped.isdisjoint((sentence.tokens[at].lower, sentence.stems[at])):
            at -= 1
        return sentence.tokens[at].lower

    codes = [other for other in sentence.mentions if other.kind in _CODES and other.form not in ALTERNATIVE_FORMS]
    # Right behind the verb `to` is its own: subscribe to invoice_sent.
    led = [code for code in codes if code.first > 2 and lead(code) in TO_WORDS]
    if len(led) != 1 or len(codes) < 2:
        return False
    if candidate.slot is targets[0]:
        return mention is not led[0]
    # A number may be the new name or amount too.
    return mention is led[0] and (takes_id(candidate.slot) or all(code.kind is MentionKind.LITERAL for code in codes))


def is_count_of_items(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a number counts the items that a read lists, and its slot is about something else: the radius of
    [5] contributions.
    """
    mention, slot = candidate.mention, candidate.slot
    if mention is None or mention.kind is not MentionKind.NUMBER or context.operation.effect is not Effect.READ:
        return False
    is_other = not page_size(slot) and context.sentence.stem_set.isdisjoint(slot.words)
    return is_other and is_item_count(context, mention)


def _word_before(context: SlotContext, mention: ValueMention) -> str:
    return context.sentence.tokens[mention.first - 1].lower if mention.first else ""


def is_counted_item(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value of the path is a code that a number counts, and the body takes a text beside the number:
    sell 12 units of [IRON_ORE] from SPUR-1.
    """
    mention, tokens = candidate.mention, context.sentence.tokens
    if mention is None or mention.kind is not MentionKind.LITERAL or candidate.slot.location != "path":
        return False
    before = mention.first - 1
    if before > 1 and tokens[before].lower == "of":
        before -= 2
    is_counted = any(
        other.kind is MentionKind.NUMBER and other.last == before + 1 for other in context.sentence.mentions
    )
    body = [slot for slot in context.slots if slot.location == "body" and slot.required_by_object]
    return is_counted and {Family.NUMBER, Family.TEXT} <= {slot.family for slot in body}


def is_code_of(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a code begins as the ids of one kind of item do, and its slot alone takes an id of that kind."""
    mention, slot = candidate.mention, candidate.slot
    nouns = code_nouns(context.operation.spec, mention.text) if mention is not None else frozenset()
    ids = (other for other in context.slots if takes_id(other)) if len(nouns) == 1 else ()
    return [other for other in ids if nouns == set(resource_words(context.tool, other).split()[-1:])] == [slot]


def is_code_of_other(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a code is the id of another kind of item than its slot takes: by its prefix, or of what is listed
    by the noun before it, as the geofence [2] is no user.
    """
    mention, slot = candidate.mention, candidate.slot
    noun = resource_words(context.tool, slot).split()[-1:] if mention is not None and takes_id(slot) else []
    if mention is None or not noun or mention.kind not in _CODES:
        return False
    before = context.sentence.stems[: mention.first][-len(context.noun) :]
    is_own = context.noun != () and before == context.noun and stem(noun[0]) not in context.noun
    is_of_listed = slot.location == "query" and is_own
    is_literal = mention.kind is MentionKind.LITERAL
    return is_of_listed or (is_literal and is_id_of_other(context.operation.spec, mention.text, noun[0]))


def is_relation_of_item(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a field that an update sets has what identifies its item: event 33 [of user 7], or what the
    item was: [from admin].
    """
    slot, tokens = candidate.slot, context.sentence.tokens
    first = next((at for at, token in enumerate(tokens) if token.start == candidate.start), 0)
    if slot.location != "body" or not updates_item(context.operation) or first < 2 or candidate.end <= candidate.start:
        return False
    if tokens[first - 1].lower == "from":
        is_own = not _ORIGINS.isdisjoint(slot.words) or any(token.lower in TO_WORDS for token in tokens[first:])
        return not is_own and command_verb(context.sentence) in UPDATE_VERBS
    noun = resource_stems(context.tool, slot) or slot.words
    stems = context.sentence.stems
    # The noun is before the value, or a part of its words.
    lead = first - 1 if stems[first : first + len(noun)] == noun else first - 1 - len(noun)
    if lead < 2 or stems[lead + 1 : lead + 1 + len(noun)] != noun:
        return False
    is_behind_item = any(other.last == lead and other.kind in _CODES for other in context.sentence.mentions)
    return is_behind_item and tokens[lead].lower in _RELATING


def is_unspoken_parameter(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a header, or what every request of the API has, takes any text that the sentence does not name it
    for: topic [99] as `Api-Username`.
    """
    slot, spec = candidate.slot, context.operation.spec
    is_open = slot.family in (Family.TEXT, Family.ID, Family.OPEN) and candidate.end > candidate.start
    if not is_open or not context.sentence.stem_set.isdisjoint(slot.words):
        return False
    if slot.location == "header":
        return True
    is_general = slot.location == "query" and slot.required and slot not in context.list_operations
    return is_general and slot.name in spec.derive(_general_parameters)


def _general_parameters(spec: Spec) -> frozenset[str]:
    """Return the names of the parameters of a query that all operations require, changes as well: a login. Where all
    are searches, it is what they search for.
    """
    operations = spec.visible_operations[:_MOST_COMPARED]
    required = [
        {parameter.name for parameter in operation.parameters if parameter.required and parameter.location == "query"}
        for operation in operations
    ]
    if len(required) < _LEAST_COMPARED or all(operation.effect is Effect.READ for operation in operations):
        return frozenset()
    return frozenset.intersection(*map(frozenset, required))


def is_id_of_item_before(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a number stands right behind the noun of an item, and its slot takes no id of one: order [5005] as
    `order_sum`. What is created may have it: room 5.
    """
    mention, slot, tokens = candidate.mention, candidate.slot, context.sentence.tokens
    if mention is None or mention.form != "plain" or mention.first < 2 or takes_id(slot):
        return False
    noun = singular(tokens[mention.first - 1].lower)
    own = {*slot.words[-1:], *resource_stems(context.tool, slot)[-1:]}
    if noun not in item_nouns(context.operation.spec) or stem(noun) in own:
        return False
    return not (stem(noun) in context.noun and context.commands_creation)


def is_name_as_number(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether words without a figure are in a slot for the number of something (`company_number`), or how much
    there is of it: a payment of [1200].
    """
    mention, tokens = candidate.mention, context.sentence.tokens
    if mention is None or candidate.slot.family is Family.CHOICE or _NUMBER not in candidate.slot.words[-1:]:
        return False
    is_sum = mention.kind is MentionKind.NUMBER and mention.first > 1 and tokens[mention.first - 1].lower == "of"
    is_text = mention.kind in _NAMES and not any(map(str.isdigit, mention.text))
    return is_text or (is_sum and tokens[mention.first - 2].stem in context.noun)


def naming_slot(context: SlotContext) -> Slot | None:
    """Return the slot for the name of the resource that an operation creates; None without one."""
    if context.operation.method not in METHODS[Intent.CREATE] or context.operation.path.rstrip("/").endswith("}"):
        return None
    noun = context.noun
    texts = [slot for slot in context.slots if slot.location == "body" and not slot.is_array]
    names = [slot for slot in texts if _is_name(slot, noun)]
    names = names or [slot for slot in texts if slot.family is Family.TEXT and _SAYS_NAME.match(slot.description)]
    # A label is a name only where nothing else is.
    return min(names, key=lambda slot: (len(slot.path), not slot.required, _NAME not in slot.words), default=None)


def _renaming_slot(context: SlotContext) -> Slot | None:
    """Return the one outermost slot for the name of the item that an update renames, whose kind has a word there."""
    if not updates_item(context.operation) or RENAMES.isdisjoint(context.sentence.stem_set):
        return None
    if not noun_positions(context, context.noun):
        return None
    names = [slot for slot in context.slots if slot.location == "body" and _is_name(slot, context.noun)]
    outermost = min((len(slot.path) for slot in names), default=0)
    names = [slot for slot in names if len(slot.path) == outermost]
    return names[0] if len(names) == 1 else None


def _ends_with_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a mention is all that follows `to`: rename it to [House]."""
    mention, tokens = candidate.mention, context.sentence.tokens
    if mention is None or candidate.conversion or not mention.first:
        return False
    ends = not any(token.word for token in tokens[mention.last :])
    return ends and tokens[mention.first - 1].lower in TO_WORDS


def _is_name(slot: Slot, noun: tuple[str, ...]) -> bool:
    words = tuple(word for word in slot.words if word not in noun and word != _NEW)
    # The version of /models/{model}/versions is the name of a new one.
    is_noun = not words and slot.words == noun and slot.required_by_object
    return slot.family is Family.TEXT and (is_noun or (len(words) == 1 and words[0] in (*NAMELIKE, stem("topic"))))


def _is_new_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a mention is behind `called`, or where nothing is, right behind the noun: quoted, a code, a name.

    The name of `account c-12 called Ada` is Ada.
    """
    mention, tokens = candidate.mention, context.sentence.tokens
    if mention is None or candidate.conversion or not mention.first or len(candidate.mentions) > 1:
        return False
    if mention.kind is MentionKind.NUMBER and VERBS.get(command_verb(context.sentence)) is not Intent.CREATE:
        return False  # unlock user 5
    if mention.last <= _first_naming(context):
        return False
    if _is_token(candidate, find_item_name(context.sentence, context.noun[-1:])):
        return True
    at = mention.first - 1
    while at > 0 and tokens[at].lower in _BETWEEN:
        at -= 1
    if mention.kind in (MentionKind.TITLE, MentionKind.QUOTED, MentionKind.LITERAL) and tokens[at].lower in _NAMING:
        return _first_naming(context) == at
    behind = any(last == at + 1 for _, last in noun_positions(context, context.noun[-1:]))
    behind_singular = behind and singular(tokens[at].lower) == tokens[at].lower
    coded = mention.kind is MentionKind.LITERAL and mention.form in ("host", "id")
    coded = coded or (
        mention.last - mention.first == 1 and not mention.text.isalpha() and bool(SLUG.fullmatch(mention.text))
    )
    is_capital = mention.kind is MentionKind.NAME and context.commands_creation and mention.text[:1].isupper()
    return (mention.kind is MentionKind.QUOTED or coded or is_capital) and behind_singular


def _first_naming(context: SlotContext) -> int:
    return next((at for at, token in enumerate(context.sentence.tokens) if token.lower in _NAMING), -1)
