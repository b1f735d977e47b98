"""The requests of a question as separate sentences: every clause that commands or asks something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from nlapi.english import lexicon
from nlapi.english.command_verbs import DETERMINERS
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.planner.operations.catalogue import Catalogue

# A longer question is a pasted text, and more clauses are prose rather than a list of commands.
_MAX_LENGTH = 2000
_MAX_CLAUSES = 4
_BOUNDARY = lazy_pattern(
    r"(?<=[.;!?])\s+|\s*,\s*(?:and\s+)?(?:then\s+|also\s+)?|\s+(?:and|then)\s+(?:then\s+|also\s+)?", re.IGNORECASE
)
_AND = lazy_pattern(r"\band\b", re.IGNORECASE)
_NEW = lexicon.words("planner/steps/words", "new")
_PREPOSITION = lexicon.pattern("planner/steps/words", "preposition", re.IGNORECASE)
_DETERMINERS = lexicon.words("planner/steps/words", "determiners")
_AFTER_VERB = lexicon.words("planner/steps/words", "after_verb")
_END = lexicon.pattern("planner/steps/words", "end", re.IGNORECASE)
_RELATIVE = lexicon.pattern("planner/steps/words", "relative", re.IGNORECASE)
_REASON = lexicon.pattern("planner/steps/words", "reason", re.IGNORECASE)
# A clause that commands nothing: [make sure I miss none].
_ASIDE = lexicon.pattern("planner/steps/words", "aside", re.IGNORECASE)
_POLITE = lexicon.pattern("planner/steps/words", "polite", re.IGNORECASE)


# A name, a code or an address, and several of them behind a verb and the plural of their kind.
_ITEM = r"""(?:"[^"]+"|[A-Z][\w&.'’-]*(?: (?!and\b)[A-Z\d][\w&.'’-]*)*|#?[\w.+@-]*[\d@][\w.@-]*)"""
_ITEMS = lazy_pattern(
    r"(?P<verb>[A-Za-z]+) (?:the |our |my )?(?P<noun>[a-z]+(?: [a-z]+)?) "
    rf"(?P<items>{_ITEM}(?:, {_ITEM})*,? and {_ITEM})"
    r"(?P<rest>(?: (?:from|in|into|to|on|for|at|as|due|because|until|by) .+)?)[.!]*"
)
_ONE_ITEM = lazy_pattern(_ITEM)
_MAX_ITEMS = 10


def _item_sentences(question: str, is_noun: Callable[[str], bool]) -> list[str]:
    """Return a command for each of several items of a kind: delete the boards Alpha and Beta; [] for any other."""
    match = _ITEMS.fullmatch(_POLITE.sub("", question.strip()))
    if match is None or VERBS.get(stem(match["verb"].lower())) is Intent.READ:
        return []
    kind, last = match["noun"].rpartition(" ")[0], match["noun"].rpartition(" ")[2]
    noun, items = f"{kind} {singular(last)}".strip(), _ONE_ITEM.findall(match["items"])
    if singular(last) == last or not is_noun(stem(last)) or len(items) > _MAX_ITEMS:
        return []
    return [f"{match['verb']} the {noun} {item}{match['rest']}" for item in items]


def request_sentences(question: str, catalogue: Catalogue) -> Iterator[tuple[list[str], bool]]:
    """Yield the ways in which a question may be several requests, and whether each has its own verb.

    A noun phrase alone (list the tracks [and the devices]) is a request with the verb of the one before it, and both
    may be of what ends the last one (create a tag A and a segment B [in project X]). In the second case there is a
    doubt, so that every word has to be used.
    """
    if len(question) > _MAX_LENGTH or _BOUNDARY.search(question) is None:
        return
    verbs, is_noun = _api_verbs(catalogue), catalogue.index.is_entity
    if items := _item_sentences(question, is_noun):
        yield items, False
        return
    commands = _with_reasons(_parts(question, lambda _, __, rest: _begins_with_verb(rest, verbs)))

    def begins_request(before: str, between: str, rest: str) -> bool:
        is_list = bool(_AND.search(between) or ("," in between and _AND.search(rest)))
        is_phrase = is_list and _begins_with_noun(rest, is_noun) and _continues(_POLITE.sub("", before), rest)
        return _begins_with_verb(rest, verbs) or is_phrase

    parts = _parts(question, begins_request)
    phrases = _with_reasons(_with_verbs(parts, verbs))
    if len(commands) < len(phrases) <= _MAX_CLAUSES:
        if (end := _END.search(phrases[-1])) is not None:
            yield [*(f"{phrase}{end[0]}" for phrase in phrases[:-1]), phrases[-1]], False
        yield phrases, False
    if 1 < len(commands) <= _MAX_CLAUSES:
        yield commands, True


def _parts(question: str, begins_clause: Callable[[str, str, str], bool]) -> list[str]:
    """Return the parts of a question that begin a clause, in order."""
    parts: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(question):
        is_quoted = question.count('"', 0, match.start()) % 2 == 1
        rest = _POLITE.sub("", question[match.end() :])
        before = question[start : match.start()].strip()
        is_relative = "," in match[0] and _RELATIVE.match(rest) is not None
        if not (is_quoted or is_relative) and before and begins_clause(before, match[0], rest):
            parts.append(before)
            start = match.end()
    parts.append(question[start:])
    return [clause for part in parts if (clause := _POLITE.sub("", part.strip()).strip(" ,;"))]


def _with_verbs(parts: Sequence[str], verbs: frozenset[str]) -> list[str]:
    """Return the parts with a verb each: that of the part before where a part has none."""
    clauses: list[str] = []
    for part in parts:
        if clauses and not _begins_with_verb(part, verbs):
            verb, *others = clauses[-1].split()
            between = others[:1] if others and others[0].lower() in _AFTER_VERB else []
            part = " ".join((verb, *between, part))
        clauses.append(part)
    return clauses


def _continues(before: str, phrase: str) -> bool:
    """Return whether a noun phrase may continue the command before it, and not the object of a preposition there.

    `remove tag 3 from post 5 and post 6` removes no post: what a change is of is of the same kind (device 14 and device
    15), or new (a tag and a segment).
    """
    verb, *words = split_words(before)[:4] or [""]
    if VERBS.get(stem(verb)) is Intent.READ:
        return True
    nouns, phrase_nouns = (
        [stem(word) for word in split if word not in _DETERMINERS] for split in (words, split_words(phrase))
    )
    is_new = phrase.split()[0].lower() in _NEW and _PREPOSITION.search(before) is None
    return is_new or nouns[:1] == phrase_nouns[:1]


def _begins_with_noun(text: str, is_noun: Callable[[str], bool]) -> bool:
    """Return whether a text begins with a noun of the API, alone or behind another word: the price list."""
    words = [word for word in split_words(text[:80]) if word not in _DETERMINERS]
    return any(is_noun(stem(word)) for word in words[:1]) or (
        split_words(text[:10])[:1] != words[:1] and any(is_noun(stem(word)) for word in words[1:2])
    )


def _api_verbs(catalogue: Catalogue) -> frozenset[str]:
    """Return the stems of the first words of the ids and summaries of the operations, but no article."""
    names = (name for operation in catalogue.operations for name in (operation.id, operation.summary))
    stems = {stem(words[0]) for words in map(split_words, names) if words and words[0] not in DETERMINERS}
    return frozenset(word for word in stems if not catalogue.index.is_entity(word))


def _begins_with_verb(text: str, verbs: frozenset[str]) -> bool:
    # Only the first word counts, and the text may be long.
    words = split_words(text[:80])
    if not words or singular(words[0]) != words[0] or words[0].endswith(("ed", "ing")):
        return False
    return stem(words[0]) in VERBS or stem(words[0]) in verbs


def _with_reasons(clauses: list[str]) -> list[str]:
    """Return the clauses that command or ask something, each with the reason that stands before it."""
    joined: list[str] = []
    reason = ""
    for index, clause in enumerate(clauses):
        if _ASIDE.match(clause):
            continue
        text = f"{reason} {clause}".strip()
        is_reason = _REASON.match(clause) and index < len(clauses) - 1
        reason = text if is_reason else ""
        joined += [] if is_reason else [text]
    return joined
