"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import combinations, pairwise

from nlapi.changes.account import check_left, overlaps_any
from nlapi.changes.sentences import (
    PARTICLES,
    Case,
    CommandWord,
    UserSentence,
    build_case,
    check_condition,
    check_is_command,
    check_negation,
    check_quantity,
    description_of,
    has_closed_values,
    is_value_in_command,
    schema_of,
    shorten,
)
from nlapi.changes.statements import ARTICLES, OBJECT_END, UNSPOKEN_WORDS, check_statement, is_stated
from nlapi.changes.value_checks import (
    NAME_STEMS,
    TEXT_STEMS,
    are_same_names,
    check_exact_name,
    check_meaning,
    check_origin,
    check_text_end,
    check_whole_words,
    is_code_of_item,
)
from nlapi.changes.value_mentions import SMALL_UNITS, find_numbers
from nlapi.client.credential_texts import mask_credential_texts
from nlapi.english import lexicon
from nlapi.english.command_verbs import (
    CREATE_VERBS,
    DELETE_VERBS,
    DETERMINERS,
    SETTING_VERBS,
    UPDATE_VERBS,
    are_opposites,
    are_synonyms,
    is_root_of,
    is_taken_out,
    is_verb,
    is_verb_form,
)
from nlapi.english.intents import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.english.word_similarity import SYNONYMS
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import READ_METHODS, SCALES, UPDATE_METHODS, Effect, Operation, stated_verbs
from nlapi.reading.clauses import commanded_length
from nlapi.reading.names import is_code
from nlapi.resources.command_verbs import leading_verbs, operation_verbs, path_end
from nlapi.resources.ids import item_kinds, item_nouns
from nlapi.resources.nouns import VERSION, Words, noun_in_name, noun_in_path, target_noun
from nlapi.resources.paths import EXTENSION
from nlapi.tools.quantities.unit_evidence import read_unit
from nlapi.tools.tool import TRUSTED_ORIGINS, Account, Call, Origin, ValueSource

_SPOKEN_ORIGINS = frozenset((Origin.WORDS, Origin.VERB))
_RENAME_VERBS = frozenset(map(stem, ("rename", "retitle")))
_CLEAR_VERBS = lexicon.stems("changes/words", "clear_verbs")
# Verbs for a deletion or for another state of the item: `--yes=destroy` covers both.
_POSSIBLE_DELETE_VERBS = lexicon.stems("changes/words", "possible_delete_verbs")
_MOVING_VERBS = lexicon.stems("changes/words", "moving_verbs")
_MOVING_WORDS = lexicon.words("changes/words", "moving_words")
# Verbs that make a thing or change one, and the words by which they make one.
_ALSO_UPDATES = lexicon.stems("changes/words", "also_updates")
_ALSO_SHOWS = lexicon.stems("changes/words", "also_shows")
_RUNS = lexicon.stems("changes/words", "runs")
_START_STEM = stem("start")
_NEW = lexicon.words("changes/words", "new")
# Verbs that bring an item into what stands behind `to`, and the arguments that are not such a state.
_TO_VERBS = lexicon.stems("changes/words", "to_verbs")
_LIGHT_VERBS = lexicon.stems("changes/words", "light_verbs")
# Verbs for a message that are not synonyms elsewhere: writing a file sends nothing.
_MESSAGE_VERBS = lexicon.stems("changes/words", "message_verbs")
_MESSAGE_STEMS = lexicon.stems("changes/words", "message_stems")
_ON_WORDS, _OFF_WORDS = (lexicon.words("changes/words", name) for name in ("on_values", "off_values"))
_ENABLE_STEM, _DISABLE_STEM, _CREATE_STEM = stem("enable"), stem("disable"), stem("create")

# Last words in the paths of updates that people do not say: /vlans/settings. To delete the settings is another
# operation.
_UPDATE_WORDS = lexicon.words("changes/words", "update_words")
_STATES = lexicon.words("resources/words", "partial_list_words")
_ID_NOUNS = lexicon.words("changes/words", "id_nouns")
_INDEFINITE = frozenset(("a", "an"))
_LIMITING_WORDS = lexicon.words("changes/words", "limiting_words")
_PREPOSITIONS = lexicon.words("changes/words", "prepositions")
_BULK_WORDS = lexicon.words("changes/words", "bulk_words")


def check_opposite(case: Case) -> Iterator[str]:
    """Yield an operation that undoes the command, by its own verb or by the state that it sets."""
    command, operation = case.command, case.operation
    leading = leading_verbs(operation)
    # `Lock or unlock an issue` does both, and opposes neither.
    if command not in leading and (
        opposite_verb := next((candidate for candidate in leading if are_opposites(command, candidate)), None)
    ):
        yield f"{operation.id} does the opposite of {_command_text(case)!r} ({_whole_word(operation, opposite_verb)})"
        return
    choices = [candidate for candidate in case.account.sources if has_closed_values(case.call, candidate.argument)]
    states = [word for candidate in choices for word in split_words(str(candidate.value))[:2]]
    missing = [word for word in states if stem(word) not in case.stems]
    if opposite_verb := next((candidate for candidate in missing if are_opposites(command, stem(candidate))), None):
        yield f"{operation.id} would set the opposite of {_command_text(case)!r} ({opposite_verb})"


def _whole_word(operation: Operation, stemmed: str) -> str:
    """Return the word of an operation that has a stem: `resume` for `resum`."""
    words = split_words(f"{operation.id} {path_end(operation)} {operation.summary}")
    return next((word for word in words if stem(word) == stemmed), stemmed)


def check_deletion(case: Case) -> Iterator[str]:
    """Yield a deletion that the command does not name, and that the API itself does not call by the command's verb."""
    # `cancel the event` may mean another state, unless the user has consented to deletions.
    is_commanded = (
        is_stated(case, case.operation)
        or _names_action(case)
        or commands_deletion(case.command, case.operation, destroy=case.destroy)
    )
    # What is taken out of an account may go on elsewhere.
    is_taken = is_taken_out([word.lower for word in case.command_words])
    if case.deletes and (is_taken or not is_commanded):
        doubt = "may move it" if is_taken else "does not say that something is to be taken away"
        yield f"{_command_text(case)!r} {doubt}, and {case.operation.id} takes it away"


def commands_deletion(command: str, operation: Operation, *, destroy: bool = False) -> bool:
    """Return whether the stem of a verb commands an operation that deletes; with `destroy` also where it may not."""
    leading = leading_verbs(operation)
    if command in DELETE_VERBS or command in leading:
        return True
    if any(are_synonyms(command, verb) for verb in leading if verb not in DELETE_VERBS):
        return True
    tail = path_end(operation)
    words = list(map(stem, split_words(tail))) if "{" not in tail else []
    if command.startswith("un") and _is_mark_on_other(command, operation):
        return True
    # `unfollow` is DELETE of /followers, as one undoes the other.
    if any(are_opposites(command, word) or (is_root_of(command, word) and command not in words) for word in words):
        return True
    return (command in _CLEAR_VERBS and "{" not in tail) or (destroy and command in _POSSIBLE_DELETE_VERBS)


def _is_mark_on_other(command: str, operation: Operation) -> bool:
    """Return whether an item is a mark that a verb undoes, and its id that of what has the mark: /followings/{user_id}.

    To unlock the lock 5 leaves the lock there.
    """
    above, _, parameter = operation.path.rstrip("/").rpartition("/{")
    marks, noun = split_words(above.rpartition("/")[2])[-1:], noun_in_name(parameter.removesuffix("}"))
    return bool(noun) and any(is_root_of(command, stem(mark)) and singular(mark) not in noun for mark in marks)


def check_verb(case: Case) -> Iterator[str]:
    """Yield a change that the verb of the sentence does not ask for."""
    operation, command = case.operation, case.command
    if operation.effect is Effect.DESTROY or operation.method == "DELETE":
        return
    if is_stated(case, operation):
        return
    if not command:
        yield "the sentence has no verb"
        return
    is_item = EXTENSION.sub("", operation.path.rstrip("/")).endswith("}")
    leading = leading_verbs(operation)
    creates = not CREATE_VERBS.isdisjoint(leading) and UPDATE_VERBS.isdisjoint(leading)
    is_update = operation.method in UPDATE_METHODS or (operation.method == "POST" and is_item and not creates)
    if _has_verb(case) or _sets_commanded_state(case):
        return
    if is_update and (
        command in UPDATE_VERBS | (_AMOUNT_VERBS if any(map(_is_amount, case.account.sources)) else frozenset())
        or is_value_in_command(case)
        or _names_argument(case)
        or _is_switch(case)
        or _sets_behind_to(case)
    ):
        return
    if operation.method in ("POST", "PUT") and command in CREATE_VERBS and not is_item and _may_create(case):
        return
    yield f"nothing in {operation.id} says {_command_text(case)!r}"


def check_new_item(case: Case) -> Iterator[str]:
    """Yield an item that is there already as the sentence says it, and that the call would make anew.

    `make X a Y` sets what X is: only an article or "new" makes a thing of the noun behind the verb. With `add` and
    `open` a code behind the noun is that of an item: add turbine t-8 to row B. To open one may be to see it.
    """
    operation, words = case.operation, case.command_words
    is_creation = "}" not in operation.path[-1:] or not CREATE_VERBS.isdisjoint(leading_verbs(operation))
    if operation.method != "POST" or not is_creation or case.command not in _ALSO_UPDATES or len(words) < 2:
        return
    if words[1].lower in _NEW:
        return
    codes = (
        source
        for source in case.account.sources
        if source.origin is Origin.WORDS
        and (is_code(source.words) or source.words.isdigit())
        and any(map(str.isdigit, source.words))
        and case.location(source) != "path"
    )
    of_item = (source for source in codes if _names_made_before(case, source))
    if case.command in SETTING_VERBS | _ALSO_SHOWS or next(of_item, None) is not None:
        yield f"{operation.id} makes a new one, and the sentence may be about one that is there"


def _names_made_before(case: Case, source: ValueSource) -> bool:
    """Return whether the word before a value names the thing that the operation makes, and no argument: [tag] 555."""
    before = [word for word in case.words[1:] if word.end <= source.start]
    return bool(before) and _names_made(case, before[-1]) and stems_of(source.argument).isdisjoint(before[-1].stems)


def check_update_value(case: Case) -> Iterator[str]:
    """Yield an update with a target and without a new value, and a new name that is not said."""
    operation, places = case.operation, case.call.tool.places
    is_item = "{" in operation.path and operation.method in ("PUT", "PATCH", "POST")
    if case.deletes or not is_item or not any(location == "body" for location, _ in places.values()):
        return
    values = [source for source in case.account.sources if case.location(source) != "path"]
    is_given = any(places.get(name, ("", ""))[0] != "path" for name in case.call.arguments)
    tail, verbs = split_words(path_end(operation)), UPDATE_VERBS | {_CREATE_STEM}
    is_generic = case.command in verbs or (
        operation.method != "POST" and not verbs.isdisjoint(leading_verbs(operation))
    )
    if operation.method == "POST":
        # POST of an item updates it, and of its transitions makes one; any other end of the path is an action.
        is_made = (
            bool(tail) and singular(tail[-1]) != tail[-1] and operation.body is not None and operation.body.required
        )
        is_said = len(tail) > 1 and stems_of(path_end(operation)) <= case.stems  # mark as paid: /mark_paid
        is_change = is_generic and case.command in UPDATE_VERBS and not is_given and not is_said
        is_generic = (is_generic and path_end(operation).endswith("}")) or (is_made and not is_given) or is_change
    has_name = any(
        word.endswith("name") or stem(word) in NAME_STEMS for entry in values for word in split_words(entry.argument)
    )
    # `create the basket orders` needs nothing more, where a basket has a name and may have a body.
    opening = {word.lower for word in case.command_words[1:2]}
    is_new = case.command in CREATE_VERBS and (case.command not in _ALSO_UPDATES or not opening.isdisjoint(_NEW))
    is_created = is_new and not CREATE_VERBS.isdisjoint(leading_verbs(operation))
    has_optional_body = operation.body is not None and not operation.body.required
    targets = (source for source in case.account.sources if source.argument in case.target_arguments)
    is_named = is_created and has_optional_body and next(targets, None) is not None
    if (is_generic and not values and not is_named) or (case.command in _RENAME_VERBS and not has_name):
        yield f"what {operation.id} shall set is not said"


def _has_verb(case: Case) -> bool:
    """Return whether the operation states the commanded action itself; for a verb of deletion it needs such a verb."""
    leading = leading_verbs(case.operation)
    command, verbs = case.command, operation_verbs(case.operation)
    if command in DELETE_VERBS:
        # `remove the tag` is `untag`, although no word of the operation means removal.
        base_verbs = (word.removeprefix("un") for word in verbs if word.startswith("un"))
        return not DELETE_VERBS.isdisjoint(leading) or any(stem(word) in case.stems for word in base_verbs)
    if any(are_synonyms(command, verb) for verb in leading) or _sends_message(case) or _names_action(case):
        return True
    last = [stem(word) for word in split_words(path_end(case.operation))]
    kinds = set(map(stem, map(singular, split_words(case.operation.path)))) - set(last)
    if command in verbs and (is_verb(command) or command not in kinds):
        return True
    is_collection = not path_end(case.operation).endswith("}")
    return is_collection and (any(is_root_of(command, word) for word in last) or _starts_run(case))


def _starts_run(case: Case) -> bool:
    """Return whether a new run is made by a command to start: start workflow 9 is POST /workflows/{id}/executions."""
    made = stems_of(singular(path_end(case.operation)))
    return case.operation.method == "POST" and are_synonyms(case.command, _START_STEM) and made <= _RUNS and bool(made)


def _names_action(case: Case) -> bool:
    """Return whether a verb with a second word is the operation's action: log [out], move it [to the trash].

    So is the thing that a verb without its own meaning makes: take [a snapshot] is createSnapshot.
    """
    words = case.command_words
    if case.command in _LIGHT_VERBS and len(words) > 2 and words[1].lower in _INDEFINITE:
        return not CREATE_VERBS.isdisjoint(leading_verbs(case.operation)) and _names_made(case, words[2])
    tail = path_end(case.operation)
    action = stem(tail.lower()) if "{" not in tail else ""
    if not action:
        return False
    if case.command in DELETE_VERBS and action.startswith("un") and action.removeprefix("un") in case.stems:
        return True  # remove the bookmark: /unbookmark
    if len(words) > 1 and words[1].lower in PARTICLES and stem(words[0].lower + words[1].lower) == action:
        return True
    return case.command in _MOVING_VERBS and any(
        action in word.stems and _leading_word(case, word) in _MOVING_WORDS for word in words[1:]
    )


def _names_made(case: Case, word: CommandWord) -> bool:
    """Return whether a word is what an operation creates, by its id or its summary."""
    operation = case.operation
    return not stems_of(f"{operation.id} {operation.summary}").isdisjoint(word.stems)


def _leading_word(case: Case, word: CommandWord) -> str:
    """Return the word before a word and its article."""
    before = [entry.lower for entry in case.words if entry.end <= word.start and entry.lower not in ARTICLES]
    return before[-1] if before else ""


def _sends_message(case: Case) -> bool:
    """Return whether the operation and the command send a message: write Ada an email, post a message in general."""
    if _MESSAGE_VERBS.isdisjoint({case.command}) or _MESSAGE_VERBS.isdisjoint(leading_verbs(case.operation)):
        return False
    names = (case.operation.id, case.operation.path)
    words = {stem(singular(word)) for name in names for word in split_words(name)}
    return any(message in words and message in case.stems for message in _MESSAGE_STEMS)


def _sets_commanded_state(case: Case) -> bool:
    """Return whether a state is set that the command names: cancel -> CANCELLING, enable -> `enable_backups`."""
    texts = [
        source for source in case.account.sources if isinstance(source.value, str) and source.origin in _SPOKEN_ORIGINS
    ]
    choices = [source for source in texts if has_closed_values(case.call, source.argument)]
    for source in choices:
        is_spoken = source.origin is Origin.VERB or case.is_command_word(source)
        if is_spoken and any(are_synonyms(case.command, stem(word)) for word in split_words(source.value)):
            return True
    return False


def _may_create(case: Case) -> bool:
    """Return whether an operation may create an item: neither its names nor the end of its path are another verb."""
    leading = leading_verbs(case.operation)
    last = split_words(EXTENSION.sub("", path_end(case.operation)))
    has_no_verb = not last or not is_verb_form(last[-1]) or are_synonyms(stem(last[-1]), _CREATE_STEM)
    return has_no_verb and (not leading or any(are_synonyms(verb, _CREATE_STEM) for verb in leading))


def _names_argument(case: Case) -> bool:
    """Return whether the verb names the argument that is set: rename -> name, assign -> assignees."""
    arguments = [source.argument for source in case.account.sources if case.location(source) != "path"]
    if case.command in _RENAME_VERBS:
        places = case.call.tool.places.values()
        # Of an item with a name the title of its badge is not renamed.
        has_name = any(place[0] == "body" and place[1] and stems_of(place[1]) <= NAME_STEMS for place in places)
        names = (name for name in arguments if "." not in name or not has_name)
        return any(not stems_of(name).isdisjoint(NAME_STEMS) for name in names)
    words = stems_of(" ".join(arguments))
    return case.command in words or any(is_root_of(case.command, word) for word in words)


def _sets_behind_to(case: Case) -> bool:
    """Return whether the only change is a verb for a new state with that behind `to`: assign 8 [to] Oskar."""
    if case.command not in _TO_VERBS or not _is_only_change(case):
        return False
    body = (source for source in case.account.sources if case.location(source) == "body" and source.words)
    behind = [source for source in body if _TO.search(case.text[: source.start])]
    # The name of an item, and its text, is not the person that it is assigned to.
    texts = stems_of(" ".join(source.argument.rpartition(".")[2] for source in behind))
    return bool(behind) and TEXT_STEMS.isdisjoint(texts)


def _is_switch(case: Case) -> bool:
    """Return whether the command switches a flag on or off, and the flag has that value."""
    flags = {str(source.value).lower() for source in case.account.sources}
    is_on, is_off = are_synonyms(case.command, _ENABLE_STEM), are_synonyms(case.command, _DISABLE_STEM)
    return (is_on and not flags.isdisjoint(_ON_WORDS)) or (is_off and not flags.isdisjoint(_OFF_WORDS))


def _command_text(case: Case) -> str:
    """Return the command as it was written."""
    words = case.command_words[: max(1, min(case.command_length, 2))]
    return " ".join(word.text for word in words).lower()


def check_kind(case: Case) -> Iterator[str]:
    """Yield the part of the path behind the item, or the kind of the item, that the sentence does not name."""
    if is_stated(case, case.operation) and not _is_of_item(case):
        return
    if kind := _longer_kind(case):
        yield f"{case.operation.id} is about the {' '.join(kind)}, which the sentence does not say"
        return
    kinds, tail = _literal_parts(case.operation)
    is_entailed = any(is_code_of_item(case, source) for source in _targets(case))
    unsaid = next((words for words in _sayable_parts(case, tail) if _is_unsaid(case, words, kinds)), None)
    if unsaid is None and _is_of_item(case):
        yield f"{case.operation.id} deletes the item itself, and the sentence names something of it"
    if unsaid is None and case.deletes and not _names_action(case):
        if noun := _different_object(case, [*kinds, *tail]):
            yield f"the sentence is about the {singular(noun)}, and {case.operation.id} is not"
            return
        qualifier = "" if is_entailed or _is_only_change(case) else _missing_qualifier(case)
        unsaid = [qualifier] if qualifier else None
    unsaid = unsaid or ([] if is_entailed else _unsaid_kind(case, kinds))
    if unsaid:
        yield f"{case.operation.id} is about the {' '.join(map(singular, unsaid))}, which the sentence does not say"


def _longer_kind(case: Case) -> Words:
    """Return the kind of the item at the end of a path where the sentence has a part of it that is a kind as well, or
    all of another kind of that noun: archive the account 5, of an account number; approve the wire transfer 5, of a
    check transfer. () for any other.
    """
    parameter = case.operation.path.rpartition("{")[2].partition("}")[0]
    kind = tuple(word for word in noun_in_path(case.operation, parameter) if word != "id") if parameter else ()
    spoken = tuple(word for word in kind if stem(word) in case.stems)
    joined = stem("".join(kind))
    if spoken in ((), kind) or joined in case.stems:
        return ()
    others = (other for other in item_kinds(case.operation.spec) if other == spoken or other[-1:] == kind[-1:])
    is_other = (case.stems.issuperset(map(stem, other)) for other in others if other and other != kind)
    return kind if any(is_other) else ()


def _targets(case: Case) -> list[ValueSource]:
    """Return the sources of the item at the end of the path."""
    return [source for source in case.account.sources if source.argument in case.target_arguments]


def _is_of_item(case: Case) -> bool:
    """Return whether what is deleted is of the item that the call deletes: the version [of SHOP-42]."""
    targets = [entry for entry in _targets(case) if entry.words]
    # The last word of the command itself is not such an "of": get rid of.
    behind = case.command_words[case.command_length :]
    before = [word for word in behind if targets and word.end <= targets[0].start]
    nouns = stems_of(" ".join(word for words in _literal_parts(case.operation)[0] for word in map(singular, words)))
    while before and nouns.issuperset(before[-1].stems):
        before.pop()  # the tags of script tag 5
    is_item = EXTENSION.sub("", case.operation.path.rstrip("/")).endswith("}")
    if not case.deletes or not is_item or [word.lower for word in before[-1:]] != ["of"]:
        return False
    outer = {stem(singular(word)) for words in _literal_parts(case.operation)[0][:-1] for word in words}
    if any(outer.issuperset(word.stems) for word in before[-2:-1]):
        return False  # the repost of playlist 5: /reposts/playlists/{id}
    # The fallback of a model may have the model's name: /fallbacks/{model}.
    kinds = {singular(word) for words in _literal_parts(case.operation)[0] for word in words}
    return set(_nouns(split_words(targets[0].argument), UNSPOKEN_WORDS)) <= kinds


def _sayable_parts(case: Case, tail: list[list[str]]) -> list[list[str]]:
    """Return the parts of a path behind its last item that people say."""
    method = case.operation.method
    if method == "POST" and tail and singular(tail[-1][-1]) != tail[-1][-1]:
        # The sentence says what is made, also by its verb (link the device: /permissions); of what, by the ids before.
        is_own = case.command in set(leading_verbs(case.operation)) - CREATE_VERBS - UPDATE_VERBS - DELETE_VERBS
        is_own = is_own and not _begins_other_noun(case, tail[-1])
        return [] if (is_own and not case.deletes) or _starts_run(case) else tail[-1:]
    is_stated = case.command in map(stem, stated_verbs(case.operation.extensions))
    if method != "DELETE" and tail and len(tail[-1]) == 1 and (is_stated or _has_command_verb(case, tail[-1])):
        return []  # the lifecycle of /users/{id}/lifecycle/suspend is nothing that anybody says
    return tail


def _begins_other_noun(case: Case, words: Sequence[str]) -> bool:
    """Return whether the verb is only the first word of what is made, and of what another POST makes: to wire is a wire
    transfer, or a wire drawdown.
    """
    if len(words) < 2 or stem(words[0]) != case.command:
        return False
    posts = (
        entry for entry in case.operation.spec.operations if entry.method == "POST" and entry is not case.operation
    )
    ends = (split_words(EXTENSION.sub("", path_end(entry))) for entry in posts)
    return any(end[:1] == [*words[:1]] and end != [*words] for end in ends)


def _is_unsaid(case: Case, words: Sequence[str], kinds: Sequence[Sequence[str]]) -> bool:
    """Return whether the sentence does not name a part of a path: its noun, or the action that it is."""
    # DELETE is stricter: of two objects that a sentence may mean, one is lost.
    nouns = _nouns(words, UNSPOKEN_WORDS if case.operation.method == "DELETE" else UNSPOKEN_WORDS | _UPDATE_WORDS)
    if len(nouns) > 1 and is_verb_form(nouns[-1]) and stem(nouns[-1]) == case.command:
        nouns = nouns[:-1]  # admin.conversations.archive
    by_argument = not kinds and _has_command_verb(case, words) and _mentions_argument(case)
    by_argument = by_argument and not _begins_other_noun(case, words)  # send it to a chat: /sendSticker
    # cancel-send, where nothing else is cancelled
    by_argument = by_argument or (len(words) > 1 and stem(words[0]) == case.command and _is_only_change(case))
    if nouns:
        return not (_is_mentioned(case, nouns) or by_argument or _names_action(case))
    return _is_different_action(case, words)


def _is_different_action(case: Case, words: Sequence[str]) -> bool:
    """Return whether a segment is a verb, as `/draft`, that the sentence does not say, nor a value of a closed set."""
    act = stem(words[0])
    is_generic = act in CREATE_VERBS | UPDATE_VERBS | DELETE_VERBS or act in case.stems
    if len(words) > 1 or is_generic or singular(words[0]) != words[0] or not is_verb_form(words[0]):
        return False
    is_related = are_opposites(case.command, act) or is_root_of(case.command, act) or are_synonyms(case.command, act)
    return not is_related and not any(has_closed_values(case.call, entry.argument) for entry in case.account.sources)


def _unsaid_kind(case: Case, kinds: list[list[str]]) -> list[str]:
    """Return the kind of the last item in a path; [] where the sentence says it, or its name entails it."""
    if case.deletes:
        kinds = [words for words in kinds if _nouns(words, UNSPOKEN_WORDS)][-1:]
    if not kinds or not _is_target_mentioned(case) or _is_only_change(case):
        return []
    target = _targets(case)
    is_found = any(source.name and are_same_names(source.name, source.words) for source in target)
    names = [words for source in target if (words := _nouns(split_words(source.argument), UNSPOKEN_WORDS))]
    if not case.deletes and (is_found or any(_is_mentioned(case, words) for words in names)):
        return []
    nouns = [_nouns(words, UNSPOKEN_WORDS) or words for words in kinds]
    if not case.deletes and _is_described(case, target):
        return []  # close topic 99: /t/{id}/status, which updates the status of a topic
    ends = _name_ends(case)
    return [] if any(_is_mentioned(case, words) or stem(singular(words[-1])) in ends for words in nouns) else kinds[-1]


def _is_described(case: Case, target: Sequence[ValueSource]) -> bool:
    """Return whether the word before the item at the end of the path is in the summary of the operation."""
    before = [word for word in case.words if target and word.end <= target[0].start][-1:]
    items = item_nouns(case.operation.spec)
    nouns = [word for word in before if singular(word.lower) not in items and word is not case.first]
    return any(not stems_of(case.operation.summary).isdisjoint(word.stems) for word in nouns)


def _name_ends(case: Case) -> set[str]:
    """Return the stems of the last words of the names of the target, which may be its kind: Coastal turbine."""
    names = (source.words.lower().split() for source in _targets(case))
    return {stem(singular(words[-1])) for words in names if words}


def check_number(case: Case) -> Iterator[str]:
    """Yield an operation on many items where one is named, or on all of a collection."""
    operation = case.operation
    tail = path_end(operation)
    last = split_words(EXTENSION.sub("", tail))
    has_several = any(isinstance(source.value, list) and len(source.value) > 1 for source in case.account.sources)
    # An operation on the item at the end of its path works on that one: /apis/batch/v1/jobs/{name} is not a batch.
    names = () if tail.endswith("}") else (*split_words(operation.id), *split_words(tail))
    bulk_word = next((word for word in names if word in _BULK_WORDS and stem(word) not in case.stems), None)
    if bulk_word and not has_several:
        yield f"{operation.id} works on many at once ({bulk_word}), and the sentence does not say so"
        return
    has_target = any(
        source.origin in TRUSTED_ORIGINS and source.origin is not Origin.DESCRIPTION
        for source in case.account.sources
        if case.location(source) != "path"
    )
    is_verb_noun = any(is_root_of(case.command, stem(word)) for word in last)
    if "{" in tail or has_target:
        return
    if operation.method == "DELETE":
        if not is_verb_noun and last and singular(last[-1]) != last[-1]:
            yield f"{operation.id} takes away all of the {last[-1]} at once"
    elif case.deletes and _nouns(last, UNSPOKEN_WORDS) and not _names_action(case):
        yield f"which of them {operation.id} takes away is not said"


def _missing_qualifier(case: Case) -> str:
    """Return the qualifier of a deleted object that the sentence does not have: [draft] ad; "" without one.

    It is in the id, the summary and the path, and is what the item is (an ad draft), or the API has other items of its
    noun: campaigns beside their drafts. A state is in the id and the path alone: remove [deleted] nodes.
    """
    operation = case.operation
    collection = operation.path.rpartition("/{")[0]
    noun = singular(collection.rpartition("/")[2])
    paths = {other.path for other in operation.spec.operations}
    # An sshkey is a key too.
    with_noun = (path for path in paths if any(singular(part).endswith(noun) for part in path.split("/")))
    object_words = split_words(OBJECT_END.split(operation.summary)[0])
    is_only = noun != "" and all(f"{path}/".startswith(f"{collection}/") for path in with_noun)
    needed = stems_of(" ".join((noun, *object_words[-1:]))) if is_only else stems_of(operation.path)
    path = split_words(" ".join(part for part in operation.path.split("/") if "{" not in part))
    summary = stems_of(operation.summary)
    for word in split_words(operation.id)[1:]:
        is_state = word in _STATES or (word.endswith("ed") and len(word) > len("need"))
        is_in_summary = stem(word) in summary and word not in UNSPOKEN_WORDS
        is_in_path = word in path or stem(word) in map(stem, path)
        if (
            is_in_path
            and (is_state or (is_in_summary and stem(word) in needed))
            and stem(word) not in case.stems | _name_ends(case)
            and not is_root_of(case.command, stem(word))
        ):
            return word
    return ""


def _different_object(case: Case, parts: Sequence[Sequence[str]]) -> str:
    """Return the object that the sentence deletes, where the path has no such part: delete the [budget] of ad set 5."""
    nouns: list[str] = []
    for word in case.command_words[case.command_length :]:
        if word.is_used or word.lower in _PREPOSITIONS:
            break
        if word.lower not in ARTICLES:
            nouns.append(word.lower)
    while nouns and nouns[-1] in _ID_NOUNS:
        nouns.pop()  # delete track number 5
    if not nouns:
        return ""
    words_of_path = [[singular(word) for word in words] for words in parts]
    operation_stems = {stem(word) for words in words_of_path for word in (*words, "".join(words))}
    operation_stems |= stems_of(OBJECT_END.split(case.operation.summary)[0])  # not: and all its metadata
    # A path without an id is a name of the action: /templates/delete.json.
    if "{" not in case.operation.path or any(word.lower == "from" for word in case.words):
        operation_stems |= stems_of(case.operation.path)
    operation_stems = operation_stems.union(*(SYNONYMS.get(word, frozenset()) for word in operation_stems))
    joined = stem("".join(map(singular, nouns)))
    heads = stems_of(nouns[-1]) | {joined}
    return "" if not heads.isdisjoint(operation_stems) else nouns[-1]


def _literal_parts(operation: Operation) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words of the literal segments right before the last placeholder, and of those behind it."""
    parts = [part for part in operation.route.strip("/").split("/") if part]
    last = max((index for index, part in enumerate(parts) if "{" in part), default=-1)
    tail = parts[last + 1 :] if last >= 0 else parts[-1:]
    if last >= 0 and (custom_verb := parts[last].partition("}")[2].strip(":")):
        tail = [custom_verb, *tail]
    kinds: list[str] = []
    for part in reversed(parts[:last] if last > 0 else []):
        if "{" in part or len(kinds) == 2:
            break
        kinds.insert(0, part)
    return _part_words(kinds), _part_words(tail)


def _part_words(parts: Sequence[str]) -> list[list[str]]:
    return [words for part in parts if not VERSION.fullmatch(part) and (words := split_words(EXTENSION.sub("", part)))]


def _nouns(words: Sequence[str], unspoken: frozenset[str]) -> list[str]:
    """Return the nouns of a segment, without the verb at its start as in `addTag`, and without `unspoken` words.

    `project_files` names files: a last word in the plural is a noun, whatever else it may mean.
    """
    noun_words = words[1:] if singular(words[0]) == words[0] and is_verb_form(words[0]) else words
    return [word for word in noun_words if word not in unspoken]


def _has_command_verb(case: Case, words: Sequence[str]) -> bool:
    return any(are_synonyms(case.command, stem(word)) for word in words)


def _mentions_argument(case: Case) -> bool:
    """Return whether the item of an operation without a placeholder is named by its argument: the [channel] C1."""
    if "{" in case.operation.path or case.deletes:
        return False
    arguments = (split_words(source.argument) for source in case.account.sources if source.words)
    nouns = (words[0] for words in arguments if len(words) == 1 or words[-1] == "id")
    return any(stem(noun) in case.stems for noun in nouns if noun not in UNSPOKEN_WORDS and not is_verb_form(noun))


# The least number of letters of each of two words in one.
_SHORTEST_PART = 3


def _is_mentioned(case: Case, nouns: Sequence[str]) -> bool:
    """Return whether the last noun is in the sentence: `queue` for a work queue, `pull request` for pullrequests.

    Of a noun that is two words in one, both are: the state of an order is its `orderstate`.
    """
    last = nouns[-1]
    if is_root_of(case.command, stem(last)):
        return True
    whole = {stem(last), stem(singular(last)), stem("".join((*nouns[:-1], singular(last))))}
    parts = ((last[:at], last[at:]) for at in range(_SHORTEST_PART, len(last) - _SHORTEST_PART + 1))
    return not whole.isdisjoint(case.stems) or any(case.stems.issuperset(map(stem, halves)) for halves in parts)


def _is_target_mentioned(case: Case) -> bool:
    """Return whether words name the item of the last placeholder; a value of the profile or a default needs none."""
    return any(source.words for source in case.account.sources if source.argument in case.target_arguments)


def _is_only_change(case: Case) -> bool:
    """Return whether the API has no other change with the sentence's verb, so that no kind has to be named."""
    command, operation = case.command, case.operation
    if command in DELETE_VERBS | UPDATE_VERBS | CREATE_VERBS:
        return False
    changes = (
        change for change in operation.spec.operations if change is not operation and change.method not in READ_METHODS
    )
    return not any(
        are_synonyms(command, verb)
        for change in changes
        for verb in leading_verbs(change)
        if change.effect is not Effect.READ
    )


# `raise the limit by 3` sent the limit 3 to a gateway, at 95 % sure.
_VAGUE = lexicon.pattern("changes/words", "vague", re.IGNORECASE)
_BY = lexicon.pattern("changes/words", "by", re.IGNORECASE)
_MORE = lexicon.pattern("changes/words", "more", re.IGNORECASE)
_TO = lexicon.pattern("changes/words", "to", re.IGNORECASE)
# The value of a day or a time, and words of its field that do not tell which one it is.
_DAY = lazy_pattern(r"\d{4}-\d{2}-\d{2}")
_TIME_NAMES = lexicon.stems("changes/words", "time_names")
_AMOUNT_VERBS = lexicon.stems("changes/words", "amount_verbs")
_DURATION = lexicon.pattern("changes/words", "duration", re.IGNORECASE)
_DIFFERENCE_NAMES = lexicon.stems("changes/words", "difference_names")
_DIFFERENCE_VERBS = lexicon.stems("changes/words", "difference_verbs")
_RANGE_NAMES = (("start", "end"), ("begin", "end"), ("from", "to"), ("since", "until"), ("min", "max"))
# Numbers of these are ids as often as bounds: from_account 7001, to_account 3002.
_DIRECTIONS = ("from", "to")
_LATITUDES = lexicon.words("changes/words", "latitudes")
_LONGITUDES = lexicon.words("changes/words", "longitudes")


def check_money(case: Case) -> Iterator[str]:
    """Yield amounts that may be in another unit than the description asks for, or are sent without their currency."""
    for source in case.account.sources:
        numbers = find_numbers(UserSentence(text=case.text))
        span = (source.start, source.end)
        mentions = ((number, number.mention) for number in numbers)
        figure = next((number for number, place in mentions if overlaps_any(span, [(place.start, place.end)])), None)
        if source.origin is not Origin.WORDS or figure is None or isinstance(source.value, bool):
            continue
        if not figure.currency:
            if case.account.traced and _may_be_another_unit(case, source):
                yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        # The number of the sentence unscaled, where the argument takes micros or cents: $50 would be 0.00005 dollars.
        if amount and SMALL_UNITS.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        # A dollar sign alone is often the account's currency; 50 EUR without its code may be booked as dollars.
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _may_be_another_unit(case: Case, source: ValueSource) -> bool:
    """Return whether a bare figure may be cents or dollars: a model sends the one or the other, and nobody said which.

    The unit is given by its word, by the name of the argument, or by the model as a text with its own.
    """
    if not isinstance(source.value, int | float):
        return False
    description = " ".join(split_words(description_of(case.call, source.argument)))
    unit = read_unit(source.argument.rpartition(".")[2], [schema_of(case.call, source.argument)])
    is_small = SMALL_UNITS.search(description) is not None or (unit is not None and unit.name in SCALES)
    return is_small and not SMALL_UNITS.search(" ".join(split_words(case.text)))


def _lacks_currency(case: Case, source: ValueSource) -> bool:
    """Return whether the object around an amount takes a currency that the call does not set."""
    *parents, _ = source.argument.split(".")
    properties = schema_of(case.call, ".".join(parents)).get("properties", {}) if parents else case.call.tool.places
    names = [".".join((*parents, name)) for name in properties]
    currency_arguments = {name for name in names if stem("currency") in map(stem, split_words(name.rpartition(".")[2]))}
    return bool(currency_arguments) and currency_arguments.isdisjoint(entry.argument for entry in case.account.sources)


def check_difference(case: Case) -> Iterator[str]:
    """Yield amounts that may be a difference (raise it by 3), as the argument takes the value afterwards."""
    for source in case.account.sources:
        if source.origin is not Origin.WORDS or not _is_amount(source) or _takes_difference(case, source):
            continue
        before = case.text[: source.start]
        # `raise the limit 3` says neither by nor to.
        is_open = case.command in _AMOUNT_VERBS and not _TO.search(before)
        if is_open or _BY.search(before) or _MORE.match(case.text[source.end :]):
            yield f"{source.words!r} may be a difference, and {source.argument} takes the new value"
        elif vague := _VAGUE.search(before):
            yield f"{vague[0].strip()!r} leaves open what {source.argument} is"


def _is_amount(source: ValueSource) -> bool:
    is_number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    return (is_number or _DURATION.match(source.words) is not None) and 0 <= source.start < source.end


def _takes_difference(case: Case, source: ValueSource) -> bool:
    """Return whether an argument is a difference by its name, or the operation by its own verb (POST /stock/increase).

    An item that is made has no value before.
    """
    if case.command in CREATE_VERBS or not _DIFFERENCE_NAMES.isdisjoint(map(stem, split_words(source.argument))):
        return True
    return case.command in _DIFFERENCE_VERBS and case.command in leading_verbs(case.operation, stated=False)


def check_limits(case: Case) -> Iterator[str]:
    """Yield values of an update that may say when to make it or of what (pause it tomorrow, stop it in Brazil).

    The verb sets another field of the item already, which is done at once and everywhere. A field that is named takes
    the value.
    """
    sources = case.account.sources
    is_by_verb = any(source.origin is Origin.VERB or case.is_command_word(source) for source in sources)
    is_action = case.operation.method == "POST" and "{" not in path_end(case.operation) and _is_target_mentioned(case)
    if not (is_by_verb and case.operation.method in UPDATE_METHODS) and not is_action:
        return
    for source in sources:
        if source.origin is not Origin.WORDS or case.location(source) == "path" or not source.words:
            continue
        names = stems_of(source.argument.rpartition(".")[2]) - _TIME_NAMES
        if not names.isdisjoint(case.stems):
            continue
        if is_by_verb and _DAY.match(str(source.value)):
            yield f"{source.words!r} may be when to do it, and it would be done now, with {source.argument} set to it"
        elif is_by_verb and _limiting_word(case, source):
            yield f"{source.words!r} may limit which items change, and {source.argument} would be set to it"


def _limiting_word(case: Case, source: ValueSource) -> bool:
    """Return whether the word before a value limits what is done: in Brazil, for the mobile app; not for 2 hours."""
    if any(map(str.isdigit, source.words)):
        return False
    before = [word.lower for word in case.words if word.end <= source.start and word.lower not in ARTICLES]
    return before[-1:] != [] and before[-1] in _LIMITING_WORDS


def check_order(case: Case) -> Iterator[str]:
    """Yield numbers that go by their order, as latitude and longitude, and are in the other order in the sentence.

    So is a time after its end: a model that swaps the two sends only values of the sentence. Of two ids of one noun the
    sentence does not tell which is which: source_user_id and target_user_id.
    """
    ids = [entry for entry in case.account.sources if entry.origin is Origin.WORDS and case.location(entry) == "path"]
    for source, second_source in combinations(ids, 2):
        first, second = (
            target_noun(case.operation, case.call.tool.places[entry.argument]) for entry in (source, second_source)
        )
        roles = stems_of(" ".join(first)) ^ stems_of(" ".join(second))
        if first[-1:] == second[-1:] != () and roles.isdisjoint(case.stems):
            yield f"{source.words!r} may be {second_source.argument}, and {second_source.words!r} {source.argument}"
    for source, second_source in _ends(case.account.sources):
        if _is_after(source.value, second_source.value):
            yield f"{source.argument}: {shorten(source.value)} is after {second_source.argument}"
    latitudes, longitudes = (
        [source for source in case.account.sources if not names.isdisjoint(split_words(source.argument)[-1:])]
        for names in (_LATITUDES, _LONGITUDES)
    )
    for source, second_source in zip(latitudes, longitudes, strict=False):
        is_named = not case.stems.isdisjoint(map(stem, _LATITUDES | _LONGITUDES))
        if 0 <= second_source.start < source.start and not is_named:
            yield f"{source.argument} is said behind {second_source.argument}"


def _ends(sources: Iterable[ValueSource]) -> Iterator[tuple[ValueSource, ValueSource]]:
    """Yield the values of two arguments of which one is the beginning and one the end: start_time and end_time."""
    by_name = {source.argument.lower(): source for source in sources}
    for name, source in by_name.items():
        for first, second in _RANGE_NAMES:
            if (first, second) == _DIRECTIONS and not isinstance(source.value, str):
                continue
            parts = name.rpartition(first)
            if parts[1] and (end := by_name.get(f"{parts[0]}{second}{parts[2]}")) is not None:
                yield source, end


def _is_after(first: object, second: object) -> bool:
    """Return whether the first of two moments, or of two bounds, is after the second."""
    if isinstance(first, str) and isinstance(second, str) and _DAY.match(first) and _DAY.match(second):
        # Two forms are compared by their days alone, as an offset may move the hour.
        size = None if len(first) == len(second) else len("2026-12-01")
        return first[:size] > second[:size]
    if isinstance(first, bool) or isinstance(second, bool):
        return False
    return isinstance(first, int | float) and isinstance(second, int | float) and first > second


_COMMAND_PREFIX = lexicon.pattern("changes/words", "command_prefix", re.IGNORECASE)

Check = Callable[[Case], Iterator[str]]


def _check_names_thing(case: Case) -> Iterator[str]:
    """Yield the words of a thing of the API that a sentence begins with: [post game] report of activity 5."""
    operation, tail = case.operation, path_end(case.operation)
    pieces = [piece for word in case.command_words[:2] for piece in word.stems][:2]
    names = [list(map(stem, split_words(name))) for name in (operation.id, operation.summary, tail)]
    actions = [operation.id.replace("/", ".").rpartition(".")[2], operation.summary]
    actions += [tail.rpartition(".")[2]] if "." in tail or f"}}/{tail}" in operation.path else []
    is_action = any(list(map(stem, split_words(action)))[:1] == pieces[:1] for action in actions)
    # POST is a verb of people too.
    leading = set(leading_verbs(operation)) - {operation.method.lower()}
    joined = stem("".join(word.lower for word in case.command_words[:2]))
    is_action = is_action or not leading.isdisjoint((case.command, joined)) or is_stated(case, operation)
    if not is_action and any(list(pair) == pieces for name in names for pair in pairwise(name)):
        yield f"{' '.join(word.text for word in case.command_words[:2])!r} is a thing of the API, and no command"


def _check_commands_change(case: Case) -> Iterator[str]:
    """Yield a reason against a model's change where the sentence only reads, or commands nothing (thanks, ok).

    An earlier question is not a command for now. A verb behind the first (`find x and pause it`) counts where it is the
    operation's own action.
    """
    if not case.account.traced or _is_command(case):
        return
    leading = leading_verbs(case.operation)
    end = commanded_length(case.text)
    later_words = [
        word
        for word in case.unused_words
        if word.start < end and _COMMAND_PREFIX.search(case.text[: word.start].rstrip())
    ]
    if any(are_synonyms(entry, verb) for word in later_words for entry in word.stems for verb in leading):
        return
    if any(
        entry.origin is Origin.VERB and entry.start < end and _COMMAND_PREFIX.search(case.text[: entry.start].rstrip())
        for entry in case.account.sources
    ):
        return
    is_read = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if is_read else "the question commands no change"


def _check_commands_operation(case: Case) -> Iterator[str]:
    """Yield reasons against a model's change that the sentence does not command, once an API has answered.

    An answer may tell a model what to plan (prompt injection). So the verb has to be the operation's, and the kind of
    its target is named, unless the target itself is: update cmp_1.
    """
    if not case.account.traced or not case.account.answered:
        return
    yield from check_verb(case)
    # `delete the budget of cmp_1` names the target of DELETE /campaigns/{id} and means a part of it.
    has_more_words = any(word.lower not in STOPWORDS for word in case.unused_words)
    if not _is_target_mentioned_by_user(case) or (case.operation.method == "DELETE" and has_more_words):
        yield from check_kind(case)


def _is_target_mentioned_by_user(case: Case) -> bool:
    """Return whether the path ends in an item that the user named."""
    origins = {entry.origin for entry in case.account.sources if entry.argument in case.target_arguments}
    return case.operation.path.rstrip("/").endswith("}") and not origins.isdisjoint((Origin.WORDS, Origin.LOOKUP))


def _is_command(case: Case) -> bool:
    """Return whether the sentence begins with a verb that asks for more than information."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    leading = leading_verbs(case.operation)
    if is_verb(command) or command in IMPERATIVES or any(are_synonyms(command, verb) for verb in leading):
        return True
    next_words = case.command_words[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in DETERMINERS for word in next_words)


class Concern(StrEnum):
    """What a check is about. The values stand in the JSON of plans."""

    MOOD = "mood"
    SCOPE = "scope"
    EFFECT = "effect"
    TARGET = "target"
    COUNT = "count"
    ORIGIN = "origin"
    LEFT = "left"
    SURENESS = "sureness"
    AMOUNT = "amount"
    LIMITS = "limits"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason against a change, in words for the user."""

    concern: Concern
    text: str


CHECKS: tuple[tuple[Concern, tuple[Check, ...], tuple[Check, ...]], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (Concern.MOOD, (check_is_command, _check_commands_change), (_check_names_thing,)),
    (Concern.SCOPE, (check_negation, check_condition), ()),
    (Concern.EFFECT, (_check_commands_operation, check_opposite, check_deletion), (check_verb, check_new_item)),
    (Concern.EFFECT, (check_update_value,), ()),
    (Concern.TARGET, (), (check_kind, check_statement)),
    (Concern.COUNT, (check_quantity, check_number), ()),
    (Concern.ORIGIN, (check_origin,), ()),
    (Concern.LEFT, (check_whole_words,), ()),
    (Concern.SURENESS, (check_meaning,), ()),
    (Concern.AMOUNT, (check_money, check_difference), ()),
    (Concern.LIMITS, (check_limits,), ()),
    (Concern.LEFT, (check_text_end,), ()),
    (Concern.NAME, (check_exact_name,), ()),
    (Concern.AMOUNT, (check_order,), ()),
    (Concern.LEFT, (check_left,), ()),
)
"""What each check is about, the weightiest first: the checks of every call, and those of the embedded planner's alone.

A model understands more than words, so that its calls need not have the description's own words; the origin of values,
and what a call undoes or deletes, is checked all the same.
"""


def doubts_about(call: Call, account: Account, question: str, *, destroy: bool = False) -> tuple[Doubt, ...]:
    """Return the doubts about a change, the weightiest first; () where it may be sent.

    `question` is the user's whole sentence, of which `account` quotes the parts that were used. With `destroy` the user
    has consented to deletions, also by a verb that may leave an item there (cancel the event).
    """
    case = build_case(call, account, question, destroy=destroy)
    doubts = (
        Doubt(concern=concern, text=mask_credential_texts(reason, question))
        for concern, checks, planner_checks in CHECKS
        for check in (*checks, *(() if account.traced else planner_checks))
        for reason in check(case)
    )
    # Two checks may find the same fault, and the user reads it once.
    return tuple({doubt.text: doubt for doubt in doubts}.values())


def rival_of(call: Call, account: Account, question: str, others: Iterable[tuple[Call, Account]]) -> str:
    """Return the id of another operation that the words of a change fit as well as its own; "" for none."""
    case = build_case(call, account, question)
    rivals = (build_case(other, other_account, question) for other, other_account in others)
    return next((rival.operation.id for rival in rivals if _fits_as_well(case, rival)), "")


def _fits_as_well(case: Case, rival: Case) -> bool:
    """Return whether a rival uses all values, and more of the words; a change may also say no more than the sentence.

    A change's verb does not command a read, so the read needs its own word.
    """
    spans = [(source.start, source.end) for source in rival.account.sources]
    if any(entry.words and not overlaps_any((entry.start, entry.end), spans) for entry in case.account.sources):
        return False
    own, others = _stated_stems(case.operation), _stated_stems(rival.operation)
    spoken = {entry for word in case.words if not word.is_name and word.lower not in STOPWORDS for entry in word.stems}
    if (spoken & others) - own - {case.command}:
        return True
    if rival.operation.effect is Effect.READ:
        return False
    names = split_words(f"{rival.operation.id} {rival.operation.path}")
    unsaid = {stem(singular(name)) for name in names if not (name in UNSPOKEN_WORDS or is_verb_form(name))}
    return unsaid <= own | case.stems and not doubts_about(rival.call, rival.account, rival.text)


def _stated_stems(operation: Operation) -> set[str]:
    words = split_words(f"{operation.id} {operation.path} {operation.summary}")
    return {stem(form) for word in words for form in (word, singular(word))}


def reasons_against(call: Call, account: Account, question: str, *, destroy: bool = False) -> tuple[str, ...]:
    """Return the doubts about a change in words for the user, the weightiest first; () where it may be sent."""
    return tuple(doubt.text for doubt in doubts_about(call, account, question, destroy=destroy))
