"""Names the API of a description and who provides it, by what the description itself says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Spec

# Hosts that belong to nobody, or to everybody.
_RESERVED_HOST = re.compile(r"(?i)localhost|[\d.]+|.*\.(?:local|localhost|internal|invalid|test|example)|example\.\w+")
# A short label before the country names a kind of owner, and no owner: bbc.co.uk, api.gov.au.
_SECOND_LEVEL = frozenset("ac co com edu gov net or org".split())

# Words at the end of a title that say what an API is, and not which: `Asana REST API v1`, `Ads OpenAPI spec`.
_KIND = (
    r"(?:official|public|rest(?:ful)?|http|web|json|open ?api|swagger|apis?|spec(?:ification)?s?|documentation|docs|"
    r"reference|v\d+(?:\.\d+)*|\d+\.\d+(?:\.\d+)*|version \d+(?:\.\d+)*)"
)
_KINDS_AT_END = re.compile(rf"(?:['’]s)?(?:[\s,:/(-]+{_KIND}\)?)+$", re.IGNORECASE)
_ADDITION = re.compile(r"\s\+\s.*|\s*\([^()]*\)$")
MAX_TITLE = 60


def api_title(spec: Spec) -> str:
    """Return the title of an API with its provider's name before it, where the title lacks it; "" without both.

    `Ads API`, which is served at api-partner.spotify.com and described as `The Spotify Ads API`, is `Spotify Ads API`.
    """
    # A description without a title is called by its path.
    title = "" if spec.title == spec.source else " ".join(spec.title.split())
    if not any(character.isalnum() for character in title):
        title = ""
    provider = _provider(spec, title)
    return f"{provider} {title}".strip()


def short_title(title: str) -> str:
    """Return a title without the words for what an API is: `Spotify Ads API` -> `Spotify Ads`."""
    short = _KINDS_AT_END.sub("", _ADDITION.sub("", title)).strip(" ,:;-–—")
    return short if any(character.isalnum() for character in short) else title


def _provider(spec: Spec, title: str) -> str:
    """Return the provider's name as the description spells it; "" where it is unknown, or in the title already.

    It is the owner of a host. One of a server counts where a text has it as a word, or where the contact has a host of
    the same owner: an API that a hosting service runs does not belong to that.
    """
    info = as_map(spec.document.get("info"))
    contact = as_map(info.get("contact"))
    texts = [title, str(info.get("description") or ""), str(contact.get("name") or ""), *_tag_texts(spec)]
    owners = {
        key: list(dict.fromkeys(filter(None, map(_owner, hosts))))
        for key, hosts in (("server", _server_hosts(spec)), ("contact", _contact_hosts(contact)))
    }
    title_key = "".join(_words(title))
    for owner in (*owners["server"], *owners["contact"]):
        if owner in title_key or (title_key and any(owner.startswith(word) for word in _words(title) if len(word) > 3)):
            return ""
    # A hosting service is named by no text; a contact of somebody else (gmail.com) by no text either.
    for owner in (*owners["server"], *owners["contact"]):
        if spelling := next(filter(None, (_spelling(owner, text) for text in texts)), ""):
            return spelling
    return next((owner.capitalize() for owner in owners["server"] if owner in owners["contact"] or not title), "")


def _tag_texts(spec: Spec) -> Iterator[str]:
    tags = spec.document.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, Mapping) and isinstance(tag.get("description"), str):
            yield tag["description"]


def _server_hosts(spec: Spec) -> Iterator[str]:
    yield from (urlsplit(server.url).hostname or "" for server in spec.servers if "//" in server.url)


def _contact_hosts(contact: Mapping[str, object]) -> Iterator[str]:
    url, email = contact.get("url"), contact.get("email")
    with suppress(ValueError):  # a bracket in the host
        yield (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    yield email.rpartition("@")[2] if isinstance(email, str) else ""


def _owner(host: str) -> str:
    """Return the label of a host that its owner registered: api-partner.spotify.com -> spotify; "" without one."""
    labels = host.lower().strip(".").split(".")
    if len(labels) < 2 or _RESERVED_HOST.fullmatch(host):
        return ""
    is_country = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL and len(labels) > 2
    label = labels[-3 if is_country else -2]
    return label if re.fullmatch(r"[a-z][a-z0-9-]{1,30}", label) else ""


def _spelling(owner: str, text: str) -> str:
    """Return a name as a text spells it, one word or two, with a capital; "" where it has it not."""
    loose = r"[ -]?".join(re.escape(character) for character in owner.replace("-", ""))
    matches = (match[0] for match in re.finditer(rf"(?i)(?<![\w./@-]){loose}(?![\w@/]|\.\w)", text[:10_000]))
    return next((match for match in matches if match[0].isupper()), "")


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall("[a-z0-9]+", plain)
