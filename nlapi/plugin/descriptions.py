"""Writes the names and descriptions that a client has in every session, within what they may cost together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nlapi.english import lexicon
from nlapi.english.words import same_name, split_words, stem
from nlapi.plugin.keywords import Keywords
from nlapi.plugin.markdown import inert_line
from nlapi.plugin.subjects import Subject, person_verbs, states, subjects
from nlapi.tools.areas import Area
from nlapi.tools.word_similarity import rarity

# In characters, for all names and descriptions: 1,194 tokens at 3.6 characters, below file_checks.MAX_SESSION_TOKENS.
MAX_SESSION_TEXT = 4_300
MAX_DESCRIPTION = 420
MAX_MAIN = 260
MAX_AGENT = 150
MAX_LABEL = 110
MAX_NAME_WORDS = 4
MAX_VERBS = 7
MAX_OTHER_VERBS = 2
# In characters, of a row in the index of the main skill.
MAX_ROW = 280
# Words of fields: in a description no more than one reads, in the index as many as there is room for.
MAX_USES = 14
MAX_KEYWORDS = 30
_USUAL = frozenset(("create", "find", "change", "remove", "delete", "add", "update"))
_USUAL_OF_ALL = _USUAL | {"report"}
# Least stems in the text of a tag that its operations do not say as well, for it to be worth its place.
MIN_TELLING = 2
_SAYING_NOTHING = lexicon.stems("plugin/words", "saying_nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaText:
    """What is said of an area: its description, in every session, and its row in the index of the main skill."""

    description: str
    row: str


def area_texts(title: str, areas: Sequence[Area], used: int) -> dict[str, AreaText]:
    """Return slug of an area -> its texts; `used` characters are taken by other names and descriptions.

    A description is whole clauses: what one does with its things, the most usual first, then the words that tell it
    from the other areas. All have the same limit, that of the largest which still fit.
    """
    main = {
        operation
        for area in areas
        for subject in subjects(area.operations, area.label)[: max(1, len(area.groups))]
        for _, operation in subject.operations
    }
    keywords = Keywords(areas, main)
    names = {area.slug: _group_names(area) for area in areas}
    drafts = {}
    for area in areas:
        others = [name for slug in names if slug != area.slug for name in names[slug]]
        drafts[area.slug] = _AreaDraft(title, area, keywords, others)
    texts: dict[str, str] = {}
    for limit in range(MAX_DESCRIPTION, 60, -4):
        texts = {slug: draft.description(limit) for slug, draft in drafts.items()}
        if used + sum(map(len, texts.values())) <= MAX_SESSION_TEXT:
            break
    return {slug: AreaText(description=text, row=drafts[slug].row()) for slug, text in texts.items()}


def _group_names(area: Area) -> list[frozenset[str]]:
    """Return the stems of the names of an area's groups, and of the things that these are about."""
    texts = [group.label for group in area.groups]
    texts += [subject.name for group in area.groups for subject in subjects(group.operations, group.label)[:1]]
    return [frozenset(stem(word) for word in split_words(text)) for text in texts]


class _AreaDraft:
    """The parts of an area's texts, before they are cut to a limit."""

    def __init__(self, title: str, area: Area, keywords: Keywords, others: Sequence[frozenset[str]]) -> None:
        subjects_found = subjects(area.operations, area.label)
        self._head = f"{title} {_label(area, subjects_found)}"
        self._about = _telling_about(area, self._head)
        # The name of another area leads there: the repositories of a team are no word for teams.
        self._clauses = [
            clause
            for clause in _clauses(area, subjects_found, self._head)
            if not (clause.is_noun and _is_named(clause.text, others))
        ]
        # Things that the head names already are in no row either.
        self._nouns = [name for name in _nouns(subjects_found, self._head) if not _is_named(name, others)]
        used_text = " ".join((self._head, *(clause.text for clause in self._clauses), *self._nouns))
        words = [word for word in keywords.of(area, used_text) if not _is_named(word, others)]
        self._words = words[:MAX_KEYWORDS]

    def description(self, limit: int) -> str:
        """Return the description: things, what one does with them, and words of their fields."""
        text = self._head
        # Of what is left, the words have a third: things that are seldom asked for would take all of it.
        room = limit - (limit - len(text)) // 4 if self._words else limit
        separator, after = ": ", "; "
        for number, clause in enumerate(self._clauses):
            joint = separator if number == 0 or not clause.is_noun else after
            if len(text) + len(joint) + len(clause.text) < (room if number else MAX_DESCRIPTION):
                text, separator, after = f"{text}{joint}{clause.text}", "; ", ", " if clause.is_noun else "; "
        text = _listed(text, ". Use for ", self._words[:MAX_USES], limit)
        if self._about and len(text) + len(self._about) + 2 < limit:
            text = f"{text}. {self._about[:1].upper()}{self._about[1:]}"
        return f"{text[: MAX_DESCRIPTION - 1]}."

    def row(self) -> str:
        """Return the row of an index, which has room for more than a description."""
        text = self._about[:1].upper() + self._about[1:]
        names = [*self._nouns, *self._words]
        if text and names:
            text = f"{text.rstrip('.')}: "
        return _listed(text, "", names, MAX_ROW)


def _is_named(text: str, names: Sequence[frozenset[str]]) -> bool:
    """Return whether all words of a text are in one of some names."""
    stems = {stem(word) for word in split_words(text)}
    return any(stems <= name for name in names)


def _listed(text: str, opening: str, names: Sequence[str], limit: int) -> str:
    """Return a text with the names that a limit has room for."""
    separator = opening
    for name in names:
        if len(text) + len(separator) + len(name) < limit:
            text, separator = f"{text}{separator}{name}", ", "
    return text


def _label(area: Area, area_subjects: Sequence[Subject]) -> str:
    """Return the name of an area as a person would write it: its label, or its things where it is many groups."""
    names = [inert_line(" ".join(split_words(group.label)) or group.label, 40) for group in area.groups]
    by_size = sorted(range(len(names)), key=lambda place: -len(area.groups[place].operations))
    if len(names) > 1:
        return _filled("", [names[place] for place in by_size], MAX_LABEL)
    if len(names) == 1 and (longer := _spelled_out(names[0], area.about)):
        return longer
    # `repos` are repositories, `pulls` pull requests; `measurement datasets` say more than datasets do.
    is_key = bool(area_subjects) and same_name(names[0], area_subjects[0].key) and " " not in names[0]
    return area_subjects[0].name if is_key else names[0]


def _spelled_out(name: str, about: str) -> str:
    """Return a name as the text of its tag has it, where a word of the name is none: CAPI is a Conversion API."""
    words = _subject_words(inert_line(about, 110))
    stems, others = [stem(word) for word in name.split()], [stem(word.lower()) for word in words]
    is_short = any(rarity(word) == 1 and word not in others for word in stems)
    is_longer = len(words) <= MAX_NAME_WORDS and others[-1:] == stems[-1:] and len(stems) < len(others)
    return " ".join(words) if is_short and is_longer else ""


def _subject_words(about: str) -> list[str]:
    """Return the words of a text behind `Operations to manage`."""
    words = about.rstrip(".").split()
    while words and stem(words[0].lower()) in _SAYING_NOTHING:
        words = words[1:]
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class _WordClause:
    """What one does with a thing, or the thing alone."""

    text: str
    is_noun: bool


def _clauses(area: Area, area_subjects: Sequence[Subject], label: str) -> list[_WordClause]:
    """Return what one does with the things of an area: all of the first, of the others what is not usual."""
    clauses = []
    used_stems = {stem(word) for word in split_words(label)}
    for number, subject in enumerate(area_subjects):
        # Every area has something to create and to find, so that it is said of its first thing only.
        verbs = [verb for verb in usual_verbs(subject) if verb != subject.name]
        verbs = verbs if number == 0 else [verb for verb in verbs if verb not in _USUAL_OF_ALL][:MAX_OTHER_VERBS]
        words = {stem(word) for word in split_words(subject.name)}
        if not verbs and words <= used_stems:
            continue
        used_stems |= words
        is_named = subject.name.lower() in label.lower() and len(area.groups) == 1
        text = ", ".join(verbs) + ("" if is_named else f" {subject.name}")
        clauses.append(_WordClause(text=text.strip(), is_noun=not verbs))
    return clauses


def _nouns(area_subjects: Sequence[Subject], used_text: str) -> list[str]:
    """Return the names of things that are not known yet: each has a word that none before it has."""
    used_stems = {stem(word) for word in split_words(used_text)}
    names = []
    for subject in area_subjects:
        words = {stem(word) for word in split_words(subject.name)}
        if words - used_stems:
            names.append(subject.name)
            used_stems |= words
    return names


def usual_verbs(subject: Subject) -> list[str]:
    """Return what one does most with a thing: create, find, change, report and remove it, then set its state."""
    usual = [verb for verb in subject.verbs if verb in _USUAL]
    verbs = [*usual, *(verb for verb, *_ in states(subject)), *person_verbs(subject), *subject.verbs]
    told = list(dict.fromkeys(inert_line(verb, 40) for verb in verbs))
    return [verb for verb in told if " " not in verb or verb.startswith("turn ")][:MAX_VERBS]


def _telling_about(area: Area, label: str) -> str:
    """Return the text of a tag where it says more than its name, without words such as `Operations to manage`."""
    about = " ".join(_subject_words(inert_line(area.about, 110)))
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
