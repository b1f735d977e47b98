"""What the consoles share: a page is a function from a request to bytes, behind the checks that each request passes.

Nothing comes from another host, no script stands in a page, and all of it works without scripts. A change is a POST
with the key of the session, which no other page has.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from nlapi.errors import NlapiError
from nlapi.serving import LOOPBACK_HOSTS, Message, Receive, Send, has_two_lengths, host_of, is_same_origin, raw_path

HTML = "text/html; charset=utf-8"
SIGN_IN_PATH = "/sign-in"
FORM_KEY = "key"

# Characters of a form: a request's whole body may be typed into one.
MAX_FORM = 1024 * 1024
MAX_FIELDS = 1000

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With "no-referrer" a browser says of its own forms, too, that they come from nowhere (Origin: null).
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FILE_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request for a page. `path` is below the console's prefix; `values` are of the {names} of its route.

    `session` is what the sign-in returned, `form_key` what each form of the answer has to carry.
    """

    method: str
    path: str
    prefix: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    is_partial: bool = False
    """asked by a script for a part of a page"""
    is_secure: bool = False
    """over TLS, which a proxy may have ended"""
    session: Any = None
    form_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAnswer:
    """What a browser gets."""

    content: bytes = b""
    status: int = 200
    media_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


PageHandler = Callable[[PageRequest], Awaitable[PageAnswer]]


class SignIn(Protocol):
    """How a console learns who looks at it."""

    cookie: str
    """the name of the session's cookie"""

    async def session(self, request: PageRequest) -> Any:
        """Return the session of a request; None without one."""

    async def answer(self, request: PageRequest) -> PageAnswer:
        """Return the page that asks who it is (GET), or what came of an answer to it (POST)."""


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("nlapi.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(request: PageRequest, template: str, *, status: int = 200, **values: Any) -> PageAnswer:
    """Return a page of a template in nlapi/console/templates, which sees the request and `values`."""
    text = _environment().get_template(template).render(request=request, **values)
    return PageAnswer(content=text.encode("utf-8", "replace"), status=status)


def page_number(request: PageRequest) -> int:
    """Return the page that `page` in the query asks for, from 1; 1 for what is no number."""
    text = request.query.get("page", "")
    return max(int(text), 1) if text.isdecimal() and len(text) < 9 else 1


def redirect(request: PageRequest, path: str, *headers: tuple[str, str]) -> PageAnswer:
    """Return an answer that leads to another page of the console, with GET (RFC 9110 §15.4.4)."""
    return PageAnswer(status=303, headers=(("location", f"{request.prefix}{path}"), *headers))


def session_cookie(name: str, value: str, prefix: str, *, is_secure: bool = False) -> tuple[str, str]:
    """Return the header that stores a session until the browser ends, for this console and no script (RFC 6265bis)."""
    assert _COOKIE_NAME.fullmatch(name), name
    secure = "; Secure" if is_secure else ""
    return "set-cookie", f"{name}={value}; Path={prefix or '/'}; HttpOnly; SameSite=Strict{secure}"


class PageApp:
    """The ASGI application of a console: its routes below a prefix, for those who signed in.

    `routes` have a method and a path, such as ("GET", "/log/{id}"). `hosts` are accepted besides those of loopback, or
    with `only_hosts` no other ones; "*" accepts all, which is safe only behind a proxy that checks the host.
    """

    def __init__(
        self,
        routes: Mapping[tuple[str, str], PageHandler],
        sign_in: SignIn,
        *,
        prefix: str = "",
        hosts: Iterable[str] = (),
        only_hosts: bool = False,
    ) -> None:
        self._routes = [(method, _pattern(path), handler) for (method, path), handler in routes.items()]
        self._sign_in = sign_in
        self._prefix = prefix
        names = frozenset(host.lower().strip("[]") for host in hosts)
        self._hosts = names if only_hosts else LOOPBACK_HOSTS | names
        self._secret = secrets.token_bytes(32)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request over HTTP."""
        answer = await self._answer(scope, receive)
        headers = [(b"content-type", answer.media_type.encode()), (b"content-length", b"%d" % len(answer.content))]
        if not any(name == "cache-control" for name, _ in answer.headers):
            headers.append((b"cache-control", b"no-store"))
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *_HEADERS]})
        content = b"" if scope["method"] == "HEAD" else answer.content
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Message, receive: Receive) -> PageAnswer:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = unquote(raw_path(scope).removeprefix(self._prefix)) or "/"
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if refusal := self._refusal(scope, headers, method):
            return _plain(*refusal)
        if path.startswith("/static/") and method == "GET":
            return static_file(path.removeprefix("/static/"))
        form = await _read_form(receive, headers) if method == "POST" else {}
        if form is None:
            return _plain(413, "This is more than a form of this page can hold.")
        request = PageRequest(
            method=method,
            path=path,
            prefix=self._prefix,
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            form=form,
            cookies=_cookies(headers.get("cookie", "")),
            is_partial="hx-request" in headers,
            is_secure="https" in (scope.get("scheme"), headers.get("origin", "").partition(":")[0]),
        )
        return await _answered(self._dispatch, request)

    async def _dispatch(self, request: PageRequest) -> PageAnswer:
        session = await self._sign_in.session(request)
        if request.path == SIGN_IN_PATH:
            return await self._sign_in.answer(request)
        if session is None:
            if request.method == "GET" and not request.is_partial:
                return redirect(request, SIGN_IN_PATH)
            return _plain(401, "This browser is not signed in.")
        cookie = request.cookies.get(self._sign_in.cookie, "")
        key = hmac.new(self._secret, cookie.encode("utf-8", "replace"), sha256).hexdigest()
        offered = request.form.get(FORM_KEY, "").encode("utf-8", "replace")
        if request.method == "POST" and not hmac.compare_digest(offered, key.encode()):
            return _plain(403, "This form is of another session. Load the page again; nothing was changed.")
        request = replace(request, session=session, form_key=key)
        found = [(m, h, match) for m, p, h in self._routes if (match := p.fullmatch(request.path))]
        for method, handler, match in found:
            if method == request.method:
                return await _answered(handler, replace(request, values=match.groupdict()))
        message = "There is no such page." if not found else "This page does not take that."
        return render(request, "message.html", status=405 if found else 404, title="Not here", message=message, hint="")

    def _refusal(self, scope: Message, headers: Mapping[str, str], method: str) -> tuple[int, str] | None:
        """Return the status and text for a request that is refused before anything of it is read."""
        host = headers.get("host", "")
        if "*" not in self._hosts and host_of(host) not in self._hosts:  # DNS rebinding
            return 421, "This console is not called by this name."
        if method not in ("GET", "POST"):
            return 405, "This page does not take that."
        if has_two_lengths(name.lower() for name, _ in scope["headers"]):
            return 400, "The body has two lengths."
        origin = headers.get("origin")
        is_foreign = origin is not None and not is_same_origin(origin, scope.get("scheme", "http"), host)
        if is_foreign or (method == "POST" and origin is None):
            return 403, "Forms of other pages are not taken; nothing was changed."
        return None


async def _answered(handler: PageHandler, request: PageRequest) -> PageAnswer:
    try:
        return await handler(request)
    except NlapiError as error:
        values = {"title": "That did not work", "message": error.message, "hint": error.hint or ""}
        return render(request, "message.html", status=getattr(error, "status", 400), **values)


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for the path of a route, whose {names} stand for one segment each."""
    return re.compile("".join(f"(?P<{p[1:-1]}>[^/]+)" if p[0] == "{" else re.escape(p) for p in _pieces(path)))


def _pieces(path: str) -> list[str]:
    return [piece for piece in re.split(r"(\{\w+\})", path) if piece]


def _plain(status: int, text: str) -> PageAnswer:
    return PageAnswer(status=status, content=text.encode(), media_type="text/plain; charset=utf-8")


def static_file(name: str) -> PageAnswer:
    """Return a file of nlapi/console/static, which browsers keep for an hour."""
    folder = files("nlapi.console").joinpath("static")
    found = next((entry for entry in folder.iterdir() if entry.name == name and entry.is_file()), None)
    if found is None:
        return _plain(404, "There is no such file.")
    kind = _FILE_TYPES[name.rpartition(".")[2]]
    return PageAnswer(content=found.read_bytes(), media_type=kind, headers=(("cache-control", "max-age=3600"),))


def _cookies(header: str) -> dict[str, str]:
    """Return the cookies of a request. Those of other servers on this host are there too, in any form."""
    pairs = (pair.partition("=") for pair in header.split(";"))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


async def _read_form(receive: Receive, headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the fields of a form; None when it is too long or has too many. Another media type has no fields."""
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if len(content) > MAX_FORM:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    try:
        return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return None
