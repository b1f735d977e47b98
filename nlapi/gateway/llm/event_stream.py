"""Passes server-sent events through as whole events, counts their tokens and bounds their size (WHATWG HTML §9.2)."""

from __future__ import annotations

import re

import orjson

from nlapi.gateway.llm.protocols import LlmProtocol
from nlapi.gateway.llm.usage import TokenCount

# Bytes of one event. The largest that upstreams send are deltas of a few hundred bytes, or a whole call of a tool; the
# bound keeps an upstream that never ends an event from filling the memory.
MAX_EVENT_BYTES = 2 * 2**20

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDINGS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class EventTooLargeError(ValueError):
    """An event is larger than MAX_EVENT_BYTES."""


class EventScanner:
    """The events of one stream. Only those that may hold usage or the first token are parsed."""

    # 100 streams of 50 tokens a second are 5,000 events a second: parsing each costs 3 us, this scan 0.6.
    def __init__(self, protocol: LlmProtocol, *, hides_usage: bool = False) -> None:
        self._protocol = protocol
        self._hides_usage = hides_usage
        self._rest = b""
        self._last_events = b""
        self.count = TokenCount()
        self.event_count = 0
        self.has_token = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the whole events that end in `chunk`; b"" when none does. EventTooLargeError."""
        data = self._rest + chunk if self._rest else chunk
        if data.endswith(_ENDINGS):
            self._rest = b""
        else:
            end = max(data.rfind(ending) + len(ending) if ending in data else 0 for ending in _ENDINGS)
            data, self._rest = data[:end], data[end:]
            if len(self._rest) > MAX_EVENT_BYTES:
                raise EventTooLargeError
        if not data:
            return b""
        self.event_count += data.count(b"data:")
        # OpenAI sends `"usage":null` in every event but the last once usage is asked for.
        if not self.has_token or data.count(b'"usage"') > data.count(b'"usage":null'):
            data = self._inspect(data)
        if data:
            self._last_events = data
        return data

    def finish(self) -> bytes:
        """Return the last event when the stream ends without an empty line after it."""
        rest = self._rest.strip(b"\r\n")
        return self.feed(b"\n\n") if rest else b""

    @property
    def is_complete(self) -> bool:
        """Whether the last event was one that ends a stream."""
        return self._protocol.is_complete(self._last_events)

    def _inspect(self, data: bytes) -> bytes:
        """Count the tokens of events, and return those that the client receives."""
        passed = []
        start = 0
        for match in _EVENT_END.finditer(data):
            event, start = data[start : match.end()], match.end()
            message = _parse_event(event)
            if message is not None:
                self.has_token = self.has_token or self._protocol.is_token(message)
                if b'"usage"' in event:
                    self._protocol.add_usage(message, self.count)
                    if self._hides_usage and self._protocol.is_usage_alone(message):
                        continue
            passed.append(event)
        return b"".join(passed)


def _parse_event(event: bytes) -> dict[str, object] | None:
    """Return the JSON object in an event, or None when it holds none."""
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    try:
        message = orjson.loads(b"\n".join(lines))
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None
