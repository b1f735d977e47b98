"""Masks secrets in whatever is shown of an exchange: in every encoding of a text, and over the pieces of a stream.

A server may echo a credential in its own encoding, character by character: `\u002b`, `%2B`, `&#43;`. So each
character of a secret is matched in every form that it may have, and what surrounds it is left as it is.

Invisible and control characters, terminal escapes and tags of HTML are removed before a text is shown, which puts a
secret together that was cut by them. So it is looked for in the text as it will be, and masked in the text as it is.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode, b64encode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from html import unescape
from typing import TYPE_CHECKING
from unicodedata import category
from urllib.parse import quote, quote_plus, unquote_plus

from nlapi.client.message import is_ascii_superset
from nlapi.client.safe_text import INVISIBLE, REMOVED
from nlapi.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    import regex


# What nobody sees of what `strip_control` leaves: variation selectors of emoji, joiners, the blank of Braille.
_SELECTORS = "\ufe0e\ufe0f\u200c\u200d\u2800"
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f"
_HEX = "[0-9a-fA-F]"
# The rest of a terminal escape behind ESC, as an escape of JSON or of a shell writes it.
_ANSI = r"(?:\[[0-?]*[ !#-/]*[@-~]|\][^\\\"]{0,200})?"
# Names without a semicolon are read by HTML too, where they are old.
_REFERENCE = rf"(?:[A-Za-z][A-Za-z0-9]{{1,31}};|shy|#[0-9]{{1,20}};?|#[xX]{_HEX}{{1,20}};?)"
_OCTETS = "(?:{0}[c-fC-F]" + _HEX + "(?:{0}[89abAB]" + _HEX + "){{1,3}})"
# Escapes of programming languages, with a backslash more each time that a text is put into another.
_ESCAPE = (
    rf"\\{{0,7}}(?:(?:u001[bB]|x1[bB]|033){_ANSI}|u009[bB][0-?]*[ !#-/]*[@-~]"
    rf"|[ux]\{{0{{0,6}}{_HEX}{{1,6}}\}}|u{_HEX}{{4}}|U{_HEX}{{8}}|x{_HEX}{{2}}|[0-3][0-7]{{2}}|[rn])"
)
# An escape that may stand for a character that is seen.
_READABLE = lazy_pattern(
    r"[\\&%=](?:(?<=\\)(?:[uxU][{0-9a-fA-F]|[0-3][0-7])|(?<=&)[#A-Za-z]|(?<=%)(?:25|[c-fC-Fu])|(?<==)[c-fC-F].=)"
)
_CODE = lazy_pattern(
    rf"\\+(?:[uUx]\{{?({_HEX}+)\}}?|([0-7]{{3}}))|%(?:25)*u({_HEX}{{4}})|&#(?:([0-9]+)|[xX]({_HEX}+));?"
)
_OCTET_MARK = lazy_pattern("%(?:25)*|=")


@cache
def _omitted(*, is_ascii: bool) -> re.Pattern[str]:
    """Return the pattern of what is left out of a text, or stands there for a character."""
    alone = rf"[{_CONTROLS}{INVISIBLE}{_SELECTORS}{'' if is_ascii else _marks()}]"
    # One class first and the rest behind it: a search skips all other characters at the speed of C. Repeats are
    # bounded, so that a text of beginnings is read in time that grows with it.
    return re.compile(
        rf"[\\<&%=\]\n\r\u2028\u2029\x1b\x9b{alone[1:]}(?:"
        rf"(?<=\\){_ESCAPE}"
        r"|(?<=<)(?:!--(?:(?!-->)[\s\S]){0,64}-->"
        r"|(?:script|style|template|noscript|svg)\b[^<>]{0,64}>[^<]{0,64}(?=</)"
        r"|!\[CDATA\[|[a-zA-Z/!?][^<>]{0,200}>)"
        r"|(?<=\])\]><!\[CDATA\["
        rf"|(?<=&){_REFERENCE}"
        rf"|(?<==)(?:\r?\n|{_OCTETS.format('=')[4:]}"
        rf"|(?<=%)(?:25){{0,4}}(?:u{_HEX}{{4}}|{_OCTETS.format('%(?:25){0,4}')[len('(?:%(?:25){0,4}') :]}"
        r"|(?<=[\n\r\u2028\u2029])[\n \t]*"
        # What `strip_control` removes; its own patterns find the ends of terminal escapes.
        rf"|(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"
        r"|[ -/]*[0-~]?)|(?<=\x9b)[0-?]*[ !#-/]*[@-\[\]-~]?"
        # A run at once: an image is hardly anything else.
        rf"|(?<={alone}){alone}*"
        ")"
    )


@cache
def _marks() -> str:
    """Return the combining marks of the Basic Multilingual Plane, by their property."""
    import regex

    # Those beyond it would be tried one by one for each character: 6 s for 10 MB.
    return "".join(regex.findall(r"[\p{Mn}\p{Me}]", "".join(map(chr, range(0x300, 0x10000)))))


@lru_cache(maxsize=4096)
def _shown_as(token: str) -> str:
    """Return the character that an escape or a reference stands for; "" where nobody sees it, or for a tag."""
    if token[0] not in "\\&%=":
        return ""
    match = _CODE.fullmatch(token)
    if match is not None:
        hexadecimal = match[1] or match[3] or match[5]
        code = int(hexadecimal, 16) if hexadecimal else int(match[4]) if match[4] else int(match[2], 8)
        char = chr(code) if code <= 0x10FFFF else ""
    elif token[0] == "&":
        char = unescape(token)
    elif token[0] == "\\" or token.strip() == "=":  # a terminal escape, an end of a line
        char = ""
    else:
        char = bytes.fromhex(_OCTET_MARK.sub("", token)).decode("utf-8", "replace")
    if len(char) > 1 or char == "\ufffd":
        return token
    is_unseen = char and (category(char) in _UNSEEN or _INVISIBLE.match(char))
    return "" if is_unseen else char


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Mn", "Me")
_INVISIBLE = lazy_pattern(rf"[{INVISIBLE}{_SELECTORS}\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownText:
    """A text as a reader sees it. `positions` are those of what was left out, `shifts` how much was, up to each.

    `escapes` are the places of the text at which escapes stand, by the positions of what they stand for.
    """

    text: str
    positions: list[int]
    shifts: list[int]
    escapes: dict[int, int]

    @classmethod
    def of(cls, text: str, pattern: re.Pattern[str]) -> _ShownText:
        positions: list[int] = []
        shifts, escapes = [0], dict[int, int]()
        for match in pattern.finditer(text):
            position, char = match.start() - shifts[-1], _shown_as(match[0])
            if char == match[0]:
                continue
            if char:
                escapes[position] = match.start()
            positions.append(position)
            shifts.append(shifts[-1] + match.end() - match.start() - len(char))
        return cls(text=_shown(text, pattern), positions=positions, shifts=shifts, escapes=escapes)

    def start(self, position: int) -> int:
        """Return where the character at a position begins in the whole text."""
        return self.escapes.get(position, position + self.shifts[bisect_right(self.positions, position)])

    def end(self, position: int) -> int:
        """Return where the character at a position ends there."""
        return position + self.shifts[bisect_right(self.positions, position)] + 1


def _shown(text: str, pattern: re.Pattern[str]) -> str:
    # To leave out takes a third of the time, and most texts have no escapes but those of ends of lines.
    return pattern.sub((lambda match: _shown_as(match[0])) if _READABLE.search(text) else "", text)


# Bytes at the end of a stream in which a secret with invisible characters in it may have begun.
MAX_TAIL = 2_048


def mask_across_omissions(text: str, secrets: Sequence[str], mask: str) -> str:
    """Return a text with `mask` in place of each secret that would stand there once what nobody sees is left out.

    The same object if none exists.
    """
    pattern = _omitted(is_ascii=text.isascii())
    plain = _shown(text, pattern)
    if plain == text or not any(secret in plain for secret in secrets):
        return text
    shown = _ShownText.of(text, pattern)
    masked: list[str] = []
    end = 0
    for first, last in sorted(_spans(shown.text, secrets)):
        start = shown.start(first)
        if start < end:  # within the one before
            continue
        masked += (text[end:start], mask)
        end = shown.end(last)
    return "".join((*masked, text[end:]))


def start_of_possible(content: bytes, secrets: Sequence[str]) -> int:
    """Return where in `content` a secret may begin that has invisible characters in it and continues after the end."""
    text = content[-MAX_TAIL:].decode("utf-8", "surrogateescape")
    shown = _ShownText.of(text, _removed())
    if not shown.positions:
        return len(content)
    starts = [len(text)]
    for secret in secrets:
        size = next((size for size in range(len(secret) - 1, 0, -1) if shown.text.endswith(secret[:size])), 0)
        first = len(shown.text) - size
        if size and shown.positions[-1] > first:
            starts.append(shown.start(first))
    return len(content) - len(text[min(starts) :].encode("utf-8", "surrogateescape"))


@cache
def _removed() -> re.Pattern[str]:
    """Return the pattern of what nobody sees, as it stands there itself."""
    return re.compile(rf"{REMOVED.pattern}|[{_SELECTORS}{_marks()}]")


def _spans(text: str, secrets: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last character of each secret in a text."""
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            yield start, start + len(secret) - 1
            start = text.find(secret, start + len(secret))


MASK = "***"

# A shorter secret is masked where it was sent alone: `any` is a credential in a sandbox and a word everywhere.
MIN_SECRET_LENGTH = 6

# Characters of a secret that are matched one by one; of a longer one these are the last, without which the rest is of
# no use. The beginnings of JWTs are all alike, and a pattern of 1,500 characters takes 0.3 s to compile.
MAX_MATCHED = 128

# A credential from this length on is a token and no word of some language, so that its other cases are masked too.
MIN_TOKEN_LENGTH = 16

# Without one of these, no character of a text is encoded.
_MARKS = ("\\", "%", "&", "=", "U+", "u+")
# Characters between a name and its value: quotes, blanks, the kind of a credential.
MAX_SEPARATOR = 64
# The wider first: in UTF-16 they are texts with a zero behind each character.
_WIDE_CODECS = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")

Place = tuple[str, str]
"""The name of a header, a cookie or a parameter of the query, and the short secret that was sent there."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each secret replaced by `***`, in whatever encoding it stands there."""
    return secret_mask(tuple(secrets)).text(text)


def secret_mask(secrets: tuple[str, ...], places: tuple[Place, ...] = ()) -> SecretMask:
    """Return the SecretMask of secrets, and of short ones at the places where they were sent."""
    return _secret_mask(tuple(dict.fromkeys(secrets)), places)


@lru_cache(maxsize=32)
def _secret_mask(secrets: tuple[str, ...], places: tuple[Place, ...]) -> SecretMask:
    return SecretMask(secrets, places)


class SecretMask:
    """Finds and masks the same secrets in texts, bodies and JSON values."""

    def __init__(self, secrets: Iterable[str], places: Iterable[Place] = ()) -> None:
        self._secrets = sorted(
            {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}, key=len, reverse=True
        )
        self._places = tuple(places)
        forms = {form for secret in self._secrets for form in _literal_forms(secret)}
        # The longest first, so that none is cut in two.
        self._literals = sorted(forms, key=len, reverse=True)
        caseless = {form for secret in self._secrets for form in _caseless_forms(secret)}
        self._caseless = sorted((form.encode("utf-8", "replace") for form in caseless), key=len, reverse=True)
        self.is_empty = not (self._secrets or self._places)

    def text(self, text: str) -> str:
        """Return a text with the secrets masked."""
        if self.is_empty:
            return text
        # First, as a form of the whole could begin in the middle of a character that is encoded.
        if self._places or any(mark in text for mark in _MARKS):
            text = self._text_pattern.sub(lambda match: "".join(filter(None, match.groups())) + MASK, text)
        for form in self._literals:
            text = text.replace(form, MASK)

        content = text.encode("utf-8", "surrogatepass")
        masked = self._mask_caseless(content)
        text = text if masked is content else masked.decode("utf-8", "surrogatepass")
        return mask_across_omissions(text, self._literals, MASK)

    def finds(self, text: str) -> bool:
        """Return whether a text has a secret in it."""
        plain = unquote_plus(text)
        return self.text(text) != text or self.text(plain) != plain

    def body(self, content: bytes, charset: str = "") -> bytes:
        """Return the body of an answer with the secrets masked; one in UTF-16 or UTF-32 stays in it.

        `charset` is the one that the answer names, in which its text is read too.
        """
        if self.is_empty:
            return content
        if charset and not is_ascii_superset(charset):
            text = content.decode(charset, "replace")
            masked = self.text(text)
            content = masked.encode(charset, "replace") if masked != text else content
        if self._places or any(mark.encode() in content for mark in _MARKS):
            content = self._byte_pattern.sub(
                lambda match: b"".join(filter(None, match.groups())) + MASK.encode(), content
            )
        for form in self._literals:
            content = content.replace(form.encode("utf-8", "replace"), MASK.encode())
        content = self._mask_caseless(content)
        if b"\0" in content:
            content = self._wide_body(content)

        text = content.decode("utf-8", "surrogateescape")
        masked = mask_across_omissions(text, self._literals, MASK)
        return masked.encode("utf-8", "surrogateescape") if masked is not text else content

    def _mask_caseless(self, content: bytes) -> bytes:
        """Return a text with the forms masked that are the same in either case; the same object without any."""
        lowered = content.lower()  # of ASCII alone, so that places stay
        if not any(form in lowered for form in self._caseless):
            return content
        return re.sub(b"|".join(map(re.escape, self._caseless)), MASK.encode(), content, flags=re.IGNORECASE)

    def possible_start(self, content: bytes) -> int:
        """Return where a secret may begin that continues after the end, with characters in it that nobody sees."""

        return start_of_possible(content, self._secrets)

    def _wide_body(self, content: bytes) -> bytes:
        """Return a body with the secrets masked where it is a text with two or four bytes for each character."""
        for codec in _WIDE_CODECS:
            width = 4 if "32" in codec else 2
            zeros = content[:400].count(0)
            if len(content) % width == 0 and zeros * width >= len(content[:400]) * (width - 1) // 2:
                try:
                    text = content.decode(codec, "surrogatepass")
                    masked = self.text(text)
                    content = masked.encode(codec, "surrogatepass") if masked != text else content
                except (UnicodeDecodeError, UnicodeEncodeError):
                    continue
        for codec in _WIDE_CODECS:  # a part of what is otherwise binary
            for form in self._literals:
                content = content.replace(form.encode(codec, "replace"), MASK.encode(codec))
        return content

    def value(self, value: object) -> object:
        """Return a JSON value with every text in it masked, keys too."""
        if self.is_empty:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.named_value(key, item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else value

    def named_value(self, name: object, value: object) -> object:
        """Return the value of a key; a short secret under the name that it was sent by is masked."""
        if isinstance(value, str) and self._places:
            line = f"{name}: "
            masked = self.text(f"{line}{value}")
            return masked.removeprefix(line) if masked.startswith(line) else self.text(value)
        return self.value(value)

    @cached_property
    def _text_pattern(self) -> re.Pattern[str]:
        return re.compile(self._pattern_of(as_bytes=False))

    @cached_property
    def _byte_pattern(self) -> re.Pattern[bytes]:
        return re.compile(self._pattern_of(as_bytes=True).encode("latin-1"))

    def _pattern_of(self, *, as_bytes: bool) -> str:
        starts = "".join(
            re.escape(_as_pattern_text(secret[-MAX_MATCHED:][0], as_bytes=as_bytes)[0]) for secret in self._secrets
        )
        parts = "|".join(_pattern(secret, as_bytes=as_bytes) for secret in self._secrets)
        # Most characters begin none of the forms, and one class says so in a quarter of the time.
        encoded = [rf"(?=[%=&+\\Uu{starts}])(?:{parts})"] if parts else []
        return "|".join([*encoded, *_place_patterns(self._places, as_bytes=as_bytes)]) or r"(?!)"

    @cached_property
    def max_length(self) -> int:
        """The most bytes of one match: of each character two escapes of UTF-16, or four bytes of a literal."""
        lengths = [28 * min(len(secret), MAX_MATCHED) for secret in self._secrets]
        lengths += [28 * len(secret) + len(name) + MAX_SEPARATOR for name, secret in self._places]
        return max([*lengths, *(4 * len(form) for form in (*self._literals, *self._caseless))], default=0)

    @cached_property
    def stream_pattern(self) -> regex.Pattern[bytes]:
        """The pattern of everything that `body` masks, for a stream of which the end is not there yet."""
        import regex

        # The module `regex` says where the end may begin a match, and takes 2 us for a byte; `re` takes 40 ns.
        forms = [form.encode("utf-8", "replace") for form in self._literals]
        forms += [form.encode(codec, "replace") for form in self._literals for codec in _WIDE_CODECS]
        literals = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        literals += [b"(?i:" + re.escape(form) + b")" for form in self._caseless]
        return regex.compile(b"|".join([self._byte_pattern.pattern, *literals]))


NO_SECRETS = SecretMask(())


class StreamMask:
    """A filter that masks secrets in a stream of bytes."""

    def __init__(self, mask: SecretMask) -> None:
        self._mask = mask
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Return the next bytes, masked; a possible beginning of a secret is kept until the next call."""
        # TCP cuts an answer anywhere, also in the middle of a secret that a server echoes.
        data = self._mask.body(self._pending + data)
        start = max(0, len(data) - self._mask.max_length)
        partial = self._mask.stream_pattern.search(data, start, partial=True)
        end = partial.start() if partial is not None and partial.partial else len(data)
        end = min(end, self._mask.possible_start(data))
        self._pending = data[end:]
        return data[:end]

    def finish(self) -> bytes:
        data, self._pending = self._pending, b""
        return data


def places_of(url: str, headers: Iterable[tuple[str, str]], secrets: Iterable[str]) -> tuple[Place, ...]:
    """Return the places of a request at which short secrets are sent."""
    short = {secret for secret in secrets if 0 < len(secret) < MIN_SECRET_LENGTH}
    if not short:
        return ()
    pairs = [(name, value) for name, value in headers]
    for name, value in headers:
        if name.lower() == "cookie":
            pairs += [(cookie.partition("=")[0].strip(), cookie.partition("=")[2]) for cookie in value.split(";")]
    pairs += [(unquote_plus(pair.partition("=")[0]), unquote_plus(pair.partition("=")[2]))
              for pair in url.partition("?")[2].partition("#")[0].split("&")]  # fmt: skip
    return tuple(
        (name, secret) for name, value in pairs for secret in sorted(short) if name and secret in value.split(" ")
    )


def _literal_forms(secret: str) -> set[str]:
    """Return the forms of a secret that are encoded as a whole, and itself."""
    raw = secret.encode("utf-8", "replace")
    forms = {secret, quote(raw, safe=""), quote(raw), quote_plus(raw)}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= escaped | {form.replace("/", "\\/") for form in escaped}
    if len(secret) >= MIN_TOKEN_LENGTH:
        forms |= {secret.lower(), secret.upper()}
    for data in (raw, secret.encode("utf-16-le", "replace")):
        forms.update(_base64_forms(data))
    return forms - {""}


def _caseless_forms(secret: str) -> set[str]:
    """Return the forms of a secret that say the same in either case, in lower case: hexadecimal and base32."""
    raw = secret.encode("utf-8", "replace")
    forms = {raw.hex(), *(raw.hex(mark) for mark in " :-,")}
    # What stands before it shifts its base32 by up to four bytes.
    for shift in range(5):
        whole = b32encode(bytes(shift) + raw).decode().rstrip("=")
        start = -(-8 * shift // 5)
        end = len(whole) - bool((shift + len(raw)) % 5)
        forms |= {whole[start:end].lower()} if end - start >= MIN_SECRET_LENGTH else set()
    return forms | {b32encode(raw).decode().rstrip("=").lower()}


def _base64_forms(data: bytes) -> Iterable[str]:
    """Yield base64 and base64url of data, and what is in them of it wherever it stands."""
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(data).decode()
        yield encode(data).decode().rstrip("=")
        # What stands before a secret shifts its base64 by up to two bytes, as in that of `user:password`.
        for shift in range(3):
            whole = encode(bytes(shift) + data).decode().rstrip("=")
            start = (0, 2, 3)[shift]
            end = len(whole) - bool((shift + len(data)) % 3)
            if end - start >= MIN_SECRET_LENGTH:
                yield whole[start:end]


def _pattern(secret: str, *, as_bytes: bool) -> str:
    """Return a pattern of a secret whose characters are encoded one by one, each in any form or in none."""
    runs = re.findall(r"\\+|[^\\]", secret[-MAX_MATCHED:])
    return "".join(_run_pattern(run, as_bytes=as_bytes) for run in runs)


def _run_pattern(run: str, *, as_bytes: bool) -> str:
    """Return the pattern of a character, or of a run of backslashes."""
    pattern = _character_pattern(run[0], as_bytes=as_bytes)
    if run[0] != "\\":
        return pattern
    # Twice as many each time that JSON is put into JSON. One repeat for the whole run: one for each of its characters
    # would try every way to share them out.
    return rf"(?:{pattern}{{{len(run)}}}|\\{{{len(run)},{8 * len(run)}}})"


@lru_cache(maxsize=512)
def _character_pattern(char: str, *, as_bytes: bool) -> str:
    raw = char.encode("utf-8", "replace")
    plain = _as_pattern_text(char, as_bytes=as_bytes)
    units = char.encode("utf-16-be", "replace")
    octets = [_hexadecimal(f"{byte:02x}") for byte in raw]
    pairs = [_hexadecimal(units[index : index + 2].hex()) for index in range(0, len(units), 2)]
    code = _hexadecimal(f"{ord(char):x}")
    entities = [rf"#(?:0{{0,8}}{ord(char)}|[xX]0{{0,8}}{code});?", *_entity_names(char)]
    # Repeats are bounded, so that a body of backslashes is read in time that grows with it. Each form begins
    # with a different character, by which most places are passed.
    backslashes = [
        "u" + rf"{_BACKSLASH}u".join(pairs),
        # Of JavaScript, Perl, Python, C, shells and style sheets.
        "x" + rf"{_BACKSLASH}x".join(octets),
        rf"{_BACKSLASH}".join(f"0?{byte:03o}" for byte in raw),
        rf"[ux]\{{0{{0,6}}{code}\}}",
        rf"(?:U0{{0,7}}{code}|0{{0,5}}{code}[ \t]?)(?![0-9A-Fa-f])",
    ]
    forms = [
        rf"{_BACKSLASH}(?:{'|'.join(backslashes)})",
        f"{_PERCENT}(?:{_PERCENT.join(octets)}|u{f'{_PERCENT}u'.join(pairs)})",
        "".join(f"=(?:3[Dd]){{0,2}}{octet}" for octet in octets),
        rf"[Uu]\+0{{0,4}}{code}(?![0-9A-Fa-f])(?:[ ,]{{1,2}}(?=[Uu]\+))?",
        f"&(?:amp;){{0,4}}(?:{'|'.join(entities)})",
    ]
    if char == "\\":
        return f"(?:{'|'.join(forms)})"
    slashes = "" if char.isalnum() else r"\\{0,8}"
    forms += [r"\+"] if char == " " else []
    return f"(?:{'|'.join([*forms, slashes + re.escape(plain)])})"


# What stands before the number of a character in an escape, once more each time that a text is put into another.
_PERCENT = "%(?:25){0,4}"
_BACKSLASH = r"\\\\{0,7}"


def _entity_names(char: str) -> list[str]:
    """Return the names of a character in HTML: `amp;` and `amp` of `&`."""
    from html.entities import html5

    return sorted((name for name, value in html5.items() if value == char), key=len, reverse=True)


def _as_pattern_text(text: str, *, as_bytes: bool) -> str:
    """Return a text as it stands in a pattern: for bytes, each byte of its UTF-8 as the character of that number."""
    return text.encode("utf-8", "replace").decode("latin-1") if as_bytes else text


def _hexadecimal(digits: str) -> str:
    """Return a pattern of hexadecimal digits in either case."""
    return "".join(digit if digit.isdigit() else f"[{digit}{digit.upper()}]" for digit in digits)


def _place_patterns(places: Iterable[Place], *, as_bytes: bool) -> list[str]:
    """Return patterns of short secrets behind the names that they were sent by, in JSON, headers, URLs and XML."""
    patterns = []
    for name, secret in dict.fromkeys(places):
        words = re.escape(_as_pattern_text(name, as_bytes=as_bytes))
        words = re.sub(r"\\?-|_", "[-_]", words)
        separator = r"""[\s"'\\\]]{0,16}(?:[:=,>]|%(?:25){0,4}3[aAdD])[\s"'\\\[]{0,16}"""
        kind = r"(?:(?i:bearer|basic|digest|token|apikey)(?:\s|\+|%20){1,4})?"
        value = _pattern(secret, as_bytes=as_bytes)
        patterns.append(rf"(?<![A-Za-z0-9])(?P<before>(?i:{words}){separator}{kind}){value}(?![A-Za-z0-9])")
    # A group has one name in all alternatives.
    return [pattern.replace("<before>", f"<before{number}>") for number, pattern in enumerate(patterns)]
