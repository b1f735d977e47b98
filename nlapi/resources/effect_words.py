"""Sorts the verbs of names and of prose by what they do: retrieve, compute, change something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from nlapi.resources.naming import pieces


class Action(StrEnum):
    """What a verb does. RISKY ones compute in one API and change something in the next: verify, test, convert."""

    RETRIEVE = "retrieve"
    COMPUTE = "compute"
    RISKY = "risky"
    CHANGE = "change"


class Form(StrEnum):
    """The form of a verb: search, searches, searching, searched."""

    BASE = "base"
    THIRD = "third"
    ING = "ing"
    PAST = "past"


_RETRIEVE = """
    search find get list query filter count fetch retrieve lookup read describe browse enumerate view show display
    see inspect return obtain receive autocomplete suggest recommend introspect aggregate explore download
    summarize paginate
"""
_COMPUTE = """
    calculate compute estimate translate classify predict detect analyze analyse recognize recognise parse compare infer
    preview validate diff explain decode embed forecast interpolate geocode solve summarise measure assess categorize
    spellcheck normalize humanize extract identify transcribe evaluate check determine
"""
_RISKY = """
    simulate verify test convert render resolve match encode encrypt decrypt quote perform execute run enrich export
    locate transform score rank tokenize optimize optimise highlight sync
"""
_CHANGE = """
    create add make insert upsert register submit upload invite update edit modify change put patch delete remove
    destroy cancel send notify publish start stop launch trigger initiate enable disable activate deactivate issue
    generate authenticate login logout signin signup authorize sign import refresh reset clear move copy clone duplicate
    fork merge assign unassign attach detach unlink subscribe unsubscribe follow unfollow like unlike pay charge refund
    buy purchase book reserve approve reject accept decline confirm mark save store write overwrite replace restart
    reboot schedule enqueue apply install uninstall revoke restore archive unarchive lock unlock acknowledge complete
    close reopen provision deploy grant deny exchange void suspend resume pause terminate kill ban block unblock promote
    demote reorder rename associate disassociate join leave vote rate pin unpin dismiss ingest prune purge migrate
    rotate regenerate rebuild recreate reindex advance push commit rollback revert undo redeem claim transfer withdraw
    deposit mint burn broadcast forward reply react answer post repost share unshare invalidate reinstate synchronize
    reload set append increment decrement toggle populate crawl train finalize finish begin abort retry requeue
    dequeue capture settle enroll unenroll impersonate dispatch configure connect disconnect switch instantiate undelete
    force fire ask request acquire license checkout
    invoke resize scale expand shrink abandon announce evict drain eject mount unmount wipe play call dial ring wait
    increase decrease raise lower adjust build index prepare order ship print open drop place initialize initialise
    init onboard override process produce protect quarantine reassign rebalance recalculate recall recover redirect reduce
    reissue remediate remind reprocess rerun respond sell silence snooze split stage suppress swap throttle trade transition
    truncate upgrade downgrade use wake warm label mute hide hold persist inject propose nominate escalate flag
    backfill assume attest compile compose consume defer delay emit expire recrawl refill transmit trash empty
    fulfill fulfil unload offer page
 record log track report renew extend shorten unregister deregister flush
"""
_ALSO_NOUNS = """
    answer archive ask block book call change charge check checkout claim clone close commit complete confirm copy count
    delay deposit display drop edit empty exchange export extract filter fire flag follow force fork grant hold import
    index invite issue join kill label launch leave license like list lock log lookup lower mark match merge move offer open
    order page patch pause pay pin place play post preview print process protect purchase push put query quote raise rank
    rate react recall record refresh refund register release reload reply report request reserve reset respond resume
    retry return ring rollback rotate run save scale schedule score search set share ship sign split stage star start
    stop store subscribe swap switch sync test track trade train transfer transition trigger update upgrade upload use
    view void vote wait warm withdraw write
"""
_IRREGULAR = {
    "find": "found", "get": "got", "read": "read", "see": "seen", "make": "made", "put": "put", "send": "sent",
    "pay": "paid", "buy": "bought", "write": "written", "overwrite": "overwritten", "set": "set", "reset": "reset",
    "begin": "begun", "leave": "left", "withdraw": "withdrawn", "undo": "undone", "run": "run", "show": "shown",
}  # fmt: skip

ACTIONS: dict[str, Action] = {
    **dict.fromkeys(_CHANGE.split(), Action.CHANGE),
    **dict.fromkeys(_RISKY.split(), Action.RISKY),
    **dict.fromkeys(_COMPUTE.split(), Action.COMPUTE),
    **dict.fromkeys(_RETRIEVE.split(), Action.RETRIEVE),
}
"""A verb in its base form -> what it does."""

NOUNS = frozenset(_ALSO_NOUNS.split())
"""Verbs that are nouns, or parts of names, as well: only their place says which."""

HARD = frozenset(verb for verb, action in ACTIONS.items() if action is Action.CHANGE) - NOUNS
"""Verbs in their base form that speak of a change wherever they stand in a name."""

TITLES = NOUNS & frozenset(
    """
    archive block book change charge claim copy deposit exchange export grant import invite issue license link lock log
    match order payment post purchase quote record refund release report request reserve schedule score share star store
    tag test track transfer upload vote play call scale index order print place process stage trade label offer page build
    """.split()
)
"""Those of them that things are called by: `transfersGet` gets transfers, and `updateEstimate` updates."""

COMPUTED = frozenset(
    """
    search query lookup analysis calculation detection recognition classification validation estimation estimate
    prediction translation comparison inquiry enquiry autocomplete suggestions recommendations simulation preview count
    similarity sentiment extraction forecast summary statistics stats metrics history availability eligibility
    status info details metadata
    """.split()
)
"""Nouns of what is only computed or looked up."""


@dataclass(frozen=True, slots=True)
class Verb:
    base: str
    form: Form

    @property
    def action(self) -> Action:
        return ACTIONS[self.base]


def _inflected() -> Iterator[tuple[str, Verb]]:
    for base in ACTIONS:
        stem = base[:-1] if base.endswith("e") else base
        third = base + "es" if re.search(r"(s|x|z|ch|sh)$", base) else base + "s"
        past = base + "d" if base.endswith("e") else base + "ed"
        ing = stem + "ing"
        if re.search(r"[^aeiou]y$", base):
            third, past = base[:-1] + "ies", base[:-1] + "ied"
        elif re.search(r"(^|[^aeiou])[aeiou][bdgklmnprt]$", base) and base not in _UNDOUBLED:
            ing, past = base + base[-1] + "ing", base + base[-1] + "ed"
        yield ing, Verb(base, Form.ING)
        yield _IRREGULAR.get(base, past), Verb(base, Form.PAST)
        yield past, Verb(base, Form.PAST)
        yield third, Verb(base, Form.THIRD)
        yield base, Verb(base, Form.BASE)


_UNDOUBLED = frozenset(
    """
    edit deposit book look read register enter answer render filter recover trigger cancel impersonate explain
    obtain retain train broadcast redeem void join count list post
    """.split()
)
VERBS: dict[str, Verb] = dict(_inflected())
"""Every form of every verb, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """What a name or a text says that an operation does. `word` says so; `leading`: as its verb, not at its end."""

    action: Action
    word: str
    leading: bool = True


# What stands before the verb of a name and says nothing.
_HTTP = frozenset(("post", "api", "v1", "v2", "v3", "http", "rest", "do", "bulk", "batch"))
_TRAILING = re.compile(r"(?:using|by|for|with|post|v|\d|all|async|sync|new)+$")
_JOINED = re.compile(r"\b(?:and|or)\b")


@lru_cache(maxsize=16384)
def name_clue(name: str) -> Clue | None:
    """Return what an operationId or a path segment says that is done; None where it names no verb.

    The verb is the first word (`searchContacts`), that of the last part (`Shares_ListKeys`, `orders.search`), or the
    last word (`accountsGet`). A change wins wherever it stands as a verb.
    """
    words = _verbal(name)
    if not words:
        return None
    for before, word in zip(words, words[1:], strict=False):
        joined = before in ("and", "or", "then") and ACTIONS.get(word) is Action.CHANGE
        if joined or (before in _PARTICLED and word in ("in", "out", "up", "off")):
            return Clue(action=Action.CHANGE, word=word if joined else f"{before} {word}")
    part = _verbal(_last_part(name))
    heads = [part[0], words[0]] if part else [words[0]]
    last = words[-1]
    hard = next((word for word in (*heads, last) if is_hard(word)), "")
    if hard:
        return Clue(action=Action.CHANGE, word=hard)
    head = heads[0] if heads[0] in ACTIONS else ""
    if not head and len(heads) > 1 and ACTIONS.get(heads[1]) is Action.CHANGE and heads[1] not in TITLES:
        head = heads[1]
    if head in TITLES and len(words) > 1 and last in _LAST:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    if head in _RUN:
        return Clue(action=Action.RETRIEVE if _READ_NAMES & set(words) else Action.CHANGE, word=head)
    if head in _PROSE_ONLY:
        head = ""
    if head:
        return Clue(action=ACTIONS[head], word=head)
    hard = next((word for word in words if is_hard(word)), "")
    if hard:
        return Clue(action=Action.CHANGE, word=hard)
    if last in _LAST:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    if last in COMPUTED:
        return Clue(action=Action.COMPUTE, word=last, leading=False)
    return None


_PARTICLED = frozenset(("check", "log", "sign", "opt", "clock", "set", "book"))
_LAST = frozenset("get list search find fetch query lookup count validate verify test convert preview estimate".split())
_RUN = frozenset(("execute", "run", "perform"))
_READ_NAMES = frozenset("query queries search searches lookup analysis report reports".split())
_PROSE_ONLY = frozenset(("return", "receive", "obtain", "display", "show", "see"))
"""Verbs that name an order where they name an operation: to return a payment, to show a text on a screen."""

_THIRD_ONLY = frozenset(("display", "show"))

_PREFIXES = ("re", "un", "dis", "de", "bulk", "auto", "pre", "multi", "mass")


@lru_cache(maxsize=8192)
def is_hard(word: str) -> bool:
    """Whether a word is a verb of change in its base form, also with a prefix: resend, unassign."""
    return word in HARD or any(word.startswith(prefix) and word[len(prefix) :] in HARD for prefix in _PREFIXES)


def _verbal(name: str) -> list[str]:
    """The words of a name without its numbers and what HTTP puts before its verb."""
    words = [word for word in pieces(name) if not word.isdigit()]
    while len(words) > 1 and words[0] in _HTTP:
        words = words[1:]
    return words


def _last_part(name: str) -> str:
    """The last part of a name such as `Shares_ListKeys` or `projects.sessions.detectIntent`, "" where it has but one.

    Underscores part a name only where its parts are in camel case: `list_all_keys` is one part.
    """
    for mark in (".", "/", ":", "_"):
        parts = [part for part in name.split(mark) if re.search(r"[A-Za-z]{2}", part)]
        if len(parts) > 1:
            return parts[-1] if mark != "_" or re.search(r"[A-Z]", parts[-1]) else ""
    return ""


_MARKUP = re.compile(r"<[^>]{0,200}>|#{1,6}|\*{2,3}")
_LINK = re.compile(r"\[([^\]]{0,200})\]\([^)]{0,400}\)")
_CODE = re.compile(r"`[^`]{0,200}`|https?://\S+|(?<![\w<])/\w[\w{}.-]*(?:/[\w{}.-]*)*")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")
_SUBJECT = r"(?:end-?points?|methods?|apis?|calls?|operations?|services?|resources?|requests?|actions?|functions?|routes?|commands?)"
_LEAD = re.compile(
    rf"""^(?:\W+|
    \[[^\]]{{0,60}}\]|\([^)]{{0,40}}\)|(?:send|make|issue|submit)\s+an?\s+(?:\w+\s+)?requests?\s+[\w\s]{{0,30}}?to\s+|
    invoke\s+(?:action|function)\s+|
    (?:description|purpose|summary|deprecated|beta|overview|what)\b\W*|
    (?:please\s+)?use\s+(?:this|the)?[\w\s./{{}}-]{{0,60}}?{_SUBJECT}?\s+(?:to|for|when\s+you\s+want\s+to)\s+|
    (?:this|the|an?|our)\s+[\w\s./-]{{0,40}}?{_SUBJECT}\s+(?:that|which)?\s*
      (?:(?:is|are|can|may|should|will|could)\s+(?:be\s+)?(?:used|called|invoked|designed)?\s*(?:to|for|when)?\s*)?|
    {_SUBJECT}\s+(?:(?:is\s+)?used\s+)?(?:to|for|that|which)\s+|
    (?:used|designed|intended|meant)\s+(?:to|for)\s+|
    (?:allows?|lets?|enables?|permits?|helps?|gives?)\s+(?:[\w\s]{{0,30}}?\s)?(?:to|the\s+ability\s+to)\s+|
    (?:allows?|lets?|enables?)\s+(?:(?:you|users?|developers?|clients?)\s+)?|
    (?:provides?|gives?)\s+(?:the\s+)?(?:ability|functionality)\s+(?:to|for)\s+|
    you\s+can\s+(?:use\s+this\s+to\s+)?|(?:can|may|will)\s+be\s+used\s+(?:to|for)\s+|(?:will|also|asynchronously|synchronously)\s+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|[,;/&]")
_FINITE = frozenset(("and", "or", "then", "will", "also", "automatically", ",", ";", "/", "&"))
_NEGATED = frozenset(("not", "never", "without", "no", "don't", "doesn't", "before", "instead"))
_SKIPPED = frozenset("batch bulk quickly real-time an a the of multiple advanced full basic simple".split())


def sentences(text: str, limit: int = 3) -> list[str]:
    """Return the first sentences of a text without markup."""
    plain = _CODE.sub(" x0 ", _LINK.sub(r"\1", _MARKUP.sub(" ", text[:1500])))
    parts = (" ".join(part.split()) for part in _SENTENCE.split(plain.strip()))
    return [part for part in parts if re.search(r"[A-Za-z]{2}", part)][:limit]


def prose_clue(sentence: str) -> Clue | None:
    """Return what a sentence says that the operation does, by its leading verb; None where it has none that is known."""
    rest = sentence.strip()
    for _ in range(4):
        match = _LEAD.match(rest)
        if not match or not match.group().strip() and not match.end():
            break
        rest = rest[match.end() :]
    words = [word.lower() for word in _WORD.findall(rest)[:5]]
    for place, word in enumerate(words[:3]):
        verb = VERBS.get(word) or (_camel_verb(rest) if place == 0 else None) or _prefixed(word)
        if verb is None and word in ("look", "looks", "looking") and "up" in words[place + 1 : place + 3]:
            verb = VERBS["lookup"]
        if verb is None:
            if word in _SKIPPED:
                continue
            break
        if verb.base in ("perform", "execute", "run", "make", "submit", "post") and _names_reading(rest):
            purpose = re.search(r"\bto\s+(\w+)", rest)
            made = VERBS.get(purpose.group(1).lower()) if purpose else None
            if made is None or made.base not in HARD:
                return Clue(action=Action.RETRIEVE, word=word)
        if verb.base in _RUN:
            return Clue(action=Action.CHANGE, word=word)
        if verb.base == "generate" and _FIGURES & set(words[place + 1 :]):
            return Clue(action=Action.COMPUTE, word=word)
        if verb.base == "replace" and re.search(r"replaces?\s+(the\s+)?x0", rest):
            return None
        if verb.base == "post" and words[place + 1 : place + 2] in (["a"], ["an"], ["the"], ["new"]):
            return Clue(action=Action.CHANGE, word=word)
        if verb.base == "post" or word in _NEUTRAL:
            return None
        if verb.form is Form.PAST or (verb.base in _THIRD_ONLY and verb.form is not Form.THIRD):
            return None
        return Clue(action=verb.action, word=word)
    return None


def noun_clue(sentence: str) -> Clue | None:
    """Return what a short heading without a verb names, such as `Gender Detection Service`."""
    words = [word.lower() for word in _WORD.findall(sentence) if word.lower() not in ("service", "api", "endpoint")]
    if 0 < len(words) <= 6 and words[-1] in COMPUTED:
        return Clue(action=Action.COMPUTE, word=words[-1], leading=False)
    return None


_ALSO_RETURNS = re.compile(r"\band\s+(?:(?:then|also)\s+)?(returns?|retrieves?|gets?|fetch(?:es)?|lists?)\b", re.IGNORECASE)


def returned_too(sentence: str) -> Clue | None:
    """Return the second verb of a sentence such as `Verifies a number and retrieves the company`."""
    match = _ALSO_RETURNS.search(sentence)
    return Clue(action=Action.RETRIEVE, word=match.group(1).lower(), leading=False) if match else None


def _prefixed(word: str) -> Verb | None:
    """The verb of a word with a prefix, such as `resends`, where it is one of change."""
    for prefix in _PREFIXES:
        verb = VERBS.get(word.removeprefix(prefix)) if word.startswith(prefix) else None
        if verb is not None and verb.base in HARD:
            return verb
    return None


def _camel_verb(text: str) -> Verb | None:
    """The verb of a sentence that is a name, such as `SearchCatalogObjects`."""
    first = text.split(maxsplit=1)[0] if text.split() else ""
    words = pieces(first)
    return (VERBS.get(words[0]) or _prefixed(words[0])) if len(words) > 1 and "-" not in first else None


def _names_reading(text: str) -> bool:
    words = [word.lower() for word in _WORD.findall(text)[1:7]]
    return any(word in COMPUTED or word in ("queries", "searches", "lookups") for word in words)


def spoken_change(sentence: str) -> str:
    """Return the word of a sentence that speaks of a change besides its leading verb; "" where none does."""
    words = [word.lower() for word in _WORD.findall(sentence)]
    if words and words[0] in _CONDITIONS:
        return ""
    for place, word in enumerate(words):
        verb = VERBS.get(word) or _prefixed(word)
        certain = verb is not None and verb.base in HARD and verb.base not in _VAGUE
        if verb is None or not (certain or _joined(verb, word, words[:place])) or _NEGATED & set(words[max(0, place - 4) : place]):
            continue
        previous = words[place - 1] if place else ""
        if verb.form in (Form.BASE, Form.THIRD) and previous in _FINITE:
            return word
        if verb.form is Form.PAST and words[max(0, place - 2) : place] in _PASSIVE:
            return word
    return ""


_NEUTRAL = frozenset(("accepts", "uses", "use", "using", "processes", "produces"))
"""What an operation does with what it is told, whatever it is."""

_FIGURES = frozenset("score scores suggestion suggestions prediction predictions estimate estimates forecast".split())
"""What is generated and not kept."""


_VAGUE = frozenset(
    """
    reduce increase decrease prepare respond use produce process adjust compose consume extend hide recover propose
    compile build convert complete make raise lower attest warm begin finish connect configure override expire
    """.split()
)
"""Verbs that a sentence about a read may hold: only as the verb of an operation do they speak of a change."""

_PASSIVE = (["will", "be"], ["is", "then"], ["to", "be"], ["gets", "then"])


def _joined(verb: Verb, word: str, before: Sequence[str]) -> bool:
    """Whether a verb that is a noun as well follows another verb: `Get/Update`, `resolve and execute`."""
    orders = verb.action is Action.CHANGE and verb.base not in TITLES and verb.base not in _VAGUE or verb.base in _RUN
    return orders and verb.form in (Form.BASE, Form.THIRD) and before[-1:] in (["and"], ["or"], ["then"], ["/"], ["&"])


_CONDITIONS = frozenset("before once after if when note see for because unless while although to in".split())

_HARMLESS = re.compile(
    r"\b(?:POST\s+(?:version|variant|equivalent)\s+of|without\s+(?:actually\s+)?(?:creating|making|saving|changing|modifying|applying|storing|executing|affecting)|"
    r"(?:does|do|will)\s+not\s+(?:create|modify|change|save|store|alter|affect|update|persist|write)|"
    r"read[- ]only|nothing\s+is\s+(?:changed|saved|stored))",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(
    r"\b(?:long[- ]running|asynchronous(?:ly)?|in\s+the\s+background|background\s+(?:job|task|process)|kicks?\s+off|"
    r"enqueue[sd]?|queued|(?:initiat|trigger|launch|start)(?:es|s|e)?\s+(?:an?|the)\b)",
    re.IGNORECASE,
)


def disclaims_change(text: str) -> bool:
    """Whether a text says that nothing is changed."""
    return bool(_HARMLESS.search(text))


def runs_later(text: str) -> str:
    """Return the words of a text that say that work is started, not answered; "" where none do."""
    match = _BACKGROUND.search(text)
    return match.group().lower() if match else ""


def named_alike(left: Sequence[str], right: Sequence[str]) -> bool:
    return list(left) == list(right)
