"""The candidates for the slots of one Tool: values that words of a sentence may have there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from nlapi.client.credential_texts import find_credential_texts, takes_credential
from nlapi.english import lexicon
from nlapi.english.intents import ARTICLES, STOPWORDS, VERBS
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.word_similarity import has_vector
from nlapi.english.words import name_key, name_words, singular, split_words, stem, stems_of
from nlapi.json_text import parse_json
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, as_map
from nlapi.planner.commands import operation_verbs
from nlapi.planner.slots.choices import choice_candidates, choice_names, flag_candidates, switched_choices
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import (
    ID_WORDS,
    OPAQUE,
    SLUG,
    TO_WORDS,
    PendingLookup,
    id_like,
    is_subject,
    location_of,
    named_resource,
    operation_noun_stems,
)
from nlapi.planner.slots.features import NAMELIKE, is_item_count
from nlapi.planner.slots.name_mentions import (
    ADDRESS_STEMS,
    BEFORE_ID,
    IP_ADDRESS,
    is_about_call,
    is_wrong_sort,
    may_be_name,
    noun_positions,
    resource_names,
)
from nlapi.planner.slots.slot import HIGH_SCORE, LOW_SCORE, Family, Slot, SlotCandidate
from nlapi.planner.slots.values import CONVERSIONS, WORDLESS_CONVERSIONS, Encoded, encode, takes_text
from nlapi.reading.names import PlainName, names_behind_noun, names_behind_preposition
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, ValueMention
from nlapi.resources.forms import schema_type
from nlapi.resources.identity import FAMILY_NAMES, GIVEN_NAMES
from nlapi.resources.ids import IdKind, item_nouns
from nlapi.resources.nouns import noun_in_path

# Probability of the parts of a path for parameters in a row, and for others that are only as many.
PAIR_CONFIDENCE = 0.97
PART_CONFIDENCE = 0.9
_IN_A_ROW = lazy_pattern(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")
# An absolute path, or a network (10.0.0.0/8).
_NO_PAIR = lazy_pattern(r"/|\d+(?:\.\d+){3}/\d+$")
_PARTS = lazy_pattern(r"[/:]")
# Operators of filters by which a field equals one of some values, and fields that have a name.
_EQUALITY = word_set("planner/slots/words", "equality")
_NAMES = lexicon.words("planner/slots/words", "names")
# The text behind a colon, words of the names of slots that take one, and what stands before it.
_BEHIND_COLON = lazy_pattern(r"(?<![:/]):\s+(?P<text>[^\s\"'“‘`{\[][^:\"“”]*)$")
_WRITTEN = stem_set("planner/slots/words", "written_texts")
_VALUES = (MentionKind.NUMBER, MentionKind.LITERAL, MentionKind.DATE, MentionKind.QUOTED, MentionKind.NAME)
_LATITUDES, _LONGITUDES = (word_set("changes/words", name) for name in ("latitudes", "longitudes"))
_MOST_DEGREES = 90  # of latitude; of longitude twice as many
# Words before the name of a person, and the most words of one.
_NAMING = word_set("planner/slots/words", "naming")
_MOST_NAMES = 3
_PAIR = lazy_pattern(r"(?<![\w=])(?P<name>[A-Za-z_][\w.-]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;=]+)")
_FIELD = lazy_pattern(
    r"(?<!\w)(?:with|and)\s+(?:the|an?)\s+(?P<name>[a-z_]\w*)\s+(?:of\s+)?"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^,]+?)(?=,|\s+and\s+(?:the|an?)\s|\s*$)"
)
# Names of objects that are all that an item has.
_WHOLE = stem_set("planner/slots/words", "whole_objects")
# Probability of a value by its form, of a name behind its noun, and of a name behind no more than `of`.
FORM_CONFIDENCE = 0.95
NOUN_CONFIDENCE, PREPOSITION_CONFIDENCE = 0.85, 0.7


def path_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for each of several path parameters, from a path of as many parts: octo/hello is the owner and
    the repository of /{owner}/{repo}.

    Parameters in a row go together; the first of those, or the first of all, may.
    """
    mentions = [
        mention
        for mention in context.sentence.mentions
        if mention.kind is MentionKind.LITERAL and mention.form == "path" and not _NO_PAIR.match(mention.text)
    ]
    if not mentions:
        return
    parameters = {slot.name: slot for slot in context.slots if slot.location == "path" and slot not in context.preset}
    rows = [(row, PAIR_CONFIDENCE) for row in _rows(context, parameters)]
    first = max((row for row, _ in rows), key=len, default=None)
    if first is None:
        first = tuple(
            slot for slot in parameters.values() if slot.family in (Family.TEXT, Family.ID) and not slot.is_integer
        )
    rows += [(first[:count], PART_CONFIDENCE) for count in range(2, len(first) + (not rows))]
    for mention in mentions:
        for row, sure in rows:
            yield from _part_candidates(mention, row, sure)


def _part_candidates(mention: ValueMention, row: Sequence[Slot], sure: float) -> Iterator[SlotCandidate]:
    parts = _PARTS.split(mention.text)
    if len(row) != len(parts) or not all(parts):
        return
    start = mention.start
    for slot, part in zip(row, parts, strict=True):
        yield SlotCandidate(slot=slot, value=part, probability=sure, start=start, end=start + len(part))
        start += len(part) + 1


def _rows(context: SlotContext, parameters: Mapping[str, Slot]) -> Iterator[tuple[Slot, ...]]:
    for match in _IN_A_ROW.finditer(context.operation.path):
        names = match.group()[1:-1].split("}/{")
        if all(name in parameters for name in names):
            yield tuple(parameters[name] for name in names)


def body_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for people, texts and pairs in a body, and for names in the filters of a search by POST."""
    yield from _person(context)
    yield from _pairs(context)
    yield from _written_text(context)
    if context.operation.effect is not Effect.READ or context.operation.body is None:
        return
    for slot in context.slots:
        noun = _filtered_noun(slot)
        if not noun or noun == context.noun:
            continue
        for name in names_behind_noun(context.sentence, noun):
            if name.is_certain and may_be_name(context, name):
                yield _name_candidate(context, slot, name, NOUN_CONFIDENCE)
        if noun == context.noun[: len(noun)]:
            yield from (
                _name_candidate(context, slot, name, PREPOSITION_CONFIDENCE)
                for name in names_behind_preposition(context.sentence)
                if name.is_certain
            )


def _person(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for the first and the last name of a person that is made: add the owner [Liam] [Daly]."""
    # What is nearest to the top is the person's: an address has names too.
    slots = sorted((slot for slot in context.slots if slot.location == "body"), key=lambda slot: len(slot.path))
    first, last = (
        next((slot for slot in slots if name_key(slot.path[-1]).endswith(names)), None)
        for names in (GIVEN_NAMES, FAMILY_NAMES)
    )
    method, is_single = context.operation.method, context.operation.path.rstrip("/").endswith("}")
    if first is None or last is None or not (method == "POST" or (method == "PUT" and not is_single)):
        return
    # The name is that of the item, and not that of a person in it: a recipe has a title and a poster.
    if any(len(slot.path) < len(first.path) and not NAMELIKE.isdisjoint(slot.words) for slot in slots):
        return
    for mention in context.sentence.mentions:
        is_name = mention.kind is MentionKind.NAME and not mention.form and not mention.text.endswith("s'")
        if is_name and 1 < mention.last - mention.first <= _MOST_NAMES and _is_new_person(context, mention):
            cut = context.sentence.tokens[mention.first].end
            for slot, start, end in ((first, mention.start, cut), (last, cut + 1, mention.end)):
                text = context.sentence.text[start:end]
                yield SlotCandidate(slot=slot, value=text, probability=FORM_CONFIDENCE, start=start, end=end)


def _is_new_person(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a name stands behind the noun of an operation, the command, or a word that calls by a name."""
    before = next((token for token in reversed(context.sentence.tokens[: mention.first]) if token.text != ","), None)
    if before is None:
        return False
    return before.stem in (*context.noun, *operation_verbs(context.operation)) or before.lower in _NAMING


def _written_text(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for the text behind a value and a colon: comment on spot 902: [closed on Mondays].

    It neither names another field of the body nor has a choice of one: update issue 7: status closed.
    """
    slots = [slot for slot in context.slots if slot.location == "body" and len(slot.path) == 1]
    texts = [slot for slot in slots if slot.family is Family.TEXT and not _WRITTEN.isdisjoint(slot.words[-1:])]
    text = context.sentence.text.rstrip()
    match = _BEHIND_COLON.search(text.removesuffix("!").removesuffix("."))
    if len(texts) != 1 or match is None or context.operation.effect is Effect.READ:
        return
    start, end = match.span("text")
    inside = {token.stem for token in context.sentence.tokens if start <= token.start < end}
    fields = {word for slot in slots for word in (*slot.words, *stems_of(" ".join(map(str, slot.choices))))}
    is_behind_value = any(mention.end == match.start() for mention in context.sentence.of_kind(*_VALUES))
    if is_behind_value and inside.isdisjoint(fields):
        value = context.sentence.text[start:end]
        yield SlotCandidate(slot=texts[0], value=value, probability=FORM_CONFIDENCE, start=start, end=end)


def coordinate_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for a latitude and a longitude, which people write in this order: at 52.54, 13.41."""
    pair = [
        next((slot for slot in context.slots if not names.isdisjoint(split_words(slot.name)[-1:])), None)
        for names in (_LATITUDES, _LONGITUDES)
    ]
    numbers = context.sentence.of_kind(MentionKind.NUMBER)
    for first, second in pairwise(numbers):
        between = context.sentence.text[first.end : second.start]
        is_place = all(isinstance(number.value, float) for number in (first, second)) and between.strip() in (",", "")
        if is_place and abs(first.value) <= _MOST_DEGREES and abs(second.value) <= 2 * _MOST_DEGREES:
            for slot, number in zip(pair, (first, second), strict=True):
                if slot is not None and slot.family is Family.NUMBER and None not in pair:
                    start, end = number.start, number.end
                    yield SlotCandidate(
                        slot=slot, value=number.value, probability=PAIR_CONFIDENCE, start=start, end=end
                    )


def _pairs(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for objects of any properties, from pairs in the sentence: set the metadata to [team=shop].

    An item with no other field has it in words too: a record [with the title Milk].
    """
    text, verb = context.sentence.text, context.operation.effect is not Effect.READ
    slots = [slot for slot in context.slots if slot.location == "body"]
    objects = [slot for slot in slots if slot.family is Family.OPEN and schema_type(slot.schema) == "object"]
    named = [slot for slot in objects if slot.words[-1:] and slot.words[-1] in context.sentence.stem_set]
    whole = [slot for slot in objects if verb and not _WHOLE.isdisjoint(slot.words) and len(slots) == len(objects)]
    pairs = list(_PAIR.finditer(text)) or (list(_FIELD.finditer(text)) if whole and not named else [])
    if not pairs:
        return
    for slot in named or whole[:1]:
        texts = schema_type(as_map(slot.schema.get("additionalProperties"))) == "string"
        values = {match["name"]: match["value"].strip("\"'") for match in pairs}
        value = values if texts else {name: _plain_json(entry) for name, entry in values.items()}
        yield SlotCandidate(
            slot=slot, value=value, probability=FORM_CONFIDENCE, start=pairs[0].start(), end=pairs[-1].end()
        )


def _plain_json(text: str) -> object:
    """Return the number or the flag that a text is as JSON writes it, else the text: 1.10 is a version."""
    try:
        value: object = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and json.dumps(value) == text else text


def _filtered_noun(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the resource whose name a filter takes; () for any other slot."""
    if slot.location != "body" or len(slot.path) < 3 or slot.family is not Family.TEXT:
        return ()
    *_, resource, field, operator = slot.path
    words = name_words(resource)
    if field not in _NAMES or not set(name_words(operator)) <= _EQUALITY or not words:
        return ()
    return tuple(map(stem, (*words[:-1], singular(words[-1]))))


def _name_candidate(context: SlotContext, slot: Slot, name: PlainName, sure: float) -> SlotCandidate:
    token = context.sentence.tokens[name.at]
    value = [slot.item_of(token.text)] if slot.is_array else token.text
    return SlotCandidate(slot=slot, value=value, probability=sure, start=token.start, end=token.end)


# Probability of a name to look up at most, so that an id in the sentence goes before it.
MAX_NAME_PROBABILITY = 0.8
# Probability of a word as the id of what is changed, where nothing says that ids are words: less than a change needs
# to stand.
UNKNOWN_ID_PROBABILITY = 0.45
_ID = lazy_pattern(r"[^\s/?#]+")
_ENCODED = lazy_pattern(r"\bJSON[- ]encoded\b|\bencoded (?:as|in) (?:a )?JSON\b", re.IGNORECASE)
_SAYS_UUID = lazy_pattern(r"^(?!.*\bor\b).*\buuid\b", re.IGNORECASE | re.DOTALL)
_AND = lexicon.words("planner/slots/words", "and")


def slot_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return the candidates for all slots of an operation."""
    runs = tuple(_runs(context))
    yield from path_candidates(context)
    yield from body_candidates(context)
    yield from coordinate_candidates(context)
    for slot in context.slots:
        if not takes_words(slot):
            continue
        if slot.family is Family.CHOICE:
            choices = choice_candidates(context, slot, choice_names(context.sentence, slot))
            yield from (candidate for candidate in choices if not _is_in_live_name(context, candidate))
            yield from switched_choices(context, slot)
        elif slot.family is Family.BOOLEAN:
            yield from flag_candidates(context, slot)
        else:
            if slot.glossary:
                yield from choice_candidates(context, slot, slot.glossary)
            if slot.samples and slot.family is Family.TEXT:
                samples = choice_candidates(context, slot, {sample: sample for sample in slot.samples}, literal=True)
                for candidate in samples:
                    if not _splits_name(context, candidate):
                        yield replace(candidate, conversion="sample")
            yield from _mention_candidates(context, slot, runs)
            if (slot in context.list_operations or slot.location == "path") and not slot.leaf:
                yield from _name_candidates(context, slot, context.list_operations.get(slot))


def _splits_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is a piece of a longer name or path: `Sale`, which is an example too, of `Summer Sale`."""
    return any(
        (mention.kind is MentionKind.NAME or mention.form in ("path", "url", "name", "host", "email"))
        and mention.start <= candidate.start < candidate.end <= mention.end
        and candidate.end - candidate.start < mention.end - mention.start
        for mention in context.sentence.mentions
    )


def _is_in_live_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a choice is a piece of a name that the API has, or of a path: the surface `home` of home-feed."""
    mentions = (mention for mention in context.sentence.mentions if mention.form in ("name", "path", "url"))
    return any(mention.start <= candidate.start < candidate.end <= mention.end for mention in mentions)


def takes_words(slot: Slot) -> bool:
    """Return whether words of a sentence may be the value of a slot: not of JSON in a text, nor of a file.

    `upload banner.png` has the name of a file, and the content is due: `--set file=@banner.png` gives it.
    """
    if slot.family is Family.TEXT and _ENCODED.search(slot.description) is not None:
        return False
    return "binary" not in (slot.schema.get("format"), slot.schema.get("items", {}).get("format"))


def _name_candidates(context: SlotContext, slot: Slot, listing: Operation | None) -> Iterator[SlotCandidate]:
    """Return candidates where the sentence has a name for a resource whose id the slot takes: as it stands where names
    are ids, else to look up in a list.
    """
    names = list(resource_names(context, slot, listing))
    if not names:
        return
    is_read = context.operation.effect is Effect.READ
    kind = context.id_kind(slot)
    is_word = kind is IdKind.NATURAL or (kind is IdKind.UNKNOWN and slot in context.nameless)
    as_said = kind is IdKind.NEW or listing is None or (is_read and is_word)
    for name in names:
        sure = min(MAX_NAME_PROBABILITY, max(0.0, (name.score - LOW_SCORE) / (HIGH_SCORE - LOW_SCORE)))
        sure += 0.03 * (name.mention is not None and name.mention.kind is MentionKind.QUOTED)
        value: object = name.name
        if as_said and not name.ordinal:
            if kind is IdKind.OPAQUE or not takes_text(slot, name.name) or not _ID.fullmatch(name.name):
                continue
            # What may not be an id is not a plain target of a change.
            sure = sure if is_read or kind is not IdKind.UNKNOWN else min(sure, UNKNOWN_ID_PROBABILITY)
        elif listing is not None:
            value = PendingLookup(name=name.name, list_operation=listing.id, ordinal=name.ordinal)
        else:
            continue
        yield SlotCandidate(
            slot=slot, value=[value] if slot.is_array else value, probability=sure, start=name.start, end=name.end
        )


def _mention_candidates(
    context: SlotContext, slot: Slot, runs: Sequence[tuple[ValueMention, ...]]
) -> Iterator[SlotCandidate]:
    """Return candidates made of single mentions, and for an array of runs of them."""
    # An id that a list gives is never sent as a plain word: that is a name to look up (docs/design/023).
    takes_code = slot in context.list_operations or (slot.location == "path" and not OPAQUE.isdisjoint(slot.words[-1:]))
    for mention in context.sentence.mentions:
        if (takes_code and not _is_id(context, slot, mention)) or not _may_be_id(context, slot, mention):
            continue
        if takes_code and _is_said_of_call(context, mention):
            continue
        # The word for a thing may look like a code: id4n 3nu8.
        if mention.kind is MentionKind.LITERAL and mention.text.lower() in context.labels:
            continue
        # `add 2 members` names no member 2: a wrong change would be planned.
        if slot.family is Family.TEXT and mention.kind is MentionKind.NUMBER and is_item_count(context, mention):
            continue
        if is_wrong_sort(context, slot, mention) or is_about_call(context, slot, mention):
            continue
        shared = mention.kind is MentionKind.DATE and isinstance(mention.value, tuple)
        for encoded in encode(mention, slot, context.sentence):
            yield _mention_candidate(slot, (encoded,), (mention,), shared=shared or encoded.conversion == "calendar")
    if not slot.is_array:
        return
    for run in (_trimmed(context, slot, run) for run in runs if _may_be_id(context, slot, run[0])):
        by_span = [_by_conversion(context, slot, mention) for mention in run]
        for conversion in ("", *CONVERSIONS):
            entries = [converted[conversion] for converted in by_span if conversion in converted]
            if len(entries) == len(run) and not any(isinstance(entry.value, list) for entry in entries):
                yield _mention_candidate(slot, entries, run)


def _is_said_of_call(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether plain words are verbs or words of the operation, and so no id: get the certificate [get]."""
    stems = context.sentence.stems[mention.first : mention.last]
    is_plain = mention.kind is MentionKind.PHRASE
    return is_plain and all(word in VERBS or word in context.operation_stems for word in stems)


def _by_conversion(context: SlotContext, slot: Slot, mention: ValueMention) -> dict[str, Encoded]:
    """Return the first value of a mention by each conversion."""
    values: dict[str, Encoded] = {}
    for encoded in encode(mention, slot, context.sentence):
        values.setdefault(encoded.conversion, encoded)
    return values


def _mention_candidate(
    slot: Slot, entries: Sequence[Encoded], mentions: tuple[ValueMention, ...], *, shared: bool = False
) -> SlotCandidate:
    """Return a candidate of the values of mentions; words that the slot cannot carry are left to other slots."""
    conversion, remainder = entries[0].conversion, tuple(rest for entry in entries for rest in entry.remainder)
    value = entries[0].value
    if slot.is_array and not (len(entries) == 1 and isinstance(value, list)):
        value = [slot.item_of(entry.value) for entry in entries]
    start, end = _span_without(mentions, remainder)
    start = end if conversion in WORDLESS_CONVERSIONS else start
    return SlotCandidate(
        slot=slot,
        value=value,
        start=start,
        end=end,
        mention=mentions[0],
        mentions=mentions,
        conversion=conversion,
        shared=shared,
        remainder=remainder,
        beside=tuple(mention for entry in entries for mention in entry.beside),
    )


def _span_without(mentions: Sequence[ValueMention], remainder: Sequence[ValueMention]) -> tuple[int, int]:
    """Return the characters from the first of some mentions to the last, without a remainder at either edge."""
    first, last = mentions[0], mentions[-1]
    end = min(last.end, *(rest.start for rest in remainder if rest.start > last.start), last.end)
    start = max(first.start, *(rest.end for rest in remainder if rest.end < first.end), first.start)
    text = first.text[start - first.start : end - first.start] if first is last else ""
    if not remainder or start >= end or not text.strip(" ,"):
        return first.start, last.end
    return start + len(text) - len(text.lstrip(" ,")), end - len(text) + len(text.rstrip(" ,"))


def _may_be_id(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention may be an id, as any but a bare number may.

    A number is an id behind the noun (book 4), `id`, `number` or a #, and behind `to` where the sentence has the noun:
    set the state of book 4 to 3. Elsewhere it is part of a name.
    """
    if mention.kind is not MentionKind.NUMBER or not (
        slot in context.list_operations or (slot.words and slot.words[-1] in ID_WORDS)
    ):
        return True
    if mention.form == "money" or (mention.text.startswith("-") and "." in mention.text):
        return False
    tokens, at = context.sentence.tokens, mention.first - 1
    while at >= 0 and tokens[at].lower in BEFORE_ID:
        at -= 1
    if at + 1 < mention.first and tokens[at + 1].text == "#":
        return True
    noun = set(named_resource(slot)) - {stem("new")}
    is_new_value = slot.location == "body" and tokens[mention.first - 1].lower in TO_WORDS
    if is_new_value and noun and noun <= context.sentence.stem_set:
        return True
    # The noun of `between revisions 14 and 19` is that of both.
    if at > 1 and tokens[at].lower == "and" and tokens[at - 1].text.isdigit() and _says_between(context, at):
        at -= 2
    nouns = {*slot.words, *ID_WORDS, "number", "no", "nr", "code", *context.noun}
    if slot in context.list_operations:
        nouns |= set(operation_noun_stems(context.list_operations[slot]))
    if at < 0:
        return False
    several = at > 0 and tokens[at].stem in context.operation_stems and tokens[at - 1].stem in nouns  # pull request 7
    if tokens[at].stem in nouns or several:
        return True
    if slot.location != "path":
        return False
    # topic 99, of /t/{id}, which is described as `Remove a topic`
    described = _described_nouns(context) if at > 0 and is_subject(context.operation, slot) else frozenset()
    is_whole = at > 1 and tokens[at - 1].stem in described  # the recurring payment 300, where payments are items too
    if tokens[at].stem in described and (
        is_whole or singular(tokens[at].lower) not in item_nouns(context.operation.spec)
    ):
        return True
    # org unit 41, of /orgunits/{orgid}
    in_path = tuple(map(stem, noun_in_path(context.operation, location_of(context.tool, slot)[1])))
    return any(last == at + 1 for _, last in noun_positions(context, in_path))


def _described_nouns(context: SlotContext) -> frozenset[str]:
    """Return the stems of the words of the summary and the id of an operation that name none of its other arguments."""
    operation = context.operation
    others = {word for slot in context.slots if not is_subject(operation, slot) for word in slot.words}
    own_name = operation.id.replace(".", "/").rpartition("/")[2]
    return stems_of(f"{own_name} {operation.summary}") - others - STOPWORDS


def _says_between(context: SlotContext, at: int) -> bool:
    return any(token.lower == "between" for token in context.sentence.tokens[max(0, at - 4) : at])


def _is_id(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention may be the very id. An address may where the description says that it is taken.

    So may a word in small letters behind the noun (namespace dev), where nothing says that an id is required, or where
    it is not a word at all (node ezcuj).
    """
    address = mention.kind is not MentionKind.QUOTED and IP_ADDRESS.fullmatch(mention.text)
    if mention.form == "host" or (address and ADDRESS_STEMS.isdisjoint(slot.prose | set(slot.words))):
        return False
    if slot.item.get("format") == "uuid" or (slot in context.list_operations and _SAYS_UUID.search(slot.description)):
        return mention.form == "uuid"
    if id_like(mention.text) or (mention.form == "email" and "email" in slot.description.lower()):
        return True
    if slot in context.opaque:
        return False
    coded = slot.is_integer
    opaque = bool(set(slot.words[-1:]) & OPAQUE) and (
        mention.last - mention.first > 1 or has_vector(stem(mention.text))
    )
    if coded or opaque or slot.location != "path" or not mention.first or not SLUG.fullmatch(mention.text):
        return False
    before = context.sentence.tokens[mention.first - 1]
    nouns = {
        *slot.words,
        *(operation_noun_stems(context.list_operations[slot]) if slot in context.list_operations else ()),
    }
    return before.stem in nouns and singular(before.lower) == before.lower


def _runs(context: SlotContext) -> Iterator[tuple[ValueMention, ...]]:
    """Return the mentions of one kind that stand in a row: a, b and c."""
    tokens = context.sentence.tokens
    for kind in (
        MentionKind.QUOTED,
        MentionKind.NUMBER,
        MentionKind.LITERAL,
        MentionKind.NAME,
        MentionKind.DATE,
        MentionKind.PHRASE,
    ):
        mentions = [
            mention
            for mention in context.sentence.mentions
            if mention.kind is kind and mention.form not in ALTERNATIVE_FORMS
        ]
        if kind is MentionKind.PHRASE:
            mentions = [mention for mention in mentions if mention.form == "whole"]
        run: list[ValueMention] = []
        for mention in mentions:
            if run and not _joined([token.lower for token in tokens[run[-1].last : mention.first]]):
                if len(run) > 1:
                    yield tuple(run)
                run = []
            run.append(mention)
        if len(run) > 1:
            yield tuple(run)


def _trimmed(context: SlotContext, slot: Slot, run: tuple[ValueMention, ...]) -> tuple[ValueMention, ...]:
    """Return a run without the name of the slot at its front: [tags red], green and blue."""
    first = run[0]
    stems = context.sentence.stems
    labels = [at for at in range(first.first, first.last - 1) if stems[at] in slot.words]
    start = labels[-1] + 1 if labels else first.first
    shorter = (
        mention for mention in context.sentence.mentions if mention.kind is first.kind and mention.last == first.last
    )
    return (next((mention for mention in shorter if mention.first == start), first), *run[1:])


def _joined(between: Sequence[str]) -> bool:
    return 0 < len(between) <= 3 and all(word in _AND or word in ARTICLES for word in between)


def without_astray_credentials(context: SlotContext, candidates: Iterable[SlotCandidate]) -> Iterator[SlotCandidate]:
    """Yield the candidates without those that put a credential of the sentence into an argument that is for none."""
    credentials = find_credential_texts(context.sentence.text)
    for candidate in candidates:
        slot, text = candidate.slot, str(candidate.value)
        has_credential = any(
            (candidate.start < entry.end and entry.start < candidate.end) or entry.text in text for entry in credentials
        )
        if not has_credential or takes_credential(".".join(slot.path), slot.schema, context.operation.path):
            yield candidate
