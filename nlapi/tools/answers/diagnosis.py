"""The likely cause of an answer that does not look like one of the API; nothing is sent for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape

from nlapi.client.auth import choose_alternative
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line
from nlapi.client.server import declares_server, example_base_url, server_url
from nlapi.english import lexicon
from nlapi.errors import UsageError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, as_list
from nlapi.openapi.urls import redact_url
from nlapi.tools.sending.run import Target

_HTML_START = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_TITLE = lazy_pattern(r"<title[^<>]{0,300}>([^<]{1,200})</title>", re.IGNORECASE)
_HTML_TYPES = ("text/html", "application/xhtml+xml")
# A gateway in front of the right base URL answers with these statuses too, often with its own HTML page, so they
# are not evidence of a wrong address.
_GATEWAY_STATUSES = (403, 429, 500, 502, 503, 504)

# Words of the errors that web frameworks return for an unknown path: `Cannot GET /x`, `about:blank` (RFC 9457 §4.2.1).
_ROUTING_ERROR_WORDS = lexicon.words("tools/words", "routing_error_words")


def is_foreign_page(result: Result, operation: Operation) -> bool:
    """Return whether the answer is a web page where the description has another media type.

    It also is one after a change whose answer the description leaves out. A read without a described answer may well be
    answered with a page, so that is not one.
    """
    if not _is_page(result):
        return False
    media_types = [media.content_type.lower() for response in operation.responses for media in response.media]
    if any(media_type.partition(";")[0].strip() in (*_HTML_TYPES, "text/*", "*/*") for media_type in media_types):
        return False
    return bool(media_types) or operation.effect is not Effect.READ


def diagnose(result: Result, operation: Operation, target: Target) -> str:
    """Return a note on the base URL or credential that the user may have to correct; "" where nothing points to one.

    The note names the base URL that was used and the option that sets another. An error in the API's own words, or with
    a status that the description lists, gets none.
    """
    if result.status == 401:
        return _credential_note(operation, target)
    base_url = target.base_url or ""
    with suppress(UsageError):
        base_url = server_url(operation, target.base_url)
    redirected = _was_redirected(result, operation, base_url)
    if not redirected and result.status in _GATEWAY_STATUSES:
        return ""
    if is_foreign_page(result, operation) or (redirected and _is_page(result)):
        reason = _page_note(result, redirected=redirected)
    elif _is_described(result, operation):
        return ""
    elif 300 <= result.status < 400 and (location := result.header("location")):
        reason = f"It is a redirect to {single_line(redact_url(location))}, which is not followed for a change."
    elif _is_routing_error(result, certain="{" not in operation.route or _is_assumed(operation, target)):
        reason = f"The server seems to have no {operation.method} {single_line(operation.path)[:100]}."
    else:
        return ""
    return f"{reason} {_base_url_note(operation, target, base_url)}"


def _is_page(result: Result) -> bool:
    if result.content_type in _HTML_TYPES:
        return bool(result.content.strip())
    return not result.content_type and bool(_HTML_START.match(result.content))


def _is_described(result: Result, operation: Operation) -> bool:
    """Return whether the description lists this status by its code or range, rather than by `default`."""
    response = operation.response(result.status)
    return response is not None and response.status.upper() != "DEFAULT"


def _is_assumed(operation: Operation, target: Target) -> bool:
    """Return whether the base URL is the host that the description came from, as nothing names another."""
    has_server = operation.servers is not operation.spec.servers or declares_server(operation.spec)
    return target.base_url is None and not has_server


def _is_routing_error(result: Result, *, certain: bool) -> bool:
    """Return whether the answer is a web server's for an unknown path rather than an API's for an unknown resource.

    An API answers 404 `Not Found` for an unknown resource too. `certain` rules that out: the path has no parameters, or
    the base URL was only assumed and is in doubt anyway.
    """
    # RFC 9110 §15.5.6 and §15.6.2: the method is not supported here, which no described operation should get.
    if result.status in (405, 501):
        return True
    return result.status == 404 and certain and not any(map(_has_details, _texts(result)))


def _texts(result: Result) -> Iterator[str]:
    """Yield the texts in a JSON answer, or the beginning of any other."""
    if result.data is None:
        yield result.text[:1000]
    nodes = [result.data]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            yield node
        nodes += node.values() if isinstance(node, dict) else as_list(node)


def _has_details(text: str) -> bool:
    """Return whether an error text has more in it than a status, a path, a time or a code."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"\S*[/\d]\S*", " ", text.lower()))
    return not _ROUTING_ERROR_WORDS.issuperset(words)


def _page_note(result: Result, *, redirected: bool) -> str:
    title = _TITLE.search(result.text[:20_000])
    title_note = f" titled {single_line(unescape(title[1]))[:60]!r}" if title and title[1].strip() else ""
    if redirected:
        url = single_line(redact_url(result.url))
        return f"It was redirected to {url}, a web page{title_note}: perhaps one to sign in on."
    return f"The answer is a web page{title_note}, which the description does not mention."


def _was_redirected(result: Result, operation: Operation, base_url: str) -> bool:
    parts = re.split(r"\{[^{}]*\}", operation.route)
    expected = re.compile(re.escape(base_url) + "[^?#]*".join(map(re.escape, parts)))
    return bool(result.url) and not expected.fullmatch(re.split("[?#]", result.url)[0])


def _base_url_note(operation: Operation, target: Target, base_url: str) -> str:
    """Return the sentence that names the base URL, its origin and the option that sets another."""
    if target.base_url is not None:
        origin = "as you gave it"
    elif _is_assumed(operation, target):
        origin = "where the description came from, as it names no server"
    else:
        origin = "as the description says"
    example = single_line(example_base_url(operation.spec, base_url))
    return (
        f"Is the base URL right? It was {single_line(redact_url(base_url))}, {origin}. "
        f"--base-url gives another, such as --base-url {example}"
    )


def _credential_note(operation: Operation, target: Target) -> str:
    """Return the likely reason why an API refused a credential, or the lack of one."""
    if target.no_auth:
        return "The API wants a credential after all: leave out --no-auth, and give it with --auth"
    used = choose_alternative(operation, target.credentials, target.account.preferred) or ()
    if not used:
        return "The API wants a credential, and its description says nothing of one for this operation"
    names = " and ".join(credential.id for credential in used)
    title = single_line(operation.spec.title)
    note = f"The credential for {names} was not accepted: is it whole, current, and for {title}?"
    if target.logins is not None and target.logins.stored_schemes(target.credentials):
        note = f"{note} `nlapi auth login {target.account.name}` stores it anew."
    # Descriptions often declare an apiKey in the header Authorization for what is a bearer token in practice.
    is_bare_authorization = any(
        credential.location.key == ("header", "authorization") and not credential.location.prefix for credential in used
    )
    return f"{note} It is sent as it is; some APIs want `Bearer ` before it" if is_bare_authorization else note
