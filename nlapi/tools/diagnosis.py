"""What is likely wrong when an answer does not look like one of the API that is described; nothing is sent by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape

from nlapi.client.auth import alternative
from nlapi.client.clean import one_line
from nlapi.client.message import Result
from nlapi.client.server import example_base_url, names_server, server_url
from nlapi.errors import UsageError
from nlapi.openapi.address import shown
from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.run import Target

_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})</title>", re.IGNORECASE)
_PAGES = ("text/html", "application/xhtml+xml")
_OF_THE_SERVER = (403, 429, 500, 502, 503, 504)
"""Statuses that a server or a gateway gives at the right address too, often with a page of its own."""

_OF_A_STATUS = frozenset(
    "a about allowed any be blank cannot could delete does error exist exists for found get http match matched method"
    " no not page patch path post put requested resource route the those to type url values was were with".split()
)
"""Words of errors that web frameworks give for a path that they do not have: `Cannot GET /x`, `about:blank`."""


def is_foreign_page(result: Result, operation: Operation) -> bool:
    """Is the answer a web page, where the description has something else? Then it is hardly an answer of the API.

    It is one too where a change was made of which the description does not say what it is answered with. A read of
    which nothing is said may well be answered with a page.
    """
    if not _is_page(result):
        return False
    every = [media.content_type.lower() for response in operation.responses for media in response.media]
    if any(kind.partition(";")[0].strip() in (*_PAGES, "text/*", "*/*") for kind in every):
        return False
    return bool(every) or operation.effect is not Effect.READ


def diagnose(result: Result, operation: Operation, target: Target) -> str:
    """Return what a person may have to set right, base URL or credential, for a sensible answer; "" for nothing.

    The note names the base URL that was used and the option that gives another. An error in the API's own words, or one
    that the description names, gets none.
    """
    if result.status == 401:
        return _refused(operation, target)
    base_url = target.base_url or ""
    with suppress(UsageError):
        base_url = server_url(operation, target.base_url)
    redirected = _was_redirected(result, operation, base_url)
    if not redirected and result.status in _OF_THE_SERVER:
        return ""
    if is_foreign_page(result, operation) or (redirected and _is_page(result)):
        reason = _page(result, redirected=redirected)
    elif _is_described(result, operation):
        return ""
    elif 300 <= result.status < 400 and (location := result.header("location")):
        reason = f"It is a redirect to {one_line(shown(location))}, which is not followed for a change."
    elif _is_routing_error(result, certain="{" not in operation.route or _is_assumed(operation, target)):
        reason = f"The server seems to have no {operation.method} {one_line(operation.path)[:100]}."
    else:
        return ""
    return f"{reason} {_other(operation, target, base_url)}"


def _is_page(result: Result) -> bool:
    if result.content_type in _PAGES:
        return bool(result.content.strip())
    return not result.content_type and bool(_PAGE.match(result.content))


def _is_described(result: Result, operation: Operation) -> bool:
    """Does the description speak of this status, otherwise than by `default`?"""
    response = operation.response(result.status)
    return response is not None and response.status.upper() != "DEFAULT"


def _is_assumed(operation: Operation, target: Target) -> bool:
    """Is the base URL where the description came from, for want of another?"""
    named = operation.servers is not operation.spec.servers or names_server(operation.spec)
    return target.base_url is None and not named


def _is_routing_error(result: Result, *, certain: bool) -> bool:
    """Is it what a web server says of a path that it does not have, rather than what an API says of a thing?

    An API says `Not Found` of a thing too. It is `certain` that none is meant where the path has no parameters; and a
    base URL that was only assumed is in doubt in any case.
    """
    if result.status in (405, 501):
        return True
    return result.status == 404 and certain and not any(map(_says_more, _texts(result)))


def _texts(result: Result) -> Iterator[str]:
    """The texts in a JSON answer, or the whole of any other."""
    if result.data is None:
        yield result.text[:1000]
    nodes = [result.data]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            yield node
        nodes += node.values() if isinstance(node, dict) else as_list(node)


def _says_more(text: str) -> bool:
    """Does a text of an error say more than its status, a path, a moment or a code?"""
    words = re.findall(r"[^\W\d_]+", re.sub(r"\S*[/\d]\S*", " ", text.lower()))
    return not _OF_A_STATUS.issuperset(words)


def _page(result: Result, *, redirected: bool) -> str:
    title = _TITLE.search(result.text[:20_000])
    named = f" titled {one_line(unescape(title[1]))[:60]!r}" if title and title[1].strip() else ""
    if redirected:
        return f"It was redirected to {one_line(shown(result.url))}, a web page{named}: perhaps one to sign in on."
    return f"The answer is a web page{named}, of which the description says nothing."


def _was_redirected(result: Result, operation: Operation, base_url: str) -> bool:
    parts = re.split(r"\{[^{}]*\}", operation.route)
    there = re.compile(re.escape(base_url) + "[^?#]*".join(map(re.escape, parts)))
    return bool(result.url) and not there.fullmatch(re.split("[?#]", result.url)[0])


def _other(operation: Operation, target: Target, base_url: str) -> str:
    """Which base URL was used and why, and how another one is given."""
    if target.base_url is not None:
        why = "as you gave it"
    elif _is_assumed(operation, target):
        why = "where the description came from, as it names no server"
    else:
        why = "as the description says"
    example = one_line(example_base_url(operation.spec, base_url))
    return (
        f"Is the base URL right? It was {one_line(shown(base_url))}, {why}. "
        f"--base-url gives another, such as --base-url {example}"
    )


def _refused(operation: Operation, target: Target) -> str:
    """Why an API may have wanted another credential, or any."""
    if target.no_auth:
        return "The API wants a credential after all: leave out --no-auth, and give it with --auth"
    used = alternative(operation, target.credentials) or ()
    if not used:
        return "The API wants a credential, and its description says nothing of one for this operation"
    names = " and ".join(credential.id for credential in used)
    said = (
        f"The credential for {names} was not accepted: is it whole, current, and for {one_line(operation.spec.title)}?"
    )
    bare = any(one.location.field == ("header", "authorization") and not one.location.prefix for one in used)
    return f"{said} It is sent as it is; some APIs want `Bearer ` before it" if bare else said
