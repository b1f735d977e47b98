"""Makes untrusted text safe to show: without control characters, terminal escapes, invisible Unicode or secrets."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

_ESCAPES = (
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, erase
    r"|\x1b[ -/]*[0-~]?"
)

# Unicode's Cf, Co, Cs and the fillers and variation selectors that render as nothing (FE0E and FE0F choose between
# text and emoji, carry nothing else and stay). Ranges, because walking all of Unicode at import takes 0.3 s.
_INVISIBLE = (
    "\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff"
)

_REMOVED = re.compile(rf"{_ESCAPES}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_NEWLINES = re.compile(r"\r\n|\u2028|\u2029")

MASK = "***"

# Shorter secrets are not masked: `any` is a credential in a sandbox and a word everywhere.
MIN_SECRET_LENGTH = 6


def strip_control(text: str) -> str:
    """Return `text` without terminal escapes, control characters (except newline and tab) and invisible characters."""
    # Most texts that are not ASCII are so by the mark of a cut alone, and the search takes 20 ns a character.
    plain = text if text.isascii() else text.replace("…", "")
    if plain.isascii() and plain.isprintable():
        return text
    return _REMOVED.sub("", _NEWLINES.sub("\n", text))


def single_line(text: str) -> str:
    """Return `text` cleaned and on one line, each run of white space one space: it cannot pose as a line of its own."""
    return " ".join(strip_control(text).split())


def code_span(value: object, limit: int = 100) -> str:
    """Return a value in a code span: unchanged where possible, else without what would end the span."""
    text = single_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    text = text.replace("`", "'")
    return f"`{text if len(text) <= limit else f'{text[: limit - 1]}…'}`" if text else '`""`'


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each secret replaced by `***`: plain, percent-encoded, in base64, or escaped as in JSON."""
    return _mask_text(text, secret_forms(secrets))


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return the body of an answer with each secret replaced by `***`."""
    return _mask_bytes(content, _encode_forms(secret_forms(secrets)))


def secret_forms(secrets: Iterable[str]) -> list[str]:
    """Return every form of every secret of MIN_SECRET_LENGTH or more, longest first so that none is cut in two."""
    variants: set[str] = set()
    for secret in secrets:
        if len(secret) < MIN_SECRET_LENGTH:
            continue
        raw = secret.encode("utf-8", "replace")
        escaped = json.dumps(secret)[1:-1]
        unescaped = json.dumps(secret, ensure_ascii=False)[1:-1]
        variants |= {secret, quote(raw, safe=""), quote(raw), quote_plus(raw)}
        base64_forms = {b64encode(raw).decode(), urlsafe_b64encode(raw).decode()}
        variants |= base64_forms | {text.rstrip("=") for text in base64_forms}
        variants |= {escaped, unescaped, escaped.replace("/", "\\/"), unescaped.replace("/", "\\/")}
    return sorted(variants - {""}, key=len, reverse=True)


class Masker:
    """A filter that masks secrets in a stream of bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = secret_forms(secrets)
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Return the next bytes, masked; a possible beginning of a secret is kept until the next call."""
        encoded = _encode_forms(self._forms)
        # TCP cuts an answer anywhere, also in the middle of a secret that a server echoes.
        data = _mask_bytes(self._pending + data, encoded)
        end = len(data) - max((_overlap(data, form) for form in encoded), default=0)
        self._pending = data[end:]
        return data[:end]

    def finish(self) -> bytes:
        data, self._pending = self._pending, b""
        return data

    def mask(self, value: object) -> object:
        """Return a JSON value with every text in it masked, keys too."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return _mask_text(value, self._forms)
        if isinstance(value, dict):
            return {self.mask(key): self.mask(item) for key, item in value.items()}
        return [self.mask(item) for item in value] if isinstance(value, list) else value


def _overlap(data: bytes, form: bytes) -> int:
    """Return how many bytes at the end of `data` are the beginning of `form`."""
    return next((size for size in range(min(len(form) - 1, len(data)), 0, -1) if data.endswith(form[:size])), 0)


def _mask_text(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, MASK)
    return text


def _mask_bytes(data: bytes, forms: Iterable[bytes]) -> bytes:
    for form in forms:
        data = data.replace(form, MASK.encode())
    return data


def _encode_forms(forms: Iterable[str]) -> list[bytes]:
    return [form.encode("utf-8", "replace") for form in forms]
