"""How much time, space and patience one exchange may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one call of `send`.

    `deadline` is in seconds and covers everything: connecting, retries, waits, redirects, the last byte of the body.
    `max_bytes` caps the body, both as it comes and after each content coding is undone.
    `retries` and `max_redirects` are counts. A Retry-After longer than `max_retry_wait` seconds is not waited for.
    `private_redirects` lets a redirect lead to another origin in a private, loopback or link-local network.
    """

    deadline: float = 30.0
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    retries: int = 2
    max_retry_wait: float = 10.0
    private_redirects: bool = False
