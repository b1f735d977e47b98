"""Secrets masked in text and bytes, in every encoding in which they are likely to appear."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter secrets are not masked: `any` is a credential in a sandbox and a word everywhere.
MIN_SECRET_LENGTH = 6


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each secret replaced by `***`: plain, percent-encoded, in base64, or escaped as in JSON."""
    for form in secret_forms(secrets):
        text = text.replace(form, MASK)
    return text


class Masker:
    """A filter that masks secrets in a stream of bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = secret_forms(secrets)
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Return the next bytes, masked; a possible beginning of a secret is kept until the next call."""
        data = self._pending + data
        # TCP cuts an answer anywhere, also in the middle of a secret that a server echoes.
        encoded = [form.encode("utf-8", "replace") for form in self._forms]
        for form in encoded:
            data = data.replace(form, MASK.encode())
        end = len(data) - max((_overlap(data, form) for form in encoded), default=0)
        self._pending = data[end:]
        return data[:end]

    def finish(self) -> bytes:
        data, self._pending = self._pending, b""
        return data

    def mask(self, value: Any) -> Any:
        """Return a JSON value with every text in it masked, keys too."""
        if not self._forms:
            return value
        if isinstance(value, str):
            for form in self._forms:
                value = value.replace(form, MASK)
            return value
        if isinstance(value, dict):
            return {self.mask(key): self.mask(item) for key, item in value.items()}
        return [self.mask(item) for item in value] if isinstance(value, list) else value


def _overlap(data: bytes, form: bytes) -> int:
    """Return how many bytes at the end of `data` are the beginning of `form`."""
    return next((size for size in range(min(len(form) - 1, len(data)), 0, -1) if data.endswith(form[:size])), 0)


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return the body of an answer with each secret replaced by `***`."""
    for form in secret_forms(secrets):
        content = content.replace(form.encode("utf-8", "replace"), MASK.encode())
    return content


def secret_forms(secrets: Iterable[str]) -> list[str]:
    """Return every form of every secret, longest first so that none is cut in two; none of those under MIN_SECRET_LENGTH."""
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
