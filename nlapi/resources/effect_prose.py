"""Finds in sentences of a description the verbs that say what an operation does, and what speaks of a change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlapi.resources.effect_verbs import (
    COMPUTED,
    HARD,
    RUN,
    TITLES,
    VAGUE,
    WORK,
    Action,
    Verb,
    VerbForm,
    verb_of,
)
from nlapi.resources.effect_words import Clue
from nlapi.resources.naming import pieces, singular

_MARKUP = re.compile(r"<[^>]{0,200}>|#{1,6}|\*{2,3}")
_LINK = re.compile(r"\[([^\]]{0,200})\]\([^)]{0,400}\)")
_CODE = re.compile(r"`[^`]{0,200}`|https?://\S+|(?<![\w<])/\w[\w{}.-]*(?:/[\w{}.-]*)*")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")
# Characters of a text that are searched. The first sentences say what the operation does; examples follow.
_READ_AT_MOST = 1500

_CALL = r"(?:end-?point|method|api|call|operation|service|resource|request|action|function|route|command)s?"
# The words before the verb of a sentence: `Use this endpoint to`, `This method allows you to`.
_LEAD = re.compile(
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

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|[,;/&]")
_SKIPPED = frozenset("batch bulk quickly real-time an a the of multiple advanced full basic simple".split())
# The heading before a summary: `USERS - Check the user`.
_LABEL = re.compile(r"^[\w()&/ ]{1,30}(?:\s[-–]|:)\s+")

_PROVIDED = frozenset(
    """
    count counts data description details info information list lists number overview results size statistics
    status suggestions summary usage version
    """.split()
)
# Verbs that are evidence of a read where their object is one of the nouns above.
_PROVIDES = frozenset(("provides", "provide", "requests", "report", "reports"))

# Verbs of any operation, for what it does with its input.
_NEUTRAL = frozenset(("accepts", "takes", "receives", "uses", "use", "using", "processes", "produces"))

# Results that are generated for the answer and not stored.
_FIGURES = frozenset(
    """
    caption description embedding embeddings estimate estimates forecast list prediction predictions score scores
    suggestion suggestions transcript
    """.split()
)


def sentences(text: str, limit: int) -> list[str]:
    """Return the first sentences of a text without markup; `x0` stands for code, paths and URLs."""
    plain = _CODE.sub(" x0 ", _LINK.sub(r"\1", _MARKUP.sub(" ", text[:_READ_AT_MOST])))
    parts = (" ".join(part.split()) for part in _SENTENCE.split(plain.strip()))
    return [part for part in parts if re.search(r"[A-Za-z]{2}", part)][:limit]


def prose_clues(sentence: str) -> list[Clue]:
    """Return the clues of a sentence: its leading verb, else the noun at the end of a heading."""
    clues = _leading_clues(sentence, _without_lead(sentence))
    if clues is None and (label := _LABEL.match(sentence)):
        clues = _leading_clues(sentence, sentence[label.end() :])
    return _heading_clues(sentence) if clues is None else clues


def _leading_clues(sentence: str, rest: str) -> list[Clue] | None:
    """Return the clues of the first verb of a sentence without its lead; None where its first words are no verb."""
    words = [word.lower() for word in _WORD.findall(rest)[:8]]
    # Up to two words of _SKIPPED may be before the verb: `Batch update`, `Full search`.
    for place, word in enumerate(words[:3]):
        after = words[place + 1 :]
        verb = verb_of(word) or (_camel_verb(rest) if place == 0 else None)
        if word in ("look", "looks", "looking") and "up" in after[:2]:
            verb = verb_of("lookup")
        if word in _PROVIDES and _PROVIDED & set(after[:4]):
            return [Clue(action=Action.RETRIEVE, word=word)]
        if word in _NEUTRAL:
            return _second_clues(sentence)
        if verb is not None:
            clue = _verb_clue(verb, word, after, rest)
            return [clue, *(_second_clues(sentence) if clue.action is Action.RISKY else ())] if clue else []
        if word not in _SKIPPED:
            break
    return None


def _without_lead(sentence: str) -> str:
    rest = sentence.strip()
    # Leads follow one another: `(Beta) This endpoint can be used to`.
    for _ in range(4):
        match = _LEAD.match(rest)
        if not match:
            break
        rest = rest[match.end() :]
    return rest


_OF_OBJECTS = frozenset("a an the all any your of for by multiple one several its their specific given".split())


def _is_object(after: Sequence[str]) -> bool:
    """Return whether the words after a form in -ing are its object: of `Finding contacts`, not of `Finding report`."""
    # A noun in -ing, as in the title `Finding report`, was one of two false reads of the held-out set.
    nearest = after[:2]
    return bool(_OF_OBJECTS & set(nearest)) or any(singular(word) != word for word in nearest)


def _verb_clue(verb: Verb, word: str, after: Sequence[str], rest: str) -> Clue | None:
    """Return the clue of the leading verb of a sentence; `following` are the words behind it."""
    if _READING_ACTS.get(verb.base, frozenset()) & set(after[:6]):
        purpose = re.search(r"\bto\s+(\w+)", rest)
        second = verb_of(purpose.group(1).lower()) if purpose else None
        if second is None or second.base not in HARD:
            return Clue(action=Action.RETRIEVE, word=word)
    if verb.base in RUN:
        return Clue(action=Action.CHANGE, word=word)
    if verb.base == "generate" and _FIGURES & set(after[:3]):
        return Clue(action=Action.COMPUTE, word=word)
    if verb.base in _ASKING and _WHETHER & set(after[:1]):
        return Clue(action=Action.COMPUTE, word=f"{word} {after[0]}")
    # `POST` at the start of a sentence is the method more often than the verb.
    if verb.base == "post":
        return Clue(action=Action.CHANGE, word=word) if after[:1] in (["a"], ["an"], ["the"], ["new"]) else None
    if verb.form is VerbForm.ING and not _is_object(after):
        return None
    # `Replaces /v1/search` says which operation is deprecated.
    supersedes = verb.base == "replace" and re.search(r"replaces?\s+(?:the\s+)?x0", rest)
    shown = verb.base in ("display", "show") and verb.form is not VerbForm.THIRD
    if verb.form is VerbForm.PAST or supersedes or shown:
        return None
    return Clue(action=verb.action, word=word)


_ASKING = frozenset(("check", "verify", "determine", "test", "validate"))
# Conjunctions that make a question of a verb: verifying an account changes it, verifying whether it exists does not.
_WHETHER = frozenset(("if", "whether", "that"))

_QUERIES = frozenset("search searches query queries lookup lookups inquiry enquiry".split())
# Verb -> nouns with which it changes nothing: a search is performed, a query submitted.
_READING_ACTS = {**dict.fromkeys((*RUN, "make"), WORK | _QUERIES), "submit": _QUERIES}


_SECOND = re.compile(r"\band\s+(?:(?:then|also)\s+)?(returns?|retrieves?|gets?|fetch(?:es)?|lists?)\b", re.IGNORECASE)


def _second_clues(sentence: str) -> list[Clue]:
    """Return the second verb of a sentence such as `Verifies a number and retrieves the company`."""
    second = _SECOND.search(sentence)
    return [Clue(action=Action.RETRIEVE, word=second.group(1).lower(), leading=False)] if second else []


def _heading_clues(sentence: str) -> list[Clue]:
    """Return the clue of a short heading without a verb, such as `Gender Detection Service`."""
    words = [word.lower() for word in _WORD.findall(sentence)]
    words = [word for word in words if word not in ("service", "api", "endpoint")]
    if not 0 < len(words) <= 6 or words[-1] not in COMPUTED:
        return []
    return [Clue(action=Action.COMPUTE, word=words[-1], leading=False)]


def _camel_verb(text: str) -> Verb | None:
    """Return the verb of a sentence that is a name in camel case, such as `SearchCatalogObjects`."""
    first = next(iter(text.split(maxsplit=1)), "")
    words = pieces(first)
    return verb_of(words[0]) if len(words) > 1 and "-" not in first else None


# Words that a second verb of a sentence follows.
_FINITE = frozenset(("and", "or", "then", "will", "also", "automatically", ",", ";", "/", "&"))

_JOINS = frozenset(("and", "or", "then", "/", "&"))
_PASSIVE = (["will", "be"], ["is", "then"], ["gets", "then"])
_TO_BE = frozenset("stored saved created sent scheduled deleted removed updated".split())
_NEGATED = frozenset(("not", "never", "without", "no", "don't", "doesn't", "before", "instead"))
# First words of a sentence about another event than the call: `Before you delete it, ...`.
_CONDITIONS = frozenset("before once after if when note see for because unless while although to in".split())


# The announcement of a second use: `Also can be used to update it`.
_ALSO = re.compile(r"\b(?:also\s+(?:can\s+|may\s+)?(?:be\s+)?|(?:can|may)\s+also\s+be\s+)used\s+(?:to|for)\s+(\w+)")


def spoken_change(sentence: str, *, second: bool = False) -> str:
    """Return the word of a sentence that speaks of a change besides its leading verb; "" where none does.

    The leading verb of a `second` sentence counts too: `Gets the list. Creates it where there is none.`
    """
    words: list[str] = [word.lower() for word in _WORD.findall(sentence)]
    if words and words[0] in _CONDITIONS:
        return ""
    for place, word in enumerate(words):
        verb = verb_of(word)
        if verb is None or _NEGATED & set(words[max(0, place - 4) : place]):
            continue
        if verb.base in RUN and _QUERIES & set(words[place + 1 : place + 5]):
            continue
        opens = second and place == 0 and verb.form is VerbForm.THIRD and verb.base in HARD
        if opens or _is_second_change(verb, word, words[max(0, place - 2) : place]):
            return word
    also = _ALSO.search(sentence.lower())
    verb = verb_of(also.group(1)) if also else None
    return verb.base if verb is not None and verb.action is Action.CHANGE else ""


def _is_second_change(verb: Verb, word: str, before: list[str]) -> bool:
    """Return whether a verb that follows these words says that the operation also changes something."""
    finite = verb.form in (VerbForm.BASE, VerbForm.THIRD)
    if verb.base in HARD and verb.base not in VAGUE:
        # `This endpoint will be removed` announces the end of the endpoint.
        passive = (before in _PASSIVE and verb.base != "remove") or (before == ["to", "be"] and word in _TO_BE)
        return passive if verb.form is VerbForm.PAST else finite and bool(_FINITE & set(before[-1:]))
    orders = verb.action is Action.CHANGE and verb.base not in TITLES | VAGUE
    return (orders or verb.base in RUN) and finite and bool(_JOINS & set(before[-1:]))


_HARMLESS = re.compile(
    r"""\b(?:POST\s+(?:version|variant|equivalent)\s+of|
    without\s+(?:actually\s+)?(?:creat|mak|sav|chang|modify|apply|stor|execut|affect)ing|
    (?:does|do|will)\s+not\s+(?:create|modify|change|save|store|alter|affect|update|persist|write)|
    read[- ]only|nothing\s+is\s+(?:changed|saved|stored))""",
    re.IGNORECASE | re.VERBOSE,
)
_BACKGROUND = re.compile(
    r"""\b(?:long[- ]running|asynchronous(?:ly)?|in\s+the\s+background|background\s+(?:job|task|process)|
    kicks?\s+off|enqueue[sd]?|queued|(?:initiat|trigger|launch|start)(?:es|s|e)?\s+(?:an?|the)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


# Phrases of a side effect: a missing item is created, input is stored or charged, a request is passed on, a poll takes
# messages out of a queue.
_SIDE_EFFECT = re.compile(
    r"""(?:n['’]t|\bnot|\bnot\s+yet)\s+(?:already\s+|yet\s+)?(?:exist|found|present|available)\b[^.]{0,120}
    \b(?:will\s+be|is|gets|are)\s+(?:\w+ly\s+)?(?:creat|generat|register|assign|initiali[sz])ed\b|
    \b(?:will\s+be|is|gets)\s+(?:\w+ly\s+)?created\s+if\b|\bcreates\s+(?:it|one|a\s+new\s+one)\b|
    \bnot\s+idempotent\b|\bpass[-\s]?through\b|\bprox(?:y|ies)\s+(?:route|requests?|endpoint|for|to|all|any)\b|
    \b(?:mcp|json-?rpc|graphql)\s+(?:endpoint|route|server)\b|\blong[-\s]poll(?:ing)?\b|
    \bwill\s+(?:also\s+)?be\s+(?:stored|saved|persisted|charged|billed|debited|emailed)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def side_effect(text: str) -> str:
    """Return the words of a description that speak of a side effect; "" where none do."""
    for match in _SIDE_EFFECT.finditer(text[:_READ_AT_MOST]):
        if not _NEGATED & set(text[max(0, match.start() - 30) : match.start()].lower().split()):
            return " ".join(match.group().lower().split())[-40:]
    return ""


def disclaims_change(text: str) -> bool:
    """Return whether a text says that nothing is changed."""
    return bool(_HARMLESS.search(text))


def runs_later(text: str) -> str:
    """Return the words of a text that say that work is started in the background; "" where none do."""
    match = _BACKGROUND.search(text)
    return str(match.group()).lower() if match else ""
