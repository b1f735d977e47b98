"""When two requests ask for the same."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from nlapi.client.message import Request, digest, is_idempotency_header, normalized_leaves, target_path
from tests.tables import table

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def request(
    content: bytes | None = None, *headers: tuple[str, str], method: str = "POST", url: str = "http://a/b"
) -> Request:
    return Request(method=method, url=url, headers=headers, content=content)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=6), st.randoms())
def test_the_order_of_keys_and_the_blanks_of_json_are_no_difference(body: dict[str, Any], chance: Any) -> None:
    keys = list(body)
    chance.shuffle(keys)
    other = {key: body[key] for key in keys}
    one = request(json.dumps(body).encode(), *JSON)
    assert digest(one) == digest(request(json.dumps(other, indent=2).encode(), *JSON))
    assert digest(one) != digest(request(json.dumps({**body, "\u2063new": 1}).encode(), *JSON))


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=6), st.randoms())
def test_nor_is_the_order_of_the_pairs_of_a_form(pairs: list[tuple[str, str]], chance: Any) -> None:
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    assert digest(request(urlencode(pairs).encode(), *FORM)) == digest(request(urlencode(shuffled).encode(), *FORM))


@table(
    ("one", "other"),
    [
        (request(b'{"a": 2.0}', *JSON), request(b'{"a":2}', *JSON)),
        (request(url="http://a/b?x=1&y=2"), request(url="http://A/b?y=2&x=1")),
        (request(b"{}", *JSON, ("Idempotency-Key", "1")), request(b"{}", *JSON, ("X-Idempotency-Key", "2"))),
        (request(b"{}", ("X", "1"), *JSON), request(b"{}", *JSON, ("x", "1"))),
    ],
)
def test_the_same(one: Request, other: Request) -> None:
    assert digest(one) == digest(other)


@table(
    ("one", "other"),
    [
        (request(b'{"a": "2"}', *JSON), request(b'{"a": 2}', *JSON)),
        (request(b'{"a": "x "}', *JSON), request(b'{"a": "x"}', *JSON)),
        (request(b'{"a": [1, 2]}', *JSON), request(b'{"a": [2, 1]}', *JSON)),
        (request(b'{"a": true}', *JSON), request(b'{"a": 1}', *JSON)),
        (request(b"", *JSON), request(None, *JSON)),
        (request(method="PUT"), request(method="POST")),
        (request(url="http://a/b"), request(url="http://a/B")),
        (request(None, ("X-Account", "1")), request(None, ("X-Account", "2"))),
        (request(b"\xff\xfe"), request(b"\xff\xff")),
        (request(b"{broken", *JSON), request(b"{broken2", *JSON)),
    ],
)
def test_not_the_same(one: Request, other: Request) -> None:
    assert digest(one) != digest(other)


def test_a_place_is_a_path_without_case_and_outer_blanks() -> None:
    assert target_path(request(url="http://a/Boards/b7%20/Cards?x=1")) == target_path(
        request(url="http://a/boards/B7/cards")
    )
    assert target_path(request(url="http://a/b/c")) != target_path(request(url="http://a/b%2Fc/d"))


def test_values_are_compared_without_case_and_blanks() -> None:
    assert normalized_leaves(request(b'{"a": {"b": " X  y"}}', *JSON)) == normalized_leaves(
        request(b'{"a":{"b":"x Y"}}', *JSON)
    )


@table("name", ["Jos\u200b\u00e9", "Jos\u00e9\u2060", "Jose\u0301", "\uff2aos\u00e9"])
def test_values_are_compared_without_what_nobody_sees_and_in_one_form_of_unicode(name: str) -> None:
    one, other = (request(json.dumps({"to": each}).encode(), *JSON) for each in ("Jos\u00e9", name))
    assert normalized_leaves(one) == normalized_leaves(other)
    assert digest(one) != digest(other)


@table("name", ["Idempotency-Key", "X-Idempotency-Key", "idempotency_key", "Idempotent-Key"])
def test_what_an_idempotency_key_is_called(name: str) -> None:
    assert is_idempotency_header(name)
    assert not is_idempotency_header("X-Request-Id")
