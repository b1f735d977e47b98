"""Limits of one exchange: time, size, redirects and retries."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from nlapi.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one call of `send`.

    `deadline` is in seconds and covers everything: connecting, retries, waits, redirects, the last byte of the body.
    `max_bytes` limits the body, both as received and after each content coding is decoded. `retries` and
    `max_redirects` are counts. A Retry-After longer than `max_retry_wait` seconds is not waited for.
    `private_redirects` lets a redirect lead to another origin in a private, loopback or link-local network.

    A streaming answer ends at the `deadline` too, and its Result is what has come by then. `items` ends it after that
    number of items, `stream_seconds` that many seconds after its first bytes; None: no such limit.
    """

    deadline: float = 30.0
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    retries: int = 2
    max_retry_wait: float = 10.0
    private_redirects: bool = False
    items: int | None = None
    stream_seconds: float | None = None


def call_limits(timeout: float | None = None, items: int | None = None) -> Limits:
    """Return the limits of a call that ends after `timeout` seconds, 30 where it is None, or after a number of items.

    UsageError for a time that is not positive.
    """
    if timeout is None:
        return Limits(items=items)
    if not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"timeout is {timeout} seconds", hint="give a positive number of seconds, such as 10")
    return Limits(items=items, deadline=timeout)


# A model is shown 20,000 characters at once: 55 events of podman, which have 364 characters each, or some 200 lines of
# a log.
MODEL_ITEMS = 100

# In seconds, of the 60 after which MCP clients give up a call. The backlog of a log or the objects of a watch come
# within the first second; five show whether more follows.
MODEL_SECONDS = 5.0


def bound_for_model(limits: Limits | None) -> Limits:
    """Return the limits for a read by a model: `limits`, with a stream bounded where they do not bound it."""
    limits = limits or Limits()
    seconds = MODEL_SECONDS if limits.stream_seconds is None else limits.stream_seconds
    return replace(limits, items=limits.items or MODEL_ITEMS, stream_seconds=seconds)
