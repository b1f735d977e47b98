"""Whether a sentence commands a change or only wants to see something."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import Sentence, Token
from nlapi.resources.naming import IMPERATIVES, VERBS, Intent, singular, split_words, stem
from nlapi.tools.phrase import NOUN_FOLLOWERS

_TELLS = frozenset(("give", "tell", "bring", "let"))
_US = frozenset(("me", "us", "the", "all", "a", "an"))
_ASKING = frozenset(map(stem, "what which who whose where when why how is are does did has have was were".split()))


def only_reads(sentence: Sentence, operation: Operation) -> bool:
    """Does the sentence begin with a verb that reads, or have no verb that `operation` could be commanded by?

    A verb of the operation's own (return, lend) commands it, known or not.
    """
    start = opening_length(sentence.text)
    rest = [token for token in sentence.tokens if token.start >= start and token.word]
    if not rest:
        return True
    own = own_verbs(operation)
    first = rest[0]
    if first.stem in own and not _plural(first):
        return False
    if _imperative(first, next(iter(rest[1:]), None)):
        return False
    if first.stem in _ASKING or VERBS.get(first.stem) is Intent.READ:
        return True
    return not any(map(commands, rest))


def _imperative(first: Token, after: Token | None) -> bool:
    """May a sentence that begins so command a change: [refund 10] EUR, but no [note on] contact 5, no [give me]?"""
    if first.stem not in IMPERATIVES or after is None or _plural(first):
        return False
    told = first.lower in _TELLS and after.lower in _US
    return not told and after.lower not in NOUN_FOLLOWERS


def own_verbs(operation: Operation) -> frozenset[str]:
    """The words that an operation is commanded by: the first of its id and its summary, and /runs/{id}/[cancel]."""
    first = [words[0] for words in (split_words(operation.id), split_words(operation.summary)) if words]
    _, inside, last = operation.path.rstrip("/").rpartition("}/")
    return frozenset(map(stem, (*first, *split_words(last if inside else "")[:1])))


def commands(token: Token) -> bool:
    """May the token be a verb in the imperative that changes something?"""
    known = VERBS.get(token.stem, Intent.READ) is not Intent.READ
    return known and not _plural(token) and token.lower != "active" and not token.lower.endswith(("ed", "ing", "ion"))


def _plural(token: Token) -> bool:
    return singular(token.lower) != token.lower


_ORDERS = """
get rid of|throw away|throw out|take down|trash|scrap|ditch|nuke|axe|bin|erase|wipe out: delete remove discard destroy
wipe|empty|flush: clear purge empty flush delete
kill|put an end to: terminate kill stop cancel abort delete
finish|wrap up|end|conclude: complete finish end close stop
kick off|fire off|fire up|set off|get going: start trigger launch run create
spin up|stand up|set up|whip up|put together: create add provision make
set going|boot up|power up|power on|bring up|bring online|go live with: start boot launch enable activate
shut down|shut off|power down|power off|turn off|switch off|take offline: disable deactivate stop shutdown pause
turn on|switch on: enable activate start resume
knock off|call off|scratch: cancel abort stop delete
suspend|put on hold|put on ice|hold off on: suspend pause hold disable deactivate block
carry on with|pick up again: resume continue unpause
bring back|get back|undelete: restore recover undelete unarchive reactivate enable
rerun|redo|do over|run again|try again: retry rerun restart repeat
bounce|power cycle: restart reboot
restart: restart reboot reset
reboot: reboot restart reset
roll: rotate regenerate reset renew
refresh|renew: refresh renew rotate regenerate
roll back|go back on: rollback revert undo restore
star|heart: star favorite favourite like save follow
unstar|unheart: unstar unfavorite unfavourite unlike unsave unfollow
sign off on|green light|okay: approve accept confirm
turn down: reject decline deny refuse
kick|kick out|boot out|throw out of: remove kick ban delete
hand over|pass on: transfer assign move
bump up|crank up: increase raise update
blacklist|blocklist: block ban blacklist add create
whitelist|allowlist: allow whitelist unblock add create
ping|drop a line to|shoot a message to: message send notify
duplicate|replicate: duplicate copy clone
snooze: snooze mute pause
"""
_VERBS_OF = {
    said: tuple(verbs.split())
    for line in _ORDERS.strip().splitlines()
    for said_so, _, verbs in (line.partition(": "),)
    for said in said_so.split("|")
}
"""What is said -> the verbs that an API may have for it, the likeliest first."""
_SAID = re.compile(rf"(?:{'|'.join(sorted(_VERBS_OF, key=len, reverse=True))})\b(?=\s)", re.IGNORECASE)
_PARTED = re.compile(
    r"(?P<verb>turn|switch|shut|power|bring|take|call|roll)\s+(?P<what>(?:(?!\b(?:to|into)\b)[^,;.?])+?)\s+"
    r"(?P<particle>on|off|down|up|back|offline|online)\b(?!\s+(?:the|a|an|my|our)\b)",
    re.IGNORECASE,
)
_SHOULD = re.compile(
    r"^\W*(?P<what>(?!(?:i|we|you|who|what|which|when|where|why|how|if|whether)\b)[^?,;.]{3,80}?)\s+"
    r"(?:should|must|has to|needs to|ought to)\s+(?:be|read|say|become)\s+(?:set\s+to\s+)?(?P<how>[^?]+)$",
    re.IGNORECASE,
)
_MAKE = re.compile(
    r"(?:make|turn) (?P<what>\"[^\"]+\"|'[^']+'|[\w-]+(?:[.@:][\w-]+)+|[A-Z][\w-]*(?: [A-Z][\w-]*)*) "
    r"(?:into )?(?P<how>an? .+)$"
)
"""Make X a Y, of an X that is a name."""


_NOUNS = frozenset(
    "star heart end bin roll empty scratch kick duplicate refresh ping scrap trash bounce finish".split()
)
"""Verbs of the table that a noun phrase may begin with."""
_LINKS = frozenset("of for in on by from at per is are was were".split())


def _is_noun(word: str, rest: str) -> bool:
    """Does a sentence begin with a noun rather than with a command: [end dates], [star rating of] a film?"""
    first, after, *_ = [*rest.split()[:2], "", ""]
    thing = first.islower() and first.isalpha()
    return word in _NOUNS and thing and (singular(first) != first or after.lower() in _LINKS)


def plainly_ordered(
    question: str,
    commanded: Callable[[], Collection[str]],
    knows: Callable[[str], bool] = lambda _: False,
    chooses: Callable[[str], bool] = lambda _: False,
) -> str:
    """`question` with its command in the words of the API: kill the run -> cancel the run, where it is cancelled.

    `commanded` gives the stems of the verbs that the API's operations are commanded by, `knows` says whether a stem
    is anywhere in what they say of themselves, `chooses` whether what is said is itself a choice of an argument (a
    `type` of action that is `reboot`). What shall be so is set.
    """
    said = _SHOULD.match(question)
    if said is not None and stem(said["what"].split()[0].lower()) not in VERBS:
        return f"set {said['what']} to {said['how']}"
    start = opening_length(question)
    if (made := _MAKE.match(question, start)) is not None:
        question = f"{question[:start]}set {made['what']} to {made['how']}"
    if (parted := _PARTED.match(question, start)) is not None:
        together = f"{parted['verb']} {parted['particle']}".lower()
        if together in _VERBS_OF:
            question = f"{question[:start]}{together} {parted['what']}{question[parted.end() :]}"
    found = _SAID.match(question, start)
    if found is None:
        return question
    said_so = " ".join(found.group().lower().split())
    verbs, own = _VERBS_OF[said_so], commanded()
    deletes = VERBS.get(stem(verbs[0])) is Intent.DELETE
    if stem(said_so) in own or (knows(stem(said_so)) and not deletes) or _is_noun(said_so, question[found.end() :]):
        return question
    if chooses(said_so):
        return question
    verb = next((verb for verb in verbs if stem(verb) in own), verbs[0] if deletes else said_so)
    return f"{question[:start]}{verb}{question[found.end() :]}"
