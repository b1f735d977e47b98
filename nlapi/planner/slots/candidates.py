"""The candidates for the slots of an operation: values made of mentions, choices, flags, pairs and names to look up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nlapi.english.words import singular, stem
from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import ALTERNATIVE_FORMS, MentionKind, ValueMention
from nlapi.planner.slots.choices import choice_candidates, choice_names, flag_candidates
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import (
    ID_WORDS,
    OPAQUE,
    SLUG,
    PendingLookup,
    id_like,
    is_subject,
    operation_noun_stems,
)
from nlapi.planner.slots.exclusions import BEFORE_ID, is_about_call, is_wrong_sort
from nlapi.planner.slots.features import is_item_count
from nlapi.planner.slots.name_mentions import ADDRESS_STEMS, IP_ADDRESS, fits_path, is_owner, resource_names
from nlapi.planner.slots.pairs import body_candidates, labelled_code_candidates, path_candidates
from nlapi.planner.slots.slot import HIGH_SCORE, LOW_SCORE, Family, Slot, SlotCandidate
from nlapi.planner.slots.values import CONVERSIONS, WORDLESS_CONVERSIONS, values_for
from nlapi.tools.word_similarity import has_vector

# Probability of a name to look up at most, so that an id in the sentence goes before it.
MAX_NAME_PROBABILITY = 0.8
_ENCODED = re.compile(r"\bJSON[- ]encoded\b|\bencoded (?:as|in) (?:a )?JSON\b", re.IGNORECASE)
_SAYS_UUID = re.compile(r"\buuid\b(?! or\b)(?<!or uuid)", re.IGNORECASE)
_AND = frozenset((",", "and", "or", "&", "+", "/", "then"))


def slot_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return the candidates for all slots of an operation."""
    runs = tuple(_runs(context))
    yield from path_candidates(context)
    yield from labelled_code_candidates(context)
    yield from body_candidates(context)
    for slot in context.slots:
        if (slot.location == "header" and not _is_named_header(context, slot)) or not takes_words(slot):
            continue
        if slot.family is Family.CHOICE:
            choices = choice_candidates(context, slot, choice_names(context.sentence, slot))
            yield from (candidate for candidate in choices if not _is_in_live_name(context, candidate))
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
            if slot in context.list_operations:
                yield from _name_candidates(context, slot, context.list_operations[slot])


def _splits_name(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a value is a piece of a longer name or path: `Sale`, which is an example too, of `Summer Sale`."""
    return any(
        (mention.kind is MentionKind.NAME or mention.form in ("path", "url", "name"))
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


def _name_candidates(context: SlotContext, slot: Slot, listing: Operation) -> Iterator[SlotCandidate]:
    """Return candidates where the sentence has a name for a resource whose id the slot takes."""
    subject = is_subject(context.operation, slot)
    for name in resource_names(context, slot, listing):
        first = next(at for at, token in enumerate(context.sentence.tokens) if token.end > name.start)
        if subject and is_owner(context, slot, first):
            continue
        lookup = PendingLookup(name=name.name, list_operation=listing.id, ordinal=name.ordinal)
        sure = min(MAX_NAME_PROBABILITY, max(0.0, (name.score - LOW_SCORE) / (HIGH_SCORE - LOW_SCORE)))
        sure += 0.03 * (name.mention is not None and name.mention.kind is MentionKind.QUOTED)
        yield SlotCandidate(
            slot=slot, value=[lookup] if slot.is_array else lookup, probability=sure, start=name.start, end=name.end
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
        # `add 2 members` names no member 2: a wrong change would be planned.
        if slot.family is Family.TEXT and mention.kind is MentionKind.NUMBER and is_item_count(context, mention):
            continue
        if not fits_path(context, slot, mention):
            continue
        if is_wrong_sort(context, slot, mention) or is_about_call(context, slot, mention):
            continue
        shared = mention.kind is MentionKind.DATE and isinstance(mention.value, tuple)
        for value, conversion in values_for(mention, slot, context.sentence):
            items = value if isinstance(value, list) or not slot.is_array else [value]
            yield _mention_candidate(slot, items, (mention,), conversion, shared=shared or conversion == "calendar")
    if not slot.is_array:
        return
    for run in (_trimmed(context, slot, run) for run in runs if _may_be_id(context, slot, run[0])):
        by_span = [_by_conversion(context, slot, mention) for mention in run]
        for conversion in ("", *CONVERSIONS):
            values = [converted.get(conversion) for converted in by_span]
            if not any(value is None or isinstance(value, list) for value in values):
                yield _mention_candidate(slot, values, run, conversion)


def _by_conversion(context: SlotContext, slot: Slot, mention: ValueMention) -> dict[str, object]:
    """Return the first value of a mention by each conversion."""
    values: dict[str, object] = {}
    for value, conversion in values_for(mention, slot, context.sentence):
        values.setdefault(conversion, value)
    return values


def _mention_candidate(
    slot: Slot, value: object, mentions: tuple[ValueMention, ...], conversion: str, *, shared: bool = False
) -> SlotCandidate:
    end = mentions[-1].end
    start = end if conversion in WORDLESS_CONVERSIONS else mentions[0].start
    return SlotCandidate(
        slot=slot,
        value=value,
        start=start,
        end=end,
        mention=mentions[0],
        mentions=mentions,
        conversion=conversion,
        shared=shared,
    )


def _may_be_id(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention may be an id, as any but a bare number may.

    A number is an id behind the noun (book 4), `id`, `number` or a #; elsewhere it is part of a name.
    """
    if mention.kind is not MentionKind.NUMBER or not (
        slot in context.list_operations or (slot.words and slot.words[-1] in ID_WORDS)
    ):
        return True
    tokens, at = context.sentence.tokens, mention.first - 1
    while at >= 0 and tokens[at].lower in BEFORE_ID:
        at -= 1
    if at + 1 < mention.first and tokens[at + 1].text == "#":
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
    return tokens[at].stem in nouns or several


def _says_between(context: SlotContext, at: int) -> bool:
    return any(token.lower == "between" for token in context.sentence.tokens[max(0, at - 4) : at])


def _is_id(context: SlotContext, slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention may be the very id. An address may where the description says that it is taken.

    So may a word in small letters behind the noun (namespace dev), where nothing says that an id is required, or where
    it is no word at all (node ezcuj).
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


def _is_named_header(context: SlotContext, slot: Slot) -> bool:
    """Return whether the sentence names a header, which otherwise is for programs (X-Request-Id)."""
    return set(slot.words) - {"x", *ID_WORDS} <= context.sentence.stem_set


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
    return 0 < len(between) <= 3 and all(word in _AND or word in ("the", "a", "an") for word in between)
