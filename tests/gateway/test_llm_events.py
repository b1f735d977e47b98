"""Streams of events are cut at the ends of events, whatever the parts that they arrive in, and counted on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.gateway.llm.protocols import PROTOCOLS, AnthropicProtocol, OpenAiProtocol
from nlapi.gateway.llm.runner import MAX_EVENT_BYTES, EventScanner, EventTooLargeError
from nlapi.gateway.llm.usage import TokenCount
from tests.tables import table


def event(**members: object) -> bytes:
    return b"data: " + json.dumps(members).encode()


USAGE = {"prompt_tokens": 7, "completion_tokens": 2}
OPENAI = [
    event(choices=[{"delta": {"role": "assistant", "content": ""}}], usage=None),
    b": keep-alive",
    event(choices=[{"delta": {"content": 'said "usage"\n\n'}}], usage=None),
    event(choices=[], usage=USAGE),
    b"data: [DONE]",
]
ENDINGS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])


@given(ending=ENDINGS, sizes=st.lists(st.integers(1, 90), min_size=1), hides=st.booleans(), ends=st.booleans())
def test_the_parts_that_a_stream_arrives_in_make_no_difference(
    ending: bytes, sizes: list[int], hides: bool, ends: bool
) -> None:
    stream = ending.join(OPENAI) + (ending if ends else b"")
    scanner = EventScanner(OpenAiProtocol(), hides_usage=hides)
    passed, start = [], 0
    while start < len(stream):
        size = sizes[start % len(sizes)]
        passed.append(scanner.feed(stream[start : start + size]))
        start += size
    passed.append(scanner.finish())
    assert all(part.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) for part in passed if part)
    expected = [text for text in OPENAI if not (hides and b'"prompt_tokens"' in text)]
    assert b"".join(passed).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")[:-1] == expected
    assert (scanner.count.input_tokens, scanner.count.output_tokens) == (7, 2)
    assert scanner.has_token and scanner.is_complete


def test_an_event_that_never_ends_is_refused() -> None:
    scanner = EventScanner(OpenAiProtocol())
    with pytest.raises(EventTooLargeError):
        for _ in range(MAX_EVENT_BYTES // 65536 + 2):
            scanner.feed(b"x" * 65536)


@table("usage", [None, 5, [], {}, {"prompt_tokens": True, "completion_tokens": -1}, {"prompt_tokens": 10**12}])
def test_a_usage_that_is_none_counts_nothing(usage: object) -> None:
    for protocol in PROTOCOLS.values():
        count = TokenCount()
        protocol.add_usage({"usage": usage}, count)
        assert (count.input_tokens, count.output_tokens) == (None, None)


def test_anthropics_cached_tokens_are_part_of_the_input() -> None:
    count = TokenCount()
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300, "output_tokens": 4}
    AnthropicProtocol().add_usage({"type": "message_start", "message": {"usage": usage}}, count)
    assert (count.input_tokens, count.cached_tokens, count.output_tokens) == (321, 20, 4)
    AnthropicProtocol().add_usage({"type": "message_delta", "usage": {"output_tokens": 9}}, count)
    assert (count.input_tokens, count.cached_tokens, count.output_tokens) == (321, 20, 9)
