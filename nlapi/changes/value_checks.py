"""Checks that every value of a change is in the sentence, whole and in the argument that its words mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.changes.sentences import QUOTES, Case, CommandWord, has_closed_values, schema_of, shorten
from nlapi.english import lexicon
from nlapi.english.command_verbs import CREATE_VERBS, are_opposites, are_synonyms, is_root_of
from nlapi.english.words import name_key, name_words, singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import UPDATE_METHODS, as_list, as_map
from nlapi.reading.reader import QUOTED
from nlapi.resources.command_verbs import path_end
from nlapi.resources.ids import code_nouns, item_kinds, item_nouns
from nlapi.resources.nouns import (
    ID_WORDS,
    NAME_WORDS,
    is_id_argument,
    noun_in_name,
    noun_in_path,
    singular_noun,
    target_noun,
)
from nlapi.tools.arguments import property_schema
from nlapi.tools.tool import Origin, ValueSource

_CALLED = lexicon.words("changes/words", "called")
NAME_STEMS = lexicon.stems("changes/words", "name_stems")
"""Last words of the names of arguments that take the name of an item."""
TEXT_STEMS = NAME_STEMS | lexicon.stems("changes/words", "text_arguments")
"""Words in the names of arguments that take the name of an item, or a text about it."""
_DETERMINERS = lexicon.words("reading/words", "definite") | {"a", "an"}
_ID_ENDS = lexicon.words("changes/words", "id_ends")

_BETWEEN_LABEL_AND_VALUE = lexicon.words("changes/words", "between_label_and_value")
# Words between a value and the part that it has: Eve [as the] manager, Eve [is to be the] manager.
_BEFORE_PART = lexicon.pattern("changes/words", "before_part", re.IGNORECASE)
_TO_WORDS = lexicon.words("changes/words", "to_words")
_FROM_WORDS = frozenset(("from",))
_PARTY = lexicon.pattern("changes/words", "party")
_TEXT_END = lexicon.pattern("changes/words", "text_end")
_TO_ARGUMENTS = lexicon.stems("changes/words", "to_arguments")
_FROM_ARGUMENTS = lexicon.stems("changes/words", "from_arguments")
# Words before a choice that is set: as [a] member, status = PAUSED.
_SETTING_WORDS = lexicon.words("changes/words", "setting_words")
_SETTING_MARKS = lazy_pattern(r"[=:]\s*$")
# The end of a sentence or of a clause, over which no word belongs to a value.
_CLAUSE_END = lazy_pattern(r"[.,;!?()\n]")
# A mark that a name or a password may end with (Yahoo!, s3cret!), but for that of a question: can you add Bob?
_END_MARK = lazy_pattern(r"!|\?(?=\s*[\w,;])")
# Words whose dot belongs to them: Ramen Ltd.
_ABBREVIATIONS = lexicon.words("changes/words", "abbreviations")
_DOT = lazy_pattern(r"\.|!")
_GENERIC_WORDS = frozenset(map(stem, ID_WORDS)) | lexicon.stems("changes/words", "generic_words")


def is_in_another_argument(case: Case, source: ValueSource) -> bool:
    """Return whether the words around a value name another argument than it is in, or it has another's place."""
    if not 0 <= source.start < source.end or isinstance(source.value, bool) or case.is_command_word(source):
        return False
    return (
        _is_labelled_otherwise(case, source)
        or _has_part_of_another(case, source)
        or _is_in_place_of_recipient(case, source)
        or _is_choice_of_another(case, source)
    )


def is_attribute_of_item(case: Case, source: ValueSource) -> bool:
    """Return whether a state or a flag is only how the item was called: rename the [public] file, and set another."""
    is_state = isinstance(source.value, bool) or has_closed_values(case.call, source.argument)
    if not is_state or case.operation.method not in UPDATE_METHODS or case.is_command_word(source):
        return False
    following = next((word for word in case.words if word.start >= source.end), None)
    kinds = stems_of(case.operation.path)
    others = (entry for entry in case.account.sources if entry.argument != source.argument and entry.words)
    return (
        following is not None
        and not kinds.isdisjoint(following.stems)
        and any(case.location(entry) == "body" for entry in others)
    )


def _is_labelled_otherwise(case: Case, source: ValueSource) -> bool:
    """Return whether the noun before a value is the name of another argument: account [7001] as a limit.

    The asset called Banner has this as its name, whatever its `asset_type` is.
    """
    label = _label(case, source)
    if label is None or (_is_called(case, source) and not NAME_STEMS.isdisjoint(_name_stems(source.argument))):
        return False
    return _names_another(case, source, label)


def _is_behind_other_name(case: Case, source: ValueSource) -> bool:
    """Return whether the whole name of another argument is right before a value: account number [5] as a `name`."""
    if source.origin is not Origin.WORDS or case.location(source) != "body":
        return False
    names = {_name_stems(entry.argument) for entry in case.account.sources} - {_name_stems(source.argument)}
    before = [word.text for word in case.words if word.end <= source.start]
    return any(name == stems_of(" ".join(before[-len(name) :])) for name in names if len(name) > 1)


def _is_called(case: Case, source: ValueSource) -> bool:
    """Return whether a value stands behind `called` or `named`."""
    previous = case.text[: max(0, source.start)].rstrip("\"'“‘ ").split()
    return bool(previous) and previous[-1].lower() in _CALLED


def _label(case: Case, source: ValueSource) -> CommandWord | None:
    """Return the word before a value that may name its argument; None where another value is there."""
    for word in reversed([word for word in case.words if word.end <= source.start]):
        if word.is_used or _CLAUSE_END.search(case.text[word.end : source.start]):
            return None
        if word.lower not in _BETWEEN_LABEL_AND_VALUE:
            return word
    return None


def _has_part_of_another(case: Case, source: ValueSource) -> bool:
    """Return whether the noun behind a value is the part that another argument has: make Eve [the manager] of Ada."""
    match = _BEFORE_PART.match(case.text, source.end)
    following = [word for word in case.words if match is not None and word.start >= match.end()][:2]
    if not following or following[0].is_used:
        return False
    # `give Ada the role admin` names what comes next.
    names_next = len(following) > 1 and following[1].is_used
    return not names_next and _names_another(case, source, following[0])


def _names_another(case: Case, source: ValueSource, word: CommandWord) -> bool:
    """Return whether a word is in the name of another argument of the call, and not in the value's own."""
    stems = set(word.stems) - _GENERIC_WORDS
    if not stems or not stems.isdisjoint(_name_stems(source.argument)):
        return False
    others = {entry.argument for entry in case.account.sources} - {source.argument}
    return any(not stems.isdisjoint(_name_stems(name) - _GENERIC_WORDS) for name in others)


def _name_stems(argument: str) -> frozenset[str]:
    return stems_of(argument.rpartition(".")[2])


def _is_against_preposition(case: Case, source: ValueSource) -> bool:
    """Return whether a value follows `to` and is in an argument for an origin, or `from` and in one for a target."""
    if case.location(source) == "path":
        return False  # from acme/web, whose owner is acme
    preposition, names = _preposition(case, source), _name_stems(source.argument)
    is_to, is_from = preposition in _TO_WORDS, preposition in _FROM_WORDS
    return (is_to and not names.isdisjoint(_FROM_ARGUMENTS)) or (is_from and not names.isdisjoint(_TO_ARGUMENTS))


def _is_in_place_of_recipient(case: Case, source: ValueSource) -> bool:
    """Return whether a value follows `to`, and another one that does not is the recipient."""
    preposition, names = _preposition(case, source), _name_stems(source.argument)
    is_target = not names.isdisjoint(_TO_ARGUMENTS)
    if is_target or preposition not in _TO_WORDS or not isinstance(source.value, str):
        return False
    # `send the message "Eve" to Ada`, with Eve as its recipient.
    targets = (entry for entry in case.account.sources if not _name_stems(entry.argument).isdisjoint(_TO_ARGUMENTS))
    spoken = (entry for entry in targets if 0 <= entry.start < entry.end)
    return case.location(source) != "path" and any(_preposition(case, entry) not in _TO_WORDS for entry in spoken)


def _preposition(case: Case, source: ValueSource) -> str:
    """Return the preposition of a value, "" without one: to [the account] acc_2. An own label makes it none."""
    before = [word for word in case.words if word.end <= source.start and not word.is_used]
    used_end = max((word.end for word in case.words if word.end <= source.start and word.is_used), default=0)
    near = [word for word in before if word.start >= used_end][-3:]
    for index in range(len(near) - 1, -1, -1):
        if near[index].lower in _TO_WORDS | _FROM_WORDS:
            labels = near[index - 1].stems if index else ()
            return "" if set(labels) & _name_stems(source.argument) else near[index].lower
    return ""


def _is_choice_of_another(case: Case, source: ValueSource) -> bool:
    """Return whether the sentence has another choice of the same list too, and sets that one.

    Of `invite ada@example.org, the owner of the shop, as a member` the role is not an owner.
    """
    if not isinstance(source.value, str) or source.origin is not Origin.WORDS:
        return False
    rivals = list(_rival_words(case, source))
    if not rivals:
        return False
    words = [word for word in case.words if source.start <= word.start < source.end][:1]
    return not any(_is_set(case, source, word) for word in words) or any(_is_set(case, source, word) for word in rivals)


def _rival_words(case: Case, source: ValueSource) -> Iterator[CommandWord]:
    """Yield the words of other choices of the list that are not another value of the call."""
    schema = schema_of(case.call, source.argument)
    items = schema.get("items")
    lists = [as_list(part.get("enum")) for part in (schema, items) if isinstance(part, Mapping)]
    values = {str(entry.value).lower() for entry in case.account.sources}
    rivals = {str(choice).lower() for choices in lists for choice in choices} - values
    yield from (word for word in case.words if word.lower in rivals and not word.is_used and word is not case.first)


def _is_set(case: Case, source: ValueSource, word: CommandWord) -> bool:
    """Return whether a choice is what is set: behind `as` or `to`, a colon, or the name of its argument."""
    before: Sequence[CommandWord] = [entry for entry in case.words if entry.end <= word.start]
    while before and before[-1].lower in _BETWEEN_LABEL_AND_VALUE - {"with"}:
        before = before[:-1]
    if _SETTING_MARKS.search(case.text[: word.start].rstrip("\"'`“‘")):
        return True
    return bool(before) and (
        before[-1].lower in _SETTING_WORDS or bool(set(before[-1].stems) & _name_stems(source.argument))
    )


_MARKS = "([{<)]}>,;:!?#@$€£¥=%&*~|\\"
_UNITS = lexicon.pattern("changes/words", "units", re.IGNORECASE)
_ENDING_WORDS = lexicon.words("changes/words", "ending_words")
# Words behind a name that do not belong to it, if another word follows.
_LINK_WORDS = lexicon.words("changes/words", "link_words")

MIN_CONFIDENCE = 0.5
"""The least confidence in the reading of a value. Below it half are wrong on training/sentences/real.jsonl."""
_FLAG_WORDS = lexicon.stems("changes/words", "flag_words")
_STATE_NAMES = lexicon.stems("changes/words", "state_names")
_REASON_NAMES = lexicon.stems("changes/words", "reason_names")
_ID_STEMS = lexicon.stems("changes/words", "id_stems")
_ID_PATTERN = lexicon.pattern("changes/words", "id_pattern")
_NAME_PATTERN = lexicon.pattern("changes/words", "name_pattern", re.IGNORECASE)
_SWITCH_NAMES = lexicon.stems("changes/words", "switch_names")
_ENABLE_STEM, _DISABLE_STEM = stem("enable"), stem("disable")


def check_whole_words(case: Case) -> Iterator[str]:
    """Yield values that are a piece of the text between two blanks, or leave out a figure of it."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not 0 <= source.start < source.end:
            continue
        # Pieces of ids were among the 92 wrong changes of 800 commands that confidence alone let out.
        if full_text := _surrounding_text(case, source):
            yield f"{source.argument} has only {source.words!r} of {full_text!r}"


def check_text_end(case: Case) -> Iterator[str]:
    """Yield a text that runs on into the name of another argument: `Launch with priority high` as a title."""
    names = {stem(word) for name in case.call.tool.places for word in split_words(name)[-1:]} - {
        stem("name"),
        stem("id"),
    }
    for source in case.account.sources:
        text = _unquoted_text(case, source)
        end_mark = _DOT if text.lower().rpartition(" ")[2] in _ABBREVIATIONS else _END_MARK
        if _is_free_text(case, source) and (mark := end_mark.match(case.text, source.end)):
            yield f"it is not plain whether {source.argument} ends with {mark[0]!r}: put the value in quotes"
            continue
        if text and text[-1:].isalpha() and (following := _following_word(case, source)):
            yield f"it is not plain where {source.argument} ends: {source.words} {following}"
            continue
        if (party := _PARTY.search(text)) and _may_be_of_other_item(case, source):
            yield f"it is not plain where {source.argument} ends: {text[: party.start()]!r} or {text!r}"
            continue
        match = _TEXT_END.search(text)
        if match and stem(match.group(1).lower()) in names and not source.argument.endswith(match.group(1)):
            yield f"it is not plain where {source.argument} ends: {source.words!r}"


def _is_free_text(case: Case, source: ValueSource) -> bool:
    """Return whether a field takes the words as they stand: no id in a path, no day, no choice, no item looked up."""
    is_open = case.location(source) != "path" and not has_closed_values(case.call, source.argument)
    return is_open and source.value == _unquoted_text(case, source)


def _may_be_of_other_item(case: Case, source: ValueSource) -> bool:
    """Return whether a name may have that of another item in it, which an argument without a value takes: of a project
    called Office Move for Acme the CompanyName. A model has decided that.
    """
    if case.account.traced or NAME_STEMS.isdisjoint(_name_stems(source.argument)):
        return False
    filled, own_noun = {entry.argument for entry in case.account.sources}, singular_noun(case.operation)
    free = (name for name, place in case.call.tool.places.items() if place[0] == "body" and name not in filled)
    takers = (name for name in free if not (ID_WORDS | NAME_WORDS).isdisjoint(name_words(name)[-1:]))
    return any(noun_in_name(name) not in ((), own_noun) for name in takers)


def _following_word(case: Case, source: ValueSource) -> str:
    """Return the word behind a text that may belong to it: rename it to Eating [out], or ""."""
    if has_closed_values(case.call, source.argument) or source.origin is not Origin.WORDS:
        return ""
    next_word = next((word for word in case.words if word.start >= source.end), None)
    if next_word is None or next_word.is_used or case.text[source.end : next_word.start].strip(" "):
        return ""
    if set(next_word.stems) <= case.operation_stems:
        # The summer campaign; where the word is before the value too, it is a part of it: the name .. to New name.
        is_before = any(word.stems == next_word.stems for word in case.words if word.end <= source.start)
        return next_word.text if is_before else ""
    # `rename category 12 to Eating out` was the one wrong change of the fresh set (docs/design/027-what-stands.md).
    is_last = next_word is case.words[-1]
    return next_word.text if next_word.lower not in (_ENDING_WORDS if is_last else _ENDING_WORDS | _LINK_WORDS) else ""


def _surrounding_text(case: Case, source: ValueSource) -> str:
    """Return the text between blanks of which a value is only a piece; "" where the value is all of it.

    The remaining text may be another value (acme/web, 25-44), the argument's own name (limit=5), or the unit of a
    number.
    """
    text, start, end = case.text, source.start, source.end
    is_opened = case.is_quoted(source)
    is_closed = text[end - 1] in QUOTES or text[end : end + 1] in tuple(QUOTES)
    if is_opened and is_closed and not _is_quoted_in_part(source):
        return ""
    if is_opened and isinstance(source.value, str) and (quoted := _quoted_around(text, start)):
        return quoted
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    is_number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    place = case.location(source)
    before, after = text[start : source.start], text[source.end : end]
    if source.value is not None and str(source.value).endswith(".") and after[:1] == ".":
        after = after[1:]
    after = re.sub(r"^['’]s\b", "", after)
    before, after = _without_values(case, before, start), _without_values(case, after, end - len(after))
    if is_number and place != "path":
        unit = _UNITS.match(after)
        after = after[unit.end() :] if unit else after
        before, after = before.strip("+-–/"), after.strip("-–/")
    label = re.fullmatch(r"[\w.-]+[=:]", before)
    if label and stems_of(before) <= case.operation_stems:
        before = ""
    is_inside_sentence = end < len(text) and after.rstrip(QUOTES + _MARKS) == "." and text[end:].lstrip()[:1].islower()
    before, after = before.strip(QUOTES + _MARKS), after.strip(QUOTES + _MARKS)
    return text[start:end] if before or is_inside_sentence or after.strip(".") else ""


def _is_quoted_in_part(source: ValueSource) -> bool:
    """Return whether a text is less than the text between the quotes."""
    inner, value = source.words.strip(QUOTES).strip(), str(source.value)
    return isinstance(source.value, str) and value != inner and value in inner


def _quoted_around(text: str, start: int) -> str:
    """Return the quoted text that begins at a position or right before it; "" where none does."""
    return next((match.group() for match in QUOTED.finditer(text) if match.start() in (start, start - 1)), "")


def _without_values(case: Case, piece: str, start: int) -> str:
    """Return a piece of text without the parts that are other values, and the marks between them."""
    letters = list(piece)
    for source in case.account.sources:
        for index in range(max(0, source.start - start), min(len(piece), source.end - start)):
            letters[index] = " "
    remaining = "".join(letters).replace(" ", "")
    return remaining.strip("/:-–.,") if len(remaining) < len(piece) else remaining


def _unquoted_text(case: Case, source: ValueSource) -> str:
    """Return the text of a value without quotes in the sentence; "" for any other value."""
    if not isinstance(source.value, str) or not 0 <= source.start < source.end:
        return ""
    return "" if case.is_quoted(source) else case.text[source.start : source.end]


def check_origin(case: Case) -> Iterator[str]:
    """Yield values that nobody said, or that an API's answer suggests."""
    for source in case.account.sources:
        if source.origin is Origin.NOBODY:
            yield f"nobody said {source.argument}: {shorten(source.value)}"
        elif source.origin is Origin.ANSWER:
            yield f"{source.argument}: {shorten(source.value)} comes from an answer of the API, and nobody said it"
        # The embedded planner fills in defaults unasked; a model that writes one has chosen it.
        elif source.origin is Origin.DESCRIPTION and not case.account.traced and _is_default(case, source):
            yield f"nobody said {source.argument}: {shorten(source.value)} is the description's default"
        elif _is_flag(source) and source.origin in (Origin.WORDS, Origin.VERB) and not _mentions_flag(case, source):
            yield f"nobody said {source.argument}: {shorten(source.value)}"


def check_meaning(case: Case) -> Iterator[str]:
    """Yield values whose words may have another meaning: unsure ones, words of the API, words behind another noun."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not source.words or is_code_of_item(case, source):
            continue
        # One message for all of them: the user has only to see which words are in doubt.
        doubts = (*_DOUBTS, *_DOUBTS_ABOUT_MODELS) if case.account.traced else _DOUBTS
        is_unsure = source.sure < MIN_CONFIDENCE and not any(is_plain(case, source) for is_plain in _PLAIN)
        if is_unsure or any(is_doubtful(case, source) for is_doubtful in doubts):
            yield f"{source.words!r} may not be meant as {source.argument}"


def _is_entailed(case: Case, source: ValueSource) -> bool:
    """Return whether the list of what an argument takes has the item of exactly these words."""
    return bool(source.name) and are_same_names(source.name, source.words)


def _is_last_text(case: Case, source: ValueSource) -> bool:
    """Return whether a value is all that stands behind a colon: open a job for tl_206: [cord snapped]."""
    return case.text[: source.start].rstrip().endswith(":") and not case.text[source.end :].strip(" .!")


def _is_only_place(case: Case, source: ValueSource) -> bool:
    """Return whether a required argument has a code, or the last text, that no other required one could have instead.

    All others have values, and of the optional ones none is named in the sentence.
    """
    words, is_one = source.words.split(), len(case.account.of(source.argument)) == 1
    # Of a deletion the item has to be plain by itself.
    if (
        not (len(words) == 1 or _is_last_text(case, source))
        or case.deletes
        or case.is_command_word(source)
        or not is_one
    ):
        return False
    required = {*case.call.tool.required, *_required_in_body(case)}
    filled = {entry.argument.partition(".")[0] for entry in case.account.sources}
    if source.origin is not Origin.WORDS or source.argument not in required or not required <= filled:
        return False
    if stem(words[0].lower()) in case.operation_stems:
        return False
    if any(_may_be_swapped(case, source, other) for other in case.account.sources):
        return False
    others = [name for name in case.call.tool.places if name not in filled]
    is_alone = sum(entry.argument in required and entry.sure < MIN_CONFIDENCE for entry in case.account.sources) == 1
    return is_alone and not any(stems_of(name) <= case.stems for name in others)


def _may_be_swapped(case: Case, source: ValueSource, other: ValueSource) -> bool:
    """Return whether another argument has a code too, and nothing but its place in the sentence tells the two apart."""
    if other.argument == source.argument or other.origin is not Origin.WORDS or not isinstance(other.value, str):
        return False
    if has_closed_values(case.call, other.argument) or len(other.words.split()) != 1:
        return False
    return not any(is_plain(case, other) for is_plain in (_is_entailed, _is_labelled, is_code_of_item, _is_led))


def _is_led(case: Case, source: ValueSource) -> bool:
    """Return whether a value follows `to`, and its argument is where something is sent; or `from`, likewise."""
    word, names = _preposition(case, source), _name_stems(source.argument)
    arguments = _TO_ARGUMENTS if word in _TO_WORDS else _FROM_ARGUMENTS if word == "from" else frozenset[str]()
    return not names.isdisjoint(arguments)


def _required_in_body(case: Case) -> Iterator[str]:
    """Yield the arguments that a body requires, which a call may leave out as a whole."""
    names = case.call.tool.body_rules.get("required", ())
    yield from (
        argument for argument, place in case.call.tool.places.items() if place[0] == "body" and place[1] in names
    )


def _is_labelled(case: Case, source: ValueSource) -> bool:
    """Return whether the noun right before a value is that of its argument: the calendar primary.

    An id has the noun of its item, also of one that is made (create a parameter dns_server), where no other argument
    has the same noun. Of a deletion the item has to be plain by itself.
    """
    label, names = _label(case, source), _name_stems(source.argument) - _GENERIC_WORDS
    place = case.call.tool.places.get(source.argument, ("body", source.argument))
    if label is not None and place[0] != "body" and not case.deletes and is_id_argument(place):
        noun = stems_of(" ".join(target_noun(case.operation, place)[-1:]))
        names |= frozenset[str]() if _names_another(case, source, label) else noun
    if not names and case.command in CREATE_VERBS and case.location(source) == "body":
        names = stems_of(singular(path_end(case.operation)))
    return label is not None and not names.isdisjoint(label.stems)


def is_code_of_item(case: Case, source: ValueSource) -> bool:
    """Return whether a value begins as the ids of one kind of item do, and its argument takes those: tl_204."""
    nouns = code_nouns(case.operation.spec, source.words)
    taken = target_noun(case.operation, case.call.tool.places.get(source.argument, ("body", source.argument)))
    # The code of a transfer does not tell an account transfer from a wire transfer.
    is_only_kind = sum(kind[-1:] == taken[-1:] for kind in item_kinds(case.operation.spec)) < 2
    return len(nouns) == 1 and nouns == {*taken[-1:]} and is_only_kind


def _follows_its_name(case: Case, source: ValueSource) -> bool:
    """Return whether the last word of the name of an argument is before a value, or its first word: [uid] acme."""
    first, *others = source.words.lower().split()
    label = _label(case, source)
    named = first if others else (label.lower if label is not None else "")
    return named == (split_words(source.argument) or [""])[-1]


_PLAIN = (_is_entailed, _is_labelled, _follows_its_name, _is_only_place, is_code_of_item, _is_led)


def check_exact_name(case: Case) -> Iterator[str]:
    """Yield an item whose name is only similar to the words of the sentence."""
    for source in case.account.sources:
        if source.name and source.words and not are_same_names(source.name, source.words):
            yield f"{source.words!r} is the name in the sentence, and the item is called {source.name!r}"


def _is_flag(source: ValueSource) -> bool:
    # Query parameters have no booleans, and many descriptions make their flags texts.
    return isinstance(source.value, bool) or source.value in ("true", "false")


def _is_half_a_choice(case: Case, source: ValueSource) -> bool:
    """Return whether a choice was read from some of its words, or the verb, and its argument is not named.

    `invoice item` is not a proration by `always_invoice`; `close` sets a state, and no reason for it.
    """
    if not isinstance(source.value, str) or not has_closed_values(case.call, source.argument):
        return False
    argument = stems_of(source.argument.rpartition(".")[2])
    if " " not in source.words and set(split_words(source.value)) < set(split_words(source.words)):
        return False  # squash-merge
    if case.is_command_word(source):
        return argument.isdisjoint(_STATE_NAMES) or (len(argument) > 1 and bool(argument & _REASON_NAMES))
    spoken = stems_of(source.words)
    value = stems_of(source.value)
    return len(value) > 1 and not value <= spoken | case.stems and argument.isdisjoint(case.stems)


def _mentions_flag(case: Case, source: ValueSource) -> bool:
    """Return whether all words of a flag's name are in the sentence."""
    name_stems = stems_of(source.argument.rpartition(".")[2])
    if name_stems <= _SWITCH_NAMES:
        is_on = source.value in (True, "true")
        return are_synonyms(case.command, _ENABLE_STEM if is_on else _DISABLE_STEM) or not name_stems.isdisjoint(
            case.stems
        )
    flag_words = name_stems - _FLAG_WORDS or name_stems
    if source.value in (True, "true") and flag_words <= stems_of(source.words):
        return True
    # To stop it sets `running: false`, though nobody says running.
    if len(flag_words) == 1 and source.origin is Origin.WORDS and case.is_command_word(source):
        sets = are_synonyms if source.value in (True, "true") else are_opposites
        return sets(case.command, next(iter(flag_words)))
    return flag_words <= case.stems or (source.value in (False, "false") and bool(flag_words & case.stems))


def _is_name_as_id(case: Case, source: ValueSource) -> bool:
    """Return whether a plain word is the value of an argument that takes an id: the channel [random]."""
    words = source.words.split()
    if source.origin is not Origin.WORDS or not words or not words[-1].islower() or source.name:
        return False
    if not isinstance(source.value, str) or has_closed_values(case.call, source.argument):
        return False
    if _is_keyword(case, source) or _follows_its_name(case, source):
        return False
    description = str(schema_of(case.call, source.argument).get("description", ""))
    *noun, last = split_words(source.argument.rpartition(".")[2]) or [""]
    # Where the name has its own argument, a slug is a name: the group jira-developers.
    has_name = last == "id" and "".join((*noun, "name")) in map(name_key, case.call.tool.places)
    is_word = words[-1].isalpha() or (has_name and words[-1].replace("-", "").isalpha())
    is_id = _ID_PATTERN.search(description) or (noun and "id" in (noun[0], last))
    return is_word and bool(is_id) and (has_name or not _NAME_PATTERN.search(f"{description} {source.argument}"))


def _is_keyword(case: Case, source: ValueSource) -> bool:
    """Return whether the description of an argument quotes a value: use the "primary" keyword."""
    text = str(as_map(as_map(case.call.tool.input_schema.get("properties")).get(source.argument)).get("description"))
    return re.search(rf"[\"'`“]{re.escape(source.words)}[\"'`”]", text) is not None


def _is_name_of_item(case: Case, source: ValueSource) -> bool:
    """Return whether the name of an item is in an argument that takes none: the card [named] Fix it as its labels.

    An id takes none, nor do several values, nor a field of another type or with a form of its own.
    """
    if source.origin is not Origin.WORDS or not _is_called(case, source):
        return False
    last, schema = (split_words(source.argument) or [""])[-1], schema_of(case.call, source.argument)
    is_formed = schema.get("type", "string") not in ("string", ["string", "null"]) or "format" in schema
    return last in _ID_ENDS or (case.location(source) != "path" and (singular(last) != last or is_formed))


def _is_command(case: Case, source: ValueSource) -> bool:
    """Return whether the command itself is a text value: [freeze] the zone, as its type."""
    is_text = isinstance(source.value, str) and not has_closed_values(case.call, source.argument)
    return is_text and case.is_command_word(source)


def _is_of_unnamed_kind(case: Case, source: ValueSource) -> bool:
    """Return whether a value is of another kind of item, which nobody named: of what has a [tag], of a [team].

    A deleted item is identified by itself; in other changes, ids of other items are named with their kind.
    """
    name_parts = split_words(source.argument.rpartition(".")[2])
    if case.location(source) == "path" or isinstance(source.value, bool) or not name_parts:
        return False
    if has_closed_values(case.call, source.argument):
        return False  # a choice is not an item
    if case.operation.method != "DELETE" and (name_parts[-1] != "id" or len(name_parts) < 2):
        return False
    words = {stem(word) for word in name_parts} - _ID_STEMS
    # What is deleted is named by the sentence itself: /deletesimulation?simulation=5.
    path = stems_of(case.operation.path) if case.operation.method != "DELETE" else frozenset[str]()
    is_mentioned = words & (case.stems | path) or any(is_root_of(case.command, word) for word in words)
    return bool(words) and not is_mentioned


def _is_default(case: Case, source: ValueSource) -> bool:
    """Return whether a field of a body, or the item, is a default, not null or a constant: another one may be meant."""
    schema = schema_of(case.call, source.argument)
    choices = schema.get("enum")
    is_empty = source.value == {} and schema.get("properties") == {}
    is_constant = "const" in schema or is_empty or (isinstance(choices, list) and len(choices) == 1)
    is_open = case.location(source) == "body" or source.argument in case.target_arguments
    return is_open and not is_constant and source.value is not None


def _is_old_value(case: Case, source: ValueSource) -> bool:
    """Return whether a value is what a field had before, and the field is named: the departure from [9] to 11 May."""
    change = next((entry for entry in case.value_changes if entry.has_old(source.start, source.end)), None)
    if change is None or case.location(source) == "path":
        return False
    new = next((entry for entry in case.account.sources if change.begins_new(entry.start)), None)
    stems = stems_of(case.text[: change.start].lower())
    named = [_name_stems(entry.argument) <= stems for entry in (source, new) if entry is not None]
    return any(named) and not all(named)


def _is_thing(case: Case, source: ValueSource) -> bool:
    """Return whether a plain word behind `the`, `my` or `a` is a free text: reboot the [speaker] speaks of a thing."""
    is_word = source.words.isalpha() and source.words.islower() and source.value == source.words
    is_text = case.location(source) != "path" and not has_closed_values(case.call, source.argument)
    if not is_word or source.origin is not Origin.WORDS or not is_text:
        return False
    before = next((word for word in reversed(case.words) if word.end <= source.start), None)
    is_noun = before is not None and before.lower in _DETERMINERS
    last = (split_words(source.argument) or [""])[-1]
    is_named = not stems_of(last).isdisjoint(case.stems - {case.command})
    return is_noun and not is_named and not _is_keyword(case, source)


def _is_of_one_variant(case: Case, source: ValueSource) -> bool:
    """Return whether a value was read from the command, and only some variants of the body have its field: a channel
    that is a thread can be [locked], and no other.
    """
    operation, (argument, *path) = case.operation, source.argument.split(".")
    location, wire_name = case.call.tool.places.get(argument, ("body", argument))
    if location != "body" or operation.body is None or not case.is_command_word(source):
        return False
    schema: object = operation.body.schema
    for name in (wire_name, *path) if wire_name else path:
        whole = operation.spec.schema(schema)
        variants = [variant for key in ("oneOf", "anyOf") for variant in as_list(whole.get(key))]
        has_field = [bool(property_schema(operation.spec, variant, name)) for variant in variants]
        if any(has_field) and not all(has_field):
            return True
        schema = property_schema(operation.spec, schema, name)
    return False


def _is_joined_to_other(case: Case, source: ValueSource) -> bool:
    """Return whether an id in a path is one of two of a kind, and another argument has the other: scores 7 [and 8]."""
    if case.location(source) != "path":
        return False
    others = (
        entry
        for entry in case.account.sources
        if entry.argument != source.argument
        and entry.origin in (Origin.WORDS, Origin.LOOKUP)
        and not has_closed_values(case.call, entry.argument)
        and not isinstance(entry.value, bool)
    )
    pairs = ((first, second) for other in others for first, second in ((source, other), (other, source)))
    return any(case.text[first.end : second.start].strip(" ,").lower() == "and" for first, second in pairs)


def _is_owner_of_object(case: Case, source: ValueSource) -> bool:
    """Return whether an update is of what its object is of, and a field has that: activate token 5 of [driver 7]."""
    if source.argument not in case.target_arguments or case.operation.method not in UPDATE_METHODS:
        return False
    before = [entry for entry in case.account.sources if entry.words and entry.end <= source.start]
    last = max(before, key=lambda entry: entry.end, default=None)
    if last is None or case.location(last) != "body" or not any(map(str.isdigit, last.words)):
        return False
    return "of" in case.text[last.end : source.start].lower().split()


def _is_of_other_item(case: Case, source: ValueSource) -> bool:
    """Return whether an id is deleted that stands behind the noun of another kind of item: the labels of [issue 42]."""
    label = _label(case, source) if case.deletes and source.argument in case.target_arguments else None
    if label is None or singular(label.lower) not in item_nouns(case.operation.spec):
        return False
    place = case.call.tool.places.get(source.argument, ("path", source.argument))
    nouns = {*target_noun(case.operation, place), *noun_in_path(case.operation, place[1])}
    own_name = case.operation.id.replace(".", "/").rpartition("/")[2]
    return stems_of(f"{' '.join(nouns)} {own_name} {case.operation.summary}").isdisjoint(label.stems)


# Ways in which the words of a value may mean something else; any one of them is enough.
_DOUBTS = (
    _is_half_a_choice,
    _is_name_as_id,
    _is_name_of_item,
    _is_of_unnamed_kind,
    _is_command,
    _is_thing,
    _is_old_value,
    _is_of_one_variant,
    _is_behind_other_name,
    _is_of_other_item,
    _is_owner_of_object,
    _is_against_preposition,
    _is_joined_to_other,
    is_attribute_of_item,
)
_DOUBTS_ABOUT_MODELS = (is_in_another_argument,)


def are_same_names(first: str, second: str) -> bool:
    """Return whether two names differ at most in the case of their letters, their blanks and the marks around them."""
    return _normalize(first) == _normalize(second)


def _normalize(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")
