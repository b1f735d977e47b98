"""Which of several APIs a question names."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from nlapi.openapi.spec import Spec
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.resources.naming import STOPWORDS, split_words, stem

_COMMON = frozenset(
    """api apis rest web service services server public open openapi swagger spec v1 v2 v3 www com org net io dev
    example localhost http https json yaml yml docs the""".split()
)


def named_api(question: str, catalogue: Catalogue) -> Catalogue:
    """The part of `catalogue` that is the one API which the question names; the whole when it names none, or several.

    A name counts where it cannot be one of the things of another API: `in museum`, `on Slack`, `the ads API`.
    """
    if len(catalogue.specs) < 2:
        return catalogue
    words = split_words(question)
    said = set(words)
    names = {spec: _names(spec) for spec in catalogue.specs}
    shared = {name for name in set().union(*names.values()) if sum(name in own for own in names.values()) > 1}
    meant = [spec for spec, own in names.items() if _is_named(own - shared, said, words, catalogue)]
    return catalogue.part(meant[0]) if len(meant) == 1 else catalogue


def _is_named(names: set[str], said: set[str], words: list[str], catalogue: Catalogue) -> bool:
    """Does a name stand where an API is named, or say nothing else to any of the operations?"""
    for name in names & said:
        at = words.index(name)
        led = at > 0 and words[at - 1] in ("in", "on", "at", "from", "with", "via", "using", "to")
        called = at + 1 < len(words) and words[at + 1] in ("api", "account", "server", "service")
        if not catalogue.index.is_entity(stem(name)) or called or (led and at + 1 == len(words)):
            return True
    return False


def _names(spec: Spec) -> set[str]:
    """The words of a title, of the hosts of its servers and of the name of its file that tell it from others."""
    hosts = (urlsplit(str(getattr(server, "url", server))).hostname or "" for server in spec.servers)
    stem_of_file = re.sub(r"\.\w+$", "", spec.source.rpartition("/")[2])
    texts = (spec.title, stem_of_file, *(re.sub(r"\.\w+$", "", host) for host in hosts))
    words = {word for text in texts for word in split_words(text)}
    return {word for word in words if len(word) > 2 and word not in _COMMON and word not in STOPWORDS}
