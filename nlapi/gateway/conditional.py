"""Conditional requests (RFC 9110 §13): a reader that has the current answer already gets a 304 without it."""

from __future__ import annotations

import re

import orjson
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from nlapi.gateway.admin.api_call import ApiResponse

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
# To be stored by the reader alone, and asked about each time; answers without a tag are not to be stored at all.
_REVALIDATED = {"Cache-Control": "private, no-cache"}


def is_current(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the tag, by weak comparison (§8.8.3.2)."""
    tags = _TAG.findall(if_none_match)
    return if_none_match.strip() == "*" or etag.removeprefix("W/").strip('"') in tags


def not_modified(etag: str) -> ApiResponse:
    """Return the 304 of a tag."""
    return ApiResponse(body="", status=304, headers={"ETag": etag, **_REVALIDATED})


def with_etag(answer: ApiResponse, if_none_match: str) -> ApiResponse:
    """Return a 200 with its tag, or a 304 when the reader has it.

    An answer whose handler gave it no tag is tagged by its content. One that is live has the tag for If-Match alone.
    """
    if answer.status != 200:
        return answer
    etag = answer.headers.get("ETag", "")
    if not etag:
        content = orjson.dumps(answer.body)
        # Weak: the tag is of the content, and not of its bytes on the way.
        etag, answer = f'W/"{xxh3_128_hexdigest(content)}"', replace(answer, body=content)
    if if_none_match and not answer.is_live and is_current(if_none_match, etag):
        return not_modified(etag)
    return replace(answer, headers={**answer.headers, "ETag": etag, **_REVALIDATED})
