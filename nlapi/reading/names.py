"""Names that are written in small letters: the deployment [production], the records of [faq], cancel [quick-lynx]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nlapi.english.intents import STOPWORDS, VERBS
from nlapi.english.lexicon import words
from nlapi.english.word_similarity import has_vector
from nlapi.english.words import singular, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.reading.numbers import ORDINALS
from nlapi.reading.text import MentionKind, Sentence, Token

# Words behind a name, with which it is over.
NAME_ENDS = words("reading/words", "name_ends")
_LEADS = words("reading/words", "name_prepositions")
# Before what has something: how many issues does [checkout] have.
_OWNER_LEADS = words("reading/words", "owner_leads")
# Before a noun these say that a name follows; behind others (a campaign report) another noun may.
_DEFINITE = words("reading/words", "definite")
_ARTICLES = _DEFINITE | {"a", "an"}
NO_NAMES = words("reading/words", "no_names")
_COMPOUND_PARTS = words("reading/words", "compound_parts")
# Verbs before a gerund.
_ASPECTS = words("reading/words", "aspects")
_SLUG = lazy_pattern(r"[a-z0-9]+(?:[-_.][a-z0-9]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainName:
    """A word that may be a name: token `at`. A `clear` one is not an English word, or can be nothing but a name."""

    at: int
    is_certain: bool


def is_slug(text: str) -> bool:
    """Return whether a text is written as only programs write: calm-fox, k8s-pool, max_retries."""
    if not _SLUG.fullmatch(text):
        return False
    return not has_vector(stem(text)) and (not text.replace("-", "").isalpha() or not _is_compound(text))


def is_code(text: str) -> bool:
    """Return whether a text is a code of an item: a slug, or letters and figures (WEB-2, a1b2)."""
    return is_slug(text.lower()) or (not text.isalpha() and not text.isdigit() and text.replace("-", "").isalnum())


def _is_compound(text: str) -> bool:
    """Return whether a text is an English compound (one-way, non-stop, up-to-date): it has a little word or a verb."""
    parts = text.split("-")
    return any(part in STOPWORDS or part in _COMPOUND_PARTS for part in parts) or parts[-1].endswith(("ed", "ing"))


def names_behind_noun(sentence: Sentence, noun: Sequence[str]) -> Iterator[PlainName]:
    """Yield the words right behind a noun in the singular where nothing follows that they are part of."""
    stems, tokens = sentence.stems, sentence.tokens
    for at in range(len(noun), len(stems)):
        if not noun or stems[at - len(noun) : at] != tuple(noun) or not _can_be_name(sentence, at):
            continue
        if _is_gerund(sentence, at - 1):
            continue
        if singular(tokens[at - 1].lower) == tokens[at - 1].lower:
            before = at - len(noun)
            led = before == 1 or sentence.word_before(before) in _DEFINITE | _LEADS
            yield PlainName(at=at, is_certain=led or is_slug(tokens[at].lower))


def _is_gerund(sentence: Sentence, at: int) -> bool:
    """Return whether a token is a verb behind the command to end or begin an activity: stop [shadowing] search."""
    return at > 0 and sentence.tokens[at].lower.endswith("ing") and sentence.tokens[at - 1].lower in _ASPECTS


def names_behind_preposition(sentence: Sentence) -> Iterator[PlainName]:
    """Yield the words that a preposition leads to, with only an article between (`how many records are in faq`)."""
    for at, token in enumerate(sentence.tokens):
        before = at - 1
        while before > 0 and sentence.tokens[before].lower in _ARTICLES:
            before -= 1
        if before > 0 and sentence.tokens[before].lower in _LEADS and _can_be_name(sentence, at):
            is_owner = sentence.tokens[before].lower in _OWNER_LEADS
            yield PlainName(at=at, is_certain=is_owner or is_slug(token.lower))


def find_item_name(sentence: Sentence, noun: Sequence[str]) -> int | None:
    """Return the token that names the item of a noun: set the variable [region], or None."""
    return next((candidate.at for candidate in names_behind_noun(sentence, noun) if candidate.is_certain), None)


def find_slugs(sentence: Sentence) -> Iterator[PlainName]:
    """Yield the slugs that have no noun before them which says their kind: [sku-2], but not the record [sku-2]."""
    for at, token in enumerate(sentence.tokens):
        if is_slug(token.lower) and noun_before(sentence, at) is None and _can_be_name(sentence, at, anywhere=True):
            yield PlainName(at=at, is_certain=True)


def noun_before(sentence: Sentence, at: int) -> Token | None:
    """Return the noun before a code, or before the row of codes that it is in: the records [a-1 and] a-2."""
    tokens, first = sentence.tokens, at
    while first > 1 and tokens[first - 1].lower in (",", "and", "or") and is_code(tokens[first - 2].text):
        first -= 2
    before = tokens[first - 1] if first else None
    if before is None or not before.word or before.lower in STOPWORDS or (before.stem in VERBS and first == 1):
        return None
    return before


def _can_be_name(sentence: Sentence, at: int, *, anywhere: bool = False) -> bool:
    """Return whether a token may be a name: a word by itself, in small letters, no number and no day."""
    token = sentence.tokens[at]
    after = sentence.tokens[at + 1] if at + 1 < len(sentence.tokens) else None
    # `key=value`, `api:v1` and paths are read as literals, not as names.
    if after is not None and after.lower == "by" and token.lower.endswith(("ed", "en")):
        return False  # owned by priya
    if after is not None and after.text in ("=", ":", "/"):
        return False
    if not token.word or token.text != token.lower or at in sentence.date_positions or at in _occupied(sentence):
        return False
    if not anywhere and after is not None and after.word and after.lower not in NAME_ENDS:
        return False
    return is_slug(token.lower) or (
        token.lower not in STOPWORDS
        and token.lower not in NO_NAMES
        and token.lower not in NAME_ENDS
        and token.lower not in ORDINALS
        and len(token.lower) > 1
        and not token.lower.isdigit()
        and not (token.stem in VERBS and token.lower.endswith(("ed", "ing")))
    )


def _occupied(sentence: Sentence) -> frozenset[int]:
    kinds = (MentionKind.NUMBER, MentionKind.QUOTED, MentionKind.TITLE, MentionKind.JSON)
    mentions = (
        mention
        for mention in sentence.mentions
        if mention.kind in kinds
        or (mention.kind is MentionKind.LITERAL and mention.form != "id")
        or (mention.kind is MentionKind.NAME)
    )
    return frozenset(at for mention in mentions for at in range(mention.first, mention.last))
