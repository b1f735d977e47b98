"""Adds fields to the body of a built request where credentials belong there, and leaves the rest of it as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote_plus

from nlapi.client.message import Request
from nlapi.errors import CredentialError
from nlapi.openapi.model import FORM, essence, may_be_json


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyGaps:
    """A body with a gap for each new field: `pieces` are the texts around the gaps, one more than these."""

    pieces: tuple[str, ...]
    content_type: str

    def quote(self, value: str) -> str:
        """Return a value as it stands in a gap."""
        if may_be_json(self.content_type):
            return json.dumps(value, ensure_ascii=False)[1:-1]
        return quote_plus(value.encode("utf-8", "replace"))

    def fill(self, values: Sequence[str]) -> str:
        """Return the body with the values in its gaps."""
        texts = [piece + self.quote(value) for piece, value in zip(self.pieces, values, strict=False)]
        return "".join([*texts, self.pieces[-1]])


def body_gaps(request: Request, names: Sequence[str], content_type: str) -> BodyGaps:
    """Return the body of a request with a gap for each of `names`. `content_type` is for a request without a body.

    CredentialError for a body that is neither JSON nor a form, and for one that has such a field already: a credential
    is no argument.
    """
    content_type = request.header("content-type") or content_type
    text = (request.content or b"").decode("utf-8", "replace")
    if may_be_json(content_type):
        return _json_gaps(text.strip() or "{}", names, content_type)
    if essence(content_type) != FORM:
        raise CredentialError(f"a body of the type {content_type or 'none'} cannot hold {names[0]}")
    _check_absent({name for name, _ in parse_qsl(text, keep_blank_values=True)}, names)
    keys = [f"{quote_plus(name)}=" for name in names]
    starts = [f"{text}&{keys[0]}" if text else keys[0], *(f"&{key}" for key in keys[1:])]
    return BodyGaps(pieces=(*starts, ""), content_type=content_type)


def _json_gaps(text: str, names: Sequence[str], content_type: str) -> BodyGaps:
    # The text is not written anew: numbers of any precision and the order of keys stay as they are.
    data = json.loads(text)
    if not isinstance(data, dict):
        raise CredentialError(f"the body is no JSON object, so that {names[0]} cannot be put into it")
    _check_absent(data, names)
    keys = [f"{json.dumps(name)}:" for name in names]
    start = f'{text[:-1].rstrip()}{"," if data else ""}{keys[0]}"'
    return BodyGaps(pieces=(start, *(f'",{key}"' for key in keys[1:]), '"}'), content_type=content_type)


def _check_absent(present: set[str] | dict[str, object], names: Sequence[str]) -> None:
    for name in names:
        if name in present:
            raise CredentialError(f"{name} is a credential, and stands among the arguments", hint="leave it out there")
