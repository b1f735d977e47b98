"""How much time, space and patience one exchange may take."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one call of `send`.

    `deadline` is in seconds and covers everything: connecting, retries, waits, redirects, the last byte of the body.
    `max_bytes` caps the body, both as it comes and after each content coding is undone.
    `retries` and `max_redirects` are counts. A Retry-After longer than `max_retry_wait` seconds is not waited for.
    `private_redirects` lets a redirect lead to another origin in a private, loopback or link-local network.

    An answer that streams ends at the `deadline` too, and what has come by then is its Result. `items` ends it after so
    many items, `stream_seconds` so many seconds after its first bytes came; None: neither does.
    """

    deadline: float = 30.0
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    retries: int = 2
    max_retry_wait: float = 10.0
    private_redirects: bool = False
    items: int | None = None
    stream_seconds: float | None = None


MODEL_ITEMS = 100
"""Items of a stream that a model is given. It is shown 20,000 characters at once: 55 events of podman's, which have 364
characters each, or some 200 lines of a log."""

MODEL_SECONDS = 5.0
"""Seconds of a stream that a model waits for, of the 60 after which MCP clients give a call up. What is there already
(the backlog of a log, the objects of a watch) comes within the first; five show whether more does."""


def bound_for_model(limits: Limits | None) -> Limits:
    """Return the limits under which a model reads: those of a stream are bounded where nothing else was chosen."""
    limits = limits or Limits()
    seconds = MODEL_SECONDS if limits.stream_seconds is None else limits.stream_seconds
    return replace(limits, items=limits.items or MODEL_ITEMS, stream_seconds=seconds)
