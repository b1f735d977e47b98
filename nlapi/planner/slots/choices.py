"""Candidates for slots with a closed set of values: enums, flags, and values that a description explains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from nlapi.english import lexicon
from nlapi.english.command_verbs import NOUN_FOLLOWERS, UPDATE_VERBS, are_synonyms, state_after
from nlapi.english.intents import ARTICLES, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.word_similarity import similarity
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, stated_verbs
from nlapi.planner.commands import command_verb, command_words, operation_verbs
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import named_resource
from nlapi.planner.slots.name_mentions import noun_positions
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.reading.gazetteer import COUNTRIES, CURRENCY_NAMES, LANGUAGES, SYNONYMS
from nlapi.reading.text import MentionKind, Sentence, Token, ValueMention
from nlapi.resources.forms import schema_type
from nlapi.tools.sending.state_reads import updates_item

_BEFORE_CHOICE = lexicon.words("planner/slots/words", "before_choice")
_NEGATIVE = lexicon.words("planner/slots/words", "negative")

_EXCLUDES = word_set("planner/slots/words", "excludes")
_REASONS = stem_set("planner/slots/words", "why")
_FALLING = lazy_pattern(r"[\s_:.-]?desc(?:ending)?$|(?<=[a-z])Desc$", re.IGNORECASE)
_RISING = lazy_pattern(r"[\s_:.-]?asc(?:ending)?$|(?<=[a-z])Asc$", re.IGNORECASE)
_DESCENDING = SYNONYMS["desc"] | stem_set("planner/slots/words", "descending")
# Names of the figures in the evidence of a candidate: for a choice, and from "yes" on for a flag.
EVIDENCE = ("worth", "exact", "covered", "likeness", "better", "as_good", "yes", "agrees", "name_said", "prose_said")
_NO_FLAG = (0.0,) * 4
_NO_CHOICE = (0.0,) * 6
# Least ratio of difflib.SequenceMatcher at which a word is a misspelling of a choice.
MIN_SPELLING_RATIO = 0.82
_IDENTIFYING = (MentionKind.NUMBER, MentionKind.LITERAL, MentionKind.QUOTED, MentionKind.NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceMatch:
    """The tokens that name a choice, and how well they do.

    `covered` is the share of the words of the choice that are in the sentence, `likeness` how alike they are, both from
    0 to 1.
    """

    first: int
    last: int
    worth: float
    exact: bool = False
    covered: float = 1.0
    likeness: float = 1.0


def choice_candidates(
    context: SlotContext, slot: Slot, by_name: Mapping[str, object], *, literal: bool = False
) -> Iterator[SlotCandidate]:
    """Return candidates where the words of a choice, or (unless `literal`) words like them, are in the sentence."""
    matches: list[tuple[ChoiceMatch, object]] = []
    # The `to` of a sentence is not Tonga, among codes of countries.
    little_words = STOPWORDS if _coded(slot) else frozenset()
    for name, value in by_name.items():
        hit = _find(context, [stem(word) for word in split_words(name)], name)
        if hit is None or (literal and hit.likeness < 1.0) or _ruled_out(context, hit.first):
            continue
        token = context.sentence.tokens[hit.first]
        if not hit.exact and token.lower in little_words:
            continue
        # To close an issue sets its state, and no reason for it; to disable its alerts sets these, and no state; to
        # show songs asks for no TV shows; and to delete a file by DELETE does not say that it is deleted for good.
        is_command = token.stem == command_verb(context.sentence)
        intent = VERBS.get(token.stem)
        deletes = intent is Intent.DELETE and context.operation.method == "DELETE"
        is_method = intent is Intent.READ or (deletes and _FOR_GOOD.isdisjoint(context.sentence.stem_set))
        if is_command and (is_method or not _REASONS.isdisjoint(slot.words) or _is_before_flag(context, hit.last)):
            continue
        is_elsewhere = _names_rival_slot(context, slot, hit, str(value)) or _is_part_of_noun(context, hit, str(value))
        is_elsewhere = is_elsewhere or _is_object(context, hit)
        if not (is_elsewhere or _describes_item(context, hit.first, hit.last, named=True)):
            matches.append((hit, value))
    matches = [pair for pair in matches if not any(_inside(pair[0], longer) for longer, _ in matches)]
    if slot.is_array and matches:
        best = max(hit.worth for hit, _ in matches)
        items = sorted((pair for pair in matches if pair[0].worth >= best - 0.6), key=lambda pair: pair[0].first)
        values = [value for at, (_, value) in enumerate(items) if all(value != earlier for _, earlier in items[:at])]
        yield _choice_candidate(context, slot, items[0][0], values, [hit for hit, _ in matches])
        return
    for hit, value in matches:
        yield _choice_candidate(
            context, slot, hit, value, [rival for rival, rival_value in matches if rival_value != value]
        )


def switched_choices(context: SlotContext, slot: Slot) -> Iterator[SlotCandidate]:
    """Yield the choice on or off of a slot that the command switches: turn off [the delivery] of an ad."""
    is_on = state_after(command_verb(context.sentence), _ENABLED)
    others = [token for token in command_words(context.sentence)[1:] if token.lower not in ARTICLES]
    object_words = others[: len(slot.words)]
    if is_on is None or not object_words or tuple(token.stem for token in object_words) != slot.words:
        return
    if (choice := _switched(slot, is_on=is_on)) is not None:
        first, last = (context.sentence.tokens.index(object_words[at]) for at in (0, -1))
        hit = ChoiceMatch(first=first, last=last + 1, worth=2.0, exact=True)
        yield _choice_candidate(context, slot, hit, choice, ())


def _switched(slot: Slot, *, is_on: bool) -> object:
    """Return the choice of a slot that says on, or else off; None without one."""
    values = _ON_VALUES if is_on else _OFF_VALUES
    return next((choice for choice in slot.choices if str(choice).lower() in values), None)


def _inside(hit: ChoiceMatch, longer: ChoiceMatch) -> bool:
    """Return whether a choice is only a part of a longer one: the economy of Premium Economy."""
    contains = longer.first <= hit.first and hit.last <= longer.last and longer.covered == 1.0
    return contains and longer.last - longer.first > hit.last - hit.first


def _names_rival_slot(context: SlotContext, slot: Slot, hit: ChoiceMatch, value: str) -> bool:
    """Return whether the word names another argument, and is not the very choice: masters, beside a kind `Master`; in a
    change it is no choice of a slot that is not spoken of.
    """
    word = context.sentence.tokens[hit.first].lower
    is_unspoken = context.operation.effect is not Effect.READ and set(slot.words).isdisjoint(context.sentence.stem_set)
    if (word != value.lower() or is_unspoken) and any(
        word == rival.name.lower() for rival in context.slots if rival is not slot
    ):
        return True
    return _is_in_longer_name(context, slot, hit.first, hit.last)


def _is_in_longer_name(context: SlotContext, slot: Slot, first: int, last: int) -> bool:
    """Return whether tokens are a part of the whole name of another slot: the [report] format, [active] body."""
    names = (rival.words for rival in context.slots if rival is not slot and len(rival.words) > last - first)
    places = (place for name in names for place in noun_positions(context, name))
    return any(start <= first and last <= end for start, end in places)


def _is_part_of_noun(context: SlotContext, hit: ChoiceMatch, value: str) -> bool:
    """Return whether words are a part of a noun of the path (business, of /businessLines), or it with an id behind.

    So is the whole noun that is another form of the choice: recommendations are not `recommended`.
    """
    tokens = context.sentence.tokens[hit.first : hit.last]
    is_other_form = hit.likeness == 1.0 and singular(tokens[-1].lower) != singular((split_words(value) or [""])[-1])
    ids = {mention.first for mention in context.sentence.of_kind(*_CODES)}
    parts = (part for part in context.operation.path.split("/") if "{" not in part)
    places = (place for part in parts for place in noun_positions(context, tuple(map(stem, split_words(part)))))
    return any(
        start <= hit.first and hit.last <= end and (end - start > hit.last - hit.first or end in ids or is_other_form)
        for start, end in places
    )


def _is_object(context: SlotContext, hit: ChoiceMatch) -> bool:
    """Return whether a choice is the noun of what is made, before any preposition: create a return [label] for 5."""
    tokens = context.sentence.tokens
    ends = hit.last == len(tokens) or tokens[hit.last].lower in NOUN_FOLLOWERS
    is_noun = set(context.sentence.stems[hit.first : hit.last]) <= context.object_stems
    return (
        context.commands_creation
        and ends
        and is_noun
        and NOUN_FOLLOWERS.isdisjoint(token.lower for token in tokens[: hit.first])
    )


def _choice_candidate(
    context: SlotContext, slot: Slot, hit: ChoiceMatch, value: object, rivals: Sequence[ChoiceMatch]
) -> SlotCandidate:
    evidence = (
        *(hit.worth, float(hit.exact), hit.covered, hit.likeness),
        float(sum(rival.worth > hit.worth for rival in rivals)),
        float(sum(rival.worth == hit.worth for rival in rivals)),
        *_NO_FLAG,
    )
    mention = mention_of_tokens(context.sentence, MentionKind.CHOICE, hit.first, hit.last)
    return SlotCandidate(
        slot=slot, value=value, start=mention.start, end=mention.end, mention=mention, shared=True, evidence=evidence
    )


def mention_of_tokens(sentence: Sentence, kind: MentionKind, first: int, last: int) -> ValueMention:
    """Return the mention of tokens `first` to `last`."""
    start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
    return ValueMention(kind=kind, text=sentence.text[start:end], start=start, end=end, first=first, last=last)


def choice_names(sentence: Sentence, slot: Slot) -> Mapping[str, object]:
    """Return the values of an enum by their words, by their meanings in the description, and codes of
    languages, countries and currencies by their names.
    """
    by_name = dict(values_in_direction(sentence, slot))
    values = {str(value).lower(): value for value in slot.choices}
    for meaning, value in slot.glossary.items():
        if str(value).lower() in values:
            by_name.setdefault(meaning, values[str(value).lower()])
    by_name.update(_coded(slot))
    return by_name


@lru_cache(maxsize=4096)
def _coded(slot: Slot) -> Mapping[str, object]:
    """Return the values by the names that they are codes for, where most of them are codes of languages or the like."""
    values = {str(value).lower(): value for value in slot.choices}
    by_name: dict[str, object] = {}
    for table in (LANGUAGES, COUNTRIES, CURRENCY_NAMES):
        coded = {name: values[code.lower()] for name, code in table.items() if code.lower() in values}
        if len(set(coded.values())) * 2 > len(values):
            by_name |= coded
    return by_name


def values_in_direction(sentence: Sentence, slot: Slot) -> Mapping[str, object]:
    """Return the values of an enum by their words. Of two that sort by one field (year, -year) it is the one in the
    direction that the sentence asks for, else the plain one.
    """
    plain = {str(value): value for value in slot.choices}
    pairs: dict[str, dict[str, object]] = {}
    for text, value in plain.items():
        falls = text.startswith("-") or bool(_FALLING.search(text))
        base = _RISING.sub("", _FALLING.sub("", text)).lstrip("+-")
        pairs.setdefault(base, {})["falling" if falls else "rising"] = value
    if not any(len(pair) == 2 for pair in pairs.values()) or "" in pairs:
        return plain
    way = "falling" if _DESCENDING & sentence.stem_set else "rising"
    return {base: pair.get(way, next(iter(pair.values()))) for base, pair in pairs.items()}


def _ruled_out(context: SlotContext, at: int) -> bool:
    """Return whether the sentence rules the word at `at` out: not history, except the novels."""
    before = [token.lower for token in context.sentence.tokens[max(0, at - 2) : at]]
    if before and before[-1] not in _BEFORE_CHOICE:
        before = before[-1:]
    return any(word in _EXCLUDES or word.endswith(("n't", "n’t")) for word in before)


def _find(context: SlotContext, words: Sequence[str], name: str) -> ChoiceMatch | None:
    """Return the tokens of the sentence that name the choice `name`, whose stems are `words`."""
    stems, count = context.sentence.stems, len(words)
    if not count:
        return None
    whole = name.lower()
    for at, token in enumerate(context.sentence.tokens):
        is_word = token.lower == whole and (len(name) > 1 or token.text == name) and token.lower not in STOPWORDS
        if is_word and not _is_noun_of_item(context, at, at + 1):
            return ChoiceMatch(first=at, last=at + 1, worth=1.4, exact=True)
    for at in range(len(stems) - count + 1):
        if tuple(words) == stems[at : at + count] and not _is_noun_of_item(context, at, at + count):
            exact = context.sentence.tokens[at].text == name
            doubtful = count == 1 and ((len(name) == 1 and not exact) or context.sentence.tokens[at].lower in STOPWORDS)
            return ChoiceMatch(first=at, last=at + count, worth=0.5 if doubtful else 1.15 + 0.1 * count, exact=exact)
    if count == 1:
        return _similar(context, words[0])
    content = [word for word in words if word not in STOPWORDS]
    positions = [stems.index(word) for word in content if word in context.sentence.stem_set]
    if len(content) < count and context.operation_stems.issuperset(content):
        return None  # my_variable is not a variable that the sentence speaks of
    if content and len(positions) == len(content) and max(positions) - min(positions) <= count + 2:
        return ChoiceMatch(first=min(positions), last=max(positions) + 1, worth=0.9)
    return _in_part(context, content, positions)


def _is_noun_of_item(context: SlotContext, first: int, last: int) -> bool:
    """Return whether tokens are the noun that the id or the name of an item stands behind: the [user] 5."""
    mentions = context.sentence.mentions
    is_noun = context.sentence.stems[first:last] == context.noun[-1:]
    return is_noun and any(other.first == last and other.kind in _IDENTIFYING for other in mentions)


def _commands(verb: str, choice: str) -> bool:
    """Return whether a command means a choice: the state after it, or the action itself."""
    return are_synonyms(verb, choice) or state_after(verb, choice) is True


def _similar(context: SlotContext, word: str) -> ChoiceMatch | None:
    """Return the token that is a synonym of a word, begins with it or misspells it."""
    command = command_verb(context.sentence) if context.operation.effect is not Effect.READ else ""
    best: ChoiceMatch | None = None
    for at, spoken in enumerate(context.sentence.stems):
        if _is_noun_of_item(context, at, at + 1):
            continue
        is_meant = _commands(spoken, word) if spoken == command else spoken in SYNONYMS.get(word, ())
        if is_meant:
            return ChoiceMatch(first=at, last=at + 1, worth=1.25 if spoken in VERBS else 0.95, likeness=0.9)
        if len(word) >= 3 and len(spoken) >= 5 and spoken.startswith(word):
            return ChoiceMatch(first=at, last=at + 1, worth=0.7, likeness=0.8)
        long = min(len(word), len(spoken)) >= 5
        if long and spoken[0] == word[0] and best is None and spoken not in context.operation_stems:
            likeness = SequenceMatcher(None, word, spoken).ratio()
            if likeness >= MIN_SPELLING_RATIO:
                best = ChoiceMatch(first=at, last=at + 1, worth=0.6, likeness=likeness)
    return best


def _in_part(context: SlotContext, content: Sequence[str], positions: Sequence[int]) -> ChoiceMatch | None:
    """Return the first of some words of a choice: an [animated] film for Animated Movie."""
    strong = [at for at in positions if context.sentence.stems[at] not in context.operation_stems]
    if not strong:
        return None
    return ChoiceMatch(
        first=strong[0], last=strong[0] + 1, worth=0.55, covered=len(strong) / len(content), likeness=0.9
    )


_NOT = word_set("planner/slots/words", "denials")
_OFF_STEMS = frozenset(map(stem, ("disable", "deactivate")))
_STOP_STEM = stem("stop")
_OPPOSING = word_set("planner/slots/words", "opposing")
_CODES = (MentionKind.NUMBER, MentionKind.LITERAL)
_BEFORE_VALUE = word_set("planner/slots/words", "before_flag_value")
_AFTER_FIELD = word_set("planner/slots/words", "after_field")
_ON_VALUES, _OFF_VALUES = (word_set("planner/slots/words", name) for name in ("flag_on", "flag_off"))
_ENABLED = stem("enabled")
_FOR_GOOD = stem_set("planner/slots/words", "for_good")
_AUXILIARY = stem_set("planner/slots/words", "flag_auxiliaries")
_BY_DEFAULT = lazy_pattern(r"\bby default,?\s[^.]*", re.IGNORECASE)
# Least similarity of word vectors of a word for one in the name of a flag: children for kids.
_MIN_FLAG_SIMILARITY = 0.7
# Words before a flag that may deny it, at most, and the words that end the clause before that.
_REACH = 5
_PARTS = lexicon.words("planner/slots/words", "parts")
_NAMING = stem_set("planner/slots/words", "naming")


def flag_candidates(context: SlotContext, slot: Slot) -> Iterator[SlotCandidate]:
    """Return a yes and a no where words of the name of a flag, or of its description, are in the sentence."""
    words = [word for word in slot.words if word not in _AUXILIARY and word not in STOPWORDS] or list(slot.words)
    if operation_verbs(context.operation).issuperset(words) and set(words) < set(slot.words):
        return  # get_or_create only repeats the operation's name
    stems, weights = context.sentence.stems, context.name_weights[slot]
    verbs = operation_verbs(context.operation)
    spoken = [word for word in words if word in context.sentence.stem_set]
    is_read = context.operation.effect is Effect.READ
    owners = {word for other in context.slots if other.location == "path" for word in named_resource(other)}
    names = (verbs | set(context.noun) | owners, stems_of(context.operation.path) if is_read else frozenset[str]())
    is_of_operation = any(name_stems.issuperset(spoken) for name_stems in names)
    if len(spoken) < len(words) and (is_of_operation or _is_of_other_name(context, slot, spoken)):
        # The command alone says nothing of delete_threads, nor the group of primary_group or the reports of
        # dailyReportsOnly.
        spoken = []
    other_words = [word for word in words if word not in verbs]
    similar = _similar_words(context, other_words) if len(spoken) < len(words) else {}
    prose = [
        word
        for word in slot.prose - _default_stems(slot) - _NAMING
        if word in context.sentence.stem_set and word not in context.operation_stems | context.description_stems
    ]
    places = [*map(stems.index, spoken), *(at for at, _ in similar.values())]
    command = (_commanded(context, words) or _opposed(context, words)) if not places else None
    if places:
        covered = sum(weights.get(word, 0.0) for word in spoken)
        covered += sum(weights.get(word, 0.0) * near for word, (_, near) in similar.items())
        name_share = covered / (sum(weights.get(word, 0.0) for word in words) or 1.0)
    elif command is not None:
        places, name_share = [command[0]], 1.0
    elif prose:
        places, name_share = [min(map(stems.index, prose))], 0.0
    else:
        return
    first, last = min(places), max(places) + 1
    if _is_in_longer_name(context, slot, first, last) or _describes_item(context, first, last):
        return
    denied = _is_denied(context, slot, first) if command is None else not command[1]
    negative = any(word in _NEGATIVE or word.startswith(("exclud", "disabl")) for word in slot.words[:1])
    mention = mention_of_tokens(context.sentence, MentionKind.FLAG, first, min(last, first + len(words) + 3))
    stated = _stated_value(context, last) if spoken and len(spoken) == len(words) else None
    if stated is not None:
        at, is_on = stated
        denied, negative = not is_on, False
        mention = mention_of_tokens(context.sentence, MentionKind.FLAG, at, at + 1)
    for yes in (True, False):
        evidence = (
            *_NO_CHOICE,
            float(yes),
            float(yes is (negative or not denied)),
            name_share,
            sum(context.prose_weight(word) for word in prose),
        )
        value = _as_typed(slot, yes)
        yield SlotCandidate(
            slot=slot,
            value=[value] if slot.is_array else value,
            start=mention.start,
            end=mention.end,
            mention=mention,
            shared=True,
            evidence=evidence,
        )


def _stated_value(context: SlotContext, end: int) -> tuple[int, bool] | None:
    """Return the token of the value of a flag whose name ends before `end`, and that value.

    It is right behind the name, or behind `to` where the name is that of a field: set active [of] user 5 to [false].
    The `on` of `disable alerts on device 5` is none.
    """
    tokens = context.sentence.tokens
    end += sum(token.text in ":=" for token in tokens[end : end + 1])  # active: false
    for at in range(end, len(tokens)):
        word = tokens[at].lower
        is_right_behind = at == end and word not in STOPWORDS
        is_behind_to = tokens[at - 1].lower in _BEFORE_VALUE and tokens[end].lower in _AFTER_FIELD
        if word in _ON_VALUES | _OFF_VALUES and (is_right_behind or is_behind_to):
            return at, word in _ON_VALUES
    return None


def _is_before_flag(context: SlotContext, at: int) -> bool:
    """Return whether the name of a flag, or of a choice of on and off, begins at a token or behind an article there."""
    tokens = context.sentence.tokens
    while at < len(tokens) and tokens[at].lower in ARTICLES:
        at += 1
    names = (slot.words for slot in context.slots if slot.family is Family.BOOLEAN or _switched(slot, is_on=True))
    return any(start == at for name in names for start, _ in noun_positions(context, name))


def _describes_item(context: SlotContext, first: int, last: int, *, named: bool = False) -> bool:
    """Return whether an update names its item by words before its noun: set the [featured] product 7 to ...; not its
    command: mute device 5. If `named`, its id or name has to be behind the noun: not make it a [private] map.
    """
    is_command = context.sentence.stems[first] == command_verb(context.sentence)
    places = noun_positions(context, context.noun) if updates_item(context.operation) and not is_command else []
    ids = {mention.first for mention in context.sentence.mentions if mention.kind in _IDENTIFYING}
    return any(start == last and (not named or end in ids) for start, end in places)


def _is_of_other_name(context: SlotContext, slot: Slot, spoken: Sequence[str]) -> bool:
    """Return whether words belong to another slot, whose whole name the sentence has: [password], beside
    `changePassword`, and [auto] of the night mode.
    """
    said = context.sentence.stem_set
    named = (other for other in context.slots if other is not slot and other.words and said.issuperset(other.words))
    return any(
        {*other.words, *(stem(str(choice).lower()) for choice in other.choices)}.issuperset(spoken) for other in named
    )


@lru_cache(maxsize=4096)
def _default_stems(slot: Slot) -> frozenset[str]:
    """Return the stems of what a description says is so by default: only running containers are shown."""
    return stems_of(" ".join(match.group() for match in _BY_DEFAULT.finditer(slot.description)))


def _opposed(context: SlotContext, words: Sequence[str]) -> tuple[int, bool] | None:
    """Return the token of the opposite of a flag's name, and no: incomplete, unread, offline.

    The words of the operation say nothing of its flags.
    """
    name = "".join(words)
    opposites = {*(f"{prefix}{name}" for prefix in _OPPOSING), re.sub("^on", "off", name)}
    opposites -= {name, *context.operation_stems}
    at = next((at for at, word in enumerate(context.sentence.stems) if word in opposites), None)
    return None if at is None or len(words) != 1 else (at, False)


def _commanded(context: SlotContext, words: Sequence[str]) -> tuple[int, bool] | None:
    """Return the token of a command that sets the flag of an update, and the value: [stop] for `running` is a no."""
    if len(words) != 1 or not updates_item(context.operation):
        return None
    value = state_after(command_verb(context.sentence), words[0])
    return None if value is None else (context.sentence.tokens.index(command_words(context.sentence)[0]), value)


def sets_commanded_flag(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether the command of an update sets a flag, by a verb that the description states for it, or as the only
    one that the verb is about: archive the repository, which has no other way.
    """
    slot, mention = candidate.slot, candidate.mention
    if mention is None or mention.kind is not MentionKind.FLAG or len(slot.words) != 1:
        return False
    command = _commanded(context, slot.words)
    if command is None or mention.first != command[0] or candidate.value is not command[1]:
        return False
    flags = [other for other in context.slots if other.location == "body" and _commanded(context, other.words)]
    is_stated = context.sentence.tokens[command[0]].lower in stated_verbs(context.operation.extensions)
    return is_stated or flags == [slot]


def _is_denied(context: SlotContext, slot: Slot, first: int) -> bool:
    """Return whether one of the words before `first`, in the same clause, denies the flag.

    A `no` that the description has as well (`no data`) is a part of the name.
    """
    tokens = context.sentence.tokens
    at = first
    while at > max(0, first - _REACH) and tokens[at - 1].text not in ",.;:?!()" and tokens[at - 1].lower not in _PARTS:
        at -= 1
    if not any(_denies(tokens[place], tokens[place + 1]) for place in range(at, first)):
        return False
    quoted = context.sentence.text[max(0, tokens[first].start - 3) : tokens[first].end].lower()
    return not (quoted.startswith("no ") and quoted in slot.description.lower())


def _denies(token: Token, following: Token) -> bool:
    """Return whether a token makes a no of what it is about: without, don't, deactivate, and stop before a doing."""
    is_stopped = token.stem == _STOP_STEM and following.lower.endswith("ing")
    return token.lower in _NOT or token.lower.endswith(("n't", "n’t")) or is_stopped or token.stem in _OFF_STEMS


def _similar_words(context: SlotContext, words: Sequence[str]) -> Mapping[str, tuple[int, float]]:
    """Return the tokens that are like words (children for kids, half of child-friendly), and how alike they are.

    The words of the operation are no value (an article is not `published` for being one), and neither is the command:
    `set` is like `open`.
    """
    matches: dict[str, tuple[int, float]] = {}
    ignored = context.operation_stems | UPDATE_VERBS | {command_verb(context.sentence)}
    for word in words:
        if word in context.sentence.stem_set:
            continue
        best = _MIN_FLAG_SIMILARITY
        for at, token in enumerate(context.sentence.tokens):
            if not token.word or token.lower in STOPWORDS or token.stem in ignored:
                continue
            halves = [stem(half) for half in token.lower.split("-")] if "-" in token.lower else [token.stem]
            near = max(similarity(word, half) for half in halves)
            if near > best:
                best, matches[word] = near, (at, near)
    return matches


def _as_typed(slot: Slot, yes: bool) -> object:
    """Return a yes or a no as the schema of a slot has it."""
    if schema_type(slot.item) != "string":
        return yes
    return next((choice for choice in slot.choices if str(choice).lower() == str(yes).lower()), str(yes))
