"""Selects the API that a question names, where several are loaded."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from nlapi.english.lexicon import words
from nlapi.english.words import split_words, stem
from nlapi.openapi.spec import Spec
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.resources.naming import STOPWORDS

# Words of titles, files and hosts that tell no API from another.
_COMMON = words("planner/operations/words", "api_name_fillers")
_PREPOSITIONS = words("planner/operations/words", "before_api_name")
_API_NOUNS = words("planner/operations/words", "after_api_name")
# Shorter words are abbreviations that questions contain by chance: `in`, `io`.
_MIN_LETTERS = 3


def named_api(question: str, catalogue: Catalogue) -> Catalogue:
    """Return the part of `catalogue` that is the one API which the question names, else the whole.

    A name counts where it cannot be an item of another API: `in museum`, `on Slack`, `the ads API`.
    """
    if len(catalogue.specs) < 2:
        return catalogue
    question_words = split_words(question)
    names = {spec: _names(spec) for spec in catalogue.specs}
    shared = {
        name for name in set().union(*names.values()) if sum(name in spec_names for spec_names in names.values()) > 1
    }
    matches = [
        spec
        for spec, spec_names in names.items()
        if _is_named((spec_names - shared) & set(question_words), question_words, catalogue)
    ]
    return catalogue.api_catalogue(matches[0]) if len(matches) == 1 else catalogue


def _is_named(names: set[str], question_words: list[str], catalogue: Catalogue) -> bool:
    """Return whether a name stands where an API is named, or is no word of any operation."""
    for name in names:
        at = question_words.index(name)
        is_led = at > 0 and question_words[at - 1] in _PREPOSITIONS
        is_called = at + 1 < len(question_words) and question_words[at + 1] in _API_NOUNS
        if not catalogue.index.is_entity(stem(name)) or is_called or (is_led and at + 1 == len(question_words)):
            return True
    return False


def _names(spec: Spec) -> set[str]:
    """Return the words of the title, the servers' hosts and the file that tell an API from others."""
    hosts = (urlsplit(server.url).hostname or "" for server in spec.servers)
    stem_of_file = re.sub(r"\.\w+$", "", spec.source.rpartition("/")[2])
    texts = (spec.title, stem_of_file, *(re.sub(r"\.\w+$", "", host) for host in hosts))
    pieces = {word for text in texts for word in split_words(text)}
    return {word for word in pieces if len(word) >= _MIN_LETTERS and word not in _COMMON and word not in STOPWORDS}
