"""Collects the verbs by which the id, path, summary and description of an operation say what it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nlapi.english import lexicon
from nlapi.english.words import name_words, singular, split_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import Operation
from nlapi.resources.effect_verbs import (
    ACTIONS,
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
    name_clue,
    parse_verb,
)
from nlapi.resources.paths import last_segment

_MARKUP = lazy_pattern(r"<[^>]{0,200}>|#{1,6}|\*{2,3}")
_LINK = lazy_pattern(r"\[([^\]]{0,200})\]\([^)]{0,400}\)")
_CODE = lazy_pattern(r"`[^`]{0,200}`|https?://\S+|(?<![\w<])/\w[\w{}.-]*(?:/[\w{}.-]*)*")
_SENTENCE = lazy_pattern(r"(?<=[.!?:;])\s+|\n\s*\n")
# Characters of a text that are searched. The first sentences say what the operation does; examples follow.
_MAX_CHARACTERS = 1500

_CALL = r"(?:end-?point|method|api|call|operation|service|resource|request|action|function|route|command)s?"
# The words before the verb of a sentence: `Use this endpoint to`, `This method allows you to`.
_LEAD = lazy_pattern(
    rf"""^(?:\[[^\]]{{0,60}}\]|\([^)]{{0,40}}\)|\W+|
    (?:send|make|issue|submit)\s+an?\s+(?:\w+\s+)?requests?\s+[\w\s]{{0,30}}?to\s+|
    invoke\s+(?:action|function)\s+|
    (?:given|for|based\s+on|with|using|from)\s[^,.]{{3,120}},\s+(?:to\s+)?|
    (?:description|purpose|summary|deprecated|beta|overview|what)\b\W*|
    (?:please\s+)?use\s+(?:this|the)?[\w\s./{{}}-]{{0,60}}?{_CALL}?\s+(?:to|for|when\s+you\s+want\s+to)\s+|
    (?:this|the|an?|our)\s+[\w\s./-]{{0,40}}?{_CALL}\s+(?:that|which)?\s*
      (?:(?:is|are|can|may|should|will|could)\s+(?:be\s+)?(?:used|called|invoked|designed)?\s*(?:to|for|when)?\s*)?|
    {_CALL}\s+(?:(?:is\s+)?used\s+)?(?:to|for|that|which)\s+|
    (?:used|designed|intended|meant)\s+(?:to|for)\s+|
    (?:allows?|lets?|enables?|permits?|helps?|gives?)\s+(?:[\w\s]{{0,30}}?\s)?(?:to|the\s+ability\s+to)\s+|
    (?:allows?|lets?|enables?)\s+(?:(?:you|users?|developers?|clients?)\s+)?|
    (?:provides?|gives?)\s+(?:the\s+)?(?:ability|functionality)\s+(?:to|for)\s+|
    you\s+can\s+(?:use\s+this\s+to\s+)?|
    (?:can|may|will)\s+be\s+used\s+(?:to|for)\s+|
    (?:will|also|asynchronously|synchronously)\s+)
    """,
    re.IGNORECASE | re.VERBOSE,
)

_WORD = lazy_pattern(r"[A-Za-z][A-Za-z'’-]*|[,;/&]")
_SKIPPED = frozenset("batch bulk quickly real-time an a the of multiple advanced full basic simple".split())
# The heading before a summary: `USERS - Check the user`.
_LABEL = lazy_pattern(r"^[\w()&/ ]{1,30}(?:\s[-–]|:)\s+")

_PROVIDED_NOUNS = lexicon.words("resources/words", "provided_nouns")
# Verbs that are evidence of a read where their object is one of the nouns above.
_PROVIDING_VERBS = frozenset(("provides", "provide", "requests", "report", "reports"))

# Verbs of any operation, for what it does with its input.
_NEUTRAL = frozenset(("accepts", "takes", "receives", "uses", "use", "using", "processes", "produces"))

# Results that are generated for the answer and not stored.
_GENERATED_NOUNS = lexicon.words("resources/words", "generated_nouns")


def split_sentences(text: str, limit: int) -> list[str]:
    """Return the first sentences of a text without markup; `x0` stands for code, paths and URLs."""
    plain = _CODE.sub(" x0 ", _LINK.sub(r"\1", _MARKUP.sub(" ", text[:_MAX_CHARACTERS])))
    parts = (" ".join(part.split()) for part in _SENTENCE.split(plain.strip()))
    return [part for part in parts if re.search(r"[A-Za-z]{2}", part)][:limit]


def _sentence_clues(sentence: str) -> list[Clue]:
    """Return the clues of a sentence: its leading verb, else the noun at the end of a heading."""
    clues = _leading_clues(sentence, _without_lead(sentence))
    if clues is None and (label := _LABEL.match(sentence)):
        clues = _leading_clues(sentence, sentence[label.end() :])
    return _heading_clues(sentence) if clues is None else clues


def _leading_clues(sentence: str, body: str) -> list[Clue] | None:
    """Return the clues of the first verb of a sentence without its lead; None where its first words are no verb."""
    words = [word.lower() for word in _WORD.findall(body)[:8]]
    # Up to two words of _SKIPPED may be before the verb: `Batch update`, `Full search`.
    for index, word in enumerate(words[:3]):
        following = words[index + 1 :]
        verb = parse_verb(word) or (_camel_verb(body) if index == 0 else None)
        if word in ("look", "looks", "looking") and "up" in following[:2]:
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


def _without_lead(sentence: str) -> str:
    body = sentence.strip()
    # Leads follow one another: `(Beta) This endpoint can be used to`.
    for _ in range(4):
        match = _LEAD.match(body)
        if not match:
            break
        body = body[match.end() :]
    return body


_OBJECT_STARTS = frozenset("a an the all any your of for by multiple one several its their specific given".split())


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


_QUESTION_VERBS = frozenset(("check", "verify", "determine", "test", "validate"))
# Conjunctions that make a question of a verb: verifying an account changes it, verifying whether it exists does not.
_QUESTION_CONJUNCTIONS = frozenset(("if", "whether", "that"))

_QUERIES = frozenset("search searches query queries lookup lookups inquiry enquiry".split())
# Verb -> nouns with which it changes nothing: a search is performed, a query submitted.
_READING_NOUNS = {**dict.fromkeys((*RUN_VERBS, "make"), COMPUTATION_NOUNS | _QUERIES), "submit": _QUERIES}


_SECOND_VERB = lazy_pattern(
    r"\band\s+(?:(?:then|also)\s+)?(returns?|retrieves?|gets?|fetch(?:es)?|lists?)\b", re.IGNORECASE
)


def _second_clues(sentence: str) -> list[Clue]:
    """Return the second verb of a sentence such as `Verifies a number and retrieves the company`."""
    second = _SECOND_VERB.search(sentence)
    return [Clue(action=Action.RETRIEVE, word=second.group(1).lower(), leading=False)] if second else []


def _heading_clues(sentence: str) -> list[Clue]:
    """Return the clue of a short heading without a verb, such as `Gender Detection Service`."""
    words = [word.lower() for word in _WORD.findall(sentence)]
    words = [word for word in words if word not in ("service", "api", "endpoint")]
    if not 0 < len(words) <= 6 or words[-1] not in RESULT_NOUNS:
        return []
    return [Clue(action=Action.COMPUTE, word=words[-1], leading=False)]


def _camel_verb(text: str) -> Verb | None:
    """Return the verb of a sentence that is a name in camel case, such as `SearchCatalogObjects`."""
    first = next(iter(text.split(maxsplit=1)), "")
    words = split_words(first)
    return parse_verb(words[0]) if len(words) > 1 and "-" not in first else None


_CONJUNCTIONS = frozenset(("and", "or", "then", "/", "&"))
# Words that a second verb of a sentence follows.
_BEFORE_SECOND_VERB = _CONJUNCTIONS | {"will", "also", "automatically", ",", ";"}
_PASSIVE = (["will", "be"], ["is", "then"], ["gets", "then"])
_TO_BE_PARTICIPLES = frozenset("stored saved created sent scheduled deleted removed updated".split())
_NEGATIONS = frozenset(("not", "never", "without", "no", "don't", "doesn't", "before", "instead"))
# First words of a sentence about another event than the call: `Before you delete it, ...`.
_CONDITIONS = frozenset("before once after if when note see for because unless while although to in".split())


# The announcement of a second use: `Also can be used to update it`.
_SECOND_USE = lazy_pattern(
    r"\b(?:also\s+(?:can\s+|may\s+)?(?:be\s+)?|(?:can|may)\s+also\s+be\s+)used\s+(?:to|for)\s+(\w+)"
)


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


_RETURN_PREFIXES = ("return", "obtain", "receiv", "provid", "respond")
# Verbs of COMPUTE that hardly ever stand for anything else.
_COMPUTE_PREFIXES = ("calculat", "comput", "estimat", "translat", "classif", "predict", "forecast")

_QUESTION_ENDINGS = tuple(f" {word}" for word in _QUESTION_CONJUNCTIONS)

# A read needs ENOUGH (3.0): two verbs that retrieve, or one with a list in the answer and paging.
_WEIGHTS = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0, Action.CHANGE: 0.0}


def collect_signs(operation: Operation) -> list[Sign]:
    """Return the signs in the id, the path, the summary and the description of an operation."""
    # An id that nlapi derived from the path is no second source beside the path.
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
    if re.search(rf"\b{clue.word}\s+(?:an?|the|your|new|one|remote)\b", sentence.lower()):
        return False
    is_noun = clue.action is Action.CHANGE and clue.word not in ACTIONS and singular(clue.word) in VERB_NOUNS
    return is_noun and len({sign.source for sign in signs if sign.clue.action is not Action.CHANGE}) > 1


def _reads(sign: Sign) -> bool:
    return sign.clue.leading and sign.clue.action in (Action.RETRIEVE, Action.COMPUTE)


def first_change(signs: Sequence[Sign], *, outright: bool = False) -> str:
    """Return the sentence of the first sign of a change; "" where there is none.

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
