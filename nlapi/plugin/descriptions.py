"""Writes the names and descriptions that a client has in every session, within what they may cost together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nlapi.plugin.markdown import inert_line
from nlapi.plugin.subjects import Keywords, Subject, states, subjects
from nlapi.resources.naming import same_name, split_words, stem
from nlapi.tools.areas import Area

# In characters, for all names and descriptions: 1,194 tokens at 3.6 characters, below file_checks.MAX_SESSION_TOKENS.
MAX_SESSION_TEXT = 4_300
MAX_DESCRIPTION = 420
MAX_MAIN = 260
MAX_AGENT = 150
MAX_LABEL = 110
MAX_VERBS = 7
# Of these, such of several words: `set contexts, add contexts, remove contexts` take the place of what is done more.
MAX_PHRASES = 1
MAX_KEYWORDS = 24
_USUAL = frozenset(("create", "find", "change", "remove", "delete", "add", "update"))
# Least stems in the text of a tag that its operations do not say as well, for it to be worth its place.
MIN_TELLING = 2
_SAYING_NOTHING = frozenset(
    map(
        stem,
        """
        operations operation manage managing endpoints endpoint api apis rest using use interact with view
        information and about to the of for a an related fetch get list create update delete work methods
        provide access resources resource data all your in on this that is are object
        """.split(),
    )
)


def area_descriptions(title: str, areas: Sequence[Area], used: int) -> dict[str, str]:
    """Return slug of an area -> its description; `used` characters are taken by other names and descriptions.

    A description is whole clauses: what one does with its things, the most usual first, then the words that tell it
    from the other areas. All have the same limit, that of the largest which still fit.
    """
    keywords = Keywords(areas)
    writers = {area.slug: _writer(title, area, keywords) for area in areas}
    limits = range(MAX_DESCRIPTION, 60, -4)
    texts: dict[str, str] = {}
    for limit in limits:
        texts = {slug: write(limit) for slug, write in writers.items()}
        if used + sum(map(len, texts.values())) <= MAX_SESSION_TEXT:
            break
    return texts


def _writer(title: str, area: Area, keywords: Keywords) -> Callable[[int], str]:
    """Return a function that writes the description of an area within a limit."""
    found = subjects(area.operations, area.label)
    label = _label(area, found)
    clauses = _clauses(title, area, found, label)
    words = keywords.of(area, " ".join((label, *clauses)))[:MAX_KEYWORDS]

    def write(limit: int) -> str:
        text = f"{title} {label}"
        for number, clause in enumerate(clauses):
            longer = f"{text}{': ' if number == 0 else '; '}{clause}"
            text = longer if len(longer) < limit or (number == 0 and len(longer) < MAX_DESCRIPTION) else text
        for number, word in enumerate(words):
            longer = f"{text}{'. Words: ' if number == 0 else ', '}{word}"
            text = longer if len(longer) < limit else text
        return f"{text[: MAX_DESCRIPTION - 1]}."

    return write


def _label(area: Area, found: Sequence[Subject]) -> str:
    """Return the name of an area as a person would write it: its label, or its things where it is many groups."""
    names = [inert_line(" ".join(split_words(group.label)) or group.label, 40) for group in area.groups]
    by_size = sorted(range(len(names)), key=lambda place: -len(area.groups[place].operations))
    if len(names) > 1:
        return _filled("", [names[place] for place in by_size], MAX_LABEL)
    # `repos` are repositories, `pulls` pull requests; `measurement datasets` say more than datasets do.
    is_key = bool(found) and same_name(names[0], found[0].key) and " " not in names[0]
    return found[0].name if is_key else names[0]


def _clauses(title: str, area: Area, found: Sequence[Subject], label: str) -> list[str]:
    clauses = []
    for number, subject in enumerate(found):
        # Every area has something to create and to find, so that it is said of its first thing only.
        verbs = [verb for verb in usual_verbs(subject) if number == 0 or verb not in _USUAL]
        is_named = subject.name.lower() in label.lower()
        if not verbs and is_named:
            continue
        named = "" if is_named and len(area.groups) == 1 else f" {subject.name}"
        said = [verb for verb in verbs if verb != subject.name]
        clauses.append(f"{', '.join(said)}{named}".strip())
    if about := _telling_about(area, f"{label} {title}"):
        clauses.insert(min(1, len(clauses)), about)
    return list(filter(None, clauses))


def usual_verbs(subject: Subject) -> list[str]:
    """Return what one does most with a thing: create, find, change, report and remove it, then set its state."""
    usual = [verb for verb in subject.verbs if verb in _USUAL]
    verbs = [*usual, *(verb for verb, *_ in states(subject)), *subject.verbs]
    told = list(dict.fromkeys(inert_line(verb, 40) for verb in verbs))
    phrases = [verb for verb in told if " " in verb and not verb.startswith("turn ")][MAX_PHRASES:]
    return [verb for verb in told if verb not in phrases][:MAX_VERBS]


def _telling_about(area: Area, label: str) -> str:
    """Return the text of a tag where it says more than its name, without words such as `Operations to manage`."""
    words = inert_line(area.about, 110).rstrip(".").split()
    while words and stem(words[0].lower()) in _SAYING_NOTHING:
        words = words[1:]
    about = " ".join(words)
    stems = {stem(word) for word in split_words(about)} - {stem(word) for word in split_words(label)} - _SAYING_NOTHING
    return about[:1].lower() + about[1:] if len(stems) >= MIN_TELLING and not about.endswith("…") else ""


def main_description(title: str, areas: Sequence[Area]) -> str:
    """Return the description of the skill of the whole API."""
    head, tail = f"Operates {title} in plain English", "Read first for anything in it, or in several parts of it."
    names = [_label(area, ()) for area in sorted(areas, key=lambda area: -len(area.operations))]
    return f"{_filled(head, names, MAX_MAIN - len(tail) - 2)}. {tail}"


def agent_description(title: str) -> str:
    """Return the description of the agent."""
    text = f"Brings about an outcome in {title} that takes several calls, and shows every change before it is made."
    return text if len(text) <= MAX_AGENT else f"Brings about outcomes in {title} by several calls."[:MAX_AGENT]


def _filled(head: str, names: Sequence[str], limit: int) -> str:
    text = head
    for number, name in enumerate(names):
        separator = "" if not text else ": " if number == 0 else ", "
        longer = f"{text}{separator}{name}"
        text = longer if len(longer) <= limit else text
    return text
