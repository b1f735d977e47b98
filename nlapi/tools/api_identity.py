"""Says which API a rule of the user's policy means: by its registration, its source, or the origin of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from nlapi import bundled
from nlapi.client.server import expand_server_url
from nlapi.errors import UsageError
from nlapi.openapi.spec import Spec
from nlapi.openapi.urls import is_http_url, parse_url
from nlapi.registry import description_name, read_registrations
from nlapi.tools.pins import differences, read_pin

_ORIGIN = re.compile(r"[a-z*]+://[^/]*/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiIdentity:
    """What a rule may call an API; no word of its description, whose author chooses them (docs/design/076).

    `names` are the registrations that its calls go through, or its name among the bundled APIs; `same_source` are the
    other registrations whose source is the same.
    """

    spec: Spec
    names: tuple[str, ...] = ()
    same_source: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Return the source as the user gave it."""
        return self.spec.source

    @property
    def suggestion(self) -> str:
        """Return the name that a rule is to call the API: its registration, else its origin, else its source."""
        return [*self.names, *self.same_source, *_sites(self.spec), _location(self.source)][0]

    def is_accepted_as(self, name: str) -> bool:
        """Return whether the API is what the user accepted when they registered it as `name`.

        An account is for the calls that go through it. A source that was registered may have changed since.
        """
        if name in self.names:
            return True
        pin = read_pin(name) if "@" not in name else None
        return "@" not in name and (pin is None or not differences(pin, self.spec))

    def is_named_by(self, globs: tuple[str, ...], *, strictly: bool) -> bool:
        """Return whether the globs of a rule name the API as a registration or a source.

        With `strictly` a glob names a source only where it is written as one, as a URL or the whole path of a file,
        and one that is written as an origin names no source.
        """
        if "*" in globs or any(matches_name(globs, name) for name in self.names):
            return True
        others = (name for name in self.same_source if matches_name(globs, name))
        if any(not strictly or self.is_accepted_as(name) for name in others):
            return True
        location = _location(self.source)
        if not strictly:
            return matches_name(globs, self.source) or matches_name(globs, location)
        mark = "://" if is_http_url(location) else "/"
        written = tuple(glob for glob in globs if mark in glob.replace("\\", "/") and not _ORIGIN.fullmatch(glob))
        return matches_name(written, location)

    def titled_glob(self, globs: tuple[str, ...], *, strictly: bool) -> str:
        """Return the first of some globs that is the title of the API and no origin that it sends to; "" for none.

        Without `strictly`, only one that is the name of no other API.
        """
        for glob in globs:
            if not matches_name((glob,), self.spec.title) or glob == "*":
                continue
            sites = list(_sites(self.spec))
            is_origin = bool(sites) and all(matches_origin((glob,), site) for site in sites)
            others = () if strictly else (*read_registrations(), *bundled.spec_names())
            if not is_origin and not any(matches_name((glob,), name) for name in others):
                return glob
        return ""


def identify(spec: Spec, name: str = "") -> ApiIdentity:
    """Return the identity of an API; `name` is what the user called it: a registration or its source."""
    registrations = read_registrations()
    called = [text for text in (name, spec.registered) if text and description_name(text) in registrations]
    shipped = [text for text in (name, spec.source) if bundled.is_bundled(text)]
    names = tuple(dict.fromkeys((*called, *map(description_name, called), *shipped)))
    location = _location(spec.source)
    same = (other for other, entry in registrations.items() if _location(entry.source) == location)
    return ApiIdentity(spec=spec, names=names, same_source=tuple(it for it in same if it not in names))


def matches_name(globs: Iterable[str], text: str) -> bool:
    """Return whether one of some globs matches a text, in any case. Brackets are literal, as in ids and paths."""
    # `fnmatch` reads brackets as a set of characters, and ids such as `files[0]` or paths with `{id}` are no such sets.
    return any(fnmatchcase(text.casefold(), glob.casefold().replace("[", "[[]")) for glob in globs)


def matches_origin(globs: Iterable[str], site: str) -> bool:
    """Return whether one of some globs is the origin of a request, `http://host:port`; `*` is each of them."""
    return any(glob == "*" or (site and "://" in glob and matches_name((_site(glob),), site)) for glob in globs)


def _site(glob: str) -> str:
    """Return a glob of an origin as requests have it: without a default port and a slash at its end."""
    with suppress(UsageError):
        if "*" not in glob and _ORIGIN.fullmatch(glob):
            return parse_url(glob).site
    return glob.removesuffix("/")


def _sites(spec: Spec) -> Iterator[str]:
    for server in spec.servers:
        with suppress(UsageError):
            yield parse_url(expand_server_url(server)).site


def _location(source: str) -> str:
    """Return a source as a URL, the whole path of a file, or the name of a bundled API."""
    is_path = not is_http_url(source) and not bundled.is_bundled(source)
    return str(Path(source).expanduser().resolve()) if is_path else source
