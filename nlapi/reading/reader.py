"""Reads a sentence: its tokens, and the mentions in it that may be values of arguments."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime, tzinfo
from typing import Any

from nlapi.english import lexicon
from nlapi.english.command_verbs import is_participle
from nlapi.english.intents import ARTICLES, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import words
from nlapi.english.units import find_unit
from nlapi.lazy_pattern import lazy_pattern
from nlapi.local_zone import local_zone
from nlapi.reading.clauses import find_reason
from nlapi.reading.dates import MONTHS, WEEKDAYS, ParsedDate, find_dates, stated_today
from nlapi.reading.gazetteer import CURRENCY_CODES, is_region, region_of
from nlapi.reading.numbers import NumberKind, find_numbers
from nlapi.reading.text import MentionKind, Reason, Sentence, Token, ValueMention, tokenize

_ENDINGS = "|".join(lexicon.ordered("reading/words", "host_ends"))
_PADDING = r"(?:={1,2}(?![\w=]))?"  # the end of a text in base64
_LITERAL = (
    ("tag", re.compile(r"(?<!\w)#(?=\w*[a-fA-F])(?:[0-9a-fA-F]{3}){1,2}\b")),  # a color
    ("url", re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s,\"'<>)]+[^\s,\"'<>).!?]", re.IGNORECASE)),
    ("email", re.compile(r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+\b")),
    ("phone", re.compile(r"(?<![\w+])\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}(?![\w.]?\d|\w)")),
    ("uuid", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    # What a program or a careful user made up: capitals, small letters, figures and marks in one, or base64 to its end.
    (
        "id",
        re.compile(
            r"(?<![^\s\"'(=:])(?=\S{10})(?=\S{0,99}[a-z])(?=\S{0,99}[A-Z])(?=\S{0,99}\d)[\w./~-]*[+!$%^&*#@\\][^\s,;\"']*[\w=]"
            r"|(?<![\w+/])[A-Za-z0-9+/]{8,}={1,2}(?![\w=])"
            # @scope/package, arn:aws:iam::42:user/ada, 1.0.0-beta+exp.sha, en.german#holiday@calendar.example
            r"|(?<!\S)(?:@[\w-]+/[\w.-]*\w|[A-Za-z][\w.-]*(?::[\w./-]*){3,}\w"
            r"|v?\d+(?:\.\d+)+[\w.-]*\+[\w.-]*\w|[\w.-]+#[\w.-]+@[\w.-]*\w)(?=[.,;?!]?(?:\s|$))"
        ),
    ),
    ("path", re.compile(r"(?<![\w/.])\d{1,3}(?:\.\d{1,3}){3}/\d{1,2}(?![\w/])")),
    (
        "host",
        re.compile(r"(?<![\w@/.:-])(?=[\w.-]*\d)(?:(?!\d+\.)[\w-]+\.){2,}[a-z]{2,}(?![\w/@:-]|\.\w)", re.IGNORECASE),
    ),
    (
        "id",
        re.compile(
            rf"(?<![\w/.])(?=[\w\-:.]{{0,199}}\d)(?=[\w\-:.]{{0,199}}[A-Za-z_])[A-Za-z0-9](?:\w|[-:.](?=\w))*\w(?!\w){_PADDING}"
        ),
    ),
    ("id", re.compile(r"(?<![\w/.#@])[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+(?!\w)|(?<![\w/.])\d+(?:\.\d+){2,}(?!\w)")),
    ("id", re.compile(r"(?<![\w/.+-])(?:\d+(?:-\d+){2,}|\d{4,}-\d{5,}|\d{2,3}-\d{6,}|\d+@[A-Za-z]\w+)(?![\w-])")),
    ("host", re.compile(rf"(?<![\w@/.-])(?:[\w-]+\.)+(?:{_ENDINGS})\b(?![\w/@-])", re.IGNORECASE)),
    ("host", re.compile(r"(?<![\w@/.-])(?=[\w.-]*\w\w\.)(?:[\w-]+\.)+[a-z][\w-]*[a-z\d](?![\w/@-]|\.\w)")),
    (
        "path",
        re.compile(r"(?<![\w/.-])[\w.-]+/[\w.-]+(?:/[\w.-]+)*(?::[\w.-]*\w)?(?!\w)|(?<!\w)~?/[\w.-]+(?:/[\w.-]+)*"),
    ),
    ("tag", re.compile(r"(?<!\w)[#@](?!\d+\b)[\w-]+")),
)
# A label and a number, not an id that has a colon in it.
_LABELLED = lexicon.pattern("reading/words", "labelled", re.IGNORECASE)
_UNIT_LIKE = lexicon.pattern("reading/words", "reader_unit_like", re.IGNORECASE)
_COUNTED = lazy_pattern(r"\d+(?:\.\d+)?([A-Za-zµμΩ]{1,4})(/[A-Za-z]{1,3})?")
_SHORT_FORMS = words("reading/words", "unit_like")
_BEFORE_NUMBERS = words("reading/words", "before_numbers")
_AFTER_IDS = words("reading/words", "after_ids")
_POLITE = words("reading/words", "polite")
_ITEM_VERBS = words("reading/words", "item_verbs")


def find_literals(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the form, the start and the end of every literal, the most certain forms first; some may overlap."""
    for form, pattern in _LITERAL:  # in the order of certainty: the reader keeps the first of those that overlap
        for match in pattern.finditer(text):
            literal = match.group()
            if form in ("id", "path") and _is_number(literal) and not _stands_as_id(text, match.start(), match.end()):
                continue
            if form == "path" and literal.replace("/", "").strip(".").isdigit():
                continue
            yield form, match.start(), match.end()


def _stands_as_id(text: str, start: int, end: int) -> bool:
    """Return whether a number with a unit stands where an item is named by its id: delete the coupon [68w].

    It stands behind a noun, with nothing behind it that it could be the measure of (a `30-day plan`). A measure that
    is set (the timeout 30s) differs from an id by the verb.
    """
    before, after = text[:start].split(), text[end:].split()
    if len(before) < 2 or not before[-1].isalpha() or before[-1].lower() in _BEFORE_NUMBERS:
        return False
    if after and text[end : end + 1].isspace() and after[0].lower().strip(",.;") not in _AFTER_IDS:
        return False
    if _LABELLED.fullmatch(text[start:end]):
        return False
    hyphen = "-" in text[start:end] and not text[start:end].replace("-", "").isdigit()
    verb = next((word.lower() for word in before if word.lower() not in _POLITE), "")
    return hyphen or verb in _ITEM_VERBS


def _is_number(text: str) -> bool:
    """Return whether a text like an id is a number with its unit (30s, 128gb), a day or a version; 55aa is not."""
    counted = _COUNTED.fullmatch(text)
    if counted is not None:
        # One figure and letters (5aa) is more often a measure with a unit than an id.
        is_measure = counted[1].lower() in _SHORT_FORMS or find_unit(counted[1]) is not None
        return is_measure or not (text[:2].isdigit() or counted[2])
    return _UNIT_LIKE.fullmatch(text) is not None or _LABELLED.fullmatch(text) is not None


_LEADS = words("reading/words", "text_leads")
# A dot behind a longer word than St. and Ave. ends the sentence, and not only the word.
_ADDRESS_WORD = r"[A-Z][\w'’-]*(?:\.[\w'’-]+)*(?:(?<=\b\w)\.|(?<=\b\w\w)\.|(?<=\b\w\w\w)\.)?"
_ADDRESS = lazy_pattern(
    rf"(?<![\w.,-])\d{{1,6}}[A-Za-z]?\s+(?:{_ADDRESS_WORD}\s?)+"
    rf"(?:,\s*{_ADDRESS_WORD}(?:\s{_ADDRESS_WORD})*(?:\s\d{{4,6}})?)*"
)

_STREET = lexicon.pattern("reading/words", "street", re.IGNORECASE)


def find_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each address (12 Long Street, Leeds), with and without the parts after a comma."""
    for match in _ADDRESS.finditer(text):
        end = match.end()
        while True:
            yield match.start(), end
            cut = match.group().rfind(",", 0, end - match.start())
            if cut < 0:
                break
            end = match.start() + cut
    for match in _STREET.finditer(text):
        if not _ADDRESS.match(text, match.start()):
            yield match.start(), match.end()


def find_clauses(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """Yield the start, the end and the form of the texts that are long enough to be a message.

    These are the sentence as a whole (`all`), and each text behind a verb or a word such as that, about, : up to the
    next comma and up to the end (`clause`).
    """
    count = len(tokens)
    end = count - 1 if count and tokens[-1].text in ".?!" else count
    if end > 0:
        yield tokens[0].start, tokens[-1].end, "all"
    for at in range(end - 1):
        token = tokens[at]
        if token.lower in _LEADS or (at > 0 and token.stem in VERBS and not token.lower.endswith("s")):
            stop = next((n for n in range(at + 1, end) if tokens[n].text in ".?!;"), end)
            comma = next((n for n in range(at + 1, stop) if tokens[n].text == ","), stop)
            for last in sorted({stop, comma}):
                if last - at > 2:
                    yield tokens[at + 1].start, tokens[last - 1].end, "clause"


# Characters of a text that are read, and mentions from which on plain words are not values any more. No question of a
# person has as many; without the limit of mentions a very long text took a minute.
MAX_CHARACTERS = 20_000
MAX_MENTIONS = 500
_SPACE = lazy_pattern(r"\s")
QUOTED = lazy_pattern(
    r'"([^"]*)"|“([^”]*)”|«([^»]*)»|「([^」]*)」|`([^`]*)`|(?<!\w)[\'‘]([^\'’]*(?:[\'’](?=\w)[^\'’]+)*)[\'’](?!\w)'
)
"""A text between quotes, which is the one group that matched."""
# Letters of a script that puts no spaces between words: the end of a value in it is not known.
_UNPARTED = lazy_pattern(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{5,}")
_CAPITAL = lazy_pattern(r"[A-ZÀ-ÞĀ-Ž]")
_INSIDE_NAME = words("reading/words", "name_inside")
# Small words in a row within a name: Bank [of the] West, Johann [von der] Heide.
_MAX_SMALL_WORDS = 2
_LABELS = words("reading/words", "labels")
_BRACKETS = lazy_pattern(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]|\{[^{}]*\}")
_ONE = lexicon.pattern("reading/words", "one", re.IGNORECASE)
# All of a thing with a name is 100 per cent of it.
_ALL_OF = lazy_pattern(r"\b(?P<all>all)\s+of\s+(?:the\s+)?$", re.IGNORECASE)
_CALLED = lexicon.pattern("reading/words", "called", re.IGNORECASE)
_AFTER_NAME = words("reading/words", "after_title")
_DAY_LEADS = words("reading/words", "day_leads")
_BREAKS = words("reading/words", "phrase_breaks")
_LOCATIVES = words("reading/words", "locatives")  # the day in `from Paris Friday` is a day, not part of the name
# These are in a name (Back to School) as often as between two (Rome and Paris): both are offered.
_JOINERS = words("reading/words", "joiners")
_SMALL_WORDS = _INSIDE_NAME - _JOINERS


def read_sentence(
    text: str,
    today: date,
    names: Collection[str] = (),
    zone: tzinfo | None = None,
    read: Callable[[tuple[Token, ...]], tuple[Token, ...]] = lambda tokens: tokens,
) -> Sentence:
    """Return the tokens and the mentions of `text`, of which the first 20,000 characters are read.

    All positions are those in `text` as it was typed.

    `names` are names that the API has, each of which is a literal where it stands in the text.

    `today` may be an aware datetime, from which hours and minutes are counted too (an hour ago). `zone` is the user's,
    by default that of this machine. `read` gives tokens other words than those that they are written with.
    """
    typed, text = text, _flat(text[:MAX_CHARACTERS])
    day = today.date() if isinstance(today, datetime) else today
    if (stated := stated_today(text, day)) != day:
        today = day = stated
    tokens = read(tokenize(text))
    finder = _MentionFinder(text=text, tokens=tokens, today=today, names=names)
    mentions = tuple(finder.find())
    return Sentence(
        text=typed,
        today=day,
        tokens=tokens,
        mentions=mentions,
        moments=tuple(finder.moments),
        numbers=tuple(finder.numbers),
        zone=zone or local_zone(),
        reason=finder.reason,
    )


def _flat(text: str) -> str:
    """Return a text of the same length with blanks for other white space, and for quotes around the whole."""
    text = _SPACE.sub(" ", text)
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    # A question that is quoted as a whole is the question, not a value.
    if end - start > 2 and text[start] == text[end - 1] and text[start] in "'\"" and text.count(text[start]) == 2:
        return f"{' ' * (start + 1)}{text[start + 1 : end - 1]}{' ' * (len(text) - end + 1)}"
    return text


class _MentionFinder:
    """Collects the mentions of a sentence, the most certain kinds first; a later one never cuts into an earlier one."""

    def __init__(self, *, text: str, tokens: tuple[Token, ...], today: date, names: Collection[str] = ()) -> None:
        self.text, self.tokens, self.today, self.names = text, tokens, today, names
        self._lower_names = frozenset(name.lower() for name in names)
        self._starts, self._ends = [token.start for token in tokens], [token.end for token in tokens]
        self.mentions: list[ValueMention] = []
        self.moments, self.numbers = find_dates(text, today), find_numbers(text)
        self._claimed = bytearray(len(text) + 1)
        self.reason: Reason | None = None

    def find(self) -> list[ValueMention]:
        self._json()
        self._quotes()
        self._known_names()
        self._literals()
        self._dates()
        self._numbers()
        self._reason()
        self._names()
        self._called()
        self._phrases()
        self._loose()
        return sorted(self.mentions, key=lambda mention: (mention.start, -mention.end))

    def _add(
        self, kind: MentionKind, start: int, end: int, *, take: bool = True, text: str | None = None, **more: Any
    ) -> None:
        if take and any(self._claimed[start:end]):
            return
        first = bisect_right(self._ends, start)
        last = max(first, bisect_left(self._starts, end))
        if take:
            self._claimed[start:end] = b"\1" * (end - start)
        words = " ".join((text or self.text[start:end]).split())
        mention = ValueMention(kind=kind, start=start, end=end, first=first, last=last, text=words, **more)
        self.mentions.append(mention)

    def _json(self) -> None:
        for match in _BRACKETS.finditer(self.text):
            value = _literal(match.group())
            if isinstance(value, (list, dict)) and value:
                self._add(MentionKind.JSON, match.start(), match.end(), value=value)

    def _quotes(self) -> None:
        for match in QUOTED.finditer(self.text):
            inner = next(group for group in match.groups() if group is not None).strip()
            if inner:
                self._add(MentionKind.QUOTED, match.start(), match.end(), text=inner, value=inner)

    def _known_names(self) -> None:
        """Add the names that the API has, the longest first: payment fraud for payment-fraud."""
        for name in sorted(self.names, key=len, reverse=True):
            parts = [part for part in re.split(r"[\W_]+", name) if part]
            pattern = r"[\s_-]".join(map(re.escape, parts))
            for match in re.finditer(rf"(?<![\w.-]){pattern}(?![\w-]|\.\w)", self.text, re.IGNORECASE):
                if self._is_in_path(match):
                    continue
                # The canary ranker-v8 may be meant by `ranker v8`, and so may the version v8 of the model ranker.
                take = match.group().lower() == name.lower()
                self._add(
                    MentionKind.LITERAL, match.start(), match.end(), take=take, form="name", text=name, value=name
                )
                if (whole := _ALL_OF.search(self.text[: match.start()])) is not None:
                    self._add(MentionKind.NUMBER, whole.start(), whole.end("all"), value=100, form="percent")

    def _is_in_path(self, match: re.Match[str]) -> bool:
        """Return whether a name is a part of a path with other parts as well: v7 of ./models/v7, not of ranker/v7."""
        start = self.text.rfind(" ", 0, match.start()) + 1
        token = self.text[start:].split(" ", 1)[0].rstrip(".,;:?!")
        return "/" in token and not all(part.lower() in self._lower_names for part in token.split("/"))

    def _literals(self) -> None:
        days = [(moment.start, moment.end) for moment in self.moments]
        for form, start, end in find_literals(self.text):
            # A zone behind a time is a part of it: 18:00 Europe/Berlin.
            if form in ("id", "path") and any(first <= start < end <= last for first, last in days):
                continue
            value = self.text[start:end]
            # The name of an argument is read as its words: set [night_mode] to auto.
            is_field = value.replace("_", "").isalpha() and any(start < token.start < end for token in self.tokens)
            form = "field" if form == "id" and is_field else form
            self._add(MentionKind.LITERAL, start, end, take=form != "field", form=form, value=value)

    def _dates(self) -> None:
        for mention in self.moments:
            if self._in_name(mention.start, mention.end):
                continue
            form = "spelt" if mention.spelt else ""
            self._add(MentionKind.DATE, mention.start, mention.end, value=mention.value, whole=mention.whole, form=form)
            self._parts(mention)
            if mention.counted:
                for number in find_numbers(self.text[mention.start : mention.end]):
                    start, end = mention.start + number.start, mention.start + number.end
                    self._add(
                        MentionKind.NUMBER, start, end, take=False, value=number.value, form="counted", text=number.text
                    )

    def _parts(self, moment: ParsedDate) -> None:
        """Add the day and the hour of a moment, each by itself: one argument may take the day and another the hour."""
        for start, end, value in moment.parts:
            self._add(MentionKind.DATE, start, end, take=False, value=value, form="part")

    def _reason(self) -> None:
        """Add the text of a reason that stands outside of what is quoted."""
        reason = find_reason(self.text)
        if reason is not None and not any(self._claimed[reason.lead : reason.start]) and reason.start < reason.end:
            self.reason = reason
            quoted = QUOTED.fullmatch(self.text, reason.start, reason.end)
            text = self.text[reason.start + 1 : reason.end - 1] if quoted else None
            self._add(MentionKind.PHRASE, reason.start, reason.end, text=text, take=False, form="reason")

    def _in_name(self, start: int, end: int) -> bool:
        """Return whether a weekday or a month without figures is one of the words of a name: Black Friday Preview."""
        inside = [at for at, token in enumerate(self.tokens) if token.start < end and token.end > start]
        if not inside or not all(self._capital(at) for at in inside):
            return False
        first, last = inside[0], inside[-1] + 1
        while first > 0 and self._title_word(first - 1):
            first -= 1
        while self._title_word(last):
            last += 1
        before = self.tokens[first - 1].lower if first else ""
        return last - first > len(inside) and before not in _LOCATIVES

    def _title_word(self, at: int) -> bool:
        """Return whether a token is capitalised, is not a day itself and does not open the sentence."""
        if not self._capital(at) or at == 0 or self.tokens[at - 1].text in ".?!:;":
            return False
        return self.tokens[at].lower not in WEEKDAYS and self.tokens[at].lower not in MONTHS

    def _numbers(self) -> None:
        for number in self.numbers:
            form = number.kind.value if number.kind is not NumberKind.PLAIN or not number.spelt else "spelt"
            more: dict[str, Any] = {"form": form, "currency": number.currency}
            self._add(
                MentionKind.NUMBER, number.start, number.end, value=number.value, text=number.text.strip(), **more
            )
        for match in _ONE.finditer(self.text):
            self._add(MentionKind.NUMBER, match.start(), match.end(), take=False, value=1, form="counted")

    def _names(self) -> None:
        """Add the runs of capitalised words: Back to School, Denver, Colorado."""
        position, count = 0, len(self.tokens)
        while position < count:
            end = self._name_end(position)
            if end == position:
                position += 1
                continue
            start = position
            if self._ordinary_opening(start):
                start += 1
            if start < end:
                self._name(start, end)
            position = max(end, position + 1)

    def _ordinary_opening(self, at: int) -> bool:
        """Return whether the capital of a token only says that a sentence begins."""
        token = self.tokens[at]
        opens = at == 0 or self.tokens[at - 1].text in ".?!:;"
        return opens and (
            token.lower in STOPWORDS or token.stem in VERBS or at + 1 >= len(self.tokens) or not self._capital(at + 1)
        )

    def _capital(self, at: int) -> bool:
        if at >= len(self.tokens) or re.fullmatch(r"I(?:['’]\w+)?", self.tokens[at].text) or self._is_unit(at):
            return False
        return bool(_CAPITAL.match(self.tokens[at].text))

    def _is_unit(self, at: int) -> bool:
        """Return whether a token is the symbol of the unit of the number before it, and so no name: 5 MW, 21 °C."""
        before = self.tokens[at - 1].text if at else ""
        if before == "°":
            return True
        return before[-1:].isdigit() and not before.isalpha() and find_unit(self.tokens[at].text) is not None

    def _is_any(self, at: int, *words: str) -> bool:
        return at < len(self.tokens) and self.tokens[at].lower in words

    def _free(self, at: int) -> bool:
        token = self.tokens[at]
        return not any(self._claimed[token.start : token.end])

    def _name_end(self, at: int) -> int:
        end = at
        while end < len(self.tokens) and self._free(end):
            if self._capital(end) or (end == at + 1 and self._is_rest_of_town(end)):
                end += 1
            elif end > at and (after := self._behind_small_words(end)) > end:
                end = after
            else:
                break
        return end

    def _is_rest_of_town(self, at: int) -> bool:
        """Return whether a word in small letters ends the name of a town: New [york]."""
        token = self.tokens[at]
        name = f"{self.tokens[at - 1].text} {token.text}"
        return token.text.isalpha() and token.lower not in STOPWORDS and bool(region_of(name))

    def _behind_small_words(self, at: int) -> int:
        """Return the end of the capitalised word behind small words of a name: Bank [of the West]; `at` without one."""
        end = at
        while end < at + _MAX_SMALL_WORDS and self._is_any(end, *_SMALL_WORDS) and self._free(end):
            end += 1
        return end + 1 if end > at and self._capital(end) and self._free(end) else at

    def _name(self, first: int, end: int) -> None:
        start, stop = self.tokens[first].start, self.tokens[end - 1].end
        if {token.stem for token in self.tokens[first:end]} <= _LABELS:
            return
        text = self.text[start:stop]
        if text.endswith(("'s", "’s")):
            stop, text = stop - 2, text[:-2]
        follows = end + 1 < len(self.tokens) and self.tokens[end].text == "," and self._capital(end + 1)
        if follows and self._free(end + 1):
            tail = self._name_end(end + 1)
            after = self.tokens[tail].text if tail < len(self.tokens) else ""
            listed = after in ("and", "or") or (
                after == "," and (self._capital(tail + 1) or self._is_any(tail + 1, "and", "or"))
            )
            stop_tail = self.tokens[tail - 1].end
            inside = is_region(self.text[self.tokens[end + 1].start : stop_tail])
            if tail - end <= 3 and (inside or not listed):
                self._add(MentionKind.NAME, start, stop_tail, take=False, form="place")
            for part in range(max(first + 1, end - 2), end if inside else 0):
                self._add(MentionKind.NAME, self.tokens[part].start, stop_tail, take=False, form="place")
        self._joined(first, end)
        if end - first > 1:
            for begin, past in {(first, first + 1), (first, end - 1), (first + 1, end), (end - 1, end)}:
                self._add(
                    MentionKind.NAME, self.tokens[begin].start, self.tokens[past - 1].end, take=False, form="part"
                )
        number = self._number_at(end)
        if number is not None:
            self._add(MentionKind.NAME, start, number.end, take=False, form="numbered")
        code = self._code_before(first)
        if code is not None:
            self._add(MentionKind.NAME, code.start, stop, take=False)
        self._add(MentionKind.NAME, start, stop, text=text, form="part" if code is not None else "")

    def _code_before(self, at: int) -> ValueMention | None:
        """Return the code of capitals and figures right before token `at`, with which a name may begin: [Q3] Review."""
        codes = (mention for mention in self.mentions if mention.kind is MentionKind.LITERAL and mention.last == at)
        return next((code for code in codes if code.form == "id" and code.text.isalnum() and code.text.isupper()), None)

    def _number_at(self, at: int) -> ValueMention | None:
        """Return the plain number in figures that begins with token `at`."""
        plain = (mention for mention in self.mentions if mention.kind is MentionKind.NUMBER and mention.form == "plain")
        return next((mention for mention in plain if mention.first == at), None)

    def _joined(self, first: int, end: int) -> None:
        before = self.tokens[first - 1].lower if first else ""
        joiner = self.tokens[end].lower if end < len(self.tokens) else ""
        changes = joiner == "to" and any(VERBS.get(token.stem) is Intent.UPDATE for token in self.tokens[:first])
        if joiner in _JOINERS and before not in ("from", "between") and not changes:
            after = end + 1
            while after < len(self.tokens) and self.tokens[after].lower in ARTICLES:
                after += 1
            tail = self._name_end(after) if after < len(self.tokens) else after
            is_name = tail > after and self._capital(after)
            # What is held or paid in a currency has its name before it: a wallet called Savings in EUR.
            if is_name and self.tokens[after].text not in CURRENCY_CODES:
                self._add(
                    MentionKind.NAME, self.tokens[first].start, self.tokens[tail - 1].end, take=False, form="joined"
                )

    def _called(self) -> None:
        """Add the words behind called, named, titled, up to the next little word or mark."""
        for match in _CALLED.finditer(self.text):
            first = next((at for at, token in enumerate(self.tokens) if token.start >= match.end()), None)
            if first is None or any(
                mention.start == match.end() and mention.kind is MentionKind.QUOTED for mention in self.mentions
            ):
                continue
            wholes = (mention for mention in self.mentions if mention.kind in (MentionKind.NAME, MentionKind.LITERAL))
            names = (mention for mention in wholes if mention.first <= first < mention.last)
            end = max((mention.last for mention in names), default=first)
            while end < len(self.tokens) and self._goes_on(first, end):
                end += 1
            if end > first:
                self._add(MentionKind.TITLE, self.tokens[first].start, self.tokens[end - 1].end, take=False)

    def _goes_on(self, first: int, at: int) -> bool:
        """Return whether a title has a token too: not a little word, nor what describes it (owned by search) or
        the day (next Monday).
        """
        token = self.tokens[at]
        is_day = token.lower in _DAY_LEADS and any(
            mention.kind is MentionKind.DATE and mention.first == at and mention.last == len(self.tokens)
            for mention in self.mentions
        )
        following = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
        describes_it = is_participle(token.text) and following in _AFTER_NAME
        is_end = token.lower in _AFTER_NAME or is_day or describes_it
        return token.word and (at == first or not is_end)

    def _loose(self) -> None:
        """Add addresses, clauses and the whole, which overlap with the mentions of single words."""
        dates = [mention for mention in self.mentions if mention.kind is MentionKind.DATE]
        for start, end in find_addresses(self.text):
            if not any(mention.start <= start and end <= mention.end for mention in dates):
                self._add(MentionKind.NAME, start, end, take=False, form="address")
        whole = [mention for mention in self.mentions if mention.kind is MentionKind.LITERAL]
        for start, end, form in find_clauses(self.tokens) if not _UNPARTED.search(self.text) else ():
            if not any(mention.start < start < mention.end or mention.start < end < mention.end for mention in whole):
                self._add(MentionKind.PHRASE, start, end, take=False, form=form)

    def _phrases(self) -> None:
        """Add the runs of plain words between little words and marks, and the parts of each."""
        run: list[int] = []
        for position in range(len(self.tokens) + 1):
            if position < len(self.tokens) and self._phrase_word(position):
                run.append(position)
                continue
            if run:
                self._phrase(run)
            run = []

    def _phrase_word(self, at: int) -> bool:
        token = self.tokens[at]
        lower = token.lower.removesuffix("'s").removesuffix("’s")
        plain = token.word and lower not in STOPWORDS and lower not in _BREAKS
        return plain and self._free(at) and not _UNPARTED.search(token.text)

    def _phrase(self, run: list[int]) -> None:
        for first in range(len(run)):
            for last in range(first + 1, min(len(run), first + 5) + 1):
                if len(self.mentions) >= MAX_MENTIONS:
                    return
                start, end = self.tokens[run[first]].start, self.tokens[run[last - 1]].end
                form = "whole" if last - first == len(run) else ""
                self._add(
                    MentionKind.PHRASE, start, end, take=False, form=form, text=self.text[start:end].removesuffix("'s")
                )


def _literal(text: str) -> object:
    """Return the value of a list or an object as people type it; None for any other text."""
    for attempt in (text, text.replace("'", '"')):
        try:
            return json.loads(attempt)
        except ValueError:
            continue
    if text.startswith("["):
        return [_scalar(part) for part in text[1:-1].split(",") if part.strip()]
    return None


def _scalar(text: str) -> object:
    text = text.strip().strip("'\"")
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text else number
