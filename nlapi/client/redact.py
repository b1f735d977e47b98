"""Secrets, taken out of text and bytes in every form in which they are likely to come back."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"

SHORTEST = 6
"""Shorter secrets are left alone: `any` is a credential in a sandbox and a word everywhere."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with each secret replaced by `***`: as it is, percent-encoded, in base64, or escaped as in JSON."""
    for form in forms(secrets):
        text = text.replace(form, MASK)
    return text


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """The same for the body of an answer."""
    for form in forms(secrets):
        content = content.replace(form.encode("utf-8", "replace"), MASK.encode())
    return content


def forms(secrets: Iterable[str]) -> list[str]:
    """Every form of every secret, the longest first so that none is cut in two. Those under SHORTEST have none."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        raw = secret.encode("utf-8", "replace")
        escaped = json.dumps(secret)[1:-1]
        unescaped = json.dumps(secret, ensure_ascii=False)[1:-1]
        found |= {secret, quote(raw, safe=""), quote(raw), quote_plus(raw)}
        coded = {b64encode(raw).decode(), urlsafe_b64encode(raw).decode()}
        found |= coded | {text.rstrip("=") for text in coded}
        found |= {escaped, unescaped, escaped.replace("/", "\\/"), unescaped.replace("/", "\\/")}
    return sorted(found - {""}, key=len, reverse=True)
