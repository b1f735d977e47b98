"""A browser without scripts: pages, their links and forms, and a cookie."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection
from urllib.parse import urlencode, urljoin, urlsplit


@dataclass
class Form:
    """A form with the values that it sends, and its buttons by their text: their name and value."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Page:
    """What a browser shows. `text` is what people read, in one line."""

    status: int
    path: str
    headers: Mapping[str, str]
    content: str
    forms: list[Form]

    @property
    def text(self) -> str:
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.content)).split())

    def form(self, button: str) -> Form:
        """The first form that has this button."""
        return next(form for form in self.forms if button in form.buttons)


class _FormReader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self._button: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("method", "get").upper(), urljoin(self.path, values.get("action", ""))))
        elif tag == "input" and self.forms and values.get("name") and values.get("type") != "checkbox":
            self.forms[-1].values[values["name"]] = values.get("value", "")
        elif tag == "button":
            self._button = values.get("name", ""), values.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._button and self.forms:
            self.forms[-1].buttons[data.strip()] = self._button
            self._button = None


@dataclass
class Browser:
    """Speaks to one port of this machine, with the cookie that it was given last."""

    port: int
    cookie: str = ""

    def open(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Page:
        """The page at a path, after what it leads to; with a form it is sent as a POST."""
        own = {"Host": f"127.0.0.1:{self.port}", **({"Cookie": self.cookie} if self.cookie else {})}
        if form is not None:
            own |= {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            body = None if form is None else urlencode(form)
            connection.request("GET" if form is None else "POST", path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        if follow and answer.status == 303:
            return self.open(found["location"])
        reader = _FormReader(urlsplit(path).path)
        reader.feed(content)
        return Page(answer.status, path, found, content, reader.forms)

    def press(self, page: Page, button: str, **values: str) -> Page:
        """What the first form with this button leads to, with some of its values filled in."""
        form = page.form(button)
        name, value = form.buttons[button]
        sent = form.values | values | ({name: value} if name else {})
        if form.method == "POST":
            return self.open(form.action, sent)
        return self.open(f"{form.action}?{urlencode(sent)}")
